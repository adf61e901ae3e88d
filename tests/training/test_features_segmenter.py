"""Features and segmenter: losses by hand, what validation says, whole runs of a few steps, resume, best weights."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from radiff.data.collection import Collection
from radiff.data.loader import Batch
from radiff.data.scaling import SnrAsinh, scaling_config
from radiff.errors import InputError
from radiff.models.io import load_features, load_segmenter, read_manifest
from radiff.models.resnet import ResNet18, ResNetConfig
from radiff.training.config import FeatureSettings, SegmenterSettings, load_preset
from radiff.training.features import FeatureTask, in_use, nearest, neighbour_agreement, presence
from radiff.training.norms import measure_norms
from radiff.training.run import RunOptions, train_features, train_segmenter
from radiff.training.segmenter import SegmenterTask, crop_at_objects, dice_loss
from run_files import log, weights_bytes
from tiny_collection import tiny_collection

SCALING = {"name": "snr-asinh", "softness": 4.0}
TRAIN = {"features": train_features, "segmenter": train_segmenter}
SMALL = FeatureSettings(widths=(4, 4, 8, 8), hidden=16, projection=8)


def batch(count=4, size=32, seed=0):
    """Noise; in every second cutout a bright compact source."""
    random = torch.Generator().manual_seed(seed)
    images, masks = torch.randn(count, 1, size, size, generator=random), torch.zeros(count, size, size).long()
    masks[::2, 8:12, 20:24] = 2
    images[masks[:, None] == 2] += 5.0
    return Batch(images, masks, torch.zeros(count, size, size), torch.zeros_like(images), torch.full((count,), 3.0))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------- features


def test_presence_says_which_classes_are_there():
    assert presence([batch(3)]).tolist() == [[False, True, False], [False] * 3, [False, True, False]]


def test_neighbours_agree_by_hand():
    bank = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    known = torch.tensor([[True, True], [False, True], [True, True], [False, True]])
    features = torch.tensor([[2.0, 0.1], [0.1, -3.0], [0.1, 0.5]])
    assert nearest(bank, features).tolist() == [0, 3, 2]
    wanted = torch.tensor([[True, True], [True, True], [False, True]])
    agreement = neighbour_agreement(bank, known, features, wanted)
    assert agreement[0].item() == pytest.approx(0.5 * (1 / 2 + 0 / 1))
    assert math.isnan(agreement[1].item())  # all have it


def test_a_collapse_shows():
    torch.manual_seed(0)
    spread, rank = in_use(torch.randn(2000, 16))
    assert spread == pytest.approx(1, abs=0.05) and rank == pytest.approx(16, abs=0.5)
    line = torch.ones(100, 16) + 1e-3 * torch.randn(100, 1) * torch.arange(16.0)
    spread, rank = in_use(line)
    assert spread < 0.05 and rank < 1.5


def test_the_target_moves_in_training_only():
    task = FeatureTask(SMALL, SCALING, steps=10)
    before = [p.clone() for p in task.module.byol.target.parameters()]
    with torch.no_grad():
        for p in task.backbone.parameters():
            p.add_(0.1)
    task.module.eval()(batch(), generator())
    assert all(torch.equal(a, b) for a, b in zip(before, task.module.byol.target.parameters(), strict=True))
    task.module.train()(batch(), generator())
    assert not torch.equal(before[0], next(task.module.byol.target.parameters()))
    assert task.module.steps_done == 1


def test_views_of_the_task_have_the_size_asked_for():
    task = FeatureTask(SMALL.model_copy(update={"crop": 24}), SCALING, steps=10)
    for view in task.module.views(batch().images, generator()):
        assert view.shape == (4, 1, 24, 24)
    for view in FeatureTask(SMALL, SCALING, 10).module.views(batch().images, generator()):
        assert view.shape == (4, 1, 32, 32)


def test_the_network_sees_images_of_its_own_softness():
    still = {"gain": 0.0, "noise": 0.0, "least_area": 1.0, "plain_share": 0.0}
    images = torch.asinh(torch.full((2, 1, 32, 32), 30.0) / 4)
    for softness, wanted in ((0.5, 0.5), (0.0, 4.0)):
        task = FeatureTask(SMALL.model_copy(update={**still, "softness": softness}), SCALING, 10)
        seen = []
        task.backbone.conv1.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        task.module.train()(Batch(images, None, None, None, None), generator())
        task.module.eval()
        task.embed([Batch(images, None, None, None, None)])
        for image in seen:
            torch.testing.assert_close(wanted * torch.sinh(image), torch.full_like(image, 30.0), rtol=1e-4, atol=1e-3)
        assert len(seen) == 2


# ---------------------------------------------------------------- normalisations


def test_measured_norms_are_those_of_the_images():
    network = ResNet18(ResNetConfig(widths=(4, 4, 8, 8))).eval()
    images = [3 * batch(8, seed=k).images + 1 for k in range(3)]
    measure_norms(network, network, images)
    seen = torch.stack([network.conv1(x).transpose(0, 1).flatten(1).mean(1) for x in images]).mean(0)
    torch.testing.assert_close(network.bn1.running_mean, seen, rtol=1e-4, atol=1e-5)
    assert not network.training and network.bn1.momentum == 0.1
    before = network.bn1.running_mean.clone()
    measure_norms(network, network, [])
    assert torch.equal(before, network.bn1.running_mean)


# ---------------------------------------------------------------- segmenter


def test_loss_by_hand():
    """A network whose scores are all zero gives each class 1/4."""
    settings = SegmenterSettings(widths=(8, 16), dice_weight=0.5, class_weights=(0.25, 2.85, 0.30, 1.50))
    task = SegmenterTask(settings, SCALING)
    torch.nn.init.zeros_(task.network.last.weight)
    torch.nn.init.zeros_(task.network.last.bias)
    data = batch()
    loss, figures = task.module(data, generator())
    assert figures["entropy"].item() == pytest.approx(math.log(4), rel=1e-5)  # weights are normalised by their sum
    n, k = data.masks.numel(), int((data.masks == 2).sum())
    dice = 1 - 0.5 * (2 * (n - k) / 4 / (n / 4 + n - k) + 2 * k / 4 / (n / 4 + k))
    assert figures["dice"].item() == pytest.approx(dice, rel=1e-5)
    assert loss.item() == pytest.approx(math.log(4) + 0.5 * dice, rel=1e-5)


def test_dice_of_a_perfect_answer_is_zero():
    masks = batch().masks
    logits = 40.0 * F.one_hot(masks, 4).movedim(-1, 1).float()
    assert dice_loss(logits, masks).item() == pytest.approx(0, abs=1e-5)
    assert dice_loss(logits.flip(1), masks).item() == pytest.approx(1, abs=1e-5)


def test_crops_hold_an_object_and_mask_and_image_stay_in_step():
    data = batch(64, 40)
    data.images[:, 0] = torch.arange(1600.0).view(40, 40)
    images, masks = crop_at_objects(data.images, data.masks, 8, 1.0, generator())
    assert images.shape == (64, 1, 8, 8) and masks.shape == (64, 8, 8)
    assert (masks[::2] == 2).flatten(1).any(1).all()
    for k in range(64):
        y, x = divmod(int(images[k, 0, 0, 0]), 40)
        assert torch.equal(images[k], data.images[k, :, y : y + 8, x : x + 8])
        assert torch.equal(masks[k], data.masks[k, y : y + 8, x : x + 8])
    assert len({int(v) for v in images[:, 0, 0, 0]}) > 30
    _, free = crop_at_objects(data.images, data.masks, 8, 0.0, generator())
    assert 0 < (free[::2] == 2).flatten(1).any(1).float().mean() < 0.5


def test_training_crops_and_validation_does_not():
    task = SegmenterTask(SegmenterSettings(widths=(8, 16), crop=16), SCALING)
    seen = []
    task.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-2:]))
    task.module.train()(batch(), generator())
    with torch.no_grad():
        figures = task.module.eval()(batch(), generator())[1]
    assert [tuple(s) for s in seen] == [(16, 16), (32, 32)]
    assert figures["confusions"].sum((1, 2)).eq(32 * 32).all()


def test_validation_of_a_perfect_network(monkeypatch):
    task = SegmenterTask(SegmenterSettings(widths=(8, 16)), SCALING)
    data = batch()
    perfect = 40.0 * F.one_hot(data.masks, 4).movedim(-1, 1).float()
    monkeypatch.setattr(task.network, "forward", lambda images: perfect)
    task.module.eval()
    figures = task.validate([data])
    assert figures["val/loss"] == pytest.approx(0) and figures["val/iou_compact"] == 1
    assert figures["val/iou_sources"] == figures["val/image_iou"] == 1
    assert "val/iou_spurious" not in figures  # in no mask and not found: no figure
    perfect[0] = perfect[1]  # one of two sources is missed
    figures = task.validate([data])
    assert figures["val/iou_compact"] == pytest.approx(0.5)
    background = (4 * 1024 - 32) / (4 * 1024 - 16)
    assert figures["val/iou"] == pytest.approx((background + 0.5) / 2)
    single = [(1008 / 1024 + 0) / 2, 1, 1, 1]
    assert figures["val/image_iou"] == pytest.approx(np.mean(single))
    assert figures["val/image_iou_sources"] == pytest.approx(np.mean([0, 1]))


def test_the_same_step_has_the_same_dropout():
    settings = SegmenterSettings(name="fc-densenet56", dropout=0.5)
    module = SegmenterTask(settings, SCALING).module.train()
    with torch.no_grad():
        one, two, other = (module(batch(2), generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)


@pytest.mark.parametrize("name", ["vgg", "fc-densenet"])
def test_unknown_networks_are_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' is no segmenter; there are: light-unet, fc-densenet56"):
        SegmenterTask(SegmenterSettings(name=name), SCALING)


# ---------------------------------------------------------------- runs


@pytest.fixture
def start(collection, pack):
    def run(network, folder, *overrides, **options):
        settings = load_preset("smoke", [f"{network}.{text}" for text in overrides])
        return TRAIN[network](collection, settings, RunOptions(folder, pack, workers=1, device="cpu", **options))

    return run


@pytest.mark.parametrize(("network", "load"), [("features", load_features), ("segmenter", load_segmenter)])
def test_a_run_in_seconds(start, tmp_path, network, load):
    assert start(network, tmp_path).step == 8
    manifest = read_manifest(tmp_path / "weights")
    assert manifest["scaling"] == scaling_config(SnrAsinh(1.0 if network == "features" else 4.0))
    assert "loss" in manifest["validation"][network]
    assert all(v.isfinite().all() for v in load(tmp_path / "weights").state_dict().values())
    assert (tmp_path / "sheets" / "0000008.png").read_bytes()[:4] == b"\x89PNG"
    assert [step for step, _ in log(tmp_path, "step", "val/loss")] == [4, 8]


@pytest.mark.parametrize("network", ["features", "segmenter"])
def test_a_resumed_run_takes_the_same_path_bit_for_bit(start, tmp_path, network):
    start(network, tmp_path / "whole")
    start(network, tmp_path / "parts", max_minutes=0.0)
    assert start(network, tmp_path / "parts").step == 8
    losses = [dict(log(tmp_path / run, "step", "loss")) for run in ("whole", "parts")]
    assert losses[0] == losses[1]
    assert weights_bytes(tmp_path / "parts") == weights_bytes(tmp_path / "whole")


def test_weights_are_those_of_the_best_validation(start, tmp_path):
    often = ("loop.validate_every=1", "loop.learning_rate=0.3", "loop.steps=6", "loop.ema_decay=0.5")
    start("segmenter", tmp_path, *often)
    losses = dict(log(tmp_path, "step", "val/loss"))
    best = min(losses, key=losses.get)
    manifest = read_manifest(tmp_path / "weights")
    assert manifest["training"]["segmenter"]["step"] == best != 6
    assert manifest["validation"]["segmenter"]["loss"] == pytest.approx(losses[best])


def test_a_tiramisu_trains(start, tmp_path):
    start("segmenter", tmp_path, "network.name=fc-densenet56", "loop.steps=1")
    network = load_segmenter(tmp_path / "weights")
    assert network.config.growth == 12 and network.config.dropout == 0.2


@pytest.mark.parametrize("shape", [(32, 48), (20, 20)])
def test_features_need_square_cutouts_that_are_not_too_small(tmp_path, shape):
    odd = tiny_collection(tmp_path / "odd", 2, 1, shape)
    with pytest.raises(InputError, match="features are learnt from square views of 32 pixels or more; the cutouts are"):
        train_features(Collection.open(odd.root), load_preset("smoke"), RunOptions(tmp_path / "run", workers=1))


def test_settings_that_do_not_go_together_are_one_line(start, tmp_path):
    with pytest.raises(InputError, match="the settings do not go together: 'x' is no segmenter"):
        start("segmenter", tmp_path, "network.name=x")
