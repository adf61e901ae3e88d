"""Every baseline: a run of a few steps, exact resume of both networks, drawing from the weights, what is refused."""

import numpy as np
import pytest
import torch

from radiff.data.loader import PackLoader
from radiff.data.pack import Pack
from radiff.errors import InputError
from radiff.models.io import read_manifest
from radiff.paper.baselines import BASELINES, load_baseline
from radiff.paper.baselines.dcgan import Dcgan, DcganConfig, DcganCritic
from radiff.paper.baselines.pggan import Pggan, PgganConfig, PgganCritic
from radiff.paper.baselines.spade import MultiScaleCritic, Spade, SpadeConfig
from radiff.paper.losses import CRITIC, GENERATOR, DcganLoss, PgganLoss, SemanticLoss, scene_of
from radiff.paper.settings import load_preset
from radiff.paper.tasks import diversity, level_at, patch_distance
from radiff.paper.training import train_baseline
from radiff.training.run import RunOptions
from run_files import log, weights_bytes
from tiny_collection import tiny_collection

SHORT = (
    "loop.steps=4", "loop.batch_size=2", "loop.log_every=1", "loop.validate_every=4", "loop.validation_batches=1",
    "loop.sheet_every=4",
)  # fmt: skip


class Killed(BaseException):
    """Stands for a run that was stopped."""


