"""Images by weights that know the sky's noise: the sky itself away from objects, what is asked on them, little work.

Networks are tiny and random, in float32: at other batch sizes an image is the same to 1e-4 of its rms.
"""

import math
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from scipy import ndimage

from conftest import tiny_weights
from radiff.diffusion.sampling import SAMPLERS
from radiff.errors import InputError
from radiff.generate import BackgroundImage, Generator, Guidance, Observation, make_specs, networks
from radiff.generate.prior import make_layers, noise_for, split_background
from radiff.generate.regions import REACH, whole
from radiff.masks import mask_to_objects
from radiff.sky import Beam, NoiseBank, NoiseSpectrum

RMS = 2e-4  # Jy/beam
SKY = Observation(rms=RMS)
SPECTRUM = NoiseSpectrum.from_beam(Beam(5.4, 5.4), 1.8, origin="of a test")


@pytest.fixture(scope="module")
def generator(sky_weights):
    return Generator(sky_weights, "cpu", "fp32")


@pytest.fixture(scope="module")
def masks():
    """Eight masks (256, 256): none, or up to three objects far from each other, small and large."""
    drawn = []
    for k in range(8):
        mask = np.zeros((256, 256), np.uint8)
        for number in range(k % 4):
            y, x, side = 30 + 70 * number, 40 + 20 * k, 5 + 4 * number
            mask[y : y + side, x : x + side] = 2 + number % 2
        drawn.append(mask)
    return drawn


@contextmanager
def calls(generator):
    """Images and their sizes that go through the denoiser."""
    seen = []
    handle = generator.denoiser.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape)))
    try:
        yield seen
    finally:
        handle.remove()


def images(cutouts):
    return np.stack([cutout.image for cutout in cutouts])


def far_from(mask):
    """Pixels that no network changes."""
    return ndimage.distance_transform_edt(mask == 0) > REACH


def sky_of(mask, seed, spectrum=None, peaks=None):
    """The picture of the sky alone, Jy/beam."""
    chosen = noise_for(spectrum, Observation().beam_shape, seed)
    return make_layers(chosen, mask.shape, seed, mask_to_objects(mask), peaks).picture * RMS


# ---------------------------------------------------------------- only what is needed


@pytest.mark.parametrize("noise", [None, SPECTRUM])
@pytest.mark.parametrize("shape", [(64, 64), (128, 128), (256, 300)])
def test_an_empty_mask_needs_no_network(generator, shape, noise):
    mask = np.zeros(shape, np.uint8)
    with calls(generator) as seen:
        cutout = generator(mask, seed=3, rms=RMS, noise=noise)
    assert seen == []
    np.testing.assert_array_equal(cutout.image, sky_of(mask, 3, noise))


