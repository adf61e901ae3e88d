"""The collection on disk, its index, how maps become one, and splits that share no sky."""

import csv
import dataclasses
import json
import math

import numpy as np
import pytest
from astropy.io import fits

import bad_inputs
from radiff.data.collection import Collection, CollectionWriter, Row, read_index, write_index
from radiff.data.cut import CutOptions
from radiff.data.extract import RECORDS, find_maps, make_collection, plan_collection
from radiff.data.split import GivenSplits, assign_splits, conflicts, shared_sky
from radiff.errors import InputError
from radiff.masks.instances import SourceObject
from radiff.masks.rg import Annotation, read_annotation, write_annotation
from radiff.sky import HeaderWarning, write_cutout

OPTIONS = CutOptions(size=64)


def annotation_of(shape, *objects):
    """Objects given as (class, y0, x0, height, width)."""
    made = [SourceObject(f"S{n}", v, np.ones((h, w), bool), y, x) for n, (v, y, x, h, w) in enumerate(objects, 1)]
    return Annotation(made, shape)


@pytest.fixture
def annotated(tmp_path, make_map):
    """Three annotated maps of 150 x 150 pixels, 2 degrees apart, in ``tmp_path/annotated/first``."""
    folder = tmp_path / "annotated" / "first"
    (folder / "imgs").mkdir(parents=True)
    for number in range(3):
        cutout = make_map((150, 150), seed=number)
        cutout.wcs.wcs.crval = [150.0 + 2 * number, 30.0]
        write_cutout(folder / "imgs" / f"map{number}.fits", cutout)
        annotation = annotation_of((150, 150), (3, 60, 60, 20, 25), (2, 10, 62, 4, 4), (1, 100, 100, 3, 3))
        write_annotation(folder / "masks" / f"mask_map{number}.json", annotation, f"../imgs/map{number}.fits")
    return tmp_path / "annotated"


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- index and writer


def test_writer_and_reading_back(tmp_path, make_map):
    writer = CollectionWriter(tmp_path / "c")
    annotation = annotation_of((64, 64), (3, 20, 20, 10, 12), (2, 40, 40, 3, 3), (2, 0, 0, 2, 2), (1, 50, 10, 3, 3))
    cutout = make_map((64, 64), rms=2e-4)
    cutout.image[30, 31] = 0.5
    row = writer.add("first", "a", cutout, annotation, split="train", group="7", source="maps/a.fits", x0=3, y0=4)
    writer.finish()
    collection = Collection.open(tmp_path / "c")
    assert len(collection) == 1
    assert collection.rows == [row]
    assert row.counts == (1, 2, 1)
    assert (row.image, row.annotation) == ("first/imgs/a.fits", "first/masks/mask_a.json")
    assert (row.telescope, row.survey, row.bmaj, row.pixel_scale) == ("TEST", "SYNTHETIC", 5.4, pytest.approx(1.8))
    assert row.peak == 0.5
    assert row.rms == pytest.approx(2e-4, rel=0.05)
    assert (row.ra, row.dec) == (pytest.approx(150.1, abs=1e-5), pytest.approx(32.2, abs=1e-5))
    np.testing.assert_array_equal(collection.image(0).image, cutout.image)
    assert collection.image(0).rms == pytest.approx(row.rms)
    np.testing.assert_array_equal(collection.mask(0), annotation.mask)
    assert (tmp_path / "c" / "train.txt").read_text() == "first/imgs/a.fits\n"
    assert (tmp_path / "c" / "val.txt").read_text() == ""


def test_index_round_trip_keeps_every_number(tmp_path):
    random = np.random.default_rng(0)
    rows = [
        Row("a.fits", ra=float(random.random()), rms=1 / 3, n_compact=4, source='odd, "name"', x0=-2),
        Row("b.fits", split="val", bmaj=math.nan),
    ]
    write_index(tmp_path, rows)
    again = read_index(tmp_path / "index.csv")
    assert str(again) == str(rows)  # NaN is not equal to itself


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,split\na,b\n", "has no column 'image'; it is not the index of a collection"),
        ("image,rms\na.fits,0.1\nb.fits,much\n", "line 3, column rms: 'much' is no number"),
    ],
)
def test_bad_index(tmp_path, text, message):
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        Collection.open(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'index.csv'}: {message}"


def test_open_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="no such folder; give a collection made by 'radiff cut'"):
        Collection.open(tmp_path / "none")
    with pytest.raises(InputError, match=r"no index\.csv and no FITS images here"):
        Collection.open(tmp_path)
    write_index(tmp_path, [Row("a.fits", split="train")])
    with pytest.raises(InputError, match=r"no cutout is in the split 'val'; splits here: train"):
        Collection.open(tmp_path).split("val")


