"""Resampled cutouts: beam, flux, sky and masks are what they were, and the same seed gives the same bytes."""

import numpy as np
import pytest
from astropy.wcs import WCS, Sip
from scipy.optimize import curve_fit

from conftest import FWHM_PER_DEVIATION, Injected, celestial_wcs
from radiff.data.collection import Collection, CollectionWriter
from radiff.data.resample import (
    BLANK,
    CUT,
    EMPTY,
    NO_BEAM,
    TOO_SMALL,
    ResampleOptions,
    resample,
    resample_collection,
    scale_wcs,
)
from radiff.errors import InputError
from radiff.masks.classes import COMPACT, EXTENDED
from radiff.masks.instances import SourceObject
from radiff.masks.rg import Annotation, read_annotation
from radiff.sky import Beam, Cutout, read_cutout

SIDE = 96
SOURCES = [Injected(40.3, 45.8, 0.01, 3, 3), Injected(57.0, 52.5, 0.02, 3, 3), Injected(48.6, 66.1, 0.005, 3, 3)]


def disk(name, value, x, y, radius, shape, info=None):
    yy, xx = np.indices(shape)
    return SourceObject.from_pixels(name, value, np.hypot(xx - x, yy - y) <= radius, info)


def annotated(shape, sources=SOURCES, value=COMPACT, radius=3):
    objects = [disk(f"S{n}", value, one.x, one.y, radius, shape) for n, one in enumerate(sources, 1)]
    return Annotation(objects, shape)


def fit(image, x, y):
    """Peak, x, y and FWHM (pixels) of the round Gaussian near (x, y)."""
    x0, y0 = round(x) - 7, round(y) - 7
    yy, xx = np.indices((15, 15))

    def gaussian(_, peak, x, y, fwhm):
        square = (xx + x0 - x) ** 2 + (yy + y0 - y) ** 2
        return (peak * np.exp(-0.5 * (FWHM_PER_DEVIATION / fwhm) ** 2 * square)).ravel()

    values = image[y0 : y0 + 15, x0 : x0 + 15].ravel()
    return curve_fit(gaussian, None, values, p0=(values.max(), x, y, 4.0))[0]


@pytest.mark.parametrize(("side", "fwhm"), [(32, 6.0), (48, 4.0), (24, 8.0), (96, 2.0)])
def test_beam_flux_and_positions_of_known_sources(make_map, side, fwhm):
    size, (y0, x0) = 64, ((0, 0) if side == SIDE else (38, 36) if side < 48 else (30, 25))
    cutout = make_map((SIDE, SIDE), SOURCES, rms=0)
    new, mask = resample(cutout, annotated(cutout.shape), (y0, x0, side), size)
    assert new.shape == mask.shape == (size, size)
    assert new.beam == cutout.beam and new.unit == cutout.unit
    assert new.pixel_scale == pytest.approx(1.8 * side / size, rel=1e-6)
    measured = 0
    for one in SOURCES:
        x, y = map(float, new.wcs.world_to_pixel(cutout.wcs.pixel_to_world(one.x, one.y)))
        if not 8 <= min(x, y) <= max(x, y) < size - 8:
            continue
        peak, fitted_x, fitted_y, width = fit(new.image, x, y)
        assert width == pytest.approx(fwhm, rel=0.03)
        assert peak == pytest.approx(one.peak, rel=0.02)
        back = cutout.wcs.world_to_pixel(new.wcs.pixel_to_world(fitted_x, fitted_y))
        assert np.hypot(back[0] - one.x, back[1] - one.y) < 0.1
        covered = mask.mask[round(y), round(x)]
        assert covered == COMPACT
        assert new.image[round(y), round(x)] > 0.8 * one.peak
        measured += 1
    assert measured >= 1


def test_the_same_size_is_the_same_image(make_map):
    cutout = make_map((40, 40), SOURCES[:1])
    annotation = annotated(cutout.shape, [Injected(20, 18, 1, 3, 3)])
    new, mask = resample(cutout, annotation, (5, 7, 30), 30)
    np.testing.assert_allclose(new.image, cutout.image[5:35, 7:37], atol=1e-9)
    np.testing.assert_array_equal(mask.mask, annotation.mask[5:35, 7:37])
    assert new.wcs.wcs.crpix.tolist() == [cutout.wcs.wcs.crpix[0] - 7, cutout.wcs.wcs.crpix[1] - 5]


def test_masks_grow_with_the_grid_and_keep_only_what_stays_true(make_map):
    info = {"class": "compact", "peak_flux": 0.01, "sidelobe-near": 1, "npix": 99, "mask": "mask_a_obj1.fits", "x": 30}
    cutout = make_map((64, 64))
    inside, outside = (disk(name, COMPACT, x, 30, 6, (64, 64), info) for name, x in (("in", 30), ("out", 56)))
    meta = {"classed_by": "catalog", "left_out": 3}
    _, mask = resample(cutout, Annotation([inside, outside], (64, 64), meta), (16, 16, 32), 128)
    (one,) = mask.objects
    assert one.name == "in" and one.class_value == COMPACT
    assert one.npix == pytest.approx(16 * inside.npix, rel=0.03)
    assert one.info == {"class": "compact", "peak_flux": 0.01, "sidelobe-near": 1}
    assert mask.meta == {"classed_by": "catalog"}
    dot = Annotation([SourceObject("dot", COMPACT, np.ones((1, 1), bool), 30, 31)], (64, 64))
    assert resample(cutout, dot, (0, 0, 64), 16)[1].objects == []


