"""The pipeline from masks to cutouts: seeds, sizes, the noise asked for, the sky carried over, refusals."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import bad_inputs
from conftest import Injected, celestial_wcs, tiny_weights
from radiff.errors import InputError
from radiff.generate import Generator, Sky
from radiff.masks.draw import demo_masks
from radiff.sky import Beam, read_cutout, write_cutout

RMS = 2e-4  # Jy/beam


@pytest.fixture(scope="module")
def generator(weights):
    return Generator(weights, "cpu")


@pytest.fixture(scope="module")
def masks():
    return demo_masks(8, 64)


def images(cutouts):
    return np.stack([cutout.image for cutout in cutouts])


def noise_outside(image, mask):
    """Standard deviation clipped at 3 sigma, on pixels that are no object's; takes nothing from the package."""
    values = image[mask == 0].astype(np.float64)
    for _ in range(20):
        values = values[np.abs(values - values.mean()) < 3 * values.std()]
    return values.mean(), values.std() / 0.98658  # a Gaussian cut at 3 sigma is that much narrower


def test_a_seed_gives_one_image_at_any_batch_size(generator, masks):
    whole = images(generator.generate(masks, range(8), sky=Sky(rms=RMS), batch_size=8))
    for size in (1, 3):
        again = images(generator.generate(masks, range(8), sky=Sky(rms=RMS), batch_size=size))
        np.testing.assert_allclose(again, whole, rtol=0, atol=1e-4 * RMS)
    order = [5, 0, 7, 2, 1, 6, 3, 4]
    shuffled = images(generator.generate([masks[k] for k in order], order, sky=Sky(rms=RMS), batch_size=8))
    np.testing.assert_allclose(shuffled, whole[order], rtol=0, atol=1e-4 * RMS)