def test_a_plain_rg_dataset_folder_opens(tmp_path):
    bad_inputs.good_annotation(tmp_path / "galaxies", "galaxy0001.fits")
    bad_inputs.good_image(tmp_path / "galaxies" / "imgs", "galaxy0002.fits", seed=1)
    (tmp_path / "val.txt").write_text("galaxies/imgs/galaxy0002.fits\n")
    with bad_inputs.nothing_new(tmp_path):
        collection = Collection.open(tmp_path, workers=1)
        assert [(row.sample, row.split, row.counts) for row in collection.rows] == [
            ("galaxies", "", (1, 1, 1)),
            ("galaxies", "val", (0, 0, 0)),
        ]
        np.testing.assert_array_equal(collection.mask(0), bad_inputs.class_mask())
        assert not collection.mask(1).any()


def test_a_plain_folder_says_once_what_its_headers_lack(tmp_path):
    for name in ("no-wcs", "no-beam", "nan-borders"):
        bad_inputs.ODD_IMAGES[name][0](tmp_path)
    with pytest.warns(HeaderWarning) as caught:
        collection = Collection.open(tmp_path, workers=1)
    told = [str(one.message) for one in caught]
    assert told == [f"{tmp_path}: 1 of 3 images have no beam", f"{tmp_path}: 1 of 3 images have no celestial WCS"]
    assert [collection.image(index).shape for index in range(3)] == [(64, 64)] * 3


@pytest.mark.parametrize("name", ["missing-mask", "other-size", "broken-json"])
def test_a_plain_folder_with_a_bad_mask(tmp_path, name):
    write, part = bad_inputs.BAD_MASKS[name]
    write(tmp_path)
    with pytest.raises(InputError) as caught:
        Collection.open(tmp_path, workers=1)
    assert part.lower() in str(caught.value).lower()


# ---------------------------------------------------------------- from maps to a collection


def test_maps_become_a_collection(annotated, tmp_path):
    jobs, failures = find_maps([annotated])
    assert [(job.sample, job.name, job.source) for job in jobs] == [
        ("first", f"map{n}", f"first/imgs/map{n}.fits") for n in range(3)
    ]
    summary = make_collection(jobs, tmp_path / "c", OPTIONS, val_fraction=0.34, workers=1)
    assert not failures and not summary.failures
    collection = Collection.open(tmp_path / "c")
    assert str(collection.rows) == str(summary.collection.rows)
    assert summary.totals.extended == 3
    assert not [one for one in summary.totals.lost if one.what == "object"]
    for index, row in enumerate(collection.rows):
        cutout, annotation = collection.image(index), collection.annotation(index)
        whole = fits.getdata(annotated / row.source)
        np.testing.assert_array_equal(cutout.image, whole[row.y0 : row.y0 + 64, row.x0 : row.x0 + 64])
        assert cutout.provenance["map"] == row.source
        for one in annotation.objects:
            assert one.class_value != 3 or (one.npix == 20 * 25 and one.info["border"] == 0)
        sky = cutout.wcs.pixel_to_world(31.5, 31.5).icrs
        assert (row.ra, row.dec) == (pytest.approx(sky.ra.deg, abs=1e-6), pytest.approx(sky.dec.deg, abs=1e-6))
    assert {row.split for row in collection.rows} == {"train", "val"}
    for source in {row.source for row in collection.rows}:
        assert len({(row.split, row.group) for row in collection.rows if row.source == source}) == 1


def test_the_files_do_not_depend_on_the_number_of_workers(annotated, tmp_path):
    jobs, _ = find_maps([annotated])
    for workers in (1, 2):
        make_collection(jobs, tmp_path / f"c{workers}", OPTIONS, workers=workers)
    assert contents(tmp_path / "c1") == contents(tmp_path / "c2")


def test_resume_gives_the_same_files(annotated, tmp_path):
    jobs, _ = find_maps([annotated])
    make_collection(jobs, tmp_path / "whole", OPTIONS, workers=1)
    make_collection(jobs[:2], tmp_path / "part", OPTIONS, workers=1)
    (tmp_path / "part" / "index.csv").unlink()  # as if it had been killed
    summary = make_collection(jobs, tmp_path / "part", OPTIONS, workers=1, resume=True)
    assert summary.resumed == 2
    assert contents(tmp_path / "whole") == contents(tmp_path / "part")


def test_a_collection_is_not_overwritten(annotated, tmp_path):
    jobs, _ = find_maps([annotated])
    make_collection(jobs, tmp_path / "c", OPTIONS, workers=1)
    with pytest.raises(InputError, match="holds a collection already; choose another -o, or --resume to go on with it"):
        make_collection(jobs, tmp_path / "c", OPTIONS, workers=1)
    with pytest.raises(InputError, match="was cut with size 64; resume with the same options or choose another -o"):
        make_collection(jobs, tmp_path / "c", CutOptions(size=50), workers=1, resume=True)