def test_a_small_object_needs_a_small_window(generator, masks):
    with calls(generator) as seen:
        generator(masks[1], seed=3)
    assert len(seen) == generator.defaults.num_steps
    assert {shape[-1] * shape[-2] for shape in seen} == {(64 // 4) ** 2}
    with calls(generator) as seen:
        generator(masks[1], seed=3, windows=False)
    assert sum(shape[0] * shape[-1] * shape[-2] for shape in seen) > 8 * (64 // 4) ** 2


def test_windows_of_many_images_go_together(generator, masks):
    """Three images with a window each, and one without: one call a step."""
    chosen = [masks[1], masks[0], masks[5], masks[1]]
    with calls(generator) as seen:
        generator.generate(chosen, range(4), batch_size=4)
    assert len(seen) == generator.defaults.num_steps and {shape[0] for shape in seen} == {3}


def test_away_from_objects_the_picture_is_the_sky_to_the_bit(generator, masks):
    for seed, mask in enumerate(masks):
        made, sky = generator(mask, seed=seed, rms=RMS).image, sky_of(mask, seed)
        far = far_from(mask)
        np.testing.assert_array_equal(made[far], sky[far])
        if mask.any():
            assert np.abs(made - sky)[mask > 0].max() > 1e-3 * RMS


@pytest.mark.parametrize("windows", [True, False])
def test_what_the_network_adds_to_its_start_is_added_to_the_sky(generator, masks, windows, monkeypatch):
    """sky + w (network(start) - nothing(start)), of a network that adds 10 rms to all it is given."""
    monkeypatch.setattr(generator, "denoise", lambda pieces, *more: np.stack([one.start + 10.0 for one in pieces]))
    for seed, mask in enumerate(masks):
        objects = mask_to_objects(mask)
        made = generator(mask, seed=seed, rms=RMS, windows=windows).image
        added = 10.0 * whole(mask.shape, objects).weight(objects)
        np.testing.assert_allclose(made, sky_of(mask, seed) + RMS * added, atol=1e-5 * RMS)
        assert (added[mask > 0] == 10.0).all()


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "ddpm"])
@pytest.mark.parametrize("steps", [4, 8])
def test_a_network_that_says_nothing_leaves_the_sky(generator, masks, sampler, steps, monkeypatch):
    """Few, large steps shrink the noise of some samplers, which is none of the picture's: to a fiftieth of the rms."""
    monkeypatch.setattr(networks, "make_denoiser", lambda *given: lambda x, angle: torch.zeros_like(x))
    options = {"sampler": sampler, "num_steps": steps, "noise": SPECTRUM}
    made = generator(masks[3], seed=1, rms=RMS, **options).image
    np.testing.assert_allclose(made, sky_of(masks[3], 1, SPECTRUM), atol=0.05 * RMS)
    assert np.std((made - sky_of(masks[3], 1, SPECTRUM))[masks[3] > 0]) < 0.02 * RMS


def test_windows_or_whole_images_agree_away_from_objects(generator, masks):
    peaks = [[30.0] * len(mask_to_objects(mask)) for mask in masks]
    one, other = (
        images(generator.generate(masks, range(8), observation=SKY, peaks=peaks, windows=windows))
        for windows in (True, False)
    )
    for mask, a, b in zip(masks, one, other, strict=True):
        np.testing.assert_array_equal(a[far_from(mask)], b[far_from(mask)])
        assert np.isfinite(b).all()
    assert (one != other).any()  # a network sees more of the sky in the whole image


# ---------------------------------------------------------------- seeds


@pytest.mark.parametrize("more", [{}, {"edge_snr": 3.0}, {"guidance": Guidance(mask=1.5)}, {"windows": False}])
def test_a_seed_gives_one_image_at_any_batch_size(generator, masks, more):
    peaks = [None if k % 3 else [20.0 * (k + 1)] * len(mask_to_objects(mask)) for k, mask in enumerate(masks)]
    columns = {"observation": SKY, "beams": [2.0, 0.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "peaks": peaks}
    options = {"peak_projection": True} | more
    whole = images(generator.generate(masks, range(8), **columns, **options, batch_size=8))
    for size in (1, 3):
        again = images(generator.generate(masks, range(8), **columns, **options, batch_size=size))
        np.testing.assert_allclose(again, whole, rtol=1e-4, atol=2e-4 * RMS)


def test_two_runs_give_equal_bytes(generator, masks):
    first, again = (images(generator.generate(masks, range(8), isophotes=[3.0] * 8)) for _ in range(2))
    assert first.tobytes() == again.tobytes()


def test_seeds_change_the_sky_and_the_objects(generator, masks):
    one, two = (generator(masks[1], seed=s, rms=RMS, noise=SPECTRUM).image for s in (1, 2))
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.1


# ---------------------------------------------------------------- what is asked


def peaks_of(cutout, mask):
    image = (cutout.image.astype(np.float64) - cutout.background) / cutout.rms
    return [image[one.slices][one.stamp].max() for one in mask_to_objects(mask)]


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("background", [0.0, 5e-3])
def test_peaks_come_out_as_asked(generator, masks, windows, background):
    wanted = [12.0, 300.0, 25.0]
    sky = Observation(rms=RMS, background=background)
    made = generator(masks[3], seed=3, observation=sky, peak_snr=wanted, windows=windows)
    np.testing.assert_allclose(peaks_of(made, masks[3]), wanted, rtol=1e-3)
    assert made.provenance["peak_projection"] is True and made.provenance["peaks_rescaled"] is False


def test_peaks_that_are_not_steered_do_not(generator, masks):
    made = generator(masks[3], seed=3, rms=RMS, peak_snr=[12.0, 300.0, 25.0], peak_projection=False)
    assert peaks_of(made, masks[3])[1] < 200
    exact = generator(
        masks[3], seed=3, rms=RMS, peak_snr=[12.0, 300.0, 25.0], peak_projection=False, rescale_peaks=True
    )
    np.testing.assert_allclose(peaks_of(exact, masks[3]), [12.0, 300.0, 25.0], rtol=1e-3)


def test_a_peak_that_is_not_asked_stays(generator, masks):
    free = peaks_of(generator(masks[3], seed=3, rms=RMS), masks[3])
    some = peaks_of(generator(masks[3], seed=3, rms=RMS, peak_snr=[0.0, 15.0, 0.0]), masks[3])
    assert [some[0], some[2]] == pytest.approx([free[0], free[2]], abs=0.02) and some[1] == pytest.approx(15, rel=1e-3)


def edges_of(cutout, mask):
    return cutout.image[mask > 0].min() / cutout.rms


def test_edges_are_held_where_the_mask_says_or_the_call(generator, masks):
    """A random network draws no sources: without it all but the peaks lies below the isophote."""
    mask = masks[3]
    free = generator(mask, seed=1, rms=RMS, noise=SPECTRUM)
    assert edges_of(free, mask) < 1.0
    columns = {"observation": SKY, "noise": SPECTRUM}
    (told,) = generator.generate([mask], [1], isophotes=[3.0], **columns)
    assert edges_of(told, mask) > 2.5
    (asked,) = generator.generate([mask], [1], edge_snr=3.0, **columns)
    np.testing.assert_array_equal(asked.image, told.image)
    for off in ({"edges": [3.0], "edge_snr": 0.0}, {"edges": [None]}, {"edges": [0.0]}):
        np.testing.assert_array_equal(generator.generate([mask], [1], **off, **columns)[0].image, free.image)
    far = ndimage.distance_transform_edt(mask == 0) > 40
    np.testing.assert_array_equal(told.image[far], free.image[far])


def test_peaks_are_right_where_edges_are_held_too(generator, masks):
    made = generator(masks[3], seed=3, rms=RMS, peak_snr=[12.0, 300.0, 25.0], edge_snr=3.0)
    np.testing.assert_allclose(peaks_of(made, masks[3]), [12.0, 300.0, 25.0], rtol=1e-3)


# ---------------------------------------------------------------- spurious objects


@pytest.fixture(scope="module")
def spurious():
    mask = np.zeros((128, 128), np.uint8)
    mask[30:35, 40:46], mask[90:93, 80:84] = 1, 1
    return mask


def test_spurious_objects_are_made_of_the_noise(generator, spurious):
    """No network; they stand above the isophote all the same, and away from them is the sky."""
    for more in ({}, {"peak_snr": [6.0, 4.5]}, {"windows": False}):
        with calls(generator) as seen:
            made = generator(spurious, seed=2, rms=RMS, noise=SPECTRUM, **more)
        assert seen == []
        assert edges_of(made, spurious) > 2.5
        far = ndimage.distance_transform_edt(spurious == 0) > 40
        np.testing.assert_array_equal(made.image[far], sky_of(spurious, 2, SPECTRUM)[far])
    asked = generator(spurious, seed=2, rms=RMS, noise=SPECTRUM, peak_snr=[6.0, 4.5])
    np.testing.assert_allclose(peaks_of(asked, spurious), [6.0, 4.5], rtol=1e-3)


def test_bright_spurious_objects_are_the_network_s(generator, spurious):
    with calls(generator) as seen:
        made = generator(spurious, seed=2, rms=RMS, noise=SPECTRUM, peak_snr=[100.0, 5.0])
    assert len(seen) == generator.defaults.num_steps
    np.testing.assert_allclose(peaks_of(made, spurious), [100.0, 5.0], rtol=1e-3)


# ---------------------------------------------------------------- the noise


def parts_of(power):
    """Mean power of modes along y alone, along x alone, and of wide ones."""
    f = np.abs(np.fft.fftfreq(power.shape[-1]))
    fy, fx = np.meshgrid(f, f, indexing="ij")
    parts = [(fx < 0.05) & (fy > 0.1) & (fy < 0.2), (fy < 0.05) & (fx > 0.1) & (fx < 0.2), np.hypot(fx, fy) < 0.05]
    return np.array([power[part].mean() for part in parts])


def test_a_spectrum_that_is_given_shows_in_the_power(generator):
    """Of an elongated beam along y, then along x; it does not say its beam, so it is used as it is."""
    long = NoiseSpectrum(NoiseSpectrum.from_beam(Beam(8.0, 3.0, 0.0), 1.0).power)
    mask, taper = np.zeros((128, 128), np.uint8), np.hanning(130)[1:-1]
    for spectrum in (long, NoiseSpectrum(long.power.T)):
        made = images(
            generator.generate([mask] * 40, range(40), observation=Observation(rms=1.0), noise=spectrum)
        ).astype(float)
        power = (np.abs(np.fft.fft2(made * taper[:, None] * taper)) ** 2).mean(0) / (taper**2).sum() ** 2
        expected = parts_of(spectrum.power)
        np.testing.assert_allclose(parts_of(power), expected, rtol=0.25)  # a taper brings neighbouring modes
        assert max(expected[:2]) > 10 * min(expected[:2])


def test_each_image_may_have_noise_of_its_own(generator):
    mask = np.zeros((64, 64), np.uint8)
    bank = NoiseBank.open()
    noise = [SPECTRUM, None, bank.spectrum(5)]
    made = generator.generate([mask] * 3, [1, 2, 3], observation=SKY, noise=noise)
    for seed, spectrum, cutout in zip((1, 2, 3), noise, made, strict=True):
        np.testing.assert_array_equal(cutout.image, sky_of(mask, seed, spectrum))
    assert [cutout.provenance["noise"] for cutout in made] == [
        "of a test", bank.draw(2).origin, bank.spectrum(5).origin,
    ]  # fmt: skip


def test_the_noise_is_brought_to_the_beam(generator):
    """Of a sky twice as wide in pixels; one whose beam is not asked keeps its own."""
    mask, seeds = np.zeros((128, 128), np.uint8), range(20)

    def width(**columns):
        made = images(generator.generate([mask] * 20, seeds, noise=SPECTRUM, **columns)).astype(float)
        return (made[:, :, 3:] * made[:, :, :-3]).mean() / (made**2).mean()

    narrow, wide = width(), width(beams=[6.0] * 20)
    same = width(observation=Observation(beam=Beam(10.8, 10.8)))
    assert wide > 2 * narrow and same == pytest.approx(wide, rel=1e-3)
    assert width(beams=[0.0] * 20) == pytest.approx(narrow, rel=1e-3)


def test_the_survey_of_the_header_chooses_the_noise(generator):
    header = Observation().header.copy()
    header["SURVEY"] = "NVSS"
    mask = np.zeros((64, 64), np.uint8)
    made = generator(mask, seed=4, observation=Observation(rms=RMS, header=header)).image
    spectrum = noise_for(None, Observation().beam_shape, 4, "NVSS")
    np.testing.assert_array_equal(made, make_layers(spectrum, (64, 64), 4).picture * RMS)


def test_the_rms_and_the_level_are_those_asked_for(generator):
    """Of many fields together: one field of so few beams scatters by 2 %."""
    mask = np.zeros((128, 128), np.uint8)
    made = generator.generate(
        [mask] * 40, range(40), observation=Observation(rms=3e-3, background=-1e-2), noise=SPECTRUM
    )
    assert images(made).std() == pytest.approx(3e-3, rel=0.01)
    assert images(made).mean() == pytest.approx(-1e-2, abs=3e-5)
    assert {(one.rms, one.background) for one in made} == {(3e-3, -1e-2)}


def test_bright_objects_leave_something_in_the_sky_around_them(generator, masks):
    mask, spectrum = masks[1], NoiseBank.open().spectrum(0)
    sky = Observation(rms=RMS)
    plain, bright = (
        generator.generate([mask], [2], observation=sky, noise=spectrum, peaks=[[peak]])[0].image
        for peak in (10.0, 5000.0)
    )
    far = far_from(mask)
    chosen = noise_for(spectrum, sky.beam_shape, 2)
    for image, peak in ((plain, 10.0), (bright, 5000.0)):
        expected = make_layers(chosen, mask.shape, 2, mask_to_objects(mask), [peak]).picture * RMS
        np.testing.assert_array_equal(image[far], expected[far])
    assert np.abs(bright - plain)[far].max() > 0.1 * RMS


# ---------------------------------------------------------------- backgrounds


@pytest.fixture(scope="module")
def backdrop():
    """Noise of rms 1.5 on a slope from -2 to 2."""
    slope = np.linspace(-2, 2, 256, dtype=np.float32)[:, None]
    return BackgroundImage(1.5 * SPECTRUM.draw((256, 256), 77) + slope, name="b.fits")


def test_noise_of_a_background_is_kept_where_asked(generator, masks, backdrop):
    mask = masks[2]
    made = generator(mask, seed=1, rms=RMS, background=backdrop, keep_noise=True)
    far = far_from(mask)
    np.testing.assert_allclose(made.image[far], backdrop.snr[far] * RMS, atol=1e-4 * RMS)
    assert (made.provenance["keep_noise"], made.provenance["background_image"]) == (True, "b.fits")
    assert (made.provenance["background"], made.provenance["noise"]) == ("self-masked", "background b.fits")


def test_noise_of_a_background_is_drawn_anew(generator, masks, backdrop):
    """Its emission stays, its noise does not, and no two seeds have the same."""
    diffuse, noise = split_background(backdrop, 3.0)
    one, two = (generator(masks[0], seed=s, rms=1.0, background=backdrop).image - diffuse for s in (1, 2))
    for made in (one, two):
        assert made.std() == pytest.approx(noise.std(), rel=0.1)
        assert abs(np.corrcoef(made.ravel(), noise.ravel())[0, 1]) < 0.1
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.1
    assert diffuse[200].mean() - diffuse[50].mean() > 2


def test_an_empty_background_needs_no_network(generator, masks, backdrop):
    with calls(generator) as seen:
        generator(masks[0], seed=1, background=backdrop)
    assert seen == []


def test_the_network_sees_a_background_of_itself_only(generator, masks, backdrop):
    """Sources and all; of other backgrounds only the noise is taken."""
    itself = BackgroundImage(backdrop.snr, "self")
    for shown, seen in ((backdrop, False), (itself, True)):
        one, other = (
            generator(masks[1], seed=1, rms=RMS, background=shown, keep_noise=True, background_strength=detail).image
            for detail in (0.1, 1.0)
        )
        assert bool((one != other).any()) is seen


# ---------------------------------------------------------------- without a mask


def test_unconditional_images(generator, masks):
    """All of the picture is the network's; the mask and what is asked of its objects do not count."""
    with calls(generator) as seen:
        made = [
            generator(mask, seed=4, rms=RMS, noise=SPECTRUM, unconditional=True, **more)
            for mask, more in ((masks[0], {}), (masks[3], {}), (masks[3], {"edge_snr": 3.0}))
        ]
    assert len(seen) > 0
    for one in made[1:]:
        np.testing.assert_array_equal(one.image, made[0].image)
    assert (made[0].image != sky_of(masks[0], 4, SPECTRUM)).mean() > 0.9
    assert made[0].provenance["unconditional"] is True and np.isfinite(made[0].image).all()


# ---------------------------------------------------------------- beams


@pytest.mark.parametrize("pa", [0.0, 30.0, 90.0])
@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.45])
def test_elliptical_beams_are_known(generator, masks, ratio, pa):
    """The network is told of them: another angle, another picture."""
    beam = Beam(7.2, 7.2 * ratio, pa)
    made = generator(masks[1], seed=1, observation=Observation(rms=RMS, beam=beam), noise=NoiseSpectrum(SPECTRUM.power))
    assert made.beam == beam and np.isfinite(made.image).all()
    assert made.provenance["beam_pixels"] == pytest.approx(4.0 * math.sqrt(ratio), abs=1e-4)
    turned = Beam(7.2, 7.2 * ratio, pa + 45.0)
    other = generator(
        masks[1], seed=1, observation=Observation(rms=RMS, beam=turned), noise=NoiseSpectrum(SPECTRUM.power)
    )
    near = ndimage.binary_dilation(masks[1] > 0)
    changed = np.abs(made.image - other.image)[near].max()
    assert changed < 1e-5 * RMS if ratio == 1.0 else changed > 1e-4 * RMS