def test_equal_batches_give_equal_bytes(generator, masks):
    first, again = (images(generator.generate(masks[:2], [3, 4])) for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_seeds_masks_and_peaks_change_the_image(generator, masks):
    base = generator(masks[0], seed=1).image
    assert np.abs(generator(masks[0], seed=2).image - base).max() > 0.5 * RMS
    assert np.abs(generator(masks[1], seed=1).image - base).max() > 1e-3 * RMS
    assert np.abs(generator(masks[0], seed=1, peak_snr=500).image - base).max() > 1e-3 * RMS
    assert np.abs(generator(masks[0], seed=1, guidance_scale=3.0).image - base).max() > 1e-3 * RMS


def test_zero_peaks_are_as_good_as_none(generator, masks):
    base = generator(masks[0], seed=1).image
    np.testing.assert_array_equal(generator(masks[0], seed=1, peak_snr=0).image, base)


@pytest.mark.parametrize("shape", [(64, 64), (68, 100), (128, 64), (132, 76), (64, 512), (512, 64)])
def test_sizes(generator, shape):
    mask = np.zeros(shape, np.uint8)
    mask[20:30, 12:20] = 3
    cutout = generator(mask, num_steps=1)
    assert cutout.shape == shape
    assert np.isfinite(cutout.image).all()


def test_sizes_may_be_mixed(generator):
    shapes = [(64, 64), (64, 64), (64, 96), (64, 64)]
    made = generator.generate([np.zeros(shape, np.uint8) for shape in shapes], range(4), num_steps=1)
    assert [cutout.shape for cutout in made] == shapes
    alone = generator(np.zeros((64, 64)), seed=3, num_steps=1)
    np.testing.assert_allclose(made[3].image, alone.image, rtol=0, atol=1e-4 * alone.rms)


@pytest.mark.parametrize(("rms", "background"), [(1.5e-4, 0.0), (4e-4, 2e-3), (3.0, -1.0)])
def test_the_noise_asked_for_is_met(generator, rms, background):
    for seed, mask in enumerate(demo_masks(2, 128)):
        cutout = generator(mask, seed=seed, sky=Sky(rms=rms, background=background))
        level, noise = noise_outside(cutout.image, mask)
        assert noise == pytest.approx(rms, rel=0.01)
        assert level == pytest.approx(background, abs=0.05 * rms)
        assert cutout.rms == rms
        assert cutout.background == background


def test_rms_of_the_call_goes_before_the_sky(generator, masks):
    assert generator(masks[0], sky=Sky(rms=1.0), rms=RMS).rms == RMS


def test_a_full_mask_leaves_nothing_to_measure_noise_on(generator):
    cutout = generator(np.full((64, 64), 3))
    assert cutout.provenance["noise_measured"] is False
    assert np.isfinite(cutout.image).all()


def test_the_sky_of_a_real_image_is_carried_over(generator, make_map, tmp_path):
    source = Injected(90.0, 30.0, 0.05, 4, 4)
    like = make_map((96, 128), [source], rms=3e-4, background=1e-3, projection="TAN")
    like = replace(like, beam=Beam(6.0, 5.0, 30.0))
    write_cutout(tmp_path / "like.fits", like)
    mask = np.zeros((96, 128), np.uint8)
    mask[26:35, 86:95] = 2
    made = generator(mask, seed=3, sky=Sky.like(read_cutout(tmp_path / "like.fits")))
    write_cutout(tmp_path / "made.fits", made)
    back = read_cutout(tmp_path / "made.fits")
    np.testing.assert_array_equal(back.image, made.image)  # row 0 stays at the bottom
    for x, y in ((0, 0), (90, 30), (127, 95)):
        there, here = like.wcs.pixel_to_world(x, y), back.wcs.pixel_to_world(x, y)
        assert there.separation(here).arcsec < 1e-6
    assert (back.beam.maj, back.beam.min, back.beam.pa) == pytest.approx((6.0, 5.0, 30.0))
    assert (back.telescope, back.survey) == ("TEST", "SYNTHETIC")
    assert back.rms == pytest.approx(3e-4, rel=0.02)
    assert back.background == pytest.approx(1e-3, rel=0.02)
    assert back.provenance == json.loads(json.dumps(made.provenance))


def test_north_is_up_and_east_is_left_where_no_wcs_is_given(generator):
    wcs = generator(np.zeros((64, 96))).wcs
    middle = wcs.pixel_to_world(47.5, 31.5)
    assert (middle.ra.deg % 360, middle.dec.deg) == pytest.approx((0, 0), abs=1e-9)
    up, left = wcs.pixel_to_world(47.5, 32.5), wcs.pixel_to_world(46.5, 31.5)
    assert middle.position_angle(up).deg == pytest.approx(0, abs=1e-3)
    assert middle.position_angle(left).deg == pytest.approx(90, abs=1e-3)
    assert middle.separation(up).arcsec == pytest.approx(1.8)


def test_provenance_tells_how_it_was_made(generator, masks, weights, tmp_path):
    cutout = generator(masks[0], seed=9, sampler="heun", num_steps=3, guidance_scale=2.0, sky=Sky(rms=RMS))
    write_cutout(tmp_path / "made.fits", cutout)
    told = json.loads(fits.getheader(tmp_path / "made.fits")["RADIFF"])
    asked = {"seed": 9, "sampler": "heun", "num_steps": 3, "guidance_scale": 2.0, "unconditional": False}
    assert {key: told[key] for key in asked} == asked
    assert told["rms_asked"] == RMS
    assert told["weights"] == weights.name
    files = json.loads((weights / "radiff.json").read_text())["files"]
    assert files["denoiser/model.safetensors"].startswith(told["weights_sha256"])
    assert told["flux_scale"] == "Jy/beam"
    assert told["noise_measured"] is True


def test_unconditional_images_do_not_see_the_mask(generator, masks):
    made = [generator(mask, seed=4, unconditional=True) for mask in (masks[0], np.zeros_like(masks[0]))]
    np.testing.assert_array_equal(made[0].image, made[1].image)
    assert made[0].provenance["unconditional"] is True
    assert np.abs(generator(np.zeros_like(masks[0]), seed=4).image - made[1].image).max() > 1e-3 * RMS


def test_images_come_batch_by_batch_and_steps_are_told(generator, masks):
    steps = []
    made = generator.iterate(masks, range(8), batch_size=3, on_step=lambda: steps.append(1))
    next(made)
    assert len(steps) == 2
    assert len(list(made)) == 7
    assert len(steps) == 6


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm++", "unipc"])
def test_flow_samplers(generator, masks, sampler):
    for steps in (1, 4):
        assert np.isfinite(generator(masks[0], sampler=sampler, num_steps=steps).image).all()


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm++", "unipc", "heun"])
def test_v_samplers(tmp_path_factory, masks, sampler):
    folder = tmp_path_factory.getbasetemp() / "v-weights"
    if not folder.is_dir():
        tiny_weights(folder, objective="v")
    generator = Generator(folder)
    both = generator.generate(masks[:2], [0, 1], sampler=sampler, num_steps=2)
    alone = generator(masks[1], seed=1, sampler=sampler, num_steps=2)
    assert np.isfinite(alone.image).all()
    np.testing.assert_allclose(both[1].image, alone.image, rtol=0, atol=1e-4 * alone.rms)


def test_weights_without_a_flux_scale_warn(tmp_path, masks):
    generator = Generator(tiny_weights(tmp_path / "paper", scaling="paper"))
    with pytest.warns(UserWarning, match="the scaling 'paper' of these weights has no inverse"):
        cutout = generator(masks[0], sky=Sky(rms=RMS))
    assert cutout.provenance["flux_scale"].startswith("none")
    with pytest.raises(InputError, match="cannot be inverted"):
        generator.reconstruct(np.zeros((64, 64)), 0.0, 1.0)


def test_reconstruction_keeps_units(generator, make_map):
    image = make_map((64, 96), rms=RMS, background=1e-2).image
    rebuilt = generator.reconstruct(image, 1e-2, RMS)
    assert rebuilt.shape == (64, 96)
    assert np.median(rebuilt) == pytest.approx(1e-2, abs=RMS)


def test_endless_numbers_are_refused(tmp_path, masks):
    generator = Generator(tiny_weights(tmp_path / "eps", objective="eps"))
    generator.autoencoder.latent_std.fill_(100.0)
    with pytest.raises(InputError, match="seed 7 is not finite after 1 steps of 'ddim'"):
        generator(masks[0], seed=7, num_steps=1)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((62, 64)), "mask 1 has 64 x 62 pixels; sides must be multiples of 4 from 64 to 512"),
        (np.zeros((64, 60)), "mask 1 has 60 x 64 pixels"),
        (np.zeros((516, 64)), "mask 1 has 64 x 516 pixels"),
        (np.zeros((2, 64, 64)), "two axes"),
        (np.pad([[7.0]], ((40, 23), (12, 51))), r"value 7 at \(12, 40\) is no class"),
    ],
)
def test_masks_that_do_not_fit(generator, mask, message):
    with pytest.raises(InputError, match=message):
        generator.iterate([np.zeros((64, 64)), mask], [0, 1])  # at the call, not at the first image


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "ddim"}, "'ddim' is no sampler of these weights; there are: euler, heun"),
        ({"num_steps": 0}, "num_steps is 0"),
        ({"num_steps": 1001}, "from 1 to 1000"),
        ({"guidance_scale": -1.0}, "guidance_scale is -1"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"seeds": [1, 2]}, "2 seeds for 1 masks"),
        ({"sky": [Sky(), Sky()]}, "2 skies for 1 masks"),
        ({"peaks": [None, None]}, "2 peaks for 1 masks"),
        ({"peaks": [np.zeros((3, 3))]}, "the peaks of mask 0 have the shape"),
    ],
)
def test_options_that_do_not_fit(generator, options, message):
    seeds = options.pop("seeds", [0])
    with pytest.raises(InputError, match=message):
        generator.iterate([np.zeros((64, 64))], seeds, **options)