def test_bad_maps_do_not_stop_the_good_ones(annotated, tmp_path):
    folder = annotated / "first"
    (folder / "masks" / "mask_map0_obj2.fits").unlink()
    (folder / "masks" / "mask_map1.json").write_text("{")
    (folder / "masks" / "mask_lost.json").write_text(json.dumps({"img": "../imgs/lost.fits", "objs": []}))
    jobs, failures = find_maps([annotated])
    assert len(jobs) == 2
    assert "mask_lost.json: its image '../imgs/lost.fits' does not exist" in failures[0]
    assert "mask_map1.json: is not JSON" in failures[1]
    summary = make_collection(jobs, tmp_path / "c", OPTIONS, workers=1)
    assert ["mask_map0.json" in message and "mask_map0_obj2.fits" in message for message in summary.failures] == [True]
    assert {row.source for row in Collection.open(tmp_path / "c").rows} == {"first/imgs/map2.fits"}


def test_planning_writes_nothing_and_agrees(annotated, tmp_path):
    jobs, _ = find_maps([annotated])
    with bad_inputs.nothing_new(tmp_path):
        reports = plan_collection(jobs, OPTIONS, workers=1)
    summary = make_collection(jobs, tmp_path / "c", OPTIONS, workers=1)
    assert reports == [result.report for result in summary.results]


def test_large_maps_are_read_by_windows(annotated, tmp_path, monkeypatch):
    jobs, _ = find_maps([annotated])
    make_collection(jobs, tmp_path / "whole", OPTIONS, workers=1)
    monkeypatch.setattr("radiff.data.extract.LARGE_MAP", 100)
    make_collection(jobs, tmp_path / "windows", OPTIONS, workers=1)
    assert contents(tmp_path / "whole") == contents(tmp_path / "windows")


def test_maps_of_one_name(annotated, tmp_path):
    copy = tmp_path / "other" / "first"
    (copy / "masks").mkdir(parents=True)
    source = annotated / "first" / "imgs" / "map0.fits"
    annotation = read_annotation(annotated / "first" / "masks" / "mask_map0.json")
    write_annotation(copy / "masks" / "mask_map0.json", annotation, source)
    with pytest.raises(InputError, match=r"has the same name and folder name as .*mask_map0\.json; rename one of them"):
        find_maps([annotated, tmp_path / "other"])


def test_find_maps_refuses(tmp_path):
    with pytest.raises(InputError, match="holds no annotated map; run 'radiff annotate' on the maps first"):
        find_maps([tmp_path])
    with pytest.raises(InputError, match="no such file or folder"):
        find_maps([tmp_path / "none"])
    assert not (tmp_path / RECORDS).exists()


# ---------------------------------------------------------------- splits


def rows_at(places, size=128, scale=1.8):
    return [
        Row(f"{n}.fits", ra=ra, dec=dec, nx=size, ny=size, pixel_scale=scale, source=f"{n}")
        for n, (ra, dec) in enumerate(places)
    ]


def brute_force_pairs(rows):
    pairs = set()
    for i, a in enumerate(rows):
        for j, b in enumerate(rows[:i]):
            ra, dec = np.radians([a.ra, b.ra]), np.radians([a.dec, b.dec])
            cosine = np.sin(dec).prod() + np.cos(dec).prod() * np.cos(ra[0] - ra[1])
            reach = sum(math.hypot(row.nx, row.ny) / 2 * row.pixel_scale for row in (a, b)) / 3600
            if np.degrees(np.arccos(np.clip(cosine, -1, 1))) < reach:
                pairs.add((j, i))
    return pairs


