"""The control figures of generators whose answer is known: perfect ones, and ones that fail in one way each."""

import math

import numpy as np
import pytest
from scipy import ndimage

from mask_samples import FWHM_TO_DEVIATION
from radiff.errors import InputError
from radiff.evaluate import Samples, control, control_lines, draw_comparison, sample_specs
from radiff.evaluate.checks.beams import BEAMS, fit_width, made_sources, point_area, real_widths, widths_of
from radiff.evaluate.checks.control import Flux, flux_figures
from radiff.evaluate.checks.generation import compare_directions, compare_spectra, direction_powers
from radiff.evaluate.checks.specs import background_sources
from radiff.generate.flux import rescale_fluxes
from radiff.masks import AnnotateOptions, SourceObject, annotate, mask_to_objects, objects_to_mask
from radiff.sky import Beam, Cutout

SHAPE, RMS = (128, 128), 2e-4


def sky(seed, beam=3.0):
    """Noise of variance 1, correlated over the beam."""
    field = np.random.default_rng((seed, 5)).normal(size=SHAPE)
    field = ndimage.gaussian_filter(field, 0.7 * beam * FWHM_TO_DEVIATION, mode="wrap")
    return field / field.std()


def point(x, y, peak, fwhm):
    rows, columns = np.indices(SHAPE)
    return peak * np.exp(-4 * math.log(2) * ((rows - y) ** 2 + (columns - x) ** 2) / fwhm**2)


def sources_of(objects, peaks, beam):
    """A Gaussian of the beam in the middle of each compact object, flat others; each with exactly its peak."""
    image = np.zeros(SHAPE)
    for item, peak in zip(objects, peaks, strict=True):
        y, x = (axis.mean() for axis in item.coordinates())
        light = point(round(x), round(y), 1.0, beam) if item.class_value == 2 else item.pixels(SHAPE).astype(float)
        image += peak * light
    return image


def drawing(seed=50, brighter=1.0, wider=1.0, smoother=0.0, louder=1.0, shift=0):
    """A generator that does what is asked of it, but for what the arguments say."""

    def draw(specs):
        for spec in specs:
            noise = sky(spec.seed + seed, 3.0 + smoother)
            made = sources_of(spec.objects, spec.peaks, wider * (spec.beam or 3.0)) * brighter + 1e-3 * noise
            made = np.roll(made, shift, 1)
            taken = objects_to_mask(spec.objects, SHAPE) > 0
            quiet = ndimage.binary_dilation(made > 0.05, iterations=1) | taken
            yield spec.rms * np.where(quiet, made, made + louder * noise)

    return draw


@pytest.fixture(scope="module")
def samples():
    """Twelve cutouts of two surveys, with four compact sources, an extended and a spurious object each."""
    columns = []
    for k in range(12):
        random = np.random.default_rng((k, 3))
        mask = np.zeros(SHAPE, np.uint8)
        peaks = []
        for x, y in ((20, 20), (100, 24), (24, 100), (104, 104)):
            peak = 20.0 * 10 ** random.uniform(0, 1)
            mask[point(x, y, peak, 3.0) > 3] = 2
            peaks.append(peak)
        mask[60:70, 50:75], mask[40:43, 90:96] = 3, 1
        objects = mask_to_objects(mask)
        peaks = [peaks.pop(0) if one.class_value == 2 else 6.0 * one.class_value for one in objects]
        image = sources_of(objects, peaks, 3.0)
        image = np.where(image > 0.05, image, sky(k))
        columns.append(((RMS * image + 1e-3).astype("f4"), mask))
    images, masks = zip(*columns, strict=True)
    return Samples.of(images, masks, RMS, 3.0, 1e-3, ["FIRST", "NVSS"] * 6)


def told(samples, background="self-masked", **faults):
    return control(samples, samples, drawing(**faults), rescale_fluxes, background)[0]


