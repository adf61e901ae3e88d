"""What the baselines draw: shapes, one seed one image, growth, masks and objects heard where they are."""

import pytest
import torch
import torch.nn.functional as F

from radiff.paper.baselines import Scene
from radiff.paper.baselines.dcgan import Dcgan, DcganConfig, DcganCritic
from radiff.paper.baselines.ddpm import Ddpm, DdpmConfig
from radiff.paper.baselines.inade import Inade, InadeConfig
from radiff.paper.baselines.pggan import (
    EqualConv,
    Pggan,
    PgganConfig,
    PgganCritic,
    at_level,
    deviation_plane,
    pixel_norm,
)
from radiff.paper.baselines.spade import MultiScaleCritic, Spade, SpadeConfig, kl, pyramid

SMALL_PGGAN = PgganConfig(6, (8, 8, 8, 4, 4, 4))


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def scene(count=2, objects=2):
    """A compact object at the left, an extended one at the right."""
    masks, labels = torch.zeros(2, count, 128, 128, dtype=torch.long)
    for number, (value, x) in enumerate(((2, 20), (3, 90))[:objects], start=1):
        masks[:, 40:50, x : x + 12], labels[:, 40:50, x : x + 12] = value, number
    return Scene(masks, labels)


@pytest.fixture(params=["dcgan", "pggan", "spade", "inade"])
def network(request):
    torch.manual_seed(0)
    made = {
        "dcgan": lambda: Dcgan(DcganConfig(5, (8, 8, 4, 4, 4))),
        "pggan": lambda: Pggan(SMALL_PGGAN),
        "spade": lambda: Spade(SpadeConfig(2, 4, 6)),
        "inade": lambda: Inade(InadeConfig(2, 6)),
    }
    network = made[request.param]().eval()
    if request.param == "dcgan":  # starts with images near zero
        for weight in network.parameters():
            weight.data *= 10.0
    return network


@torch.no_grad()
def test_an_image_depends_on_its_seed_alone_not_on_its_batch(network):
    both, one = scene(2), scene(1)
    images = network(network.noise(both, generators(3, 4)), both)
    alone = network(network.noise(one, generators(4)), one)
    assert images.shape == (2, 1, 128, 128)
    assert (images[1:] - alone).abs().max() < 5e-3 * images.std()
    assert (images[0] - images[1]).abs().max() > 0.1 * images.std()


def test_critics_give_a_score_each():
    images = torch.randn(4, 1, 128, 128)
    assert DcganCritic(DcganConfig(5, (8, 8, 4, 4, 4)))(images).shape == (4,)
    assert PgganCritic(SMALL_PGGAN)(images).shape == (4,)
    scales = MultiScaleCritic(4, 3, 2)(images, torch.zeros(4, 128, 128, dtype=torch.long))
    assert [len(features) for features in scales] == [4, 4]
    assert [features[-1].shape[-1] for features in scales] == [35, 19]


# ---------------------------------------------------------------- PG-GAN


def test_pixel_norm_and_equalised_weights():
    x = pixel_norm(5.0 * torch.randn(2, 16, 3, 3))
    torch.testing.assert_close(x.square().mean(1), torch.ones(2, 3, 3), atol=1e-4, rtol=0)
    torch.manual_seed(0)
    conv = EqualConv(64, 256, 3, 1)
    assert conv.weight.std().item() == pytest.approx(1.0, abs=0.02)
    assert conv(torch.randn(2, 64, 8, 8))[:, :, 1:-1, 1:-1].std().item() == pytest.approx(2**0.5, rel=0.05)