def test_devices():
    from radiff.generate.pipeline import _device

    assert _device("cpu").type == "cpu"
    with pytest.raises(InputError, match="'tpu' is no device"):
        _device("tpu")


def test_weights_that_cannot_be_used(weights, tmp_path):
    with pytest.raises(InputError, match="no such weights folder"):
        Generator(tmp_path / "none")
    with pytest.raises(InputError, match="is no weights folder"):
        Generator(tmp_path)
    with pytest.raises(InputError, match="was altered"):
        Generator(bad_inputs.altered_weights(weights, tmp_path))
    with pytest.raises(InputError, match="is missing"):
        Generator(bad_inputs.incomplete_weights(weights, tmp_path))


@pytest.mark.parametrize("change", [{"scaling": None}, {"diffusion": {"spin": 1}}, {"sampling": {"speed": 2}}])
def test_settings_of_another_version(weights, tmp_path, change):
    folder = shutil.copytree(weights, tmp_path / "other")
    manifest = json.loads((folder / "radiff.json").read_text()) | change
    (folder / "radiff.json").write_text(json.dumps({k: v for k, v in manifest.items() if v is not None}))
    with pytest.raises(InputError, match=r"its radiff.json is not of this version"):
        Generator(folder)


def test_an_autoencoder_alone_cannot_generate(weights, tmp_path):
    folder = shutil.copytree(weights, tmp_path / "alone")
    shutil.rmtree(folder / "denoiser")
    manifest = json.loads((folder / "radiff.json").read_text())
    manifest["files"] = {k: v for k, v in manifest["files"].items() if k.startswith("autoencoder")}
    (folder / "radiff.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="has no denoiser"):
        Generator(folder).iterate([np.zeros((64, 64))], [0])


def test_wcs_of_another_projection_is_kept(generator):
    wcs = celestial_wcs((64, 64), frame="G", projection="SIN")
    header = fits.Header([("OBJECT", "plane")])
    cutout = generator(np.zeros((64, 64)), sky=Sky(wcs=wcs, header=header))
    assert list(cutout.to_header()["CTYPE*"].values()) == ["GLON-SIN", "GLAT-SIN"]
    assert cutout.to_header()["OBJECT"] == "plane"