def missed(figures, group="all"):
    return {v["what"] for v in figures["verdicts"] if not v["met"] and v["group"] == group}


def test_a_perfect_generator_meets_everything(samples):
    figures, made = control(samples, samples, drawing(), rescale_fluxes, "self-masked")
    assert [image.shape for image in made] == [SHAPE] * 12
    assert list(figures["groups"]) == ["all", "FIRST", "NVSS"]
    every = figures["groups"]["all"]
    assert every["rms_ratio"]["median"] == pytest.approx(1.0, abs=0.02)
    assert every["deviation_of_real"]["median"] == pytest.approx(1.0, abs=0.02)
    assert every["flux"]["raw"]["median"] == pytest.approx(1.0, abs=0.01)
    assert every["flux"]["objects"] == 12 * 6
    assert every["flux"]["exact_peak_error"] < 1e-6
    assert every["flux"]["exact_integrated_error"] < 1e-6
    spectrum = every["spectrum"]
    for low, ratio, high, share in zip(*(spectrum[k] for k in ("low", "ratio", "high", "share")), strict=True):
        assert low <= ratio <= high
        assert share < 1e-3 or abs(ratio - 1) < max(0.15, 1.5 * (high - low))
    assert figures["beams"]["point"]["4"]["median"] == pytest.approx(1.0, abs=0.01)
    assert figures["beams"]["real"]["beams"]["3"]["median"] == pytest.approx(1.0, abs=0.01)
    assert {what for what in missed(figures) if "power" not in what} == set()
    assert missed(figures, "beam") == set()


def test_each_fault_is_found(samples):
    assert "peak flux as sampled, compact" in missed(told(samples, brighter=1.1))
    figures = told(samples, wider=1.1)
    assert missed(figures, "beam") == {f"width of compact sources, beam of {beam:g} pixels" for beam in BEAMS}
    assert figures["beams"]["point"]["4"]["median"] == pytest.approx(1.1, abs=0.01)
    assert {"noise rms, clipped", "noise rms, plain, over real"} <= missed(told(samples, louder=1.1))
    smooth = told(samples, smoother=1.5)
    assert smooth["groups"]["all"]["rms_ratio"]["median"] == pytest.approx(1.0, abs=0.03)
    assert any("noise power" in what for what in missed(smooth))
    assert smooth["groups"]["all"]["spectrum"]["ratio"][3] < 0.5
    assert "compact drawn (mean snr above 3)" in missed(told(samples, shift=30))


def test_exact_mode_is_exact_whatever_is_drawn(samples):
    figures = told(samples, brighter=0.0)
    assert "peak flux as sampled, all" in missed(figures)
    for values in figures["groups"].values():
        assert values["flux"]["exact_peak_error"] < 1e-5
        assert values["flux"]["exact_integrated_error"] < 1e-5
        assert values["flux"]["exact_changed_outside"] == 0
    assert figures["beams"]["point"]["4"]["n"] == 0
    assert figures["beams"]["exact"]["4"]["median"] == pytest.approx(1.0, abs=0.06)


def test_an_exact_mode_that_touches_the_noise_is_found(samples):
    def clumsy(image, *asked):
        changed = rescale_fluxes(image, *asked)
        changed[0, :7] += 1e-9
        return changed

    figures = control(samples, samples, drawing(), clumsy)[0]
    assert figures["groups"]["FIRST"]["flux"]["exact_changed_outside"] == 6 * 2 * 7  # cutouts, peak and sum, pixels
    assert "pixels changed outside, exact mode" in missed(figures, "FIRST")


def test_the_text_says_every_verdict(samples):
    figures = told(samples, louder=1.1)
    lines = list(control_lines(figures))
    text = "\n".join(lines)
    assert "  all, against what was asked (background: self-masked)" in lines
    assert text.count("NOT MET") == sum(not v["met"] for v in figures["verdicts"])
    assert text.count(" ok\n") == sum(v["met"] for v in figures["verdicts"])
    assert f"of {len(figures['verdicts'])} figures are within their tolerance" in text
    assert any(line.startswith("  not met: all: noise rms, clipped: 1.") for line in lines)
    assert "beam of   8 pixels" in text


