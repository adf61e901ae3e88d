"""Background images in units of their noise: modes, sizes, files, and which other image is drawn."""

from dataclasses import replace

import numpy as np
import pytest

import bad_inputs
from conftest import Injected
from radiff.errors import InputError
from radiff.generate import MODES, BackgroundFile, BackgroundImage, others
from radiff.masks import write_mask
from radiff.sky import remove_sources, write_cutout

RMS, LEVEL = 3e-4, 1e-3  # Jy/beam


@pytest.fixture
def image(make_map):
    """Noise with a source of 300 rms at (40, 60), Jy/beam."""
    return make_map((96, 128), [Injected(40, 60, 300 * RMS, 4, 4)], rms=RMS, background=LEVEL).image


@pytest.fixture
def mask():
    mask = np.zeros((96, 128), np.uint8)
    mask[52:69, 32:49] = 2
    return mask


def test_modes():
    assert MODES == ("self", "self-masked", "other")


@pytest.mark.parametrize("mode", MODES)
def test_in_units_of_the_noise(image, mask, mode):
    background = BackgroundImage.of(image, mask, mode, seed=5, name="a.fits")
    assert background.snr.dtype == np.float32 and background.snr.shape == image.shape
    assert (background.mode, background.name) == (mode, "a.fits")
    assert (background.rms, background.level) == pytest.approx((RMS, LEVEL), rel=0.03)
    assert background.snr[mask == 0].std() == pytest.approx(1, rel=0.03)
    assert background.snr[mask == 0].mean() == pytest.approx(0, abs=0.03)
    far = np.s_[:, 70:]
    np.testing.assert_allclose(background.snr[far] * background.rms + background.level, image[far], rtol=1e-4)
    if mode == "self":
        assert background.snr.max() == pytest.approx(300, rel=0.02)
    else:
        assert background.snr.max() < 6
        clean = (remove_sources(image, mask, 5) - background.level) / background.rms
        np.testing.assert_allclose(background.snr, clean, atol=1e-3)


def test_the_noise_may_be_given(image, mask):
    background = BackgroundImage.of(image, mask, "self", rms=2 * RMS, level=0.0)
    np.testing.assert_allclose(background.snr, image / (2 * RMS), rtol=1e-5)
    measured = BackgroundImage.of(image, mask)
    assert BackgroundImage.of(image, mask, rms=RMS).level == measured.level
    assert BackgroundImage.of(image, mask, level=0.0).rms == measured.rms


def test_the_seed_is_that_of_what_sources_are_replaced_by(image, mask):
    one, two, again = (BackgroundImage.of(image, mask, seed=s).snr for s in (1, 2, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != two)[mask > 0].mean() > 0.9
    np.testing.assert_array_equal(one[:, 80:], two[:, 80:])


@pytest.mark.parametrize("mode", MODES)
def test_blank_pixels_are_filled(image, mask, mode):
    image = image.copy()
    image[:10] = np.nan
    snr = BackgroundImage.of(image, mask, mode).snr
    assert np.isfinite(snr).all()
    assert np.abs(snr[:10]).max() == 0 if mode == "self" else np.abs(snr[:10]).max() > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "mine"}, "'mine' is no background mode; there are: self, self-masked, other"),
        ({"mask": np.zeros((3, 3))}, r"shape \(96, 128\) with a mask of shape \(3, 3\); they must agree"),
        ({"rms": 0.0}, "the noise of the background image is not a positive number"),
        ({"rms": float("nan")}, "the noise of the background image is not a positive number"),
    ],
)
def test_what_cannot_be_is_refused(image, arguments, message):
    with pytest.raises(InputError, match=message):
        BackgroundImage.of(image, **arguments)
    with pytest.raises(InputError):
        BackgroundImage.of(np.full((64, 64), np.nan))


@pytest.mark.parametrize("shape", [(96, 128), (64, 64), (63, 101), (200, 300), (96, 300), (64, 200)])
def test_fitted_to_a_mask_by_its_middle(shape):
    ny, nx = 96, 128
    snr = np.random.default_rng(0).normal(size=(ny, nx)).astype(np.float32)
    fitted = BackgroundImage(snr).fitted(shape).snr
    assert fitted.shape == shape
    wide = np.pad(snr, ((ny, ny), (nx, nx)), mode="symmetric")
    y0, x0 = (
        size + (size - wanted) // 2 if size >= wanted else size - (wanted - size) // 2
        for size, wanted in zip((ny, nx), shape, strict=True)
    )
    np.testing.assert_array_equal(fitted, wide[y0 : y0 + shape[0], x0 : x0 + shape[1]])