def test_shared_sky_agrees_with_every_pair_tried():
    random = np.random.default_rng(0)
    places = zip(random.uniform(359.5, 361.5, 120) % 360, random.uniform(58, 60, 120), strict=True)
    rows = rows_at(places)
    rows = [dataclasses.replace(row, pixel_scale=15.0 if n % 7 == 0 else 1.8) for n, row in enumerate(rows)]
    first, second = shared_sky(rows)
    assert {(min(pair), max(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)} == brute_force_pairs(
        rows
    )
    assert len(first) == len(brute_force_pairs(rows)) > 50


@pytest.mark.parametrize("seed", range(5))
def test_no_patch_of_sky_is_in_train_and_val(seed):
    random = np.random.default_rng(seed)
    rows = rows_at(zip(random.uniform(10, 20, 400), random.uniform(-5, 5, 400), strict=True))
    done = assign_splits(rows, 0.8, seed)
    assert conflicts(done) == []
    assert 0.17 <= sum(row.split == "val" for row in done) / 400 <= 0.2
    assert {row.split for row in done} == {"train", "val"}
    split_of = {}
    for row in done:
        assert split_of.setdefault(row.group, row.split) == row.split
    assert done == assign_splits(rows, 0.8, seed)
    assert done != assign_splits(rows, 0.8, seed + 1)


def test_cutouts_of_one_map_stay_together_without_positions():
    rows = [Row(f"{n}.fits", source=f"map{n // 4}", nx=64, ny=64, x0=64 * (n % 4)) for n in range(40)]
    done = assign_splits(rows, 0.8)
    assert sum(row.split == "val" for row in done) == 8
    assert all(len({row.split for row in done[n : n + 4]}) == 1 for n in range(0, 40, 4))


@pytest.mark.parametrize("placed", [True, False])
def test_a_single_large_map_is_divided_with_a_gap(placed):
    rows = [
        Row(f"{y}_{x}.fits", source="map", nx=64, ny=64, x0=50 * x, y0=50 * y, pixel_scale=2.0)
        for y in range(10)
        for x in range(20)
    ]
    if placed:
        rows = [dataclasses.replace(row, ra=10 - row.x0 / 1800, dec=row.y0 / 1800) for row in rows]
    done = assign_splits(rows, 0.8)
    splits = [row.split for row in done]
    assert splits.count("val") == 40
    assert 0 < splits.count("unused") <= 50
    assert conflicts(done) == []


def test_a_radius_may_be_given():
    rows = rows_at([(10, 0), (10.5, 0), (30, 0), (30.5, 0)])
    assert len({row.group for row in assign_splits(rows, 0.5)}) == 4
    assert len({row.group for row in assign_splits(rows, 0.5, radius_arcsec=3600)}) == 2
    with pytest.raises(InputError, match="a train fraction of 2 is no fraction; give 0 to 1"):
        assign_splits(rows, 2)
    assert assign_splits([], 0.8) == []


def write_manifest(path, lines):
    path.write_text("file,split,group\n" + "".join(line + "\n" for line in lines))
    return path


def test_given_splits_are_respected(annotated, tmp_path):
    lines = ["first/imgs/map0.fits,val,a", "first/imgs/map1.fits,train,b", "first/imgs/map2.fits,test,c"]
    given = GivenSplits.read([write_manifest(tmp_path / "manifest.csv", lines)])
    summary = make_collection(find_maps([annotated])[0], tmp_path / "c", OPTIONS, given, workers=1)
    found = {(row.source[-9:], row.split, row.group) for row in summary.collection.rows}
    assert found == {("map0.fits", "val", "a"), ("map1.fits", "train", "b"), ("map2.fits", "test", "c")}
    listed = (tmp_path / "c" / "val.txt").read_text().split()
    assert listed == [row.image for row in summary.collection.rows if row.split == "val"]


def test_given_splits_of_text_files_by_name(tmp_path):
    (tmp_path / "train.txt").write_text("# comment\nimgs/a.fits\nimgs/b.fits\n")
    (tmp_path / "val.txt").write_text("x/y/c.fits\n")
    given = GivenSplits.read([tmp_path / "train.txt", tmp_path / "val.txt"])
    assert given.find("first/imgs/a.fits") == ("train", "")
    assert given.find("y/c.fits") == ("val", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,split\na,b\n", "needs the columns file and split (and may have group); found name, split"),
        ("file,split\na.fits,train\n,val\n", "line 3: file or split is empty"),
        ("file,split\na.fits,train\na.fits,val\n", "a.fits is in two splits, train and val"),
    ],
)
def test_bad_split_files(tmp_path, text, message):
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        GivenSplits.read([path])
    assert str(caught.value) == f"{path}: {message}"


def test_a_map_that_the_splits_do_not_name(annotated, tmp_path):
    given = GivenSplits.read([write_manifest(tmp_path / "m.csv", ["first/imgs/map0.fits,val,a"])])
    jobs, _ = find_maps([annotated])
    message = "first/imgs/map1.fits is not in it: the given splits must name every map; add it or leave --splits out"
    with pytest.raises(InputError) as caught:
        make_collection(jobs, tmp_path / "c", OPTIONS, given)
    assert str(caught.value) == message
    assert not (tmp_path / "c").exists()


def test_the_real_manifest_shares_no_sky(real_data):
    """Train and val of the given manifest, with circles around the whole fields."""
    rows = []
    with (real_data / "vla" / "manifest.csv").open(newline="") as stream:
        for line in csv.DictReader(stream):
            scale = 15.0 if line["set"].startswith("nvss") else 1.8
            size, place = int(line["n"]), (float(line["ra"]), float(line["dec"]))
            rows.append(Row(line["file"], "", line["set"], line["split"], line["group"], "", "", "", *place))
            rows[-1] = dataclasses.replace(rows[-1], nx=size, ny=size, pixel_scale=scale)
    first = [row for row in rows if not row.sample.startswith("nvss")]
    assert len(rows) == 2320
    assert conflicts(first) == []