def test_specifications_and_backgrounds(samples):
    assert all(spec.background is None for spec in sample_specs(samples))
    own = sample_specs(samples, "self-masked", seed=7)
    itself = sample_specs(samples, "self", seed=7)
    np.testing.assert_allclose(itself[3].background.snr, samples.snr[3], rtol=1e-5, atol=1e-4)
    assert itself[3].background.name == own[3].background.name == samples.items[3].name
    assert (own[3].seed, own[3].beam, own[3].rms, own[3].background.mode) == (10, 3.0, RMS, "self-masked")
    assert own[3].background.level == 1e-3
    assert own[3].peaks == samples.peaks()[3]
    others = background_sources(samples, "other")
    assert all(k != other and (k - other) % 2 == 0 for k, other in enumerate(others))  # another one of its survey
    assert others == background_sources(samples, "other")
    with pytest.raises(InputError, match="'mine' is no kind of background; there are: none, self, self-masked, other"):
        background_sources(samples, "mine")
    lonely = samples.chosen([0, 1])
    with pytest.raises(InputError, match="no other cutout of FIRST with a beam near 3 pixels"):
        background_sources(lonely, "other")


def test_the_sheet_shows_other_backgrounds(samples, tmp_path):
    path = draw_comparison(tmp_path / "s.png", samples, samples.images, 3, background_sources(samples, "other"))
    plain = draw_comparison(tmp_path / "p.png", samples, samples.images, 3)
    assert path.stat().st_size > plain.stat().st_size


def test_spectra_of_the_same_noise_at_another_scale(samples):
    pairs = [(sky(k), samples.objects[k]) for k in range(6)]
    ratio = compare_spectra(pairs, [(1.1 * image, items) for image, items in pairs])
    np.testing.assert_allclose(ratio["ratio"], 1.21, rtol=1e-6)
    np.testing.assert_allclose(ratio["low"], 1.21, rtol=1e-6)
    assert max(ratio["share"]) == 1.0
    everywhere = [SourceObject("S1", 3, np.ones(SHAPE, bool))]
    assert compare_spectra([(sky(0), everywhere)], [(sky(1), everywhere)]) is None


def test_stripes_that_run_as_asked(samples):
    def striped(angle, seed):
        along = np.add.outer(np.arange(128) * math.sin(angle), np.arange(128) * math.cos(angle))
        return sky(seed) + np.sin(2 * math.pi * 0.1 * along + seed)

    items = samples.objects[0]
    angles = [0.3 * k for k in range(8)]
    asked = [(striped(angle, k), items) for k, angle in enumerate(angles)]
    told = compare_directions(asked, [(striped(angle, 20 + k), items) for k, angle in enumerate(angles)])
    assert told["own"]["median"] > 0.6
    assert abs(told["another"]["median"]) < 0.2
    told = compare_directions(asked, [(sky(20 + k), items) for k in range(8)])
    assert abs(told["own"]["median"]) < 0.2
    powers = direction_powers(striped(math.radians(37.5), 1), items)
    assert np.unravel_index(powers.argmax(), powers.shape) == (1, 2)  # 0.1 cycles per pixel, 30 to 45 degrees


def test_flux_table():
    fluxes = [Flux(2, 4.0, 1.1, 1.0, None), Flux(2, 50.0, 0.9, 1.0005, 0.999), Flux(3, 1e4, 1.0, 1.0, 1.0)]
    table = flux_figures(fluxes)
    assert table["classes"]["compact"] == pytest.approx({"n": 2, "median": 1.0, "p16": 0.932, "p84": 1.068})
    assert table["classes"]["spurious"] == {"n": 0}
    assert {name for name, one in table["peaks"].items() if one["n"]} == {"3 to 5", "30 to 100", "above 300"}
    assert table["exact_peak_error"] == pytest.approx(5e-4)
    assert table["exact_integrated_error"] == pytest.approx(1e-3)
    assert flux_figures([])["exact_peak_error"] is None


