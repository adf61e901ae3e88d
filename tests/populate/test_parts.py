"""The parts of populating against known answers: shapes, profiles, flux rules, options, stamps."""

import math

import numpy as np
import pytest
from scipy import stats

from conftest import celestial_wcs
from populate_samples import BEAM, SCALE, double, library
from radiff.errors import InputError
from radiff.masks import EXTENDED, SPURIOUS, SourceObject
from radiff.populate import FluxRule, Number, PopulateOptions, StampLibrary, drawn_specs, object_specs, read_counts
from radiff.populate.making import cut_stamp, make_stamps
from radiff.populate.profiles import centroid, gaussian, mask_level, resampled, second_moments, turned
from radiff.populate.stamps import write_stamps
from radiff.sky import Beam
from radiff.sky.beam import FWHM2, covariance, widths
from radiff.sky.grid import SkyGrid, make_grid, on_sky

# ---------------------------------------------------------------- geometry


@pytest.mark.parametrize(("major", "minor", "pa"), [(6.0, 4.8, 30.0), (10.0, 1.0, 135.0), (3.0, 2.0, 0.0)])
def test_shapes_and_widths(major, minor, pa):
    shape = covariance(major, minor, pa)
    assert np.linalg.det(shape) == pytest.approx((major * minor / FWHM2) ** 2)
    assert [float(w[0]) for w in widths(shape[None])] == pytest.approx([major, minor, pa])
    more = shape + covariance(2 * major, 2 * minor, pa)  # along one axis widths add in quadrature
    assert widths(more[None])[0][0] == pytest.approx(major * math.sqrt(5))
    assert widths(-shape[None])[0][0] == 0.0


@pytest.mark.parametrize(("projection", "frame"), [("SIN", "RA"), ("TAN", "G"), ("CAR", "G")])
def test_the_beam_in_pixels_keeps_its_area(projection, frame):
    grid = SkyGrid((200, 300), celestial_wcs((200, 300), SCALE, projection, frame), BEAM)
    area = 2 * math.pi * math.sqrt(np.linalg.det(grid.beam_shape))
    assert area == pytest.approx(grid.beam_area, rel=1e-9) == pytest.approx(BEAM.area_pixels(SCALE), rel=1e-9)
    assert grid.beam_fwhm == pytest.approx((4.0, 3.2), rel=1e-3)
    assert grid.area == pytest.approx(200 * 300 * (SCALE / 3600) ** 2)
    x, y = np.array([10.0, 250.0]), np.array([190.0, 5.0])
    assert np.allclose(grid.to_pixel(*grid.to_sky(x, y)), [x, y], atol=1e-6)
    if frame == "RA":  # north of the frame is that of the sky
        told = widths(on_sky(grid.steps([150.0], [100.0]), grid.beam_shape[None]))
        assert [float(w[0]) for w in told] == pytest.approx([6.0, 4.8, 30.0], rel=1e-3)


def test_positions_off_the_projection_are_nan():
    grid = SkyGrid((100, 100), celestial_wcs((100, 100)), BEAM)
    x, y = grid.to_pixel([150.1, 330.0], [32.2, -32.0])
    assert np.isfinite(x[0]) and np.isnan([x[1], y[1]]).all()


def test_headers_that_are_refused(tmp_path):
    wcs = celestial_wcs((100, 100))
    for given, message in (
        ((None, BEAM), "m.fits: no celestial WCS in the header; add CTYPE, CRVAL, CRPIX and CDELT to it"),
        (
            (wcs, None),
            "m.fits: no beam in the header; add BMAJ, BMIN and BPA (deg) to it (populate takes --beam)",
        ),
        ((wcs, Beam(2.0, 2.0)), "m.fits: a beam of 1.11 pixels is not sampled; at least 1.5 pixels are needed"),
    ):
        with pytest.raises(InputError) as error:
            make_grid((100, 100), *given, "m.fits")
        assert str(error.value) == message
    wcs.wcs.cdelt = [-0.0005, 0.0007]
    with pytest.raises(InputError, match=r"pixels of 1.8 x 2.52 arcsec are not square; regrid the map"):
        make_grid((100, 100), wcs, BEAM, "m.fits")


