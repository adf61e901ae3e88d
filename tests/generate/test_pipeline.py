"""The pipeline from masks to cutouts: seeds, sizes, the noise asked for, the sky carried over, refusals.

Networks are tiny and random, in float32: at other batch sizes an image is the same to 1e-4 of its rms.
"""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from astropy.io import fits

import bad_inputs
import radiff
from conftest import Injected, celestial_wcs, tiny_weights
from radiff.diffusion.sampling import SAMPLERS
from radiff.errors import InputError
from radiff.generate import BackgroundFile, BackgroundImage, Generator, Guidance, Observation, Sky, make_specs, networks
from radiff.masks import SourceObject, mask_to_objects
from radiff.masks.draw import demo_masks
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
from radiff.models.tiles import tiled
from radiff.sky import Beam, read_cutout, write_cutout

RMS = 2e-4  # Jy/beam
SKY = Observation(rms=RMS)


@pytest.fixture(scope="module")
def generator(weights):
    return Generator(weights, "cpu", "fp32")


@pytest.fixture(scope="module")
def backdrop():
    """White noise of twice the width on a level of half its rms, with a stripe of 30 along y."""
    snr = np.random.default_rng(0).normal(0.5, 2.0, (64, 64)).astype(np.float32)
    snr[:, 20] += 30.0
    return BackgroundImage(snr, name="b.fits")


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
    whole = images(generator.generate(masks, range(8), observation=SKY, batch_size=8))
    for size in (1, 3):
        again = images(generator.generate(masks, range(8), observation=SKY, batch_size=size))
        np.testing.assert_allclose(again, whole, rtol=0, atol=1e-4 * RMS)
    order = [5, 0, 7, 2, 1, 6, 3, 4]
    shuffled = images(generator.generate([masks[k] for k in order], order, observation=SKY, batch_size=8))
    np.testing.assert_allclose(shuffled, whole[order], rtol=0, atol=1e-4 * RMS)