@pytest.mark.parametrize("fwhm", BEAMS)
def test_widths_of_known_gaussians(fwhm):
    rows, columns = np.indices(SHAPE)
    turned = (columns - 60.3) + (rows - 64.8), (rows - 64.8) - (columns - 60.3)
    for axis in (1.0, 1.2):  # round, and stretched along a diagonal
        square = (turned[0] / axis) ** 2 / 2 + (turned[1] * axis) ** 2 / 2
        image = 30 * np.exp(-4 * math.log(2) * square / fwhm**2)
        assert fit_width(image, 60, 65, fwhm) == pytest.approx(fwhm, rel=1e-4)
    assert fit_width(image, 1, 65, fwhm) is None
    assert fit_width(-image, 60, 65, fwhm) is None
    noisy = [point(64, 64, 30, fwhm) + sky(k, fwhm) for k in range(12)]
    assert np.median([fit_width(one, 64, 64, fwhm) for one in noisy]) == pytest.approx(fwhm, rel=0.04)


def test_only_bright_lone_compact_sources_are_fitted():
    image = point(30, 30, 50, 3.0) + point(80, 80, 50, 3.0) + point(86, 80, 40, 3.0) + point(30, 90, 10, 3.0)
    mask = np.where(image > 3, 2, 0)
    mask[:, 83] = 0  # two objects, too near to each other
    found = widths_of(image, mask_to_objects(mask), 3.0)
    assert [(round(peak), width) for peak, _, width in found] == [(50, pytest.approx(1.0, abs=1e-3))]


def test_masks_of_point_sources_are_those_that_annotate_draws():
    growths = []
    for beam in BEAMS:
        for k in range(3):
            image = point(40.3, 40.1, 40, beam) + point(90.2, 90.4, 120, beam) + sky(k, beam)
            scale = 5.4 / beam
            cutout = Cutout(RMS * image, beam=Beam(5.4, 5.4))
            cutout.header["CDELT1"], cutout.header["CDELT2"] = -scale / 3600, scale / 3600
            found = annotate(cutout, options=AnnotateOptions(box=64)).objects
            bright = sorted(found, key=lambda one: one.info["peak_snr"])[-2:]
            growths += [one.npix / point_area(one.info["peak_snr"], beam) for one in bright]
    assert np.median(growths) == pytest.approx(1.0, abs=0.1)


def test_made_sources_stand_alone():
    for beam in (2.0, 8.0):
        images = made_sources(beam, seed=1)
        assert sum(len(objects) for objects, _ in images) == 24
        for objects, peaks in images:
            assert len(objects) == len(peaks) <= 6
            assert max(objects_to_mask(objects, SHAPE).ravel()) == 2
            for item, peak in zip(objects, peaks, strict=True):
                assert item.npix == max(round(point_area(peak, beam)), 5)
                assert not item.touches_edge(SHAPE)
        assert len(mask_to_objects(objects_to_mask(images[0][0], SHAPE))) == len(images[0][0])


def test_real_sources_that_are_resolved(samples):
    assert real_widths(samples)["growth"] == pytest.approx(1.0, abs=0.15)
    wide = [(RMS * sources_of(o, p, 3.6) + 1e-3).astype("f4")
            for o, p in zip(samples.objects, samples.peaks(), strict=True)]  # fmt: skip
    found = real_widths(Samples.of(wide, samples.masks, RMS, 3.0, 1e-3))["beams"]
    assert found["3"]["median"] == pytest.approx(1.2, abs=0.01)
    assert found["8"] == {"n": 0}