def test_the_critic_is_told_how_much_images_differ():
    same = torch.randn(1, 3, 4, 4).expand(4, -1, -1, -1)
    assert deviation_plane(same).abs().max() < 1e-3
    plane = deviation_plane(torch.stack([same[0], same[0] + 2.0, same[0], same[0] + 2.0]))
    assert plane.shape == (4, 1, 4, 4)
    torch.testing.assert_close(plane, torch.ones(4, 1, 4, 4), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize(("level", "side"), [(0.0, 4), (0.3, 8), (1.0, 8), (4.2, 128), (5.0, 128)])
def test_both_networks_of_pggan_work_at_every_level(level, side):
    maker, critic = Pggan(SMALL_PGGAN), PgganCritic(SMALL_PGGAN)
    for one in (maker, critic):
        one.grow_to(level)
    images = maker.draw(torch.randn(4, 6))
    assert images.shape == (4, 1, side, side)
    assert critic(images).shape == (4,)
    assert at_level(torch.randn(4, 1, 128, 128), level).shape == (4, 1, side, side)
    assert maker(torch.randn(4, 6), scene()).shape == (4, 1, 128, 128)


@torch.no_grad()
def test_new_layers_fade_in_without_a_jump():
    torch.manual_seed(1)
    maker, critic, noise = Pggan(SMALL_PGGAN), PgganCritic(SMALL_PGGAN), torch.randn(4, 6)
    before = F.interpolate(maker_at(maker, 2.0, noise), scale_factor=2)
    torch.testing.assert_close(maker_at(maker, 2.0 + 1e-5, noise), before, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(maker_at(maker, 3.0 - 1e-5, noise), maker_at(maker, 3.0, noise), atol=1e-3, rtol=1e-3)
    image = torch.randn(4, 1, 128, 128)
    for low, high in ((2.0, 2.0 + 1e-5), (3.0 - 1e-5, 3.0)):
        scores = []
        for level in (low, high):
            critic.grow_to(level)
            scores.append(critic(at_level(image, level)))
        torch.testing.assert_close(*scores, atol=1e-3, rtol=1e-2)


def maker_at(maker, level, noise):
    maker.grow_to(level)
    return maker.draw(noise)


# ---------------------------------------------------------------- SPADE and INADE


@torch.no_grad()
def test_masks_are_heard_where_they_are():
    torch.manual_seed(0)
    network = Spade(SpadeConfig(4, 8, 6)).eval()
    with_two, with_one = scene(1, 2), scene(1, 1)
    noise = network.noise(with_two, generators(1))
    change = (network(noise, with_two) - network(noise, with_one)).abs()[0, 0]
    assert change[40:50, 90:102].mean() > 5 * change[100:, :30].mean()


@torch.no_grad()
def test_an_object_s_noise_changes_that_object():
    torch.manual_seed(0)
    network = Inade(InadeConfig(4, 6)).eval()
    two = scene(1, 2)
    noise = network.noise(two, generators(1))
    assert noise.shape == (1, 3, 6)
    other = noise.clone()
    other[:, 2] += 2.0
    change = (network(noise, two) - network(other, two)).abs()[0, 0]
    assert change[40:50, 90:102].mean() > 5 * change[100:, :30].mean()


@torch.no_grad()
@pytest.mark.parametrize("make", [lambda: Spade(SpadeConfig(2, 4, 6)), lambda: Inade(InadeConfig(2, 6))])
def test_a_background_gives_the_style_where_it_is_shown(make):
    torch.manual_seed(0)
    network = make().eval()
    plain = scene(2)
    shown = Scene(plain.masks, plain.labels, torch.randn(2, 1, 128, 128), torch.tensor([True, False]))
    noise = network.noise(plain, generators(1, 2))
    code, divergence = network.style(noise, shown)
    assert (code[0] - noise[0]).abs().max() > 1e-3
    torch.testing.assert_close(code[1], noise[1])
    assert (divergence >= 0).all() and divergence[0] > 0
    assert network.style(noise, plain)[1].tolist() == [0.0, 0.0]


@torch.no_grad()
def test_a_background_leaves_the_noise_of_objects_as_it_is():
    torch.manual_seed(0)
    network = Inade(InadeConfig(2, 6)).eval()
    two = scene(1)
    noise = network.noise(two, generators(1))
    two.skies = torch.randn(1, 1, 128, 128)
    code, _ = network.style(noise, two)
    torch.testing.assert_close(code[:, 1:], noise[:, 1:])
    code, _ = network.style(noise, two, torch.randn(1, 1, 128, 128))  # in training every object has an image
    assert (code - noise).abs().amax((0, 2)).min() > 1e-3


def test_small_objects_are_not_lost_at_coarse_levels():
    plane = torch.zeros(1, 1, 128, 128)
    plane[..., 37, 71] = 1.0
    levels = pyramid(plane)
    assert sorted(levels) == [4, 8, 16, 32, 64, 128]
    for side, level in levels.items():
        assert level.sum().item() == pytest.approx((side / 128) ** 2)


def test_divergence_from_the_unit_gaussian():
    """KL(N(1, 4) | N(0, 1)) = (1 + 4 - 1 - ln 4) / 2, in each of three dimensions."""
    expected = 3 * (1 + 4 - 1 - 1.3862943611) / 2
    assert kl(torch.ones(2, 3), torch.full((2, 3), 1.3862943611)).tolist() == pytest.approx([expected] * 2)


# ---------------------------------------------------------------- DDPM


def test_ddpm_measures_the_noise_and_keeps_a_beam_of_three_pixels():
    network = Ddpm(DdpmConfig(widths=(8, 16), layers=1, attention=(False, False)))
    white = torch.randn(16, 1, 160, 160, generator=torch.Generator().manual_seed(0))
    step = torch.arange(-8, 9).float()
    beam = torch.exp(-0.5 * (2.3548 / 3.0 * step) ** 2)
    kernel = (beam[:, None] * beam)[None, None]
    noise = F.conv2d(white, kernel / kernel.square().sum().sqrt())[..., 8:136, 8:136]
    masks = torch.zeros(16, 128, 128, dtype=torch.long)
    masks[:, :20, :20] = 2
    images = 0.25 * noise
    images[:, :, :20, :20] = 50.0
    network.measure(images, masks)
    assert network.deviation.item() == pytest.approx(0.25, rel=0.05)
    pixels = network.shrink(0.25 * noise)
    assert pixels.shape == (16, 1, 64, 64)
    lost = network.grow(pixels) - 0.25 * noise
    assert (lost.std() / 0.25).square().item() == pytest.approx(0.024, abs=0.002)
    assert network(pixels[:2], torch.tensor([3.0, 900.0])).shape == (2, 1, 64, 64)