def stop_at(step):
    def on_log(figures):
        if figures["step"] == step:
            raise Killed

    return on_log


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Six train and two val cutouts of 128 x 128 pixels."""
    return tiny_collection(tmp_path_factory.mktemp("baselines") / "collection", shape=(128, 128))


@pytest.fixture(scope="module")
def large_pack(tmp_path_factory):
    return tmp_path_factory.mktemp("baselines") / "pack"


@pytest.fixture
def train_one(large, large_pack):
    """``train_one(name, run, *overrides, **options)`` -> `State`, by the preset ``smoke``."""

    def start(name, run, *overrides, **options):
        settings = load_preset("smoke", [f"{name}.{text}" for text in (*SHORT, *overrides)])
        return train_baseline(name, large, settings, RunOptions(run, large_pack, workers=1, device="cpu", **options))

    return start


@pytest.fixture
def batch(large, large_pack, train_one, tmp_path):
    """Four cutouts with objects."""
    train_one("pggan", tmp_path / "first", max_minutes=0.0)
    return PackLoader(Pack.open(large_pack / "train"), 4, empty_share=0.0).batch(0)


@pytest.mark.parametrize("name", BASELINES)
def test_a_run_resumes_exactly_and_its_weights_draw(train_one, tmp_path, name):
    assert train_one(name, tmp_path / "whole").step == 4
    often = "loop.checkpoint_minutes=0"
    with pytest.raises(Killed):
        train_one(name, tmp_path / "parts", often, on_log=stop_at(3))
    assert train_one(name, tmp_path / "parts", often).step == 4
    keys = ("step", "loss", "gradient", "rate")
    parts = {line[0]: line for line in log(tmp_path / "parts", *keys)}
    assert list(parts.values()) == log(tmp_path / "whole", *keys)
    assert log(tmp_path / "parts", "step", "val/loss") == log(tmp_path / "whole", "step", "val/loss")
    assert weights_bytes(tmp_path / "parts") == weights_bytes(tmp_path / "whole")
    a, b = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("parts", "whole"))
    assert len(a["optimizers"]) == (1 if name == "ddpm" else 2)
    assert all(torch.equal(a["module"][k], b["module"][k]) for k in b["module"] if "running" not in k)
    network = load_baseline(tmp_path / "whole" / "weights")
    assert isinstance(network, BASELINES[name].network)
    assert all(value.isfinite().all() for value in network.state_dict().values())
    about = read_manifest(tmp_path / "whole" / "weights")
    assert about["training"][name]["step"] == 4 and about["training"][name]["processor_seconds"] >= 0
    assert (tmp_path / "whole" / "sheets" / "0000004.png").read_bytes()[:4] == b"\x89PNG"


def test_cutouts_of_another_size_are_refused(tmp_path):
    collection = tiny_collection(tmp_path / "collection")
    settings = load_preset("smoke")
    with pytest.raises(InputError, match=r"spade is to draw 128 x 128 pixels .* the cutouts are 32 x 32"):
        train_baseline("spade", collection, settings, RunOptions(tmp_path / "run", workers=1, device="cpu"))


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("pggan", "network.stages=[1, 2]", "stages needs one length a level: 6, not 2"),
        ("ddpm", "network.attention=[true]", "attention needs one entry a level: 2, not 1"),
        ("ddpm", "network.sampler=best", "'best' is no sampler; there are: euler"),
    ],
)
def test_settings_that_do_not_go_together(train_one, tmp_path, name, override, message):
    with pytest.raises(InputError, match=f"the settings do not go together: {message}"):
        train_one(name, tmp_path, override)


# ---------------------------------------------------------------- losses


def losses():
    small = DcganConfig(5, (8, 8, 4, 4, 4))
    grown = PgganConfig(6, (8, 8, 8, 4, 4, 4))
    return {
        "dcgan": DcganLoss(Dcgan(small), DcganCritic(small)),
        "pggan": PgganLoss(Pggan(grown), PgganCritic(grown)),
        "spade": SemanticLoss(Spade(SpadeConfig(2, 4, 6)), MultiScaleCritic(4, 3), False, 10.0, 0.05),
    }


@pytest.mark.parametrize("name", ["dcgan", "pggan", "spade"])
def test_each_network_s_loss_reaches_its_own_weights_alone(batch, name):
    torch.manual_seed(0)
    loss_of = losses()[name]
    for network, own, other in (
        (CRITIC, loss_of.critic, loss_of.network),
        (GENERATOR, loss_of.network, loss_of.critic),
    ):
        loss_of.zero_grad(set_to_none=True)
        loss, _ = loss_of(batch, torch.Generator().manual_seed(1), network)
        loss.backward()
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in own.parameters())
        assert all(p.grad is None for p in other.parameters())


class Constant(torch.nn.Module):
    """A critic with a known slope: the sum of the pixels times `slope`."""

    def __init__(self, slope):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(float(slope)))
        self.register_buffer("level", torch.tensor(5.0))

    def forward(self, images):
        return self.slope * images.flatten(1).sum(1)


def test_the_wasserstein_loss_of_a_known_critic(batch):
    """A slope a at each of n pixels has the norm a sqrt(n); the penalty is its squared distance from 1."""
    loss_of = losses()["pggan"]
    loss_of.critic = Constant(0.5)
    made = torch.zeros(4, 1, 128, 128)
    loss, figures = loss_of.critic_loss(batch, scene_of(batch, False), made, torch.Generator().manual_seed(0))
    real = 0.5 * batch.images.flatten(1).sum(1)
    penalty = (0.5 * 128 - 1) ** 2
    assert figures["penalty"].item() == pytest.approx(penalty, rel=1e-4)
    expected = 10 * penalty - real.mean() + 1e-3 * real.square().mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_hinge_loss_of_a_known_critic(batch):
    """Scores beyond -1 and 1 on the right side cost nothing; the features of equal images match."""
    loss_of = losses()["spade"]
    count = len(batch)

    def scores(real, made):
        return [
            [[images.mean((1, 2, 3)), torch.full((count, 1), said)]] * 2 for images, said in ((real, 2.0), (made, -0.5))
        ]

    loss_of._features = lambda real, made, masks: scores(real, made)
    made = batch.images.clone()
    loss, _ = loss_of.critic_loss(batch, scene_of(batch, False), made, torch.Generator())
    assert loss.item() == pytest.approx(0.5)  # relu(1 - 2) + relu(1 - 0.5)
    loss, figures = loss_of.generator_loss(batch, scene_of(batch, False), made, torch.tensor(3.0))
    assert figures["features"].item() == pytest.approx(0.0, abs=1e-7)
    assert loss.item() == pytest.approx(0.5 + 0.05 * 3.0)


def test_connected_objects_are_labelled(batch):
    scene = scene_of(batch, True)
    assert scene.labels.flatten(1).amax(1).tolist() == [2] * 4
    assert torch.equal(scene.labels > 0, scene.masks > 0)
    for labels, masks in zip(scene.labels, scene.masks, strict=True):
        assert [masks[labels == k].unique().tolist() for k in (1, 2)] == [[2], [3]]
    assert not scene_of(batch, False).labels.any()


def test_the_course_of_growth():
    stages = (1.0, 2.0, 2.0)
    levels = [level_at(p / 5, stages) for p in (0, 0.9, 1, 1.5, 2, 2.9, 3, 3.5, 4, 5)]
    assert levels == pytest.approx([0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2])


# ---------------------------------------------------------------- figures


def test_patches_of_the_same_images_have_no_distance_and_corruption_raises_it():
    random = np.random.default_rng(0)
    real, other = (torch.from_numpy(random.normal(size=(16, 1, 64, 64))).float() for _ in range(2))
    baseline = patch_distance(real, other)
    assert baseline < 0.15
    smooth = torch.nn.functional.avg_pool2d(other, 3, 1, 1)
    assert patch_distance(real, smooth) > 2 * baseline
    assert patch_distance(real, other + 1.0) > 2 * baseline
    assert patch_distance(real, 2.0 * other) > 2 * baseline


def test_diversity_falls_to_zero_where_all_images_are_the_same():
    images = torch.randn(8, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert diversity(images[:1].expand(8, -1, -1, -1)) == 0.0
    assert diversity(2.0 * images) == pytest.approx(2.0 * diversity(images))