def test_equal_batches_give_equal_bytes(generator, masks):
    first, again = (images(generator.generate(masks[:2], [3, 4])) for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_seeds_masks_and_peaks_change_the_image(generator, masks):
    base = generator(masks[0], seed=1).image
    assert np.abs(generator(masks[0], seed=2).image - base).max() > 0.5 * RMS
    assert np.abs(generator(masks[1], seed=1).image - base).max() > 1e-3 * RMS
    assert np.abs(generator(masks[0], seed=1, peak_snr=500).image - base).max() > 1e-3 * RMS
    assert np.abs(generator(masks[0], seed=1, guidance=Guidance(mask=3.0)).image - base).max() > 1e-3 * RMS


def test_background_strength_and_beam_change_the_image(generator, masks, backdrop):
    base = generator(masks[0], seed=1).image
    narrow = generator(masks[0], seed=1, observation=Observation(beam=Beam(4.0, 4.0))).image
    assert np.abs(narrow - base).max() > 1e-3 * RMS
    # level and rms of the background aside
    unit = BackgroundImage(np.random.default_rng(1).normal(0, 1, (64, 64)).astype(np.float32))
    seen = generator(masks[0], seed=1, background=unit).image
    assert np.abs(seen - base).max() > 1e-3 * RMS
    for options in ({"background_strength": 1.0}, {"guidance": Guidance(background=2.0)}):
        assert np.abs(generator(masks[0], seed=1, background=unit, **options).image - seen).max() > 1e-3 * RMS
    default = generator.defaults.background_strength
    np.testing.assert_array_equal(generator(masks[0], seed=1, background=unit, background_strength=default).image, seen)
    np.testing.assert_array_equal(generator(masks[0], seed=1, background_strength=1.0).image, base)  # of nothing


@pytest.mark.parametrize("steer", [False, True])
@pytest.mark.parametrize("sampler", ["euler", "ddpm"])
def test_no_image_depends_on_what_is_asked_of_the_others(generator, masks, backdrop, sampler, steer):
    """Every second has a background, some beams and peaks are asked and others not; in batches of 1, 3 and 8."""
    columns = {
        "masks": masks,
        "seeds": [*range(8)],
        "backgrounds": [backdrop if k % 2 else None for k in range(8)],
        "beams": [0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        "peaks": [None if k % 3 else [10.0 * (k + 1)] * len(mask_to_objects(m)) for k, m in enumerate(masks)],
    }
    options = {
        "observation": SKY,
        "guidance": Guidance(beam=1.5, peak=2.0),
        "sampler": sampler,
        "peak_projection": steer,
    }
    near = {"rtol": 1e-4 if steer else 0, "atol": 2e-4 * RMS}  # some have twice that rms; steered sources are bright
    whole = images(generator.generate(**columns, **options, batch_size=8))
    for size in (1, 3):
        again = images(generator.generate(**columns, **options, batch_size=size))
        np.testing.assert_allclose(again, whole, **near)
    order = [6, 3, 0, 1, 7, 4, 2, 5]
    shuffled = {name: [values[k] for k in order] for name, values in columns.items()}
    again = images(generator.generate(**shuffled, **options, batch_size=3))
    np.testing.assert_allclose(again, whole[order], **near)


def test_names_of_0_1_still_work(generator, masks, backdrop):
    new = {"background_strength": 0.9, "peak_projection": False, "rescale_peaks": True}
    old = {"detail": 0.9, "steer_peaks": False, "exact": True}
    one = generator(masks[1], seed=1, observation=SKY, background=backdrop, peak_snr=20.0, **new)
    two = generator(masks[1], seed=1, sky=Sky(rms=RMS), backdrop=backdrop, peak_snr=20.0, **old)
    assert one.image.tobytes() == two.image.tobytes() and one.provenance == two.provenance
    (column,) = generator.generate(
        masks[1:2],
        [1],
        sky=[SKY],
        backdrops=[backdrop],
        edges=[0.0],
        peaks=[[20.0] * len(mask_to_objects(masks[1]))],
        **old,
    )
    assert column.image.tobytes() == one.image.tobytes()
    assert (radiff.Sky, radiff.Backdrop) == (radiff.Observation, radiff.BackgroundImage)
    assert radiff.bring_to_flux is radiff.rescale_fluxes


def test_zero_peaks_are_as_good_as_none(generator, masks):
    base = generator(masks[0], seed=1).image
    np.testing.assert_array_equal(generator(masks[0], seed=1, peak_snr=0).image, base)


@pytest.mark.parametrize("shape", [(64, 64), (68, 100), (128, 64), (132, 76), (200, 300), (64, 512), (512, 64)])
def test_sizes(generator, shape):
    mask = np.zeros(shape, np.uint8)
    mask[20:30, 12:20] = 3
    cutout = generator(mask, num_steps=1)
    assert cutout.shape == shape
    assert np.isfinite(cutout.image).all()


@pytest.mark.parametrize("shape", [(64, 64), (128, 128), (132, 132), (200, 300), (64, 400)])
def test_fields_of_any_size_have_the_noise_and_the_background_asked_for(generator, shape):
    """Windows and tiles included: 64 x 400 pixels are decoded in two tiles."""
    mask, snr = np.zeros(shape, np.uint8), np.random.default_rng(2).normal(0, 3, shape).astype(np.float32)
    mask[20:30, 12:20] = 3
    options = {"num_steps": 1, "observation": SKY}
    made = [generator(mask, seed=s, background=BackgroundImage(snr), **options) for s in (0, 1)]
    for cutout in made:
        assert cutout.shape == shape
        assert noise_outside(cutout.image, mask)[1] == pytest.approx(3 * RMS, rel=0.02)
    pair = generator.generate([mask] * 2, [0, 1], backgrounds=[BackgroundImage(snr)] * 2, **options)
    np.testing.assert_allclose(images(pair), images(made), rtol=0, atol=3e-4 * RMS)


def test_sizes_may_be_mixed(generator):
    shapes = [(64, 64), (64, 64), (64, 96), (64, 64)]
    made = generator.generate([np.zeros(shape, np.uint8) for shape in shapes], range(4), num_steps=1)
    assert [cutout.shape for cutout in made] == shapes
    alone = generator(np.zeros((64, 64)), seed=3, num_steps=1)
    np.testing.assert_allclose(made[3].image, alone.image, rtol=0, atol=1e-4 * alone.rms)


@pytest.mark.parametrize(("rms", "background"), [(1.5e-4, 0.0), (4e-4, 2e-3), (3.0, -1.0)])
def test_the_noise_asked_for_is_met(generator, rms, background):
    for seed, mask in enumerate(demo_masks(2, 128)):
        cutout = generator(mask, seed=seed, observation=Observation(rms=rms, background=background))
        level, noise = noise_outside(cutout.image, mask)
        assert noise == pytest.approx(rms, rel=0.01)
        assert level == pytest.approx(background, abs=0.05 * rms)
        assert cutout.rms == rms
        assert cutout.background == background


def test_rms_of_the_call_goes_before_the_sky(generator, masks):
    assert generator(masks[0], observation=Observation(rms=1.0), rms=RMS).rms == RMS


def test_level_and_noise_of_a_background_are_kept(generator, masks, backdrop):
    sky = Observation(rms=RMS, background=1e-2)
    cutout = generator(masks[0], seed=2, background=backdrop, observation=sky)
    level, noise = noise_outside(cutout.image, masks[0])
    wanted = noise_outside(backdrop.snr, masks[0])
    assert (level - 1e-2) / RMS == pytest.approx(wanted[0], abs=0.1)
    assert noise / RMS == pytest.approx(wanted[1], rel=0.02)
    assert cutout.provenance["background"] == "self-masked"
    assert cutout.provenance["background_image"] == "b.fits"
    assert cutout.provenance["background_strength"] == generator.defaults.background_strength


def test_a_background_of_another_size_is_fitted(generator, masks):
    snr = np.random.default_rng(3).normal(0, 1, (100, 40)).astype(np.float32)
    given, fitted = BackgroundImage(snr), BackgroundImage(snr).fitted((64, 64))
    made = [generator(masks[0], seed=1, background=one).image for one in (given, fitted)]
    np.testing.assert_array_equal(made[0], made[1])


def test_backgrounds_from_files_are_read_batch_by_batch(generator, masks, make_map, tmp_path):
    write_cutout(tmp_path / "a.fits", make_map((64, 64), rms=RMS))
    files = [BackgroundFile(tmp_path / name, None, "other") for name in ("a.fits", "none.fits")]
    made = generator.iterate(make_specs(masks[:2], [0, 1], backgrounds=files), generator.options(batch_size=1))
    first = next(made)
    assert first.provenance["background_image"] == "a.fits"
    np.testing.assert_array_equal(first.image, generator(masks[0], seed=0, background=files[0].load()).image)
    with pytest.raises(InputError, match=r"none\.fits"):
        next(made)


# ---------------------------------------------------------------- fluxes


@pytest.fixture(scope="module")
def field():
    """A mask (96, 96) with three compact objects and an extended one, and its objects."""
    mask = np.zeros((96, 96), np.uint8)
    mask[10:21, 10:21], mask[15:26, 60:71], mask[70:81, 12:23], mask[50:80, 45:85] = 2, 2, 2, 3
    objects = mask_to_objects(mask)
    assert len(objects) == 4
    return mask, objects


def peaks_of(cutout, objects):
    """Brightest pixel of each object above the level, Jy/beam."""
    image = cutout.image.astype(np.float64) - cutout.background
    return [image[one.slices][one.stamp].max() for one in objects]


def fluxes_of(cutout, objects):
    """Sum of each object's pixels above the level over the beam's area, pi b^2 / 4 ln 2: Jy."""
    image = cutout.image.astype(np.float64) - cutout.background
    area = math.pi * cutout.beam.maj * cutout.beam.min / (4 * math.log(2)) / cutout.pixel_scale**2
    return [image[one.slices][one.stamp].sum() / area for one in objects]


@pytest.mark.parametrize("background", [0.0, 5e-3])
def test_exact_peaks(generator, field, background):
    mask, objects = field
    wanted, sky = [12.0, 0.0, 300.0, 25.0], Observation(rms=RMS, background=background)
    near = generator.generate([mask], [3], observation=sky, peaks=[wanted], peak_projection=False)[0]
    made = generator.generate([mask], [3], observation=sky, peaks=[wanted], peak_projection=False, rescale_peaks=True)[
        0
    ]
    np.testing.assert_allclose(
        np.array(peaks_of(made, objects))[[0, 2, 3]], np.array(wanted)[[0, 2, 3]] * RMS, rtol=1e-4
    )
    asked = np.zeros(mask.shape, bool)
    for k in (0, 2, 3):
        asked[objects[k].slices][objects[k].stamp] = True
    np.testing.assert_array_equal(made.image[~asked], near.image[~asked])  # objects that are not asked, and the noise
    assert peaks_of(near, objects)[2] < 290 * RMS
    assert (made.provenance["peaks_rescaled"], near.provenance["peaks_rescaled"]) == (True, False)


@pytest.mark.parametrize(("sampler", "error"), [("ddim", 2e-3), ("dpm++", 2e-3), ("euler", 0.03), ("heun", 0.03)])
def test_peaks_that_are_steered_come_near(generator, field, sampler, error):
    """Whatever a random network says, every step's estimate has the peaks asked for; the noise stays as it is."""
    mask, objects = field
    wanted, options = (
        np.array([12.0, 0.0, 300.0, 25.0]),
        {"observation": SKY, "sampler": sampler, "num_steps": 16},
    )
    made = generator.generate([mask], [3], peaks=[wanted], **options)[0]
    free = generator.generate([mask], [3], peaks=[wanted], peak_projection=False, **options)[0]
    there = np.array(peaks_of(made, objects)) / RMS
    np.testing.assert_allclose(there[[0, 2, 3]], wanted[[0, 2, 3]], rtol=error)
    assert there[1] < 5 and (np.array(peaks_of(free, objects)) / RMS)[2] < 100
    assert (made.provenance["peak_projection"], free.provenance["peak_projection"]) == (True, False)
    assert noise_outside(made.image, mask)[1] == pytest.approx(RMS, rel=0.02)


@pytest.mark.parametrize("beam", [Beam(5.4, 5.4), Beam(7.0, 5.0, 40.0)])
def test_integrated_fluxes(generator, field, beam):
    mask, objects = field
    wanted, sky = [2e-3, 0.05, 0.0, 0.4], Observation(rms=RMS, background=1e-3, beam=beam)
    made = generator.generate([mask], [3], observation=sky, fluxes=[wanted])[0]
    np.testing.assert_allclose(np.array(fluxes_of(made, objects))[[0, 1, 3]], np.array(wanted)[[0, 1, 3]], rtol=1e-3)
    plain = generator.generate([mask], [3], observation=sky)[0]
    asked = mask > 0
    asked[objects[2].slices][objects[2].stamp] = False
    np.testing.assert_array_equal(made.image[~asked], plain.image[~asked])


def test_one_number_for_all_objects_or_one_each(generator, field):
    mask, objects = field
    sky = Observation(rms=RMS)
    for peaks in (20, np.float32(20), [20.0] * 4, np.full(4, 20.0)):
        assert peaks_of(
            generator(mask, seed=1, observation=sky, peak_snr=peaks, rescale_peaks=True), objects
        ) == pytest.approx([20 * RMS] * 4, rel=1e-4)
    assert fluxes_of(generator(mask, seed=1, observation=sky, flux=0.02), objects) == pytest.approx(
        [0.02] * 4, rel=1e-3
    )
    columns = {"peaks": [np.array([5.0, 6.0, 7.0, 8.0])], "fluxes": [np.array([0.0, 0.0, 0.0, 0.1])]}
    both = generator.generate([mask], [1], observation=sky, rescale_peaks=True, **columns)[0]
    assert peaks_of(both, objects)[:3] == pytest.approx([5 * RMS, 6 * RMS, 7 * RMS], rel=1e-4)
    assert fluxes_of(both, objects)[3] == pytest.approx(0.1, rel=1e-3)


def test_objects_that_touch_have_peaks_of_their_own(generator):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 20:40] = 2
    pair = [SourceObject(name, 2, np.ones((10, 10), bool), 20, x0) for name, x0 in (("a", 20), ("b", 30))]
    made = generator.generate([mask], [0], observation=SKY, objects=[pair], peaks=[[15.0, 150.0]], rescale_peaks=True)[
        0
    ]
    assert peaks_of(made, pair) == pytest.approx([15 * RMS, 150 * RMS], rel=1e-4)


def test_nothing_is_brought_to_anything_without_a_mask(generator, field):
    mask, _ = field
    made = [
        generator(mask, seed=2, unconditional=True, **more)
        for more in ({}, {"peak_snr": 500, "rescale_peaks": True}, {"flux": 1})
    ]
    np.testing.assert_array_equal(made[0].image, made[1].image)
    np.testing.assert_array_equal(made[0].image, made[2].image)
    assert made[1].provenance["peaks_rescaled"] is False


# ---------------------------------------------------------------- the sky


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
    made = generator(mask, seed=3, observation=Observation.like(read_cutout(tmp_path / "like.fits")))
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
    cutout = generator(masks[0], seed=9, sampler="heun", num_steps=3, guidance=Guidance(peak=2.0), observation=SKY)
    write_cutout(tmp_path / "made.fits", cutout)
    told = json.loads(fits.getheader(tmp_path / "made.fits")["RADIFF"])
    asked = {"seed": 9, "sampler": "heun", "num_steps": 3, "unconditional": False, "precision": "fp32"}
    asked |= {"guidance": {"mask": 1.0, "peak": 2.0, "background": 1.0, "beam": 1.0}, "beam_pixels": 3.0}
    asked |= {"background": "none", "background_image": "", "peaks_rescaled": False}
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
    options = generator.options(batch_size=3)
    made = generator.iterate(make_specs(masks, range(8)), options, lambda: steps.append(1))
    next(made)
    assert len(steps) == 2
    assert len(list(made)) == 7
    assert len(steps) == 6
    for sampler in SAMPLERS:
        steps.clear()
        generator(masks[0], sampler=sampler, num_steps=3, on_step=lambda: steps.append(1))
        assert len(steps) == 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory, generator):
    """Weights of every objective."""
    folder = tmp_path_factory.mktemp("objectives")
    kinds = {
        name: Generator(tiny_weights(folder / name, objective=name), "cpu", "fp32") for name in ("flow", "v", "eps")
    }
    return kinds | {"angle": generator}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("objective", ["angle", "flow", "v", "eps"])