# ---------------------------------------------------------------- profiles


def test_a_gaussian_of_unit_flux():
    shape = covariance(9.0, 5.0, 20.0)
    pixels = gaussian(shape, 0.3, -0.4, 40.0)
    assert pixels.values.sum() == pytest.approx(40.0, rel=1e-6)
    y, x = centroid(pixels.values)
    assert (x + pixels.x0, y + pixels.y0) == pytest.approx((0.3, -0.4), abs=1e-4)
    assert np.allclose(second_moments(pixels.values), shape, rtol=2e-3)
    assert pixels.values[[0, -1]].max() < 1e-4 * pixels.values.max()


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
def test_a_stamp_at_the_beam_of_the_map(scale):
    """A point source of the stamp's beam becomes one of the map's beam, at the place that was asked for."""
    beam = 4.0
    y, x = np.indices((61, 61)) - 30.0
    stamp = np.exp(-0.5 * (x**2 + y**2) * FWHM2 / beam**2)
    target = covariance(beam * scale * 1.5, beam * scale * 1.1, 70.0)
    pixels = resampled(stamp, beam, target, scale, 0.25, -0.45, 30.0)
    assert pixels.values.sum() == pytest.approx(30.0, rel=1e-6) and pixels.values.min() >= 0
    cy, cx = centroid(pixels.values)
    assert (cx + pixels.x0, cy + pixels.y0) == pytest.approx((0.25, -0.45), abs=0.01)
    assert np.allclose(second_moments(pixels.values), target, atol=0.02 * target.max())


def test_turns_are_the_eight_of_the_square():
    values = np.arange(6).reshape(2, 3)
    seen = {turned(values, turn).tobytes() + bytes(turned(values, turn).shape) for turn in range(8)}
    assert len(seen) == 8 and np.array_equal(turned(values, 0), values)


def test_masks_end_at_three_rms_or_half_the_peak():
    assert mask_level(30.0) == 0.1 and mask_level(4.0) == mask_level(0.0) == 0.5


# ---------------------------------------------------------------- flux rules


def test_both_readings_of_lambda():
    uniform = (np.arange(100000) + 0.5) / 100000
    scale, rate = FluxRule(cap=1e9).k(uniform), FluxRule(reading="rate", cap=1e9).k(uniform)
    assert scale.mean() == pytest.approx(3.0, rel=1e-3) and rate.mean() == pytest.approx(1 / 3, rel=1e-3)
    assert stats.kstest(scale, stats.expon(scale=3).cdf).statistic < 1e-4
    capped = FluxRule().k(uniform)
    assert capped.max() == 10.0 and (capped == 10.0).mean() == pytest.approx(math.exp(-10 / 3), rel=1e-2)


@pytest.mark.parametrize("slope", [1.0, 1.8, 2.5])
def test_a_power_law(slope):
    rule = FluxRule("power", slope=slope, low=1e-4, high=1e-1)
    fluxes = rule.fluxes(np.linspace(0, 1, 200001))
    assert fluxes[[0, -1]] == pytest.approx([1e-4, 1e-1])
    share = (fluxes < 1e-3).mean()
    n = (lambda s: math.log(s)) if slope == 1.0 else (lambda s: s ** (1 - slope) / (1 - slope))
    assert share == pytest.approx((n(1e-3) - n(1e-4)) / (n(1e-1) - n(1e-4)), abs=1e-4)


