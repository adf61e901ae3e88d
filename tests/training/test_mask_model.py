"""The mask model's task: batches, the loss, whole runs of a few steps, resume, what is refused."""

import numpy as np
import pytest
import torch

from mask_model_samples import SMALL
from radiff.data.collection import Collection
from radiff.data.mask_set import read_mask_set
from radiff.diffusion.objectives import DiffusionConfig, Objective
from radiff.errors import InputError
from radiff.generate.masks import MaskMaker
from radiff.masks.fields import fields_to_mask
from radiff.training.config import load_preset
from radiff.training.mask_model import MaskBatch, MaskLoader, MaskModelLoss, MaskModelTask
from radiff.training.run import RunOptions, train_masks
from run_files import log, weights_bytes
from tiny_collection import tiny_collection

QUICK = ["masks.network.channels=[16, 16]", "masks.network.head_width=8"]


@pytest.fixture(scope="module")
def masks(collection):
    return read_mask_set(collection, workers=1)


@pytest.fixture(scope="module")
def run(collection, tmp_path_factory):
    """Folder of a whole run of eight steps."""
    folder = tmp_path_factory.mktemp("masks") / "whole"
    train_masks(collection, load_preset("smoke", QUICK), RunOptions(folder, workers=1, device="cpu"))
    return folder


def test_batches_are_turns_of_masks_that_hold_an_object(masks):
    loader = MaskLoader(masks, 3, 4.0)
    assert len(loader) == 6  # two of eight are empty
    batch = loader.batch(5)
    assert batch.fields.shape == (3, 3, 32, 32) and batch.numbers.tolist() == [[0, 1, 1]] * 3
    drawn = fields_to_mask(batch.fields.numpy())
    assert [np.bincount(one.ravel(), minlength=4).tolist() for one in drawn] == [[1024 - 12, 0, 1, 11]] * 3
    again = MaskLoader(masks, 3, 4.0).batch(5)
    assert torch.equal(again.fields, batch.fields)
    plain = MaskLoader(masks, 6, 4.0, augment=False).batch(0)
    assert np.array_equal(fields_to_mask(plain.fields.numpy()), masks.subset(masks.counts.sum(1) > 0).masks())


def test_processes_share_an_epoch(masks):
    parts = [MaskLoader(masks, 1, 4.0, process=p, processes=2) for p in (0, 1)]
    whole = MaskLoader(masks, 1, 4.0)
    assert [p._index(k * 2 + n) for k in range(3) for n, p in enumerate(parts)] == [whole._index(k) for k in range(6)]
    assert sorted(whole._index(k) for k in range(6)) == list(range(6))


def test_numbers_are_dropped_as_often_as_said():
    seen: list[torch.Tensor] = []
    task = MaskModelTask(SMALL.model_copy(update={"count_dropout": 0.2, "class_dropout": 0.5}), 32)
    loss = MaskModelLoss(task.model, Objective(DiffusionConfig("angle")), task.settings)
    batch = MaskBatch(torch.full((500, 3, 32, 32), -1.0), torch.full((500, 3), 2.0))

    def forward(x, angle, numbers):
        seen.append(numbers)
        return torch.zeros_like(x)

    task.model.forward = forward  # type: ignore[method-assign]
    loss(batch, torch.Generator().manual_seed(0))
    free = seen[0] < 0
    assert free.all(1).float().mean().item() == pytest.approx(0.2 + 0.8 * 0.125, abs=0.05)
    assert free.float().mean().item() == pytest.approx(0.2 + 0.8 * 0.5, abs=0.04)
    assert set(seen[0].unique().tolist()) == {-1.0, 2.0}


def test_a_run_leaves_weights_that_make_masks(run):
    assert [step for step, _ in log(run, "step", "val/loss")] == [4, 8]
    assert (run / "sheets" / "0000008.png").is_file()
    maker = MaskMaker.from_pretrained(run / "weights", "cpu", "fp32")
    assert maker.size == 32 and maker.table.tolist() == [[0, 1, 1]] * 4
    assert maker.rules.smallest == (5, 1, 11) and maker.rules.at_edge == (True, False, False)
    assert maker.options().num_steps == 2


def test_a_resumed_run_takes_the_same_path_bit_for_bit(collection, run, tmp_path):
    settings = load_preset("smoke", QUICK)
    state = train_masks(collection, settings, RunOptions(tmp_path, workers=1, device="cpu", max_minutes=0.0))
    assert 0 < state.step < 8
    assert train_masks(collection, settings, RunOptions(tmp_path, workers=1, device="cpu")).step == 8
    assert dict(log(tmp_path, "step", "loss")) == dict(log(run, "step", "loss"))
    assert weights_bytes(tmp_path) == weights_bytes(run)


def test_resampled_cutouts_are_left_out(collection, tmp_path):
    rows = [*collection.rows]
    rows[2] = type(rows[2])(**{**vars(rows[2]), "sample": "resampled"})
    train_masks(
        Collection(collection.root, rows),
        load_preset("smoke", [*QUICK, "masks.loop.steps=1"]),
        RunOptions(tmp_path, workers=1, device="cpu"),
    )
    assert MaskMaker(tmp_path / "weights", "cpu", "fp32").manifest["masks"]["masks"] == 3


def test_what_cannot_be_learnt_from_is_refused(tmp_path):
    options = RunOptions(tmp_path / "run", workers=1, device="cpu")
    settings = load_preset("smoke", QUICK)
    with pytest.raises(InputError, match="no mask in the split 'train' holds an object"):
        train_masks(tiny_collection(tmp_path / "a", train=2, val=2, empty=2), settings, options)
    with pytest.raises(InputError, match="masks are learnt from square cutouts, these are 64 x 32"):
        train_masks(tiny_collection(tmp_path / "b", shape=(32, 64)), settings, options)
    with pytest.raises(InputError, match="the settings do not go together: masks of 36 pixels"):
        train_masks(tiny_collection(tmp_path / "c", shape=(36, 36)), settings, options)
    with pytest.raises(InputError, match="'magic' is no sampler; there are"):
        wrong = load_preset("smoke", [*QUICK, "masks.network.sampler=magic"])
        train_masks(tiny_collection(tmp_path / "d"), wrong, options)
