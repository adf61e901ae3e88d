"""A map worked on by windows gives the objects that it gives as a whole."""

import numpy as np
import pytest
from astropy.table import Table

from conftest import Injected, add_gaussian
from mask_samples import beam_noise
from radiff import InputError
from radiff.masks import COMPACT, EXTENDED, SPURIOUS, AnnotateOptions, SourceObject, annotate
from radiff.masks.large import Placed, annotate_window, assemble, components_on_map, plan_map
from radiff.sky import HeaderWarning, MapReader, write_cutout

RMS, FWHM, SHAPE = 1.5e-4, 3.0, (768, 832)
OPTIONS = AnnotateOptions(seed_snr=6, box=32)


def put(image, source):
    """Add a source to its surroundings."""
    y0, x0 = max(int(source.y) - 60, 0), max(int(source.x) - 60, 0)
    moved = Injected(source.x - x0, source.y - y0, source.peak, source.maj, source.min, source.pa)
    add_gaussian(image[y0 : y0 + 120, x0 : x0 + 120], moved)


def crowded(make_map, seed=0):
    """Noise of the beam, 80 sources, a few of them on the borders of the cores (256, 512), and a negative hole."""
    cutout = make_map(SHAPE, rms=0.0)
    cutout.image += beam_noise(SHAPE, RMS, FWHM, seed)
    random = np.random.default_rng(seed)
    sources = []
    for number in range(80):
        x, y = random.uniform(5, SHAPE[1] - 5), random.uniform(5, SHAPE[0] - 5)
        if number < 12:
            x, y = (256 + random.uniform(-3, 3), y) if number % 2 else (x, 512 + random.uniform(-3, 3))
        wide = (random.uniform(2, 6), random.uniform(1, 2)) if number % 3 == 0 else (1, 1)
        peak = RMS * 10 ** random.uniform(0.8, 2.5)
        sources.append(Injected(x, y, peak, FWHM * wide[0], FWHM * wide[1], random.uniform(0, 180)))
        put(cutout.image, sources[-1])
    put(cutout.image, Injected(400, 300, -40 * RMS, FWHM, FWHM))
    return cutout, sources


def by_windows(path, options=OPTIONS, catalog=None, core=256, overlap=128):
    with MapReader.open(path) as reader:
        table = components_on_map(reader, catalog, options)
        windows = plan_map(reader, options, core, overlap)
        assert len(windows) > 1
        finds = [annotate_window(reader, window, table, options) for window in windows]
        return assemble(reader, finds, options, table is not None)


def assert_same(found, whole):
    """The same objects in the same order, with the same numbers, and the same meta."""
    assert len(found.objects) == len(whole.objects)
    for a, b in zip(found.objects, whole.objects, strict=True):
        assert (a.name, a.class_value, a.bbox) == (b.name, b.class_value, b.bbox)
        np.testing.assert_array_equal(a.stamp, b.stamp)
        assert_close(a.info, b.info)
    assert_close(found.meta, whole.meta)


def assert_close(a, b):
    """Equal dictionaries, numbers to a millionth."""
    assert list(a) == list(b)
    for key, value in b.items():
        assert a[key] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), key


@pytest.mark.parametrize("seed", range(2))
def test_the_same_objects_as_from_the_whole_map(make_map, tmp_path, seed):
    cutout, _ = crowded(make_map, seed)
    write_cutout(tmp_path / "m.fits", cutout)
    whole = annotate(cutout, None, OPTIONS)
    assert len(whole.objects) > 60
    assert_same(by_windows(tmp_path / "m.fits"), whole)


