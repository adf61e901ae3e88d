"""Views of an image: exact pixels where nothing is resampled, all eight turns, gain and noise in units of the noise."""

import pytest
import torch

from radiff.data.loader import turn
from radiff.training.views import draw_windows, jitter, look


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_plain_views_are_turned_windows_of_the_image_pixel_for_pixel():
    image = torch.arange(400.0).view(1, 1, 20, 20).expand(64, 1, 20, 20)
    views = look(image, draw_windows(64, generator(), 12 / 20, 0.3, 1.0), 12)
    seen, corners = set(), set()
    for view in views[:, 0]:
        matches = [s for s in range(8) if turn(view, s).diff(dim=1).sub(1).abs().max() < 1e-3]
        upright = [turn(view, s) for s in matches if (turn(view, s).diff(dim=0) - 20).abs().max() < 1e-3]
        assert len(upright) == 1
        seen |= {s for s in matches if turn(view, s) is not None and torch.equal(turn(view, s), upright[0])}
        corner = upright[0][0, 0].item()
        assert corner == pytest.approx(round(corner), abs=1e-3)
        corners.add(round(corner))
    assert seen == set(range(8))
    assert len(corners) > 20


def test_whole_views_are_the_image():
    image = torch.randn(3, 1, 16, 16)
    windows = torch.eye(2, 3).expand(3, 2, 3)
    torch.testing.assert_close(look(image, windows, 16), image)


def test_resized_views_show_at_least_the_part_asked_for():
    windows = draw_windows(500, generator(), 0.5, 0.36, 0.0)
    side = windows[:, :, :2].abs().amax((1, 2))
    assert side.min() >= 0.6 - 1e-6 and side.min() < 0.65 and side.max() <= 1
    assert (side + windows[:, :, 2].abs().amax(1)).max() <= 1 + 1e-6  # never off the image


def test_windows_beside_others_stay_within_reach_and_on_the_image():
    first = draw_windows(500, generator(), 0.5, 0.36, 0.5)
    near, far = (draw_windows(500, generator(1), 0.5, 0.36, 0.5, first, reach) for reach in (0.2, 2.0))
    for windows in (near, far):
        side = windows[:, :, :2].abs().amax((1, 2))
        assert (side + windows[:, :, 2].abs().amax(1)).max() <= 1 + 1e-6
    room = (1 - near[:, :, :2].abs().amax((1, 2)))[:, None]
    apart = (near[:, :, 2] - first[:, :, 2].clamp(-room, room)).abs()
    assert 0.19 < apart.max() <= 0.2 + 1e-6  # nearer than that only where the image ends
    assert (far[:, :, 2] - first[:, :, 2]).abs().max() > 0.7


def test_gain_acts_on_the_signal_to_noise():
    image = torch.full((2, 1, 4, 4), 30.0)
    seen = 2 * torch.sinh(jitter(torch.asinh(image / 2), generator(), 0.3, 0.0, 2.0))
    factor = torch.exp(0.3 * torch.randn(2, 1, 1, 1, generator=generator()))
    torch.testing.assert_close(seen, 30 * factor.expand(2, 1, 4, 4), rtol=1e-4, atol=0)


def test_views_of_another_softness_show_the_same_signal_to_noise():
    image = torch.linspace(-3, 300, 32).view(2, 1, 4, 4)
    seen = jitter(torch.asinh(image / 4), generator(), 0.0, 0.0, 4.0, 0.5)
    torch.testing.assert_close(seen, torch.asinh(image / 0.5), rtol=1e-4, atol=1e-4)


def test_noise_is_in_units_of_the_noise():
    snr = torch.zeros(200, 1, 64, 64)
    seen = 2 * torch.sinh(jitter(snr, generator(), 0.0, 0.8, 2.0))
    widths = seen.std((1, 2, 3))
    assert widths.max() == pytest.approx(0.8, abs=0.03) and widths.mean() == pytest.approx(0.4, abs=0.05)


def test_images_without_a_noise_scale_get_both_as_they_are():
    image = torch.randn(4, 1, 64, 64) * 0.1 + 0.5
    torch.testing.assert_close(jitter(image, generator(), 0.0, 0.0, None), image)
    seen = jitter(image, generator(), 0.0, 5.0, None)
    assert ((seen.std((1, 2, 3)) / image.std((1, 2, 3))) > 1).all()


def test_the_same_generator_gives_the_same_view():
    image = torch.randn(4, 1, 16, 16)
    one, two = (
        jitter(look(image, draw_windows(4, g, 0.5, 0.4, 0.5), 8), g, 0.2, 0.5, 2.0)
        for g in (generator(3), generator(3))
    )
    assert torch.equal(one, two)
