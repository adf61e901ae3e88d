"""ResNet18 and BYOL: published size, the loss by hand, the target's path."""

import math

import pytest
import torch

from radiff.models.byol import BYOL, Head, disagreement, momentum_at, overlap
from radiff.models.resnet import ResNet18, ResNetConfig

SMALL = ResNetConfig(widths=(4, 4, 8, 8))


def test_parameter_count_is_the_published_one():
    assert sum(p.numel() for p in ResNet18(ResNetConfig(3, classes=1000)).parameters()) == 11_689_512


def test_features_are_512_numbers_whatever_the_size():
    network = ResNet18(ResNetConfig()).eval()
    with torch.no_grad():
        for size in (32, 70):
            assert network(torch.randn(2, 1, size, size)).shape == (2, 512)


def test_compressed_features_are_means_of_logarithms():
    torch.manual_seed(0)
    plain, compressed = (ResNet18(ResNetConfig(widths=(4, 4, 8, 8), compressed=c)).eval() for c in (False, True))
    compressed.load_state_dict(plain.state_dict())
    image = torch.randn(2, 1, 64, 64)
    maps = []
    plain.stages.register_forward_hook(lambda *call: maps.append(call[2]))
    with torch.no_grad():
        torch.testing.assert_close(plain(image), maps[0].mean((-2, -1)))
        torch.testing.assert_close(compressed(image), torch.log(1 + maps[0]).mean((-2, -1)))


def test_config_round_trip():
    config = ResNetConfig(1, (8, 8, 16, 16), 3)
    assert ResNetConfig(**config.to_dict()) == config


def test_disagreement_by_hand():
    one = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    two = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
    assert disagreement(one, two).item() == pytest.approx((0 + 2 - math.sqrt(2)) / 2, abs=1e-6)
    assert disagreement(one, -one).item() == pytest.approx(4.0)


def test_the_loss_is_symmetric_in_the_views_and_the_target_gets_no_gradient():
    torch.manual_seed(0)
    byol = BYOL(ResNet18(SMALL), 16, 8)
    one, two = torch.randn(2, 6, 1, 32, 32)
    loss, shared = byol(one, two)
    assert [loss.item(), shared.item()] == pytest.approx([x.item() for x in byol(two, one)], rel=1e-4)
    assert 0 <= loss.item() <= 8
    loss.backward()
    assert all(p.grad is None for p in byol.target.parameters())
    assert all(p.grad is not None for p in [*byol.backbone.parameters(), *byol.predictor.parameters()])


def test_overlap_of_independent_and_of_equal_projections():
    torch.manual_seed(0)
    independent = torch.randn(5000, 16) * torch.arange(1, 17) + 3
    assert overlap(independent).item() == pytest.approx(16 / 5000, rel=0.2)
    assert overlap(torch.randn(100, 1).expand(100, 16)).item() == pytest.approx(15, rel=1e-2)
    pairs = torch.randn(5000, 8).repeat_interleave(2, 1)  # each has one other that is the same
    assert overlap(pairs).item() == pytest.approx(1, rel=0.02)


def test_centred_projections_have_no_common_direction():
    torch.manual_seed(0)
    plain, centred = (Head(8, 16, 4, centred) for centred in (False, True))
    x = torch.randn(500, 8)
    assert centred(x).mean(0).abs().max() < 1e-5 < plain(x).mean(0).abs().max()
    torch.testing.assert_close(centred(x).std(0, correction=0), torch.ones(4), rtol=1e-3, atol=0)


def test_the_target_starts_as_the_online_network_and_follows_it():
    byol = BYOL(ResNet18(SMALL), 16, 8)
    online = [*byol.backbone.parameters(), *byol.projector.parameters()]
    target = list(byol.target.parameters())
    assert len(online) == len(target)
    assert all(torch.equal(a, b) for a, b in zip(online, target, strict=True))
    before = target[0].clone()
    with torch.no_grad():
        online[0].add_(1.0)
    byol.follow(0.9)
    torch.testing.assert_close(target[0], before + 0.1)


def test_momentum_rises_from_its_start_to_one():
    assert momentum_at(0.99, 0, 100) == pytest.approx(0.99)
    assert momentum_at(0.99, 50, 100) == pytest.approx(0.995)
    assert momentum_at(0.99, 100, 100) == momentum_at(0.99, 300, 100) == 1.0
