"""Simulated backgrounds against what is known of noise with a given spectrum."""

import json

import numpy as np
import pytest
from astropy.io import fits

from populate_samples import BEAM, SCALE, noise_map
from radiff.errors import InputError
from radiff.parallel import processes
from radiff.populate.backgrounds import BackgroundOptions, NoiseModel, noise_model, simulate_noise
from radiff.populate.maps import Background
from radiff.sky import Beam, NoiseSpectrum, read_cutout
from radiff.sky.noise_source import NoiseSource


def options(shape=(600, 700), **given):
    return BackgroundOptions(shape, **({"beam": BEAM, "pixel_scale": SCALE, "rms": 2e-4} | given))


def test_the_autocovariance_is_the_beam(tmp_path):
    """For a power that is the beam's own transform: exp(-d C^-1 d / 2) at the lag d, C the beam's covariance."""
    made = options((1100, 1200))
    image = read_cutout(simulate_noise(tmp_path / "noise.fits", made)).image.astype(float)
    assert image.std() == pytest.approx(2e-4, rel=0.01) and abs(image.mean()) < 1e-6
    found = correlation(image)
    for dy in range(-6, 7):
        for dx in range(-6, 7):
            lag = np.array([dx, dy])
            wanted = np.exp(-0.5 * lag @ np.linalg.inv(made.grid.beam_shape) @ lag)
            assert found[dy, dx] == pytest.approx(wanted, abs=0.02)
    # the longer axis lies towards 30 deg, north through east: up and to the left
    assert found[3, -2] > 2 * found[3, 2]


def correlation(image):
    power = np.abs(np.fft.fft2(image / image.std())) ** 2 / image.size
    return np.fft.ifft2(power).real


def test_the_noise_of_a_spectrum_at_the_maps_beam(tmp_path):
    """White noise convolved with a beam of 6 arcsec, on a map of 9 arcsec: lags are 1.5 times as long."""
    square = NoiseSpectrum.from_beam(Beam(6.0, 6.0), 1.5, exponent=2)
    made = options((1100, 1200), beam=Beam(9.0, 9.0))
    model = noise_model([[NoiseSource("square", square)]], made.grid)
    image = fits.getdata(simulate_noise(tmp_path / "noise.fits", made, model=model)).astype(float)
    found = correlation(image)
    variance = made.grid.beam_shape[0, 0]
    for lag in range(8):
        assert found[0, lag] == pytest.approx(np.exp(-0.25 * lag**2 / variance), abs=0.02)
    assert json.loads(fits.getheader(tmp_path / "noise.fits")["RADIFF"])["noise"] == "square"


def test_a_mosaic_of_two_spectra(tmp_path):
    """Left narrow, right wide; the rms is that of the map everywhere."""
    sources = [NoiseSource(str(width), NoiseSpectrum.from_beam(Beam(width, width), SCALE)) for width in (6.0, 12.0)]
    made = options((1000, 1200), beam=Beam(6.0, 6.0))
    model = NoiseModel([[one.spectrum for one in sources]])
    image = fits.getdata(simulate_noise(tmp_path / "noise.fits", made, model=model)).astype(float)
    left, right = correlation(image[:, :300])[0, 4], correlation(image[:, -300:])[0, 4]
    assert left == pytest.approx(np.exp(-0.5 * 16 / (4 / 2.3548) ** 2), abs=0.05)
    assert right == pytest.approx(np.exp(-0.5 * 16 / (8 / 2.3548) ** 2), abs=0.05)
    for part in np.array_split(image, 6, axis=1):
        assert part.std() == pytest.approx(2e-4, rel=0.04)


def test_an_rms_map(tmp_path):
    """The rms is that of the map, blank where it is; other sizes and numbers that are no rms are refused."""
    rms = np.full((600, 700), 1e-4, np.float32)
    rms[:, 350:], rms[:10] = 3e-4, np.nan
    fits.PrimaryHDU(rms, fits.Header([("BUNIT", "Jy/beam")])).writeto(tmp_path / "rms.fits")
    made = options()

    def model(path):
        return noise_model([[NoiseSource("beam", NoiseSpectrum.from_beam(BEAM, SCALE))]], made.grid, rms_map=path)

    image = fits.getdata(simulate_noise(tmp_path / "noise.fits", made, model=model(tmp_path / "rms.fits")))
    assert np.isnan(image[:10]).all() and np.isfinite(image[10:]).all()
    assert image[10:, :350].std() == pytest.approx(1e-4, rel=0.05)
    assert image[10:, 350:].std() == pytest.approx(3e-4, rel=0.05)
    fits.PrimaryHDU(rms[:100]).writeto(tmp_path / "small.fits")
    with pytest.raises(InputError, match=r"small.fits: has 700 x 100 pixels, the map 700 x 600; give an rms map of"):
        model(tmp_path / "small.fits")
    rms[20, 30] = -1
    fits.PrimaryHDU(rms).writeto(tmp_path / "bad.fits")
    with pytest.raises(InputError, match=r"bad.fits: the rms is -1 at \(30, 20\); it must be positive, or NaN"):
        simulate_noise(tmp_path / "none.fits", made, model=model(tmp_path / "bad.fits"))
    assert not (tmp_path / "none.fits").exists()