def test_every_sampler_works_with_all_weights(trained, masks, objective, sampler):
    both = trained[objective].generate(masks[:2], [0, 1], sampler=sampler, num_steps=4)
    alone = trained[objective](masks[1], seed=1, sampler=sampler, num_steps=4)
    assert np.isfinite(alone.image).all()
    # in the networks' own units: a random network that is to say the noise says nearly none, and its images explode
    one, two = (np.arcsinh(made.image / (4 * made.rms)) for made in (both[1], alone))
    np.testing.assert_allclose(one, two, rtol=0, atol=2e-4)
    if objective != "eps":
        assert np.abs(two).max() < 10
        assert np.isfinite(trained[objective](masks[0], sampler=sampler, num_steps=1).image).all()


def test_what_weights_say_of_sampling_is_the_default(weights, masks, tmp_path):
    folder = shutil.copytree(weights, tmp_path / "w")
    manifest = json.loads((folder / "radiff.json").read_text())
    assert Generator(folder, "cpu", "fp32").defaults.background_strength == 0.7  # where they say nothing
    manifest["sampling"] = {"sampler": "adams", "num_steps": 3, "background_strength": 0.2, "guidance": {"mask": 1.5}}
    (folder / "radiff.json").write_text(json.dumps(manifest))
    generator = Generator(folder, "cpu", "fp32")
    told = generator(masks[0]).provenance
    assert (told["sampler"], told["num_steps"], told["background_strength"], told["guidance"]["mask"]) == (
        "adams",
        3,
        0.2,
        1.5,
    )
    assert generator(masks[0], guidance=Guidance()).provenance["guidance"]["mask"] == 1.0
    assert generator(masks[0], background_strength=0.0).provenance["background_strength"] == 0.0