def test_longer_beams_are_refused(generator, masks):
    message = r"a beam of 6 x 2\.4 pixels is asked for; the weights know axis ratios from 0\.45: draw at a rounder beam"
    with pytest.raises(InputError, match=message):
        generator(masks[1], observation=Observation(beam=Beam(10.8, 4.32, 20.0)))
    assert (
        generator(masks[1], observation=Observation(beam=Beam(10.8, 4.32, 20.0)), beams=[0.0], num_steps=1).beam.maj
        == 10.8
    )
    assert (
        generator(masks[1], observation=Observation(beam=Beam(10.8, 4.32, 20.0)), beams=[4.0], num_steps=1).beam.min
        == 4.32
    )


@pytest.mark.parametrize(("beam", "shown", "remedy"), [(3.0, "1.67", "smaller"), (18.0, "10", "larger")])
def test_beams_of_a_size_that_is_not_known_are_refused(generator, masks, beam, shown, remedy):
    message = f"a beam of {shown} pixels is asked for; the weights know beams of 2 to 8 pixels: choose {remedy} pixels"
    with pytest.raises(InputError, match=message):
        generator.iterate(make_specs([masks[0]], [0], observation=Observation(beam=Beam(beam, beam))))  # at the call
    generator(masks[0], observation=Observation(beam=Beam(beam, beam)), beams=[0.0])