def test_source_counts(tmp_path):
    """Counts of a power law give its integral; the built-in ones what Hopkins et al. say at 1 mJy."""
    path = tmp_path / "counts.txt"
    flux = np.logspace(-4, 0, 50)
    np.savetxt(path, np.column_stack([flux, 30.0 * flux**0.7]))  # dN/dS = 30 S^-1.8
    rule = FluxRule("counts", table=read_counts(path))
    assert rule.range == (1e-4, 1.0)
    assert rule.per_steradian() == pytest.approx(30 / 0.8 * (1e-4**-0.8 - 1), rel=1e-4)
    share = (rule.fluxes(np.linspace(0, 1, 100001)) < 1e-3).mean()
    assert share == pytest.approx((1e-4**-0.8 - 1e-3**-0.8) / (1e-4**-0.8 - 1), abs=1e-3)
    one = FluxRule("counts", low=0.99e-3, high=1.01e-3).per_steradian() / 0.02e-3
    assert one * 1e-3**2.5 == pytest.approx(10**0.859, rel=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rule": "x"}, "'x' is no flux rule; there are: k, power, counts, catalog"),
        ({"reading": "x"}, "'x' is no reading of the parameter; there are: scale, rate"),
        ({"cap": -1.0}, "the flux rule's cap is -1; it must be a positive number"),
        ({"rule": "power", "low": -1.0, "high": 1.0}, "fluxes from -1 to 1 Jy; give --flux-range low:high, both"),
    ],
)
def test_flux_rules_that_are_refused(given, message):
    with pytest.raises(InputError) as error:
        FluxRule(**given)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("text", ["1 2 3\n4 5 6", "2 1\n1 1", "1 -1\n2 1", "a b", ""])
def test_counts_that_are_refused(tmp_path, text):
    path = tmp_path / "counts.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="two columns"), np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read_counts(path)


# ---------------------------------------------------------------- options


def test_numbers():
    assert Number.parse("200", "--compact") == Number(200) and Number.parse("0", "--compact").of(1.0, 5.0) == 0
    assert Number.parse("50/deg2", "--compact").of(0.5, 0.0) == 25
    assert Number.parse("50 / deg^2", "--compact").of(2.0, 0.0) == 100
    assert Number.parse("counts", "--compact").of(2.0, 33.3) == 67
    for text in ("-3", "1.5", "many", "3/arcsec2", "inf"):
        with pytest.raises(InputError) as error:
            Number.parse(text, "--compact")
        assert str(error.value) == (
            f"--compact {text!r}: give a number such as 200, a density such as 50/deg2, or counts"
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"positions": "x"}, "positions is 'x'; there are: uniform, clustered, catalog"),
        ({"real": "x"}, "real is 'x'; there are: clear, accept"),
        ({"overlap": 1.5}, "overlap is 1.5; it must be from 0 to 1"),
        ({"cluster_radius": 0.0}, "clusters need at least 1 member and a positive radius in arcsec"),
        ({"compact_size": (1.0, 0.5)}, "compact sources of 1 to 0.5 beams; give a range within 0:2"),
        ({"seed": -1}, "seed is -1; it must be 0 or more"),
    ],
)
def test_options_that_are_refused(given, message):
    with pytest.raises(InputError) as error:
        PopulateOptions(**given)
    assert str(error.value) == message


# ---------------------------------------------------------------- stamps


def test_a_stamp_has_no_background_and_no_edge():
    spec, image = double(seed=3)
    stamp = cut_stamp(image + 7.0, spec)
    area = math.pi / (4 * math.log(2)) * 16
    assert stamp.values.sum() == pytest.approx(area, rel=1e-5) and stamp.values.min() == 0
    border = np.concatenate([stamp.values[[0, -1]].ravel(), stamp.values[:, [0, -1]].ravel()])
    assert not border.any()
    steps = np.abs(np.diff(stamp.values, axis=0)).max() / stamp.values.max()
    assert steps < 0.5  # nowhere is it cut
    assert stamp.dynamic == pytest.approx(400, rel=0.1) and stamp.class_value == EXTENDED
    # what is left of the true image, noise apart, is within a percent
    clean = image[spec.mask > 0].sum()
    assert stamp.values.max() / stamp.values.sum() == pytest.approx(image.max() / clean, rel=0.03)