def test_half_precision_is_near(generator, weights, masks, backdrop):
    half = Generator(weights, "cpu", "bf16")
    assert half.precision == "bf16" and next(half.denoiser.parameters()).dtype == torch.bfloat16
    for options in ({}, {"background": backdrop, "background_strength": 1.0}):
        one, two = (g(masks[0], seed=1, observation=SKY, **options).image for g in (generator, half))
        assert two.dtype == np.float32
        assert 0 < np.abs(one - two).mean() < 0.1 * RMS


# ---------------------------------------------------------------- tiles


@pytest.mark.parametrize("config", [AutoencoderConfig(channels=(8, 16)), AutoencoderConfig(2, (16, 32), 2)])
@pytest.mark.parametrize(("height", "width"), [(24, 200), (130, 65), (64, 89), (88, 88)])
@torch.no_grad()
def test_tiles_are_the_whole(config, height, width):
    """As deep as the presets cpu and gpu, with weights that let the neighbours be heard: equal to 1e-5 of the width."""
    torch.manual_seed(0)
    network = Autoencoder(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    latents = torch.randn(1, 16, height, width)
    calls = []

    def decode(part):
        calls.append(part.shape[-2:])
        return network.decode(part)

    whole = network.decode(latents)
    tiles = tiled(decode, latents, 4, *networks.DECODED)
    assert tiles.shape == (1, 1, 4 * height, 4 * width)
    assert (tiles - whole).abs().max() < 1e-5 * whole.std()
    assert max(max(shape) for shape in calls) <= 88
    assert len(calls) == (1 if max(height, width) <= 88 else -(-height // 64) * -(-width // 64))
    scaled = whole / whole.std()
    latents = network.encode(scaled)
    tiles = tiled(network.encode, scaled, 0.25, *(4 * n for n in networks.DECODED))
    assert tiles.shape == latents.shape
    assert (tiles - latents).abs().max() < 1e-5 * latents.std()


# ---------------------------------------------------------------- warnings and refusals


@pytest.mark.parametrize(
    ("beam", "shown", "remedy"), [(Beam(3.0, 3.0), "1.67", "smaller"), (Beam(18.0, 18.0), "10", "larger")]
)
def test_beams_outside_of_what_the_weights_know_are_refused(generator, masks, beam, shown, remedy):
    message = f"a beam of {shown} pixels is asked for; the weights know beams of 2 to 8 pixels: choose {remedy} pixels"
    with pytest.raises(InputError, match=message):
        generator.iterate(
            make_specs([masks[0]], [0], observation=Observation(beam=beam))
        )  # at the call, not at the first image
    with pytest.raises(InputError, match=message):
        generator.iterate(make_specs(masks[:2], [0, 1], observation=[Observation(), Observation(beam=beam)]))
    generator(masks[0], observation=Observation(beam=beam), beams=[0.0])  # not asked
    generator(masks[0], observation=Observation(beam=beam), beams=[3.0])


def test_beams_at_the_ends_of_the_range_are_made(generator, masks):
    for width in (2.0, 8.0, 1.92, 8.3):  # rounding of headers included
        assert generator(masks[0], beams=[width], num_steps=1).provenance["beam_pixels"] == width


def test_the_beam_is_that_of_the_sky_unless_another_is_given(generator, masks):
    wide = generator(masks[0], seed=1, observation=Observation(beam=Beam(7.2, 7.2)))
    assert wide.provenance["beam_pixels"] == 4.0
    other = generator(masks[0], seed=1, beams=[4.0])
    np.testing.assert_allclose(other.image, wide.image, rtol=1e-6, atol=1e-6 * wide.rms)
    assert (wide.beam, other.beam) == (Beam(7.2, 7.2), Beam(5.4, 5.4))


def test_weights_without_a_background_condition_warn(tmp_path, masks, backdrop):
    generator = Generator(tiny_weights(tmp_path / "bare", context=0), "cpu", "fp32")
    plain = generator(masks[0], seed=1)
    with pytest.warns(UserWarning, match="these weights know no background condition; the background is not used"):
        seen = generator(masks[0], seed=1, background=backdrop)
    # the network does not see it; level and noise are those of the background all the same
    scale = np.polyfit(plain.image.ravel(), seen.image.ravel(), 1)
    np.testing.assert_allclose(np.polyval(scale, plain.image), seen.image, atol=1e-3 * seen.rms)


def test_weights_without_a_flux_scale_warn(tmp_path, masks):
    generator = Generator(tiny_weights(tmp_path / "paper", scaling="paper"), "cpu", "fp32")
    with pytest.warns(UserWarning, match="the scaling 'paper' of these weights has no inverse"):
        cutout = generator(masks[0], observation=SKY)
    assert cutout.provenance["flux_scale"].startswith("none")
    with pytest.raises(InputError, match="cannot be inverted"):
        generator.reconstruct(np.zeros((64, 64)), 0.0, 1.0)


def test_reconstruction_keeps_units(generator, make_map):
    image = make_map((64, 96), rms=RMS, background=1e-2).image
    rebuilt = generator.reconstruct(image, 1e-2, RMS)
    assert rebuilt.shape == (64, 96)
    assert np.median(rebuilt) == pytest.approx(1e-2, abs=RMS)


def test_endless_numbers_are_refused(tmp_path, masks):
    generator = Generator(tiny_weights(tmp_path / "eps", objective="eps"), "cpu", "fp32")
    generator.autoencoder.latent_std.fill_(100.0)
    with pytest.raises(InputError, match="seed 7 is not finite after 1 steps of 'ddim'"):
        generator(masks[0], seed=7, num_steps=1)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((62, 64)), "mask 1 has 64 x 62 pixels; sides must be multiples of 4 from 64 to 2048"),
        (np.zeros((64, 60)), "mask 1 has 60 x 64 pixels"),
        (np.zeros((2052, 64)), "mask 1 has 64 x 2052 pixels"),
        (np.zeros((2, 64, 64)), "two axes"),
        (np.pad([[7.0]], ((40, 23), (12, 51))), r"value 7 at \(12, 40\) is no class"),
    ],
)
def test_masks_that_do_not_fit(generator, mask, message):
    with pytest.raises(InputError, match=message):
        generator.iterate(make_specs([np.zeros((64, 64)), mask], [0, 1]))  # at the call, not at the first image


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "nonsense"}, "'nonsense' is no sampler; there are: euler, heun, adams"),
        ({"num_steps": 0}, "num_steps is 0"),
        ({"num_steps": 1001}, "from 1 to 1000"),
        ({"background_strength": -0.1}, r"background_strength is -0\.1; it must be from 0 to 1"),
        ({"background_strength": 1.5}, r"background_strength is 1\.5"),
        ({"background_strength": float("nan")}, "background_strength is nan"),
        ({"edge_snr": -1.0}, r"edge_snr is -1\.0; it must be from 0 \(edges are not held\) to 100 rms"),
        ({"edge_snr": float("nan")}, "edge_snr is nan"),
        (
            {"match_texture": True},
            "'match_texture' is no option of generating; there are: sampler, num_steps, guidance",
        ),
        ({"seeds": [1, 2]}, "2 seeds for 1 masks"),
        ({"observation": [Observation(), Observation()]}, "2 observations for 1 masks"),
        ({"peaks": [None, None]}, "2 peaks for 1 masks"),
        ({"peaks": [[1.0, 2.0, 3.0]]}, "3 peaks for the 0 objects of the mask; give one an object"),
        ({"fluxes": [[1.0]]}, "1 fluxes for the 0 objects of the mask; give one an object"),
        ({"fluxes": []}, "0 fluxes for 1 masks"),
        ({"backgrounds": [None, None]}, "2 backgrounds for 1 masks"),
        ({"beams": [3.0, 3.0]}, "2 beams for 1 masks"),
        ({"objects": [[], []]}, "2 objects for 1 masks"),
        ({"isophotes": [3.0, 3.0]}, "2 isophotes for 1 masks"),
    ],
)
def test_options_that_do_not_fit(generator, options, message):
    seeds = options.pop("seeds", [0])
    with pytest.raises(InputError, match=message):
        generator.generate([np.zeros((64, 64))], seeds, **options)


