"""Annotate finds what was put into a map, with its class, and nothing else."""

import csv
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from conftest import Injected
from mask_samples import beam_noise
from radiff import InputError
from radiff.masks import (
    COMPACT,
    EXTENDED,
    SPURIOUS,
    AnnotateOptions,
    annotate,
    contact_sheet,
    read_annotation,
    write_annotation,
)
from radiff.sky import Cutout, HeaderWarning, read_catalog, read_cutout, write_cutout

RMS, FWHM, SHAPE = 1.5e-4, 3.0, (200, 220)
COMPACT_SOURCES = [
    Injected(40, 50, 9 * RMS, FWHM, FWHM),
    Injected(100, 150, 30 * RMS, FWHM, FWHM),
    Injected(180, 60, 300 * RMS, FWHM, FWHM),
    Injected(60, 120, 3000 * RMS, FWHM, FWHM),
]
EXTENDED_SOURCES = [Injected(150, 150, 40 * RMS, 14, 6, 30), Injected(110, 40, 12 * RMS, 16, 12, 0)]


def make(make_map, sources, seed=3):
    """A map with beam-sized noise and the sources, 6-sigma seeds so that no noise peak is one."""
    cutout = make_map(SHAPE, sources, rms=0.0)
    cutout.image += beam_noise(SHAPE, RMS, FWHM, seed)
    return cutout


def at(annotation, source):
    """Objects that hold the source's pixel."""
    return [one for one in annotation.objects if one.pixels(annotation.shape)[round(source.y), round(source.x)]]


@pytest.mark.parametrize("seed", range(3))
def test_injected_gaussians_are_found_with_their_class_and_nothing_else(make_map, seed):
    sources = COMPACT_SOURCES + EXTENDED_SOURCES
    annotation = annotate(make(make_map, sources, seed), options=AnnotateOptions(seed_snr=6))
    assert len(annotation.objects) == len(sources)
    for source in sources:
        (found,) = at(annotation, source)
        assert found.class_value == (COMPACT if source in COMPACT_SOURCES else EXTENDED)
        assert found.info["peak_flux"] == pytest.approx(source.peak, abs=4 * RMS)
        assert found.info["peak_snr"] == pytest.approx(source.peak / RMS, rel=0.25, abs=3)
    assert annotation.meta["rms"] == pytest.approx(RMS, rel=0.07)
    assert annotation.meta["classed_by"] == "shape"


def test_noise_alone_gives_an_empty_annotation(make_map):
    assert annotate(make(make_map, []), options=AnnotateOptions(seed_snr=6)).objects == []


def test_the_outline_follows_the_growth_threshold(make_map):
    source = Injected(100, 100, 100 * RMS, FWHM, FWHM)
    (found,) = annotate(make(make_map, [source]), options=AnnotateOptions(seed_snr=6)).objects
    area = np.pi * FWHM**2 / (4 * np.log(2)) * np.log(100 / 3)  # pixels of the Gaussian above 3 rms
    assert found.npix == pytest.approx(area, rel=0.15)


def catalog(cutout, rows):
    """A catalog of (source, maj in arcsec, p_sidelobe)."""
    positions = [cutout.wcs.pixel_to_world(source.x, source.y) for source, _, _ in rows]
    return Table(
        {
            "ra": [one.ra.deg for one in positions],
            "dec": [one.dec.deg for one in positions],
            "maj": [maj for _, maj, _ in rows],
            "p_sidelobe": [p for _, _, p in rows],
        }
    )


def test_classes_by_catalog(make_map):
    known = [Injected(50, 50, 20 * RMS, FWHM, FWHM), Injected(150, 50, 20 * RMS, FWHM, FWHM)]
    big = Injected(150, 150, 20 * RMS, 14, 8)
    double = [Injected(50, 150, 30 * RMS, FWHM, FWHM), Injected(55, 150, 30 * RMS, FWHM, FWHM)]
    doubtful, unknown = Injected(100, 100, 9 * RMS, FWHM, FWHM), Injected(100, 20, 8 * RMS, FWHM, FWHM)
    cutout = make(make_map, [*known, big, *double, doubtful, unknown])
    rows = [
        (known[0], 1.0, 0.01),
        (known[1], 12.0, 0.01),
        (big, 20.0, 0.01),
        (double[0], 2, 0.02),
        (double[1], 2, 0.02),
    ]
    annotation = annotate(cutout, catalog(cutout, [*rows, (doubtful, 3.0, 0.8)]), AnnotateOptions(seed_snr=6))
    classes = {id(one): at(annotation, one)[0].class_value for one in [*known, big, double[0], doubtful, unknown]}
    assert annotation.meta["classed_by"] == "catalog"
    assert [*classes.values()] == [COMPACT, EXTENDED, EXTENDED, EXTENDED, SPURIOUS, SPURIOUS]
    assert len(annotation.objects) == 6


def test_a_bright_source_that_the_catalog_lacks_is_no_artefact(make_map):
    sources = COMPACT_SOURCES[:3]
    cutout = make(make_map, sources)
    annotation = annotate(
        cutout, catalog(cutout, [(one, 1.0, 0.0) for one in sources[:2]]), AnnotateOptions(seed_snr=6)
    )
    assert [one.class_value for one in at(annotation, sources[2])] == [COMPACT]