def test_the_mask_of_its_sources_is_fitted_along(image, mask):
    """So that no noise is measured on them; all else stays."""
    background = BackgroundImage.of(image, mask, "self", name="a.fits")
    np.testing.assert_array_equal(background.mask > 0, mask > 0)
    fitted = background.fitted((64, 64))
    np.testing.assert_array_equal(fitted.mask > 0, mask[16:80, 32:96] > 0)
    np.testing.assert_array_equal(fitted.snr, background.snr[16:80, 32:96])
    told = [(one.mode, one.rms, one.level, one.name) for one in (background, fitted)]
    assert told[0] == told[1]
    larger = background.fitted((200, 300))
    assert larger.mask.shape == larger.snr.shape == (200, 300)
    assert larger.snr[larger.mask == 0].max() < 6 < larger.snr.max()
    assert BackgroundImage(background.snr).fitted((64, 64)).mask is None


def test_blank_pixels_count_as_sources(image, mask):
    image[:10] = np.nan
    assert (BackgroundImage.of(image, mask).mask[:10] > 0).all()


# ---------------------------------------------------------------- files


def test_files_are_read_when_asked_for(tmp_path, make_map, mask):
    cutout = make_map((96, 128), [Injected(40, 60, 300 * RMS, 4, 4)], rms=RMS, background=LEVEL)
    write_cutout(tmp_path / "a.fits", cutout)
    write_mask(tmp_path / "m.png", mask)
    for path, mode in ((tmp_path / "m.png", "self-masked"), (None, "self")):
        background = BackgroundFile(tmp_path / "a.fits", path, mode, seed=3).load()
        expected = BackgroundImage.of(cutout.image, None if path is None else mask, mode, seed=3, name="a.fits")
        np.testing.assert_allclose(background.snr, expected.snr, atol=1e-3)
        assert (background.mode, background.name) == (mode, "a.fits")
        assert (background.rms, background.level) == pytest.approx((expected.rms, expected.level), rel=1e-4)


def test_a_file_with_an_annotation(tmp_path):
    path = bad_inputs.good_annotation(tmp_path)
    background = BackgroundFile(tmp_path / "imgs" / "good.fits", path, "other").load()
    assert background.snr[bad_inputs.class_mask() > 0].max() < 10
    assert background.rms == pytest.approx(bad_inputs.RMS, rel=0.1)


def test_the_noise_that_a_file_states_is_believed(tmp_path, make_map):
    cutout = replace(make_map((64, 64), rms=RMS), rms=5 * RMS, background=2 * LEVEL)
    write_cutout(tmp_path / "a.fits", cutout)
    background = BackgroundFile(tmp_path / "a.fits", None, "self").load()
    assert (background.rms, background.level) == pytest.approx((5 * RMS, 2 * LEVEL), rel=1e-6)


def test_files_that_cannot_be_used_are_named(tmp_path, mask):
    for name, part in (
        ("missing", "no such file"),
        ("all-nan", "no usable pixel is left to measure the noise on"),
        ("constant", "the noise of the background image is not a positive number; give another image"),
    ):
        path = bad_inputs.BAD_IMAGES[name][0](tmp_path)
        with pytest.raises(InputError) as caught:
            BackgroundFile(path, None, "other").load()
        assert str(path) in str(caught.value)
        assert part in str(caught.value), str(caught.value)
    image = bad_inputs.good_image(tmp_path)
    write_mask(tmp_path / "m.png", mask)
    with pytest.raises(InputError, match=r"good\.fits: a background of shape \(64, 64\) with a mask of shape"):
        BackgroundFile(image, tmp_path / "m.png", "other").load()


# ---------------------------------------------------------------- others


def test_another_image_is_drawn_by_the_seed(tmp_path):
    files = [BackgroundFile(tmp_path / f"{k}.fits", tmp_path / f"{k}.json", "self-masked") for k in range(5)]
    drawn = others(files, range(5))
    assert all(one.image != two.image for one, two in zip(files, drawn, strict=True))
    assert [(d.mode, d.seed) for d in drawn] == [("other", k) for k in range(5)]
    assert all(d.mask == d.image.with_suffix(".json") for d in drawn)  # its own sources are removed
    assert drawn == others(files, range(5))
    assert {d.image for seed in range(40) for d in others(files, [seed] * 5)} == {f.image for f in files}


def test_copies_of_one_mask_do_not_get_its_own_image(tmp_path):
    files = [BackgroundFile(tmp_path / f"{k // 3}.fits", None, "self") for k in range(6)]
    drawn = others(files, range(6))
    assert all(one.image != two.image for one, two in zip(files, drawn, strict=True))
    with pytest.raises(InputError, match="needs at least two images; give more, or --background-from"):
        others(files[:3], range(3))