def test_the_same_objects_with_a_catalog(make_map, tmp_path):
    cutout, sources = crowded(make_map)
    known = [source for number, source in enumerate(sources) if number % 5]
    sky = [cutout.wcs.pixel_to_world(source.x, source.y) for source in known]
    catalog = Table(
        {
            "ra": [one.ra.deg for one in sky],
            "dec": [one.dec.deg for one in sky],
            "maj": [max(source.maj - FWHM, 0) * 1.8 for source in known],
            "p_sidelobe": [0.9 if number % 7 == 0 else 0.01 for number in range(len(known))],
        }
    )
    write_cutout(tmp_path / "m.fits", cutout)
    whole = annotate(cutout, catalog, OPTIONS)
    assert whole.meta["classed_by"] == "catalog"
    assert all(whole.count(value) > 0 for value in (SPURIOUS, COMPACT, EXTENDED)), whole.objects
    assert_same(by_windows(tmp_path / "m.fits", catalog=catalog), whole)
    with pytest.warns(HeaderWarning, match="the catalog covers"):
        whole = annotate(cutout, catalog[:20], OPTIONS)
    with pytest.warns(HeaderWarning, match="the catalog covers"):
        assert_same(by_windows(tmp_path / "m.fits", catalog=catalog[:20]), whole)


def test_an_object_that_no_window_holds_is_put_together(make_map, tmp_path):
    cutout, _ = crowded(make_map)
    y, x = np.indices(SHAPE)
    line = 15 * RMS * np.exp(-0.5 * ((y - 200 - 0.3 * x) / 4) ** 2) * (x > 60) * (x < 680)
    cutout.image += line.astype(np.float32)
    write_cutout(tmp_path / "m.fits", cutout)
    whole, found = annotate(cutout, None, OPTIONS), by_windows(tmp_path / "m.fits")
    assert len(found.objects) == len(whole.objects)
    (a,), (b,) = ([one for one in some.objects if one.stamp.shape[1] > 600] for some in (found, whole))
    assert a.bbox == b.bbox and a.class_value == EXTENDED
    assert np.count_nonzero(a.stamp ^ b.stamp) < 0.01 * b.npix
    assert a.info["Stot"] == pytest.approx(b.info["Stot"], rel=0.01)
    rest = [[one.bbox for one in some.objects if one.stamp.shape[1] < 600] for some in (found, whole)]
    assert rest[0] == rest[1]


def test_blank_parts_and_blank_maps(make_map, tmp_path):
    cutout, _ = crowded(make_map)
    cutout.image[:400, :400] = np.nan
    write_cutout(tmp_path / "m.fits", cutout)
    found, whole = by_windows(tmp_path / "m.fits"), annotate(cutout, None, OPTIONS)
    assert {one.bbox for one in found.objects} == {one.bbox for one in whole.objects}
    cutout.image[:] = np.nan
    write_cutout(tmp_path / "blank.fits", cutout)
    with pytest.raises(InputError, match=r"blank\.fits: holds no usable pixel"):
        by_windows(tmp_path / "blank.fits")


@pytest.mark.parametrize("shape", [(700, 2000), (1100, 513), (64, 64), (2048, 2049)])
def test_cores_cover_the_map_once_and_borders_lie_on_the_mesh(make_map, tmp_path, shape):
    write_cutout(tmp_path / "m.fits", make_map(shape))
    with MapReader.open(tmp_path / "m.fits") as reader:
        windows = plan_map(reader, AnnotateOptions(), 256, 100)
    count = np.zeros(shape, int)
    for window in windows:
        y0, y1, x0, x1 = window.core
        count[y0:y1, x0:x1] += 1
        assert all(edge % 128 == 0 or edge in shape for edge in window.box)
        assert window.margin == 128
    assert (count == 1).all()


def test_objects_that_share_pixels():
    def block(y0, x0, ny, nx):
        return SourceObject("", 3, np.ones((ny, nx), bool), y0, x0)

    placed = Placed([block(0, 0, 10, 2000), block(500, 500, 30, 30), block(540, 500, 5, 5)])
    assert placed.sharing(block(9, 1990, 5, 5)) == [0]
    assert placed.sharing(block(10, 1990, 5, 5)) == []
    assert placed.sharing(block(520, 520, 30, 30)) == [1]
    assert placed.sharing(block(0, 501, 600, 1)) == [0, 1, 2]