def test_devices():
    from radiff.models.precision import find_device

    assert find_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="'tpu' is no device"):
        find_device("tpu")


def test_precisions_and_backends(weights):
    with pytest.raises(InputError, match="'fp8' is no precision; there are: auto, fp32, bf16"):
        Generator(weights, "cpu", "fp8")
    with pytest.raises(InputError, match="'jax' is no backend; there are: auto, torch, openvino"):
        Generator(weights, "cpu", "fp32", "jax")


def test_weights_that_cannot_be_used(weights, tmp_path):
    with pytest.raises(InputError, match="no such weights folder"):
        Generator(tmp_path / "none")
    with pytest.raises(InputError, match="is no weights folder"):
        Generator(tmp_path)
    with pytest.raises(InputError, match="was altered"):
        Generator(bad_inputs.altered_weights(weights, tmp_path))
    with pytest.raises(InputError, match="is missing"):
        Generator(bad_inputs.incomplete_weights(weights, tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"scaling": None},
        {"diffusion": {"spin": 1}},
        {"diffusion": {"objective": "x0"}},
        {"sampling": {"speed": 2}},
        {"sampling": {"guidance_scale": 1.0}},
        {"sampling": {"guidance": {"flux": 2.0}}},
        {"sampling": {"guidance": {"mask": -2.0}}},
    ],
)
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
        Generator(folder).iterate(make_specs([np.zeros((64, 64))], [0]))


def test_wcs_of_another_projection_is_kept(generator):
    wcs = celestial_wcs((64, 64), frame="G", projection="SIN")
    header = fits.Header([("OBJECT", "plane")])
    cutout = generator(np.zeros((64, 64)), observation=Observation(wcs=wcs, header=header))
    assert list(cutout.to_header()["CTYPE*"].values()) == ["GLON-SIN", "GLAT-SIN"]
    assert cutout.to_header()["OBJECT"] == "plane"