@pytest.mark.parametrize("matrix", ["cdelt", "cd", "rotated"])
def test_a_wcs_keeps_the_sky_of_every_corner(matrix):
    wcs = celestial_wcs((50, 60))
    if matrix == "cd":
        wcs = WCS(naxis=2)
        wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [10, -40], [3, 77]
        wcs.wcs.cd = [[-4e-4, 3e-4], [3e-4, 5e-4]]
        square = np.zeros((3, 3))
        square[2, 0], square[1, 1], square[0, 2] = 1e-5, -2e-5, 3e-5
        wcs.sip = Sip(square, 2 * square, None, None, [3, 77])
    elif matrix == "rotated":
        wcs.wcs.pc = [[0.8, -0.6], [0.6, 0.8]]
    wcs.wcs.set()
    step = 48 / 128
    scaled = scale_wcs(wcs, step)
    for x, y in ((-0.5, -0.5), (0, 0), (31.25, 7.5), (59.5, 49.5)):
        sky = wcs.all_pix2world([[x, y]], 0)
        new = scaled.all_pix2world([[(x + 0.5) / step - 0.5, (y + 0.5) / step - 0.5]], 0)
        np.testing.assert_allclose(new, sky, rtol=0, atol=1e-10)
    assert scale_wcs(None, step) is None