def test_a_catalog_of_another_place_is_said_and_not_used(make_map):
    cutout = make(make_map, COMPACT_SOURCES)
    far = Table({"ra": [10.0], "dec": [-60.0]})
    with pytest.warns(HeaderWarning, match="covers 0 of the [34] clear sources of this map; classed by shape"):
        annotation = annotate(cutout, far, AnnotateOptions(seed_snr=6))
    assert {one.class_value for one in annotation.objects} == {COMPACT}
    cutout.wcs = None
    with pytest.warns(HeaderWarning):
        assert annotate(cutout, far).meta["classed_by"] == "shape"


def sidelobes(shape, x, y, peak):
    """Rings about a bright source, as deep as they are high."""
    rows, columns = np.indices(shape)
    radius = np.hypot(columns - x, rows - y)
    angle = np.arctan2(rows - y, columns - x)
    return peak * np.cos(radius) * np.cos(6 * angle) * np.exp(-(((radius - 20) / 10) ** 2))


def test_sidelobes_of_a_bright_source_are_not_taken_for_sources(make_map):
    bright, other = Injected(100, 100, 5000 * RMS, FWHM, FWHM), Injected(30, 170, 40 * RMS, FWHM, FWHM)
    cutout = make(make_map, [bright, other])
    cutout.image += sidelobes(SHAPE, 100, 100, 40 * RMS).astype(np.float32)
    annotation = annotate(cutout)
    assert annotation.meta["left_out"] > 5
    assert len(annotation.objects) <= 4
    assert at(annotation, bright)
    assert [one.class_value for one in at(annotation, other)] == [COMPACT]
    marked = annotate(cutout, options=AnnotateOptions(spurious_by_shape=True))
    assert marked.count(SPURIOUS) == annotation.meta["left_out"]


def test_lobes_are_merged_where_asked(make_map):
    lobes = [Injected(90, 100, 60 * RMS, FWHM, FWHM), Injected(108, 100, 50 * RMS, FWHM, FWHM)]
    cutout = make(make_map, [*lobes, COMPACT_SOURCES[0]])
    assert len(annotate(cutout, options=AnnotateOptions(seed_snr=6)).objects) == 3
    annotation = annotate(cutout, options=AnnotateOptions(seed_snr=6, merge_beams=5))
    assert sorted((one.class_value, one.info["nislands"]) for one in annotation.objects) == [
        (COMPACT, 1),
        (EXTENDED, 2),
    ]
    assert at(annotation, lobes[0]) == at(annotation, lobes[1])


def test_blank_pixels_and_missing_beam(make_map):
    cutout = make(make_map, COMPACT_SOURCES)
    cutout.image[:30] = np.nan
    cutout.image[:, 200:] = np.nan
    annotation = annotate(cutout, options=AnnotateOptions(seed_snr=6))
    assert [one.class_value for one in annotation.objects] == [COMPACT] * 4
    bare = Cutout(cutout.image)
    with pytest.warns(HeaderWarning, match="a beam of 4 pixels is assumed"):
        annotation = annotate(bare, options=AnnotateOptions(seed_snr=6))
    assert len(annotation.objects) == 4
    assert annotation.meta["bmaj"] is annotation.meta["dx"] is annotation.objects[0].info["nbeams"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed_snr": 2.0}, "needed is seed_snr >= grow_snr"),
        ({"min_pixels": -1}, "min_pixels is -1"),
        ({"box": 4}, "box"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        AnnotateOptions(**options)


def test_contact_sheet(make_map, tmp_path):
    cutout = make(make_map, COMPACT_SOURCES)
    write_cutout(tmp_path / "a.fits", cutout)
    write_annotation(tmp_path / "mask_a.json", annotate(cutout), "a.fits")
    pair = (tmp_path / "a.fits", tmp_path / "mask_a.json")
    pages = contact_sheet([pair, pair, (pair[0], None)], tmp_path / "sheet.png", ncols=2, rows=1, dpi=40)
    assert [page.name for page in pages] == ["sheet.png", "sheet_2.png"]
    assert all(page.stat().st_size > 1000 for page in pages)
    with pytest.raises(InputError, match="no image to draw"):
        contact_sheet([], tmp_path / "none.png")


def test_real_first_and_nvss_fields(real_data, tmp_path):
    with (real_data / "vla" / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    known = read_catalog(real_data / "vla" / "first_catalog.csv")
    for kind, classes in (("first_mirabest", {1, 2, 3}), ("first_frdeep", {1, 2, 3}), ("nvss_frdeep", {2, 3})):
        found, filled = set(), 0
        chosen = [row for row in rows if row["set"] == kind][::40][:12]
        for row in chosen:
            cutout = read_cutout(real_data / "vla" / row["file"], check=False)
            annotation = annotate(cutout, None if kind == "nvss_frdeep" else known)
            found |= {one.class_value for one in annotation.objects}
            filled += bool(annotation.objects)
            marked = annotation.mask > 0
            if marked.any():
                assert cutout.image[marked].mean() > 3 * annotation.meta["rms"]
                assert abs(np.nanmean(cutout.image[~marked])) < annotation.meta["rms"]
        assert found == classes
        assert filled >= len(chosen) - 1


def test_real_stripped_header(real_data, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        cutout = read_cutout(real_data / "maps" / "inaf_galaxy0001.fits")
        annotation = annotate(cutout)
    assert annotation.count(EXTENDED) >= 1
    path = tmp_path / "mask_galaxy0001.json"
    write_annotation(path, annotation, "../imgs/galaxy0001.fits")
    np.testing.assert_array_equal(read_annotation(path).mask, annotation.mask)
    assert fits.getdata(tmp_path / "mask_galaxy0001_obj1.fits").shape == cutout.shape
