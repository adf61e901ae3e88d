"""Reading and writing one mask in every format, and what is refused."""

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from mask_samples import legacy_sample, some_mask
from radiff import InputError
from radiff.masks import read_annotation, read_mask, write_mask


@pytest.mark.parametrize("name", ["m.fits", "m.fits.gz", "m.fits.fz", "m.png", "m.npy"])
def test_round_trip(tmp_path, name):
    path = write_mask(tmp_path / name, some_mask())
    mask = read_mask(path, (40, 50))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, some_mask())
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_annotation_as_mask(tmp_path):
    path = legacy_sample(tmp_path)
    np.testing.assert_array_equal(read_mask(path), read_annotation(path).mask)


def test_header_is_kept_in_fits(tmp_path):
    write_mask(tmp_path / "m.fits", some_mask(), fits.Header([("OBJECT", "M87")]))
    header = fits.getheader(tmp_path / "m.fits")
    assert (header["OBJECT"], header["CLASS3"], header["BITPIX"]) == ("M87", "extended", 8)


def test_top_row_of_a_png_is_the_last_row(tmp_path):
    mask = np.zeros((3, 4), np.uint8)
    mask[2, 1] = 3
    write_mask(tmp_path / "m.png", mask)
    picture = np.asarray(Image.open(tmp_path / "m.png"))
    assert picture[0, 1].tolist() == [0, 0, 255]
    assert picture.sum() == 255


def test_grey_palette_and_transparent_png(tmp_path):
    grey = np.array([[0, 1], [2, 3]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert read_mask(tmp_path / "grey.png").tolist() == [[2, 3], [0, 1]]
    colour = np.array([[[255, 0, 0, 255], [0, 255, 0, 0]]], np.uint8)
    Image.fromarray(colour).save(tmp_path / "rgba.png")
    assert read_mask(tmp_path / "rgba.png").tolist() == [[1, 0]]
    Image.fromarray(colour[..., :3]).quantize(4).save(tmp_path / "palette.png")
    assert read_mask(tmp_path / "palette.png").tolist() == [[1, 2]]


def test_wrong_colour_names_the_pixel(tmp_path):
    picture = np.zeros((10, 20, 3), np.uint8)
    picture[3, 7] = 254, 0, 0  # row 3 from the top is y = 6
    Image.fromarray(picture).save(tmp_path / "m.png")
    with pytest.raises(InputError) as error:
        read_mask(tmp_path / "m.png")
    assert str(error.value) == (
        f"{tmp_path / 'm.png'}: colour #fe0000 at (7, 6) is no class; "
        "colours are #000000 background, #ff0000 spurious, #00ff00 compact, #0000ff extended, with hard edges"
    )


def test_wrong_grey_level_names_the_pixel(tmp_path):
    Image.fromarray(np.full((2, 2), 200, np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(InputError, match=r"m\.png: value 200 at \(0, 0\) is no class"):
        read_mask(tmp_path / "m.png")


def test_illegal_value_in_fits(tmp_path):
    mask = np.zeros((64, 64), np.int16)
    mask[40, 12] = 7
    fits.PrimaryHDU(mask).writeto(tmp_path / "mask.fits")
    with pytest.raises(InputError) as error:
        read_mask(tmp_path / "mask.fits")
    assert str(error.value) == (
        f"{tmp_path / 'mask.fits'}: value 7 at (12, 40) is no class; "
        "classes are 0 background, 1 spurious, 2 compact, 3 extended"
    )


def test_wrong_size(tmp_path):
    path = write_mask(tmp_path / "m.npy", some_mask())
    with pytest.raises(InputError, match=r"m\.npy: the mask is 50 x 40 pixels, its image 128 x 64"):
        read_mask(path, (64, 128))


def test_degenerate_axes(tmp_path):
    fits.PrimaryHDU(some_mask()[None, None]).writeto(tmp_path / "m.fits")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.fits"), some_mask())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.fits", "no such file"),
        ("text.fits", "cannot be read as FITS"),
        ("table.fits", "holds no image"),
        ("text.png", "cannot be read as a picture"),
        ("text.npy", "cannot be read as a numpy array"),
        ("text.jpg", "no mask format has this suffix; known are .json"),
    ],
)
def test_other_files_are_refused(tmp_path, name, message):
    for suffix in ("fits", "png", "npy", "jpg"):
        (tmp_path / f"text.{suffix}").write_text("hello")
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])]).writeto(
        tmp_path / "table.fits"
    )
    with pytest.raises(InputError, match=message):
        read_mask(tmp_path / name)


def test_writing_refuses_other_suffixes_and_values(tmp_path):
    with pytest.raises(InputError, match=r"masks are written as \.fits, \.png or \.npy"):
        write_mask(tmp_path / "m.txt", some_mask())
    with pytest.raises(InputError, match="value 9"):
        write_mask(tmp_path / "m.fits", np.full((2, 2), 9))
    assert not list(tmp_path.iterdir())
