"""Mask files to specifications, and generated cutouts to a collection that grows, resumes and is never half-written."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import bad_inputs
from radiff.data.collection import Collection, read_index
from radiff.errors import InputError
from radiff.generate import (
    BackgroundFile,
    Generator,
    ImageSpec,
    Observation,
    add_backgrounds,
    already_made,
    draw_peaks,
    draw_quicklook,
    empty_specs,
    find_backgrounds,
    fitting,
    prepare_specs,
    read_specs,
    write_generated,
)
from radiff.generate.edges import EDGE_SNR
from radiff.generate.reading import isophote
from radiff.masks import Annotation, read_annotation, write_annotation, write_mask
from radiff.masks.draw import demo_masks
from radiff.sky import Beam, NoiseSpectrum, read_cutout, write_cutout


@pytest.fixture(scope="module")
def generator(weights):
    return Generator(weights, "cpu", "fp32")


@pytest.fixture
def specs():
    found = [ImageSpec(mask, name=f"m{k}", source=f"m{k}.png") for k, mask in enumerate(demo_masks(5, 64))]
    return prepare_specs(found, seed=10)


def made(generator, specs, batch_size=1):
    options = generator.options(batch_size=batch_size, num_steps=1)
    return zip(specs, generator.iterate(specs, options), strict=True)


def stopped(pairs, after):
    for count, pair in enumerate(pairs):
        if count == after:
            raise KeyboardInterrupt
        yield pair


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_masks_of_every_format(tmp_path):
    mask = bad_inputs.class_mask()
    for name in ("a.fits", "b.png", "c.npy"):
        write_mask(tmp_path / name, mask)
    found, failures = read_specs([tmp_path])
    assert failures == []
    assert [(r.name, r.source) for r in found] == [("a", "a.fits"), ("b", "b.png"), ("c", "c.npy")]
    assert all((r.mask == mask).all() and r.observation.rms == 1.5e-4 for r in found)
    assert len(read_specs([tmp_path], limit=2)[0]) == 2


def test_a_mask_takes_the_sky_of_its_image(tmp_path):
    path = bad_inputs.good_annotation(tmp_path)
    (spec,), _ = read_specs([path])
    np.testing.assert_array_equal(spec.mask, bad_inputs.class_mask())
    image = read_cutout(tmp_path / "imgs" / "good.fits")
    assert spec.observation.wcs.wcs.compare(image.wcs.wcs)
    assert spec.observation.rms == pytest.approx(bad_inputs.RMS, rel=0.1)
    assert spec.observation.header["SURVEY"] == "FIRST"
    assert [one.name for one in spec.annotation().objects] == ["S1", "S2", "S3"]


def test_a_fits_mask_takes_its_own_wcs_and_beam(tmp_path):
    header = bad_inputs.good_header()
    header["BMAJ"] = 9.0 / 3600
    write_mask(tmp_path / "m.fits", bad_inputs.class_mask(), header)
    (spec,), _ = read_specs([tmp_path / "m.fits"])
    assert spec.observation.beam == Beam(9.0, 5.4, 0.0)
    assert spec.observation.wcs.wcs.crval[0] == 150.0
    assert spec.observation.rms == 1.5e-4


@pytest.mark.parametrize(
    ("meta", "edge"),
    [
        ({}, 0.0),
        ({"classed_by": "hand"}, 0.0),
        ({"classed_by": "catalog"}, EDGE_SNR),  # of 'radiff annotate', before it said so
        ({"classed_by": "shape"}, EDGE_SNR),
        ({"classed_by": "shape", "edge_snr": 2.5}, 2.5),
        ({"edge_snr": 4}, 4.0),
        ({"edge_snr": 0}, 0.0),
        ({"classed_by": "catalog", "edge_snr": 0.0}, 0.0),
        ({"edge_snr": -1.0}, 0.0),
        ({"edge_snr": "three"}, 0.0),
        ({"edge_snr": None, "classed_by": "catalog"}, 0.0),
        ({"edge_snr": 1e9}, 0.0),
    ],
)
def test_the_isophote_of_a_mask_is_what_its_annotation_says(meta, edge, tmp_path):
    annotation = Annotation([], (64, 64), meta=meta)
    assert isophote(annotation) == edge
    path = tmp_path / "mask_m.json"
    write_annotation(path, annotation)
    (spec,), _ = read_specs([path])
    assert spec.isophote == edge


def test_masks_without_an_annotation_say_of_no_isophote(specs):
    assert [one.isophote for one in specs] == [0.0] * 5
    assert [one.noise for one in specs] == [None] * 5


def test_copies_have_the_noise_of_each(specs):
    spectrum = NoiseSpectrum.from_beam(Beam(5.4, 5.4), 1.8)
    chosen = [replace(one, noise=spectrum if k == 2 else None) for k, one in enumerate(specs)]
    assert [one.noise is spectrum for one in prepare_specs(chosen, 5, 2)] == [*[False] * 4, True, True, *[False] * 4]


def test_collections_by_split(tmp_path, generator, specs):
    halves = [replace(r, split="train" if k < 3 else "val") for k, r in enumerate(specs)]
    write_generated(tmp_path, made(generator, halves))
    assert len(read_specs([tmp_path], split="val")[0]) == 2
    assert [r.split for r in read_specs([tmp_path])[0]] == ["train"] * 3 + ["val"] * 2
    with pytest.raises(InputError, match="no cutout is in the split 'test'"):
        read_specs([tmp_path], split="test")


def test_bad_masks_are_named_and_the_good_ones_read(tmp_path):
    write_mask(tmp_path / "good.npy", bad_inputs.class_mask())
    bad_inputs.class_seven(tmp_path)
    found, failures = read_specs([tmp_path])
    assert [r.name for r in found] == ["good"]
    assert str(failures[0]).startswith(f"{tmp_path / 'seven.fits'}: value 7 at (12, 40) is no class")


def test_an_image_without_noise_is_named(tmp_path):
    path = bad_inputs.good_annotation(tmp_path)
    bad_inputs.write_fits(tmp_path / "imgs" / "flat.fits", np.zeros((64, 64), np.float32))
    shutil.move(tmp_path / "imgs" / "flat.fits", tmp_path / "imgs" / "good.fits")
    found, failures = read_specs([path])
    assert found == []
    assert str(path) in str(failures[0])


def test_nothing_to_do(tmp_path):
    with pytest.raises(InputError, match="no masks found"):
        read_specs([tmp_path])
    with pytest.raises(InputError, match="no such file or folder"):
        read_specs([tmp_path / "none.png"])


def test_equal_names_are_made_new(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_mask(tmp_path / folder / "m.png", bad_inputs.class_mask())
    found, _ = read_specs([tmp_path / "a", tmp_path / "b"])
    assert [r.name for r in found] == ["m", "m_1"]


def test_seeds_copies_and_what_is_asked():
    found = empty_specs(2, 64)
    several = prepare_specs(found, seed=5, per_mask=2, rms=3e-4, beam=Beam(9, 8, 7))
    assert [(r.name, r.seed) for r in several] == [
        ("sky00000_s0", 5),
        ("sky00000_s1", 6),
        ("sky00001_s0", 7),
        ("sky00001_s1", 8),
    ]
    assert all(r.observation.rms == 3e-4 and r.observation.beam == Beam(9, 8, 7) for r in several)
    assert prepare_specs(found, observation=Observation(rms=1.0))[0].observation.rms == 1.0
    mask = np.zeros((64, 64), np.uint8)
    mask[3:5, 3:5] = 2
    (peaked,) = prepare_specs([ImageSpec(mask)], peak_snr=20)
    assert (peaked.peaks, peaked.fluxes) == ((20.0,), None)
    (bright,) = prepare_specs([ImageSpec(mask)], flux=0.01)
    assert (bright.peaks, bright.fluxes) == (None, (0.01,))


def annotated(folder, peaks=(8.0, None, 120.0)):
    """A mask with an image, whose annotation says the peaks of its three objects; the path of the JSON."""
    path = bad_inputs.good_annotation(folder)
    document = json.loads(path.read_text())
    for one, peak in zip(document["objs"], peaks, strict=True):
        if peak is not None:
            one["peak_snr"] = peak
    path.write_text(json.dumps(document))
    return path


def test_peaks_the_same_drawn_or_real(tmp_path):
    (spec,), _ = read_specs([annotated(tmp_path)])
    objects = spec.objects
    assert [one.name for one in objects] == ["S1", "S2", "S3"]
    assert draw_peaks(objects, 20) == (20.0, 20.0, 20.0)
    assert draw_peaks(objects, "real", seed=3) == (8.0, 0.0, 120.0)  # one is not known: not asked
    many = objects * 2000
    drawn = np.log(draw_peaks(many, (5.0, 100.0), seed=1))
    assert np.log(5) <= drawn.min() and drawn.max() <= np.log(100)
    assert np.histogram(drawn, 4, (np.log(5), np.log(100)))[0] == pytest.approx([1500] * 4, rel=0.1)  # even in the log
    assert draw_peaks(objects, (5.0, 100.0), 1) == draw_peaks(objects, (5.0, 100.0), 1)
    assert draw_peaks(objects, (5.0, 100.0), 1) != draw_peaks(objects, (5.0, 100.0), 2)
    assert draw_peaks(objects, (7.0, 7.0)) == pytest.approx((7.0, 7.0, 7.0))
    copies = prepare_specs([spec], seed=5, per_mask=2, peak_snr=(5.0, 100.0))
    assert [c.peaks for c in copies] == [draw_peaks(objects, (5.0, 100.0), seed) for seed in (5, 6)]


def test_what_was_asked_is_written_with_the_object(generator, tmp_path):
    (spec,), _ = read_specs([annotated(tmp_path / "in")])
    (spec,) = prepare_specs([spec], peak_snr="real")
    spec = replace(spec, fluxes=(0.0, 0.01, 0.0))
    asked = [(o.info.get("asked_peak_snr"), o.info.get("asked_flux_jy")) for o in spec.annotation().objects]
    assert asked == [(8.0, None), (None, 0.01), (120.0, None)]
    (row,) = write_generated(tmp_path / "out", made(generator, [spec]))
    back = read_annotation(tmp_path / "out" / row.annotation).objects
    assert [(o.info.get("asked_peak_snr"), o.info.get("asked_flux_jy")) for o in back] == asked


def test_the_generator_is_given_all_that_is_asked(specs):
    files = [BackgroundFile(bad_inputs.READ_ONLY / f"{k}.fits", None, "other") for k in range(3)]
    asked = add_backgrounds(prepare_specs(specs, seed=3, peak_snr=9.0, flux=0.1), "other", files)
    assert [one.seed for one in asked] == [3, 4, 5, 6, 7]
    assert [one.peaks for one in asked] == [(9.0,) * len(r.objects) for r in specs]
    assert [one.fluxes for one in asked] == [(0.1,) * len(r.objects) for r in specs]
    assert [len(one.objects) for one in asked] == [len(r.objects) for r in specs]
    assert all(one.background in {replace(file, seed=one.seed) for file in files} for one in asked)


# ---------------------------------------------------------------- backgrounds


@pytest.fixture
def images(tmp_path):
    """Three annotated images in one folder."""
    for k in range(3):
        bad_inputs.good_annotation(tmp_path / "in", f"i{k}.fits")
    return tmp_path / "in"


@pytest.mark.parametrize("mode", ["self", "self-masked"])
def test_backgrounds_of_the_mask_s_own_image(images, mode):
    asked = add_backgrounds(prepare_specs(read_specs([images])[0], seed=4), mode)
    assert [r.background.image.name for r in asked] == ["i0.fits", "i1.fits", "i2.fits"]
    assert [(r.background.mode, r.background.seed, r.background.mask) for r in asked] == [
        (mode, r.seed, r.path) for r in asked
    ]
    bright = asked[0].background.load().snr[bad_inputs.class_mask() > 0].max()
    assert bright > 30 if mode == "self" else bright < 10


def test_backgrounds_of_other_images(images):
    asked = add_backgrounds(prepare_specs(read_specs([images])[0], seed=4), "other")
    assert all(r.background.image != r.image and r.background.mode == "other" for r in asked)
    assert all(r.background.mask.stem == f"mask_{r.background.image.stem}" for r in asked)
    again = add_backgrounds(prepare_specs(read_specs([images])[0], seed=4), "other")
    assert [r.background for r in asked] == [r.background for r in again]
    with pytest.raises(InputError, match="needs at least two images"):
        add_backgrounds(asked[:1], "other")


def test_backgrounds_from_elsewhere(images, tmp_path, specs):
    plain = bad_inputs.good_image(tmp_path)
    files = find_backgrounds([plain, images])
    assert [(f.image.name, f.mask and f.mask.name, f.mode) for f in files] == [
        ("good.fits", None, "other"),
        *((f"i{k}.fits", f"mask_i{k}.json", "other") for k in range(3)),
    ]
    several = prepare_specs(specs * 8, seed=2)
    asked = add_backgrounds(several, "other", files)
    assert {r.background.image for r in asked} == {f.image for f in files}
    assert [r.background.seed for r in asked] == [r.seed for r in several]
    again = add_backgrounds(several[3:5], "other", files)
    assert [r.background for r in again] == [r.background for r in asked[3:5]]  # by the seed alone


def test_backgrounds_of_a_collection_by_split(generator, specs, tmp_path):
    halves = [replace(r, split="train" if k < 3 else "val") for k, r in enumerate(specs)]
    write_generated(tmp_path, made(generator, halves))
    assert [f.image.name for f in find_backgrounds([tmp_path], "val")] == ["m3.fits", "m4.fits"]
    assert len(find_backgrounds([tmp_path])) == 5
    for one in find_backgrounds([tmp_path]):
        assert one.load().snr.shape == (64, 64)


def test_backgrounds_that_there_are_not(tmp_path, specs, images):
    with pytest.raises(InputError, match="no image of its own for the background mode 'self'; use --background-from"):
        add_backgrounds(specs, "self")
    write_mask(tmp_path / "m.png", bad_inputs.class_mask())
    with pytest.raises(InputError, match=r"m\.png: the mask has no image of its own"):
        add_backgrounds(read_specs([tmp_path / "m.png"])[0], "self-masked")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no background images found; give FITS images or a collection"):
        find_backgrounds([tmp_path / "empty"])
    with pytest.raises(InputError, match="no such file or folder"):
        find_backgrounds([tmp_path / "none"])


def test_masks_that_do_not_fit_are_named(generator, tmp_path):
    write_mask(tmp_path / "odd.png", np.zeros((70, 62), np.uint8))
    write_mask(tmp_path / "ok.png", np.zeros((64, 68), np.uint8))
    good, failures = fitting(read_specs([tmp_path])[0], generator.check_mask)
    assert [r.name for r in good] == ["ok"]
    assert str(failures[0]).startswith(f"{tmp_path / 'odd.png'}: the mask has 62 x 70 pixels; sides must be")
    with pytest.raises(InputError, match="the mask has 66 x 66 pixels"):
        fitting(empty_specs(2, 66), generator.check_mask)


def test_what_is_written_is_a_collection(generator, specs, tmp_path):
    rows = write_generated(tmp_path, made(generator, specs))
    collection = Collection.open(tmp_path)
    assert collection.rows == rows == sorted(rows, key=lambda row: row.image)
    for k, spec in enumerate(specs):
        np.testing.assert_array_equal(collection.mask(k), spec.mask)
        assert collection.image(k).provenance["seed"] == spec.seed
        assert collection.rows[k].source == spec.source
        assert collection.rows[k].rms == pytest.approx(spec.observation.rms, rel=0.01)
    assert draw_quicklook(tmp_path / "q.png", tmp_path, rows).stat().st_size > 10_000


def test_a_stopped_run_resumes_to_the_same_files(generator, specs, tmp_path):
    write_generated(tmp_path / "whole", made(generator, specs))
    with pytest.raises(KeyboardInterrupt):
        write_generated(tmp_path / "parts", stopped(made(generator, specs), after=2))
    assert len(read_index(tmp_path / "parts" / "index.csv")) == 2
    left, kept = already_made(tmp_path / "parts", specs)
    assert [r.name for r in left] == ["m2", "m3", "m4"]
    write_generated(tmp_path / "parts", made(generator, left), kept=kept)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_resuming_makes_again_what_is_broken_or_of_another_seed(generator, specs, tmp_path):
    write_generated(tmp_path, made(generator, specs))
    (tmp_path / "index.csv").unlink()  # a killed run has none
    (tmp_path / "generated" / "masks" / "mask_m1.json").unlink()
    other = [replace(r, seed=99) if r.name == "m3" else r for r in specs]
    left, kept = already_made(tmp_path, other)
    assert [r.name for r in left] == ["m1", "m3"]
    assert len(kept) == 3


def test_resuming_makes_again_what_was_made_in_another_way(generator, specs, tmp_path):
    write_generated(tmp_path, made(generator, specs))
    asked = generator.made_with(generator.options(num_steps=generator.defaults.num_steps + 1))
    assert [r.name for r in already_made(tmp_path, specs, asked)[0]] == ["m0", "m1", "m2", "m3", "m4"]
    louder = [
        replace(r, observation=replace(r.observation, rms=2 * r.observation.rms)) if r.name == "m2" else r
        for r in specs
    ]
    assert [r.name for r in already_made(tmp_path, louder)[0]] == ["m2"]
    brighter = [replace(r, peaks=(9.0,) * len(r.objects)) if r.name == "m4" else r for r in specs]
    assert [r.name for r in already_made(tmp_path, brighter)[0]] == ["m4"]


def test_other_images_of_a_collection_stay_listed(generator, specs, tmp_path):
    write_generated(tmp_path, made(generator, specs[:2]), sample="first")
    rows = write_generated(tmp_path, made(generator, specs[1:3]))
    assert [row.image for row in rows] == ["generated/imgs/m1.fits", "generated/imgs/m2.fits"]
    listed = [row.image for row in read_index(tmp_path / "index.csv")]
    assert listed == ["first/imgs/m0.fits", "first/imgs/m1.fits", *(row.image for row in rows)]


def test_a_full_disk_leaves_nothing(generator, specs, tmp_path, monkeypatch):
    full = pytest.raises(InputError, match="No space left on device")
    with bad_inputs.nothing_new(tmp_path), bad_inputs.no_space(monkeypatch), full:
        write_generated(tmp_path / "out", made(generator, specs))


def test_a_folder_that_cannot_be_written(generator, specs):
    with pytest.raises(InputError, match="cannot write into this folder"):
        write_generated(bad_inputs.READ_ONLY, made(generator, specs))


def test_flux_of_an_annotation_is_of_the_generated_image(generator, tmp_path):
    (spec,), _ = read_specs([bad_inputs.good_annotation(tmp_path / "in")])
    (row,) = write_generated(tmp_path / "out", made(generator, [spec]))
    image = read_cutout(tmp_path / "out" / row.image).image
    annotation = read_annotation(tmp_path / "out" / row.annotation)
    for one in annotation.objects:
        assert one.info["Stot"] == pytest.approx(float(image[one.slices][one.stamp].sum()), rel=1e-3)


def test_generated_images_are_read_like_any_other(generator, specs, tmp_path):
    (row,) = write_generated(tmp_path, made(generator, specs[:1]))
    cutout = read_cutout(tmp_path / row.image)  # warnings are errors: nothing is missing in the header
    write_cutout(tmp_path / "copy.fits", cutout)
    np.testing.assert_array_equal(read_cutout(tmp_path / "copy.fits").image, cutout.image)
