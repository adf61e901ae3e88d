"""Batches: mask and image in step, every cutout once an epoch, a function of (seed, step, process) alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from radiff.data.loader import PackLoader, turn, turn_beams
from radiff.data.pack import Pack
from radiff.data.scaling import SnrAsinh
from radiff.errors import InputError

PARTS = ("images", "masks", "peaks", "skies", "beams")


def make_pack(folder, count=12, shape=(16, 16), filled=lambda k: True):
    """Cutout k has k + 1 at (y, x) = (2, 5) of the image, class 2, peak 1.5 and sky -k - 1 there; its beam is 2 + k."""
    images, masks = np.zeros((count, *shape), np.float32), np.zeros((count, *shape), np.uint8)
    peaks, skies = np.zeros((count, *shape), np.float16), np.zeros((count, *shape), np.float16)
    for k in range(count):
        images[k, 2, 5], skies[k, 2, 5] = k + 1, -k - 1
        if filled(k):
            masks[k, 2, 5], peaks[k, 2, 5] = 2, 1.5
    return Pack(folder, images, masks, peaks, skies, np.arange(2, count + 2, dtype=np.float32), {})


def numbers(batch):
    """Which cutouts a batch holds."""
    return [int(v) - 1 for v in batch.images.amax((1, 2, 3))]


def same(one, two):
    return all(torch.equal(getattr(one, name), getattr(two, name)) for name in PARTS)


def test_the_eight_turns_are_different_and_are_all():
    x = torch.arange(9.0).view(3, 3)
    turned = {tuple(turn(x, s).flatten().tolist()) for s in range(8)}
    assert len(turned) == 8
    assert torch.equal(turn(x, 0), x)


def test_everything_turns_with_the_image(tmp_path):
    loader = PackLoader(make_pack(tmp_path), batch_size=12, seed=1)
    places = set()
    for step in range(8):
        batch = loader.batch(step)
        assert batch.images.shape == (12, 1, 16, 16) and batch.images.dtype == torch.float32
        assert batch.masks.shape == (12, 16, 16) and batch.masks.dtype == torch.int64
        assert batch.peaks.shape == (12, 16, 16) and batch.peaks.dtype == torch.float32
        assert batch.skies.shape == (12, 1, 16, 16) and batch.skies.dtype == torch.float32
        assert batch.beams.shape == (12,) and batch.beams.dtype == torch.float32 and len(batch) == 12
        assert torch.equal(batch.skies, -batch.images)
        assert batch.beams.tolist() == [2.0 + n for n in numbers(batch)]
        marked = batch.images[:, 0] > 0
        assert torch.equal(marked, batch.masks == 2) and torch.equal(marked, batch.peaks == 1.5)
        places |= {tuple(p[1:]) for p in marked.nonzero().tolist()}
    assert len(places) == 8  # all turns and flips come up


@pytest.mark.parametrize("symmetry", range(8))
def test_beams_turn_with_the_image(symmetry):
    """The second moments of a picture of the beam, before and after."""
    shape = torch.tensor([[4.0, 1.5], [1.5, 2.0]], dtype=torch.float64)
    y, x = torch.meshgrid(*[torch.arange(33, dtype=torch.float64) - 16] * 2, indexing="ij")
    inverse = torch.linalg.inv(shape)
    picture = torch.exp(-0.5 * (inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2))
    turned = turn(picture[None], symmetry)[0]
    moments = torch.stack([(turned * a * b).sum() / turned.sum() for a in (x, y) for b in (x, y)]).view(2, 2)
    torch.testing.assert_close(turn_beams(shape[None], symmetry)[0], moments, rtol=1e-3, atol=1e-3)
    widths = torch.tensor([3.0])
    assert turn_beams(widths, symmetry).equal(widths)


def test_noise_is_drawn_with_the_spectrum_of_each_cutout(tmp_path):
    """Cutouts of even number have white noise, the others noise that changes along y alone; turned ones along x."""
    pack = make_pack(tmp_path, count=2, shape=(48, 48))
    roots = np.ones((2, 24, 24), np.float16)
    roots[1] = 0.01
    roots[1, :, 0] = 24**0.5
    loader = PackLoader(replace(pack, roots=roots), 64, seed=1, noise=SnrAsinh(2.0))
    batch = loader.batch(0)
    noise = 2 * torch.sinh(batch.noise[:, 0])
    assert batch.noise.shape == (64, 1, 48, 48)
    across = (noise[:, :, 1:] * noise[:, :, :-1]).mean((1, 2)), (noise[:, 1:] * noise[:, :-1]).mean((1, 2))
    striped = torch.tensor(numbers(batch)) == 1
    white = noise[~striped]
    error = 4 * (2 / white.numel()) ** 0.5
    assert white.square().mean().item() == pytest.approx(1.0, abs=error)
    assert all(c[~striped].mean().item() == pytest.approx(0.0, abs=error) for c in across)
    source = batch.images[striped, 0].flatten(1).argmax(1)
    upright = ((source // 48 == 2) | (source // 48 == 45)) & ((source % 48 == 5) | (source % 48 == 42))
    assert 5 < upright.sum() < striped.sum() - 5
    assert across[0][striped][upright].min() > 0.5 > 0.4 > across[1][striped][upright].mean()
    assert across[1][striped][~upright].min() > 0.5 > 0.4 > across[0][striped][~upright].mean()
    assert torch.equal(loader.batch(0).noise, batch.noise) and not torch.equal(loader.batch(1).noise, batch.noise)


def test_noise_needs_spectra(tmp_path):
    with pytest.raises(InputError, match="this training pack holds no noise spectra; make it again"):
        PackLoader(make_pack(tmp_path), 2, noise=SnrAsinh())
    assert PackLoader(make_pack(tmp_path), 2).batch(0).noise is None


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_cutout_once_an_epoch(tmp_path, processes):
    pack = make_pack(tmp_path)
    loaders = [PackLoader(pack, 2, process=p, processes=processes) for p in range(processes)]
    steps = 12 // (2 * processes)
    epochs = []
    for epoch in range(3):
        seen = [n for step in range(steps) for one in loaders for n in numbers(one.batch(epoch * steps + step))]
        assert sorted(seen) == list(range(12))
        epochs.append(seen)
    assert epochs[0] != epochs[1]


def test_an_epoch_may_end_within_a_batch(tmp_path):
    loader = PackLoader(make_pack(tmp_path, count=5), batch_size=3, augment=True)
    seen = [n for step in range(5) for n in numbers(loader.batch(step))]
    assert sorted(seen) == sorted([*range(5)] * 3)


def test_a_batch_may_be_larger_than_the_pack(tmp_path):
    assert len(PackLoader(make_pack(tmp_path, count=2), batch_size=7).batch(0)) == 7


def test_a_batch_depends_on_seed_step_and_process_alone(tmp_path):
    pack = make_pack(tmp_path)
    run = PackLoader(pack, 4, seed=3)
    for step in range(9):
        run.batch(step)
    assert same(run.batch(4), PackLoader(pack, 4, seed=3).batch(4))
    assert not same(run.batch(4), run.batch(5))
    assert not same(run.batch(4), PackLoader(pack, 4, seed=4).batch(4))
    assert not same(run.batch(4), PackLoader(pack, 4, seed=3, process=1, processes=2).batch(4))


def test_resident_is_the_same(tmp_path):
    pack = make_pack(tmp_path)
    away, resident = PackLoader(pack, 5, seed=2), PackLoader(pack, 5, seed=2, resident=True)
    for step in range(6):
        one, two = away.batch(step), resident.batch(step)
        assert same(one, two)
        assert all(getattr(one, name).dtype == getattr(two, name).dtype for name in PARTS)


@pytest.mark.parametrize(("share", "empty"), [(1.0, 8), (0.5, 4), (0.25, 2), (0.0, 0)])
def test_share_of_empty_cutouts(tmp_path, share, empty):
    pack = make_pack(tmp_path, filled=lambda k: k < 4)
    loader = PackLoader(pack, 1, empty_share=share)
    assert len(loader) == 4 + empty
    epochs = [
        [numbers(loader.batch(epoch * len(loader) + step))[0] for step in range(len(loader))] for epoch in range(4)
    ]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch)
        assert set(range(4)) <= set(epoch)
    if 0 < share < 1:
        assert len({frozenset(epoch) for epoch in epochs}) > 1  # others each time


def test_no_cutout_left_is_refused(tmp_path):
    with pytest.raises(InputError, match="no cutout is left to train on; set empty_share above 0"):
        PackLoader(make_pack(tmp_path, filled=lambda k: False), 1, empty_share=0.0)


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_without_augmentation_in_order_and_as_they_are(tmp_path, share):
    pack = make_pack(tmp_path, count=6, filled=lambda k: k % 2 == 1)
    loader = PackLoader(pack, 3, augment=False, empty_share=share)
    batch = loader.batch(0)
    assert numbers(batch) == ([0, 1, 2] if share else [1, 3, 5])
    assert (batch.images[:, 0, 2, 5] > 0).all()


def test_cutouts_that_are_not_square(tmp_path):
    loader = PackLoader(make_pack(tmp_path, shape=(16, 24)), batch_size=12)
    batches = [loader.batch(step) for step in range(4)]
    assert {tuple(b.images.shape) for b in batches} == {(12, 1, 16, 24)}
    places = {tuple(p[1:]) for b in batches for p in (b.masks == 2).nonzero().tolist()}
    assert len(places) == 4  # flips and half turns
