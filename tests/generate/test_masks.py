"""The mask model sampled: masks as told, broken ones made again and counted, each item on its own."""

import numpy as np
import pytest

from mask_model_samples import mask_weights, square_mask, told
from radiff.errors import InputError
from radiff.generate.masks import REDRAW, TRIES, MaskMaker


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return mask_weights(tmp_path_factory.mktemp("weights") / "masks")


@pytest.fixture
def maker(folder):
    return MaskMaker.from_pretrained(folder, "cpu", "fp32")


def test_what_the_model_says_is_drawn(maker):
    asked = told(maker, lambda row: square_mask(int(row[1])))
    made = list(maker.iterate(6, seed=3))
    assert [one.index for one in made] == list(range(6))
    for one, row in zip(made, asked, strict=True):
        assert np.array_equal(one.mask, square_mask(int(row[1])))
        assert list(one.asked) == row and one.counts == one.asked
        assert np.array_equal(one.labels > 0, one.mask > 0) and not one.rejected
    assert {tuple(row) for row in asked} == {(0, 1, 1), (0, 2, 1)}  # numbers of the training masks


def test_broken_masks_are_made_again_and_counted(maker):
    tries = []

    def masks(row):
        tries.append(row)
        mask = square_mask(int(row[1]))
        if len(tries) % 3 == 1:
            mask[28:, 14:18] = 3  # cut by the edge
        elif len(tries) % 3 == 2:
            mask[11, 12:16] = 2  # touching
        return mask

    maker._sample = lambda jobs, *more: np.stack([masks(job.asked) for job in jobs])  # type: ignore[method-assign]
    (one,) = maker.iterate(1, seed=0)
    assert one.rejected == {"cut": 1, "touching": 1}
    assert one.counts == one.asked


def test_specks_are_taken_off_and_counted(maker):
    def masks(jobs, *more):
        found = np.stack([square_mask(int(job.asked[1])) for job in jobs])
        found[:, 30, 15], found[:, 25, 25:28] = 2, 3
        return found

    maker._sample = masks  # type: ignore[method-assign]
    (one,) = maker.iterate(1)
    assert one.specks == 2 and not one.rejected
    assert np.array_equal(one.mask, square_mask(int(one.asked[1])))


def test_a_model_that_makes_no_sound_mask_is_said_so(maker):
    asked = []

    def nothing(jobs, *more):
        asked.extend(job.asked for job in jobs)
        return np.zeros((len(jobs), 32, 32), np.uint8)

    maker._sample = nothing  # type: ignore[method-assign]
    with pytest.raises(InputError, match=rf"no sound mask 0 in {TRIES} tries \(rules broken: empty: {TRIES}\).*--from"):
        next(maker.iterate(1, seed=1))
    assert len(asked) == TRIES
    assert all(len(set(asked[k : k + REDRAW])) == 1 for k in range(0, TRIES, REDRAW))
    assert len(set(asked)) == 2  # other numbers are asked for now and then


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_item_depends_on_seed_and_number_alone(folder, precision):
    maker = MaskMaker(folder, "cpu", precision)

    def drawn(indices, batch_size, seed=5):
        raw = []
        original = maker._sample

        def keep(jobs, *more):
            found = original(jobs, *more)
            raw.extend((job.index, mask) for job, mask in zip(jobs, found, strict=True))
            return np.stack([square_mask(int(job.asked[1])) for job in jobs])

        maker._sample = keep  # type: ignore[method-assign]
        list(maker.iterate(0, seed=seed, indices=indices, batch_size=batch_size))
        maker._sample = original  # type: ignore[method-assign]
        return dict(raw)

    whole, alone = drawn(range(3), 3), drawn([2], 1)
    assert np.array_equal(whole[2], alone[2])
    assert any(not np.array_equal(whole[2], whole[k]) for k in range(2))
    assert not np.array_equal(drawn([2], 1, seed=6)[2], alone[2])


def test_classes_and_ranges_steer_what_is_asked(maker):
    asked = told(maker, lambda row: np.where(square_mask(int(row[1])) == 3, 0, square_mask(int(row[1]))))
    made = list(maker.iterate(4, classes=["compact"]))
    assert all(one.counts[2] == 0 for one in made) and all(row[2] == 0 for row in asked)
    asked = told(maker, lambda row: square_mask(int(row[1])))
    list(maker.iterate(3, per_image=(3, 3)))
    assert asked == [[0, 2, 1]] * 3


def test_numbers_left_to_the_model(maker):
    asked = told(maker, lambda row: square_mask(1))
    (one,) = maker.iterate(1, counts="any")
    assert one.asked is None and asked == [[0.0, -1.0, -1.0]]  # no training mask has spurious objects: none of them


def test_arguments_that_are_none_are_refused(maker, folder):
    with pytest.raises(InputError, match="trained on no spurious objects"):
        maker.iterate(1, classes=["spurious"])
    with pytest.raises(InputError, match="counts 'many': there are real, even, any"):
        maker.iterate(1, counts="many")
    with pytest.raises(InputError, match="3 to 2 objects a mask"):
        maker.iterate(1, per_image=(3, 2))
    with pytest.raises(InputError, match="'magic' is no sampler; there are"):
        maker.options(sampler="magic")
    with pytest.raises(InputError, match="0 steps, guidance 1; both must be positive"):
        maker.options(num_steps=0)
    with pytest.raises(InputError, match="'fp8' is no precision; there are"):
        MaskMaker(folder, "cpu", "fp8")
    with pytest.raises(InputError, match="'tpu' is no device; there are: auto, cpu, cuda"):
        MaskMaker(folder, "tpu")


def test_weights_without_a_mask_model_are_refused(weights):
    with pytest.raises(InputError, match="has no masks; run 'radiff train masks'"):
        MaskMaker.from_pretrained(weights, "cpu")
