"""Seeds of every kind, and the arrays that other packages hand over."""

import pickle

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, NDData
from astropy.utils.masked import Masked

import radiff
from radiff.diffusion.sampling import initial_noise, seeded
from radiff.errors import InputError
from radiff.masks import check_mask, mask_to_objects
from radiff.masks.compose import compose_masks
from radiff.masks.draw import demo_masks
from radiff.seeds import check_seed
from radiff.sky import MapReader, NoiseBank, background_rms, remove_sources

# ---------------------------------------------------------------- seeds


@pytest.mark.parametrize("other", [2, 2**31 + 1, 2**32 + 1, 2**40 + 1, 2**63 + 1, 2**64 - 1])
def test_one_seed_is_one_noise(other):
    noise, generators = initial_noise([1, other, other], (2, 8, 8))
    assert not np.array_equal(noise[0], noise[1])
    assert np.array_equal(noise[1], noise[2])
    assert generators[1].get_state().equal(generators[2].get_state())


def test_seeds_of_32_bits_are_those_of_pytorch():
    import torch

    for seed in (0, 1, 2**32 - 1):
        assert torch.randn(9, generator=seeded(seed)).equal(
            torch.randn(9, generator=torch.Generator().manual_seed(seed))
        )


def test_noise_of_large_seeds_is_normal():
    noise, _ = initial_noise([2**50 + k for k in range(8)], (64, 64))
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02
    assert abs(np.corrcoef(noise.reshape(8, -1).numpy())[np.triu_indices(8, 1)]).max() < 0.08


@pytest.mark.parametrize("seed", [7, np.int64(7), np.uint8(7), True, 2**64 - 1])
def test_whole_numbers_are_seeds(seed):
    assert check_seed(seed) == int(seed)


REFUSED = [-1, -(2**40), 1.9, 1.0, np.float32(3), "7", None, 2**64, [1], float("nan")]


@pytest.mark.parametrize("seed", REFUSED)
def test_what_is_no_seed(weights, seed):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 20:30] = 2
    library = mask_to_objects(mask)
    calls = (
        lambda: radiff.Generator(weights)(mask, seed=seed),
        lambda: next(compose_masks(library, 1, size=64, seed=seed)),
        lambda: demo_masks(1, seed=seed),
        lambda: NoiseBank.open().draw(seed),
        lambda: remove_sources(np.ones((64, 64)), mask, seed),
    )
    for call in calls:
        with pytest.raises(InputError, match=r"^seed is .*; it must be"):
            call()


def test_a_seed_above_32_bits_is_another_image(weights):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 20:30] = 2
    generator = radiff.Generator(weights)
    first, same, other = (generator(mask, seed=seed, num_steps=1).image for seed in (1, np.int64(1), 2**32 + 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


# ---------------------------------------------------------------- arrays

IMAGE = np.random.default_rng(0).normal(0, 1e-4, (64, 64))
BAD = np.zeros((64, 64), bool)
BAD[:, :20] = True
FILLED = np.where(BAD, -999.0, IMAGE)
PER_BEAM = u.Jy / u.beam
HANDED = {
    "numpy's masked array": np.ma.masked_array(FILLED, BAD),
    "the same in float32": np.ma.masked_array(FILLED.astype("f4"), BAD),
    "astropy's Masked": Masked(FILLED, BAD),
    "a masked Quantity": Masked(FILLED * 1e3, BAD) * (u.mJy / u.beam),
    "CCDData": CCDData(FILLED, mask=BAD, unit=PER_BEAM),
    "NDData in mJy/beam": NDData(FILLED * 1e3, mask=BAD, unit=u.mJy / u.beam),
}


@pytest.mark.parametrize("kind", HANDED)
def test_masked_pixels_are_blank(kind):
    image, mask = HANDED[kind], np.zeros((64, 64), np.uint8)
    mask[30:34, 40:44] = 2
    cutout = radiff.Cutout(image)
    assert np.array_equal(cutout.valid, ~BAD)
    assert cutout.image[~BAD] == pytest.approx(IMAGE[~BAD], rel=1e-5)
    assert radiff.BackgroundImage.of(image, mask).snr.min() > -5
    assert remove_sources(image, mask).min() > -1e-3
    if "mJy" not in kind and "Quantity" not in kind:
        assert background_rms(image)[1] == pytest.approx(1e-4, rel=0.1)


@pytest.mark.parametrize(
    "image",
    [
        (IMAGE * 1e3) * (u.mJy / u.beam),
        (IMAGE * 1e6).astype("f4") * (u.uJy / u.beam),
        IMAGE * PER_BEAM,
        (IMAGE / 1e3) * (u.kJy / u.beam),
        (IMAGE * 1e-26) * (u.W / u.m**2 / u.Hz / u.beam),
    ],
)
def test_quantities_are_brought_to_jy_per_beam(image):
    assert radiff.Cutout(image).image == pytest.approx(IMAGE, rel=1e-5)


@pytest.mark.parametrize("unit", [u.K, u.Jy, u.Jy / u.sr, u.dimensionless_unscaled, u.ct, u.Jy / u.pix])
def test_other_units_are_refused(unit):
    for call in (
        radiff.Cutout,
        radiff.BackgroundImage.of,
        lambda image: remove_sources(image, np.zeros((64, 64), int)),
    ):
        with pytest.raises(InputError, match=r"is in .*convert it to Jy/beam"):
            call(IMAGE * unit)


@pytest.mark.parametrize("values", [IMAGE.astype(complex), IMAGE.astype(str), np.full((4, 4), None)])
def test_what_is_no_number_is_refused(values):
    with pytest.raises(InputError, match="must hold real numbers"):
        radiff.Cutout(values)


def test_masked_pixels_of_a_mask_are_refused():
    with pytest.raises(InputError, match="are masked themselves; fill them"):
        check_mask(np.ma.masked_array(np.zeros((4, 4), int), np.eye(4, dtype=bool)))
    assert check_mask(np.ma.masked_array(np.ones((4, 4), int))).sum() == 16


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".fits.fz", ".FITS.GZ"])
def test_a_map_reader_goes_to_other_processes(tmp_path, monkeypatch, suffix):
    header = fits.Header({"BUNIT": "mJy/beam"})
    hdu = fits.CompImageHDU(IMAGE, header) if suffix.endswith("fz") else fits.PrimaryHDU(IMAGE, header)
    hdu.writeto(tmp_path / f"m{suffix}")
    monkeypatch.chdir(tmp_path)
    with pytest.warns(radiff.HeaderWarning):
        reader = MapReader(f"m{suffix}")
    text = pickle.dumps(reader)
    monkeypatch.chdir("/")
    with reader, pickle.loads(text) as again:
        assert np.array_equal(again.read(0, 64, 8, 30), reader.read(0, 64, 8, 30))
        assert np.array_equal(again.read(0, 64, 8, 30), reader.cutout(0, 64, 8, 30).image)