def test_bands_fit_together_and_any_pool_gives_the_same(tmp_path):
    """A row at the border of two bands is like its neighbours as any other is."""
    made = options((1100, 300))
    path = simulate_noise(tmp_path / "noise.fits", made)
    assert simulate_noise(tmp_path / "two.fits", made, processes(2)).read_bytes() == path.read_bytes()
    image = fits.getdata(path).astype(float)
    steps = np.square(np.diff(image, axis=0)).mean(1)
    assert steps[511] < 3 * np.median(steps) and steps[1023] < 3 * np.median(steps)
    ends = np.corrcoef(image[:, 0], image[:, -1])[0, 1]
    assert abs(ends) < 0.15  # the left edge does not go on at the right
    other = simulate_noise(tmp_path / "other.fits", options((1100, 300), seed=1))
    assert abs(np.corrcoef(fits.getdata(other).ravel(), image.ravel())[0, 1]) < 0.05


def test_the_rms_may_change_over_the_map(tmp_path):
    made = options((512, 512), gradient=4.0, gradient_pa=90.0)  # towards the east: the left
    image = fits.getdata(simulate_noise(tmp_path / "gradient.fits", made)).astype(float)
    assert image[:, :32].std() / image[:, -32:].std() == pytest.approx(4.0 * 4 ** (-32 / 512), rel=0.15)
    made = options((512, 512), edge=3.0)
    image = fits.getdata(simulate_noise(tmp_path / "edge.fits", made)).astype(float)
    corners = np.concatenate(
        [image[y, x].ravel() for y in (np.s_[:40], np.s_[-40:]) for x in (np.s_[:40], np.s_[-40:])]
    )
    assert corners.std() / image[200:312, 200:312].std() == pytest.approx(2.6, rel=0.15)
    assert image[200:312, 200:312].std() == pytest.approx(2e-4, rel=0.15)


def test_sidelobes_stand_out_of_the_noise(tmp_path):
    plain = fits.getdata(simulate_noise(tmp_path / "a.fits", options((600, 300)))).astype(float)
    with_lobes = fits.getdata(simulate_noise(tmp_path / "b.fits", options((600, 300), sidelobes=2))).astype(float)
    pattern = with_lobes - plain
    assert 2 < pattern.max() / 2e-4 < 8 and pattern.min() < -2 * 2e-4
    assert np.abs(np.diff(pattern, axis=0))[510:513].max() < np.abs(np.diff(pattern, axis=0)).max() * 1.01


def test_the_header(tmp_path):
    path = simulate_noise(tmp_path / "noise.fits", options((200, 300), center=(150.0, 40.0), projection="NCP"))
    cutout = read_cutout(path)
    assert cutout.beam == BEAM and cutout.unit == "Jy/beam" and cutout.image.shape == (200, 300)
    sky = cutout.wcs.pixel_to_world(149.5, 99.5)
    assert (sky.ra.deg, sky.dec.deg) == pytest.approx((150.0, 40.0))
    assert Background(path).simulated and Background(path).grid.shape == (200, 300)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shape": (10, 100)}, "a map of 100 x 10 pixels; at least 64 x 64 are needed"),
        ({"rms": -1.0}, "rms is -1; it must be a positive number"),
        ({"pixel_scale": 0.0}, "pixel scale is 0; it must be a positive number"),
        ({"projection": "XYZ"}, "'XYZ' is no projection; there are: SIN, TAN, NCP, ZEA, CAR"),
        ({"center": (0.0, 95.0)}, "a declination of 95 deg; give --center ra,dec in deg"),
        ({"projection": "NCP"}, "the projection NCP has no map about declination 0; choose SIN"),
        ({"sidelobes": -1}, "the number of sidelobes and the seed must be 0 or more"),
    ],
)
def test_options_that_are_refused(given, message):
    with pytest.raises(InputError) as error:
        options(**given)
    assert str(error.value) == message


def test_a_beam_that_is_not_sampled(tmp_path):
    with pytest.raises(InputError, match=r"a beam of 0.667 pixels is not sampled; at least 1.5 pixels are needed"):
        noise_map(tmp_path / "noise.fits", beam=Beam(1.0, 1.0))
