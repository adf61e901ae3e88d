"""Fields of noise: their variance, their parts, their edges, what is not Gaussian in them."""

from dataclasses import replace

import numpy as np
import pytest

from radiff.errors import InputError
from radiff.sky import Beam, FaintSources, Mosaic, NoiseField, NoiseSpectrum

SPECTRUM = NoiseSpectrum.from_beam(Beam(6.0, 4.8, 30.0), 1.5)


def test_the_ensemble_has_variance_one():
    """On 41 million pixels the mean square is known to some 5e-4."""
    squares = [float((SPECTRUM.draw((512, 512), seed).astype(float) ** 2).mean()) for seed in range(160)]
    error = np.std(squares) / np.sqrt(len(squares))
    assert error < 6e-4 and np.mean(squares) == pytest.approx(1.0, abs=1e-3)


def test_the_ensemble_has_the_autocovariance():
    fields = np.stack([SPECTRUM.draw((64, 64), seed) for seed in range(400)]).astype(float)
    middle = SPECTRUM.side // 2
    for dx, dy in ((1, 0), (3, 2), (-3, 2), (0, 6)):
        found = (fields[:, 8 + dy : 56 + dy, 8 + dx : 56 + dx] * fields[:, 8:56, 8:56]).mean()
        assert found == pytest.approx(SPECTRUM.autocovariance[middle + dy, middle + dx], abs=0.015)


def test_fields_are_not_periodic():
    fields = np.stack([SPECTRUM.draw((64, 64), seed) for seed in range(200)])
    assert abs((fields[:, :, 0] * fields[:, :, -1]).mean()) < 0.03
    assert abs((fields[:, 0] * fields[:, -1]).mean()) < 0.03


@pytest.mark.parametrize("more", [{}, {"wander": True}, {"wander": True, "faint": True}])
def test_a_part_is_that_part_of_the_whole(more):
    spectrum = replace(SPECTRUM, rms_spread=0.2, rms_scale=12.0, faint=FaintSources(0.02))
    field = NoiseField(spectrum, (1200, 300), 5, **more)
    whole = field.rows(0, 1200)
    for y0, y1 in ((0, 1), (100, 700), (1199, 1200), (512, 1024)):
        np.testing.assert_allclose(field.rows(y0, y1), whole[y0:y1], atol=2e-5)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(NoiseField(spectrum, (1200, 300), 5, **more).rows(0, 1200), whole)
    other = NoiseField(spectrum, (1200, 300), 6, **more).rows(0, 1200)
    assert abs(np.corrcoef(other.ravel(), whole.ravel())[0, 1]) < 0.05


def test_the_wandering_rms():
    """Lognormal of mean square 1, with the spread and the scale asked for."""
    spectrum = replace(SPECTRUM, rms_spread=0.2, rms_scale=12.0)
    rms = NoiseField(spectrum, (2400, 2400), 1, wander=True).rms(0, 2400).astype(float)
    logs = np.log(rms)
    assert (rms**2).mean() == pytest.approx(1.0, abs=0.015)
    assert logs.std() == pytest.approx(0.2, rel=0.03)
    logs -= logs.mean()
    for lag in (12, 24):  # white noise smoothed by a Gaussian of 12 pixels: exp(-(lag / 24)^2)
        found = (logs[:, lag:] * logs[:, :-lag]).mean() / logs.var()
        assert found == pytest.approx(np.exp(-0.25 * (lag / 12) ** 2), abs=0.05)
    small = replace(SPECTRUM, rms_spread=0.2, rms_scale=0.6)
    assert np.log(NoiseField(small, (400, 400), 1).rms(0, 400)).std() == pytest.approx(0.2, rel=0.03)
    assert (NoiseField(SPECTRUM, (64, 64)).rms(3, 9) == 1).all()


def test_faint_sources_keep_the_variance_and_skew_the_noise():
    """Third moment of Poisson points of N a beam: N <S^3> / 3, for Gaussian beams of peak S."""
    faint = FaintSources(0.05, 2.0, 1.0, 4.0)
    spectrum = replace(SPECTRUM, faint=faint)
    fields = np.stack([spectrum.draw((512, 512), seed, faint=True) for seed in range(24)]).astype(float)
    assert fields.mean() == pytest.approx(0.0, abs=0.005)
    assert fields.var() == pytest.approx(1.0, abs=0.01)
    assert (fields**3).mean() == pytest.approx(0.05 * faint.moment(3) / 3, rel=0.1)


def test_a_mosaic_has_variance_one_everywhere():
    """Also between the tiles; in the corners it is each tile's own noise."""
    other = SPECTRUM.stretched(np.eye(2) * 2)
    tiles = [[SPECTRUM, other], [other, SPECTRUM]]
    fields = np.stack([Mosaic(tiles, (128, 160), seed).rows(0, 128) for seed in range(300)]).astype(float)
    variance = fields.var(0)
    for part in (variance[:32, :40], variance[48:80, 60:100], variance[60:68], variance[:, 78:82], variance[96:, 120:]):
        assert part.mean() == pytest.approx(1.0, abs=0.03)
    step = np.square(np.diff(fields[:, 96:], axis=2)).mean((0, 1))
    assert step[:30].mean() < 0.5 * step[-30:].mean()  # the upper left tile is the smooth one
    whole = Mosaic(tiles, (700, 160), 1)
    np.testing.assert_allclose(whole.rows(300, 420), whole.rows(0, 700)[300:420], atol=2e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NoiseField(SPECTRUM, (0, 10)), r"a field of \(0, 10\) pixels; both sides must be positive"),
        (lambda: NoiseField(SPECTRUM, (10, 10), -1), "seed is -1; it must be 0 or more"),
        (lambda: Mosaic([[SPECTRUM], []], (64, 64)), "the tiles of a mosaic must be rows of one length"),
        (lambda: Mosaic([], (64, 64)), "the tiles of a mosaic must be rows of one length"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