# ---------------------------------------------------------------- provenance and refusals


def test_provenance_names_prior_and_noise(generator, masks):
    told = generator(masks[1], seed=1, noise=SPECTRUM, edge_snr=3.0).provenance
    assert (told["prior"], told["noise"], told["edge_snr"], told["windows"]) == ("sky", "of a test", 3.0, True)
    other = generator(masks[1], seed=1).provenance
    assert (other["noise"], other["edge_snr"]) == (NoiseBank.open().draw(1).origin, None)
    assert told["asked"] != other["asked"]  # so that 'radiff generate --resume' knows
    changed = generator(masks[1], seed=1, noise=NoiseSpectrum.from_beam(Beam(5.4, 5.4), 1.8, 2.0)).provenance
    assert len({told["asked"], other["asked"], changed["asked"]}) == 3


def test_white_weights_know_no_noise_spectrum(weights, masks):
    white = Generator(weights, "cpu", "fp32")
    assert white.prior == "white"
    with pytest.raises(InputError, match="these weights start from white noise and know no noise spectrum; leave out"):
        white.iterate(make_specs([masks[0]], [0], noise=SPECTRUM))
    with pytest.raises(InputError, match="start from white noise"):
        white.iterate(make_specs(masks[:2], [0, 1], noise=[None, SPECTRUM]))
    told = white(masks[0], noise=None).provenance
    assert (told["prior"], told["noise"]) == ("white", "white")