def test_no_stamp_of_nothing_and_of_specks():
    spec, image = double()
    noise = np.random.default_rng(0).normal(size=image.shape)
    assert cut_stamp(noise, spec) is None
    noise[spec.mask > 0] += 0
    y, x = np.argwhere(spec.mask > 0)[0]
    noise[y, x] += 500.0  # one pixel is narrower than the beam
    assert cut_stamp(noise, spec) is None
    assert list(make_stamps([spec], lambda specs: [noise])) == [None]
    with pytest.raises(InputError, match=r"an image of \(3, 3\) came for a mask of \(96, 96\)"):
        list(make_stamps([spec], lambda specs: [np.zeros((3, 3))]))


def test_specifications():
    specs = drawn_specs(3, EXTENDED, 10, 4.0)
    assert [one.seed for one in specs] == [10, 11, 12]
    again = drawn_specs(1, EXTENDED, 11, 4.0)[0]
    assert np.array_equal(again.mask, specs[1].mask) and again.peaks == specs[1].peaks
    assert all(set(np.unique(one.mask)) == {0, EXTENDED} and one.mask.shape[0] % 4 == 0 for one in specs)
    faint = SourceObject("S1", SPURIOUS, np.ones((2, 3), bool), info={"peak_snr": 4.0})
    bright = SourceObject("S2", SPURIOUS, np.ones((2, 3), bool), info={"peak_snr": 400.0})
    huge = SourceObject("S3", EXTENDED, np.ones((300, 300), bool))
    made, left_out = object_specs([(faint, 4.0, "a"), (bright, 4.0, "b"), (huge, 4.0, "c")], 5, 4.0)
    assert left_out == 1 and [one.seed for one in made] == [5, 6] and [one.source for one in made] == ["a", "b"]
    reach = 4.0 * (math.sqrt(math.log(made[0].peaks[0] / 3)) - math.sqrt(math.log(4 / 3))) / math.sqrt(4 * math.log(2))
    radius = math.sqrt((made[0].mask > 0).sum() / math.pi)
    assert radius == pytest.approx(reach + 1.2, abs=0.7)  # it was faint when it was outlined
    assert (made[1].mask > 0).sum() < 20


def test_a_library_keeps_everything(tmp_path):
    opened = library(tmp_path / "stamps.fits", 3, 1)
    assert len(opened) == 4 and opened.of_class(EXTENDED).tolist() == [0, 1, 2] and opened.of_class(SPURIOUS) == [3]
    spec, image = double(seed=1, length=20.0)
    assert np.array_equal(opened.values(1), cut_stamp(image, spec).values)
    assert opened.index["seed"].tolist() == [0, 1, 2, 100] and opened.meta["SEED"] == 0
    assert all(opened.values(n).max() == pytest.approx(opened.index["peak"][n], rel=1e-6) for n in range(4))


def test_libraries_that_are_refused(tmp_path):
    path = library(tmp_path / "stamps.fits", 3, 1).path
    cut = tmp_path / "cut.fits"
    cut.write_bytes(path.read_bytes()[:-8000])
    other = tmp_path / "other.fits"
    other.write_bytes(b"SIMPLE  = nothing")
    for file, message in (
        (tmp_path / "none.fits", "no such file; make a library of stamps with: radiff stamps -o stamps.fits"),
        (other, "cannot be read as stamps; make the library again with: radiff stamps"),
        (cut, "is truncated; make it again with: radiff stamps"),
    ):
        with pytest.raises(InputError) as error:
            StampLibrary.open(file)
        assert str(error.value) == f"{file}: {message}"
    with pytest.raises(InputError, match="no stamp came out; give other masks or more of them"):
        write_stamps(tmp_path / "empty.fits", [])


def test_a_map_is_no_library(background):
    with pytest.raises(InputError, match=r"is no library of stamps; make one with: radiff stamps -o stamps\.fits"):
        StampLibrary.open(background)
