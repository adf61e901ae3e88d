"""How crops look at fields: shares, ranges, the eight symmetries, beams, noise and peaks against known answers."""

import math
from dataclasses import astuple

import numpy as np
import pytest
import torch

from radiff.data.crops import CropOptions, Dice, beams_seen, draw_matrices, level_and_rms, peak_codes
from radiff.errors import InputError
from radiff.sky import Beam, background_rms

COUNT = 4000


def drawn(width=3.0, limit=1000.0, **options):
    matrices, plain = draw_matrices(
        torch.full((COUNT,), width), torch.full((COUNT,), limit), CropOptions(**options), Dice(1, torch.device("cpu"))
    )
    factors = torch.linalg.svdvals(matrices)
    return matrices, plain, factors


def test_crops_are_plain_zoomed_and_stretched_by_their_shares():
    _, plain, factors = drawn()
    stretched = factors[:, 0] / factors[:, 1] > 1.001
    assert plain.float().mean() == pytest.approx(0.45, abs=0.03)
    assert stretched.float().mean() == pytest.approx(0.35, abs=0.03)
    assert not (plain & stretched).any()
    zoomed = ~plain & ~stretched
    beams = 3.0 / factors[zoomed, 0]
    assert beams.min() >= 2 - 1e-3 and beams.max() <= 7 + 1e-3
    assert beams.log().mean() == pytest.approx(0.5 * math.log(14), abs=0.05)  # evenly in the logarithm
    assert (factors[stretched, 1] / factors[stretched, 0]).min() >= 0.45 - 1e-3
    assert (3.0 / factors[stretched, 0]).min() >= 1.8 - 1e-3  # the narrow axis is not undersampled


def test_all_eight_symmetries_come_up():
    matrices, *_ = drawn(zoomed=0.0, stretched=0.0)
    kinds, counts = matrices.round().reshape(COUNT, 4).unique(dim=0, return_counts=True)
    assert len(kinds) == 8 and counts.min() > COUNT / 8 * 0.8
    assert matrices.equal(matrices.round())


def test_crops_stay_within_their_limit():
    matrices, plain, _ = drawn(width=12.0, limit=40.0, size=64)
    reach = matrices.abs().sum(2).amax(1) * 63 / 2
    assert reach.max() <= 40.001 and (reach[~plain] > 39.9).any()


def test_unknown_beams_are_taken_for_usual_ones():
    assert drawn(width=0.0)[0].equal(drawn(width=3.0)[0])


def test_the_beam_in_a_crop():
    """Pixels half as wide along x: the beam is twice as many of them wide there; a quarter turn swaps its axes."""
    shape = torch.from_numpy(Beam(6.0, 3.0, 0.0).covariance(1.0)).float()[None]  # 6 along y
    halved = beams_seen(shape, torch.tensor([[[0.5, 0.0], [0.0, 1.0]]]))[0].double().numpy()
    assert astuple(Beam.from_covariance(halved, 1.0))[:2] == pytest.approx((6.0, 6.0), rel=1e-5)
    turned = beams_seen(shape, torch.tensor([[[0.0, -1.0], [1.0, 0.0]]]))[0].double().numpy()
    assert astuple(Beam.from_covariance(turned, 1.0)) == pytest.approx((6.0, 3.0, 90.0), rel=1e-5)
    assert not beams_seen(torch.zeros(1, 2, 2), torch.eye(2)[None]).any()


def test_level_and_rms_are_those_of_the_sky_room():
    random = np.random.default_rng(0)
    images = random.normal(2.0, 3.0, (4, 128, 128)).astype(np.float32)
    images[:, 60:64, 60:64] += 100.0  # what was not removed
    level, rms = level_and_rms(torch.from_numpy(images))
    for k, image in enumerate(images):
        assert (level[k].item(), rms[k].item()) == pytest.approx(background_rms(image), rel=0.01)
    assert rms.numpy() == pytest.approx(3.0, rel=0.03)


def test_peak_codes_of_known_values():
    snr, labels = torch.zeros(2, 8, 8), torch.zeros(2, 8, 8, dtype=torch.long)
    labels[0, 1:3, 1:3], labels[0, 5, 5], labels[1, 4, 4:7] = 1, 3, 2
    snr[0, 2, 2], snr[0, 5, 5], snr[1, 4, 5], snr[0, 7, 7] = 99.0, -3.0, 9.0, 500.0
    codes = peak_codes(snr, labels, 3)
    expected = torch.zeros(2, 8, 8)
    expected[0, 1:3, 1:3], expected[1, 4, 4:7] = 2.0, 1.0
    torch.testing.assert_close(codes, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"near": 1.5}, "crops.near is 1.5; it is a part, from 0 to 1"),
        ({"zoomed": 0.6, "stretched": 0.5}, "together they are above 1"),
        ({"beams": (7.0, 2.0)}, "needed are beams such as 2, 7"),
        ({"axis_ratio": 0.0}, "a ratio above 0, at most 1"),
        ({"shares": (0.0, 0.0, 0.0)}, "crops.shares must be 0 or more and not all 0"),
        ({"size": 8}, "size 16 pixels or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(InputError) as caught:
        CropOptions(**options)
    assert message in str(caught.value)
