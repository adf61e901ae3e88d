"""Where masks come from, and the peaks that go with them: functions of seed and number, of the right class and size."""

from types import SimpleNamespace

import numpy as np
import pytest

from mask_model_samples import mask_weights, square_mask, told
from radiff.augment import Composer, DrawnMasks, MaskFiles, Modeller, PeakTable, RealMasks
from radiff.augment.peaks import size_of
from radiff.errors import InputError
from radiff.generate.masks import MaskMaker
from radiff.masks import SourceObject, write_mask

EVEN = {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}
RARE = {1: 0.0, 2: 0.0, 3: 1.0}


def same(one, two) -> bool:
    pixels = [[(o.class_value, o.y0, o.x0, o.stamp.tobytes()) for o in p.objects] for p in (one, two)]
    return pixels[0] == pixels[1] and (one.image, one.background) == (two.image, two.background)


def test_a_draw_is_a_function_of_seed_and_number(real):
    masks = DrawnMasks(real, Composer(real, (1, 2)), [2, 3], 5)
    together = masks.draw(range(6), EVEN)
    assert same(masks.draw([4], EVEN)[0], together[4])
    assert not same(DrawnMasks(real, Composer(real, (1, 2)), [2, 3], 6).draw([4], EVEN)[0], together[4])


def test_one_class_a_mask_where_the_set_is_balanced(real):
    plans = DrawnMasks(real, Composer(real), [2, 3], single=True).draw(range(12), RARE)
    assert {o.class_value for p in plans for o in p.objects} == {3}


def test_kinds_of_images_are_as_frequent_as_cutouts_that_hold_the_class():
    """Two crowded cutouts beside six others with one source each: a quarter of the masks, not five sixths."""
    counts = [(0, 15, 0), (0, 15, 0)] + [(0, 1, 0)] * 6 + [(0, 0, 1)] * 8
    rows = [SimpleNamespace(row=SimpleNamespace(counts=one, ny=64, nx=64)) for one in counts]
    few = SimpleNamespace(images=rows, by_kind={"crowded": [0, 1], "other": list(range(2, 16))}, root=None)
    few.spec = lambda objects, sky, background, source: SimpleNamespace(sky=sky)
    maker = SimpleNamespace(
        name="made", fits=lambda kind, classes: True, make=lambda wishes, seed: [[] for _ in wishes]
    )
    plans = DrawnMasks(few, maker, [2]).draw(range(2000), EVEN)
    assert abs(np.mean([plan.sky < 2 for plan in plans]) - 0.25) < 0.04  # 4 standard deviations


def test_composed_masks_lie_on_a_real_sky(real):
    for plan in DrawnMasks(real, Composer(real), [2, 3]).draw(range(8), EVEN):
        assert plan.shape == (64, 64) and plan.image in real.places and plan.image == plan.background.image
        assert all(not o.info for o in plan.objects)  # no peak of their own
        assert plan.source.startswith("composed ")


def test_real_masks_keep_their_peaks_and_get_another_background(real):
    plans = RealMasks(real, seed=2).draw(range(12), EVEN)
    assert len({plan.source for plan in plans}) == 12  # those of 16 cutouts that hold an object, 13 of them
    for plan in plans:
        assert plan.image != plan.background.image and real.of(plan).row.image == plan.source
        assert all(o.info["peak_snr"] > 5 for o in plan.objects)
    own = RealMasks(real, seed=2, background="self-masked").draw([0], EVEN)[0]
    assert own.image == own.background.image
    rare = RealMasks(real, chosen=True).draw(range(20), RARE)
    assert all(any(o.class_value == 3 for o in plan.objects) for plan in rare)


def test_masks_of_the_model_of_the_size_of_the_images(real, tmp_path):
    maker = MaskMaker(mask_weights(tmp_path / "w"), "cpu", "fp32")
    with pytest.raises(InputError, match=r"no train cutout can have mask model masks of compact, extended objects"):
        DrawnMasks(real, Modeller(real, maker), [2, 3]).draw([0], EVEN)  # of 32 pixels, the images have 64


def test_masks_of_the_model_are_asked_for_by_class_and_come_in_order(real, tmp_path):
    maker = MaskMaker(mask_weights(tmp_path / "w"), "cpu", "fp32")
    asked = told(maker, lambda row: square_mask(int(row[1])) * (square_mask(int(row[1])) >= (3 if row[1] < 1 else 2)))
    first, second = Modeller(real, maker).make([(3, (2, 3), ""), (1, (3,), "")], 0)
    assert {o.class_value for o in first} == {2, 3} and [o.class_value for o in second] == [3]
    assert [0.0, 0.0, 1.0] in asked


def test_masks_of_files_in_turn(real, tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:14, 10:14], mask[30:40, 30:40] = 2, 3
    write_mask(tmp_path / "a.png", mask)
    plans = MaskFiles(real, [tmp_path / "a.png"], [3]).draw(range(2), EVEN)
    assert [[o.npix for o in p.objects] for p in plans] == [[100], [100]]
    with pytest.raises(InputError, match="no mask holds spurious"):
        MaskFiles(real, [tmp_path / "a.png"], [1])
    write_mask(tmp_path / "b.png", mask[:50])
    with pytest.raises(InputError, match="is of 64 x 50 pixels; no train cutout is, whose background it could have"):
        MaskFiles(real, [tmp_path / "b.png"], [2, 3])


def test_classes_that_are_not_there_are_refused(real):
    with pytest.raises(InputError, match="the train split holds no spurious objects"):
        DrawnMasks(real, Composer(real), [1])
    with pytest.raises(InputError, match="no train cutout holds spurious"):
        RealMasks(real, [1])


# ---------------------------------------------------------------- peaks


def square(side: int, value: int = 2, **info) -> SourceObject:
    return SourceObject("S1", value, np.ones((side, side), bool), 8, 8, info)


def table(sizes: dict[int, float]) -> PeakTable:
    """Squares of these sides and peaks, ten of each."""
    found = np.array([size_of(square(side), 10.0) for side in sizes for _ in range(10)])
    return PeakTable({2: found}, {2: np.repeat(list(sizes.values()), 10)})


def test_a_peak_is_that_of_real_objects_of_that_size():
    peaks = table({3: 6.0, 5: 20.0, 9: 200.0})
    random = np.random.default_rng(0)
    assert peaks.draw([square(3), square(5), square(9)], 10.0, random) == (6.0, 20.0, 200.0)


def test_a_peak_that_was_measured_is_kept():
    assert table({3: 6.0}).draw([square(3, peak_snr=77.0)], 10.0, np.random.default_rng(0)) == (77.0,)


def test_peaks_as_given():
    random = np.random.default_rng(0)
    assert table({3: 6.0}).draw([square(3)] * 3, 10.0, random, 12.5) == (12.5,) * 3
    drawn = np.array(table({3: 6.0}).draw([square(3)] * 2000, 10.0, random, (5.0, 500.0)))
    assert drawn.min() >= 5 and drawn.max() <= 500
    assert np.median(drawn) == pytest.approx(50, rel=0.15)  # even in the logarithm


def test_a_class_without_real_objects_needs_a_peak():
    with pytest.raises(InputError, match="the train split holds no extended object to take a peak from; give --peak"):
        table({3: 6.0}).draw([square(3, 3)], 10.0, np.random.default_rng(0))


def test_the_table_is_that_of_the_collection(real):
    found = PeakTable.of(real)
    assert len(found.peaks[2]) + len(found.peaks[3]) <= sum(real.counts().values())
    assert found.peaks[2].min() > 10 and found.peaks[2].max() < 75  # the compact ones have 15 to 60 on noise of 1