def test_bad_crops_are_refused():
    cutout, annotation = Cutout(np.zeros((20, 20))), Annotation([], (20, 20))
    with pytest.raises(InputError, match=r"row 10, column 5 is not on an image of 20 x 20 pixels"):
        resample(cutout, annotation, (10, 5, 12), 8)
    cutout.image[4, 4] = np.nan
    with pytest.raises(InputError, match="holds blank pixels"):
        resample(cutout, annotation, (0, 0, 12), 8)
    new, _ = resample(cutout, annotation, (5, 5, 12), 8)
    assert np.isfinite(new.image).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_pixels": (8, 2)}, "give beam-pixels such as 2 to 8"),
        ({"size": 2}, "give 8 or more"),
        ({"per_image": 0}, "per-image is 1 or more"),
        ({"sample": "a/b"}, "plain folder name"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        ResampleOptions(**options)


@pytest.fixture
def collection(tmp_path, make_map):
    """Six cutouts of 96 x 96 pixels with an extended and two compact objects each; the last two are val."""
    writer = CollectionWriter(tmp_path / "in")
    for number in range(6):
        cutout = make_map((SIDE, SIDE), SOURCES, seed=number)
        cutout.wcs.wcs.crval = [100 + 3 * number, 20]
        annotation = annotated(cutout.shape, SOURCES[:2])
        annotation.objects.append(disk("S3", EXTENDED, 20 + 10 * number, 30, 9, cutout.shape))
        split = "train" if number < 4 else "val"
        writer.add("first", f"c{number}", cutout, annotation, split=split, group=f"g{number}", source=f"m{number}.fits")
    return writer.finish()


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


OPTIONS = ResampleOptions(64, (2, 8), per_image=3, seed=5)


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_workers(collection, tmp_path):
    one = resample_collection(collection, tmp_path / "one", OPTIONS, workers=1)
    two = resample_collection(collection, tmp_path / "two", OPTIONS, workers=2)
    assert one.beams == two.beams and len(set(one.beams)) > 10
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    other = resample_collection(collection, tmp_path / "o", ResampleOptions(64, per_image=3, seed=6), workers=1)
    assert other.beams != one.beams


def test_rows_files_and_sky_of_a_collection(collection, tmp_path):
    report = resample_collection(collection, tmp_path / "out", OPTIONS, workers=1)
    assert len(report.rows) == 18 and not report.skipped and not report.failures
    opened = Collection.open(tmp_path / "out")
    assert opened.rows == report.rows == report.rows_in_index
    known = {row.source: row for row in collection.rows}
    for index, (row, beam) in enumerate(zip(opened.rows, report.beams, strict=True)):
        old, image = known[row.source], opened.image(index)
        assert (row.split, row.group, row.survey, row.telescope) == (old.split, old.group, "SYNTHETIC", "TEST")
        assert (row.nx, row.ny, row.bmaj, row.sample) == (64, 64, 5.4, "resampled")
        assert 1.95 <= beam <= 8.2 and row.bmaj / row.pixel_scale == pytest.approx(beam, rel=1e-5)
        made = image.provenance["resampled"]
        assert made == {"from": old.image, "crop": round(64 * 3 / beam), "size": 64}
        assert (image.provenance["x0"], image.provenance["y0"]) == (row.x0, row.y0)
        assert image.rms == pytest.approx(row.rms, rel=1e-6)
        brightest = np.unravel_index(np.argmax(image.image), image.shape)
        sky = image.wcs.pixel_to_world(brightest[1], brightest[0])
        x, y = collection.image(collection.rows.index(old)).wcs.world_to_pixel(sky)
        if row.peak > 0.015:  # the brightest source is on the crop
            assert np.hypot(x - SOURCES[1].x, y - SOURCES[1].y) < max(1.0, 3 / beam)
    for split, count in (("train", 12), ("val", 6)):
        lines = (tmp_path / "out" / f"{split}.txt").read_text().splitlines()
        assert lines == [row.image for row in opened.rows if row.split == split] and len(lines) == count


def test_no_extended_object_is_cut(collection, tmp_path):
    report = resample_collection(collection, tmp_path / "out", OPTIONS, workers=1)
    whole = 0
    for row, beam in zip(report.rows, report.beams, strict=True):
        annotation = read_annotation(tmp_path / "out" / row.annotation)
        for one in annotation.objects:
            if one.class_value == EXTENDED:
                assert not one.touches_edge(annotation.shape)
                full = disk("", EXTENDED, 30, 30, 9, (SIDE, SIDE)).npix * (beam / 3) ** 2
                assert one.npix == pytest.approx(full, rel=0.05)
                whole += 1
    assert whole >= 3
    assert sum(sum(row.counts) > 0 for row in report.rows) >= 0.8 * len(report.rows)


def test_rows_are_added_to_a_collection_and_replaced(collection, tmp_path):
    options = ResampleOptions(32, (6, 6), sample="wide")
    before = list(collection.rows)
    first = resample_collection(collection, collection.root, options, workers=1)
    again = Collection.open(collection.root)
    assert again.rows == [*before, *first.rows]
    second = resample_collection(again, collection.root, ResampleOptions(32, (6, 6), seed=1, sample="wide"), workers=1)
    assert [row.image for row in second.rows] == [row.image for row in first.rows]
    assert Collection.open(collection.root).rows == [*before, *second.rows] != [*before, *first.rows]
    assert set(second.beams) == {6.0}


def test_a_dry_run_says_the_same_and_writes_nothing(collection, tmp_path):
    planned = resample_collection(collection, tmp_path / "out", OPTIONS, workers=1, dry_run=True)
    assert not (tmp_path / "out").exists()
    made = resample_collection(collection, tmp_path / "out", OPTIONS, workers=1)
    assert planned.beams == made.beams and planned.rows_in_index is None
    assert [(row.image, row.counts, row.ra) for row in planned.rows] == [
        (row.image, row.counts, row.ra) for row in made.rows
    ]


def test_what_cannot_be_used_is_counted_by_its_reason(tmp_path, make_map):
    writer = CollectionWriter(tmp_path / "in")
    shape = (40, 40)
    frame = np.zeros(shape, bool)
    frame[[2, -3], 2:-2] = frame[2:-2, [2, -3]] = True
    ring = Annotation([SourceObject.from_pixels("ring", EXTENDED, frame)], shape)
    chess = make_map(shape)
    chess.image[::4, ::4] = np.nan
    no_beam = make_map(shape)
    no_beam.beam = None
    edge = Annotation([disk("edge", EXTENDED, 0, 20, 30, shape)], shape)
    broad = make_map(shape)
    broad.beam = Beam(180, 180)
    empty = Annotation([], shape)
    for name, cutout, annotation in (
        ("ring", make_map(shape), ring),
        ("chess", chess, empty),
        ("no_beam", no_beam, empty),
        ("edge", make_map(shape), edge),
        ("broad", broad, empty),
        ("empty", make_map(shape), empty),
    ):
        writer.add("s", name, cutout, annotation)
    options = ResampleOptions(32, (3, 4))
    report = resample_collection(writer.finish(), tmp_path / "out", options, workers=1)
    # inside the ring or with all of it: both cut nothing
    assert sorted(row.image.split("/")[-1] for row in report.rows) == ["s_empty_r0.fits", "s_ring_r0.fits"]
    assert report.skipped == {BLANK: 1, NO_BEAM: 1, CUT: 1, TOO_SMALL: 1}
    filled = ResampleOptions(32, (2.4, 2.4), filled_only=True)
    report = resample_collection(writer.finish(), tmp_path / "filled", filled, workers=1)
    assert [row.n_extended for row in report.rows] == [1]
    assert report.skipped[EMPTY] == 3  # chess, broad, empty


def test_a_broken_cutout_is_listed_and_the_others_are_done(collection, tmp_path):
    (collection.root / collection.rows[0].image).write_bytes(b"no FITS")
    report = resample_collection(collection, tmp_path / "out", ResampleOptions(32), workers=1)
    assert len(report.rows) == 5 and len(report.failures) == 1
    assert "c0.fits" in report.failures[0].message
    read_cutout(tmp_path / "out" / report.rows[0].image)