def test_a_sampler_that_adds_white_noise_is_refused(generator, masks):
    with pytest.raises(InputError, match="'ddpm' adds white noise at every step, and these weights know the noise of"):
        generator.options(sampler="ddpm")


def test_as_many_spectra_as_masks(generator, masks):
    with pytest.raises(InputError, match="2 noise for 1 masks; give one a mask"):
        make_specs(masks[:1], [0], noise=[SPECTRUM, None])
    with pytest.raises(InputError, match="2 isophotes for 1 masks; give one a mask"):
        make_specs(masks[:1], [0], isophotes=[3.0, 3.0])


def test_weights_without_a_condition_for_backgrounds_take_their_noise_all_the_same(tmp_path, masks, backdrop):
    """No warning: the noise is what a background is for."""
    bare = Generator(tiny_weights(tmp_path / "bare", context=0, prior="sky", beam_numbers=3), "cpu", "fp32")
    assert bare.knows_backgrounds
    made = bare(masks[1], seed=1, rms=RMS, background=backdrop, keep_noise=True)
    far = far_from(masks[1])
    np.testing.assert_allclose(made.image[far], backdrop.snr[far] * RMS, atol=1e-4 * RMS)


def test_noise_may_be_said_as_on_the_command_line(generator):
    mask = np.zeros((64, 64), np.uint8)
    said, drawn = (generator(mask, seed=4, noise=noise) for noise in ("nvss", None))
    assert said.provenance["noise"].startswith("NVSS field ")
    assert said.image.tobytes() != drawn.image.tobytes()
    with pytest.raises(InputError, match="'typo' is no file and no survey"):
        generator(mask, noise="typo")
