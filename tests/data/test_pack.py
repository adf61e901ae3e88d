"""A pack equals the collection that it was made from, and is made again exactly when that has changed."""

import math
import os
import warnings
from dataclasses import replace

import numpy as np
import pytest

from conftest import celestial_wcs
from radiff.data import pack as room
from radiff.data.collection import Collection, CollectionWriter, write_index
from radiff.data.noise import packed_roots
from radiff.data.pack import ARRAYS, Pack, beam_pixels, build_pack, peak_code, peak_map
from radiff.data.scaling import Paper, SnrAsinh
from radiff.errors import InputError
from radiff.masks import SourceObject, write_annotation
from radiff.sky import Beam, NoiseSpectrum, remove_sources
from tiny_collection import BACKGROUND, PEAK, RMS, tiny_collection, tiny_cutout


@pytest.fixture
def collection(tmp_path):
    return tiny_collection(tmp_path / "c", train=3, val=1, empty=1)


def times(folder):
    return {name: (folder / f"{name}.npy").stat().st_mtime_ns for name in ARRAYS}


def test_pack_equals_its_collection(collection, tmp_path):
    scaling = SnrAsinh(2.0)
    pack = build_pack(collection, tmp_path / "p", scaling, workers=1)
    assert len(pack) == len(collection) == 4
    assert {name: getattr(pack, name).dtype for name in ARRAYS} == ARRAYS
    for k, row in enumerate(collection.rows):
        image = collection.image(k).image
        np.testing.assert_array_equal(pack.images[k], scaling.forward(image, row.background, row.rms))
        np.testing.assert_array_equal(pack.masks[k], collection.mask(k))
        np.testing.assert_allclose(
            scaling.inverse(pack.images[k], row.background, row.rms), image, rtol=1e-5, atol=1e-6 * RMS
        )
        assert pack.info["rows"][k] == {
            "image": row.image, "rms": row.rms, "background": row.background, "survey": row.survey
        }  # fmt: skip
    assert pack.info["scaling"] == {"name": "snr-asinh", "softness": 2.0}


def test_skies_are_the_images_without_their_sources(collection, tmp_path):
    scaling = SnrAsinh(2.0)
    pack = build_pack(collection, tmp_path / "p", scaling, workers=1)
    for k, row in enumerate(collection.rows):
        clean = remove_sources(collection.image(k).image, collection.mask(k), k)
        expected = scaling.forward(clean, row.background, row.rms).astype(np.float16)
        np.testing.assert_array_equal(pack.skies[k], expected)
    np.testing.assert_array_equal(pack.skies[0], pack.images[0].astype(np.float16))  # it has no sources
    # in units of the rms, on the 100 rms of the compact source and the 20 of the extended one
    left = 2.0 * np.sinh(np.array(pack.skies[1:], np.float32))
    assert np.abs(left[np.array(pack.masks[1:]) > 0]).max() < 6
    assert (2.0 * np.sinh(pack.images[1:])).max() > 90


def test_beams_are_in_pixels(tmp_path):
    """Covariances: 6 x 4.86 arcsec along y on pixels of 1.8; 0 where something is not known."""
    writer = CollectionWriter(tmp_path / "c")
    cutout, annotation = tiny_cutout((32, 32), 0)
    full = replace(cutout, wcs=celestial_wcs((32, 32)), beam=Beam(6.0, 4.86))
    for name, one in (("full", full), ("bare", cutout), ("beamless", replace(full, beam=None))):
        writer.add("first", name, one, annotation, split="train")
    collection = writer.finish()
    beams = build_pack(collection, tmp_path / "p", SnrAsinh(), 1).beams
    by_name = dict(zip((r.image for r in collection.rows), beams, strict=True))
    variances = np.array([4.86, 6.0]) ** 2 / 1.8**2 / (8 * np.log(2))
    np.testing.assert_allclose(by_name["first/imgs/full.fits"], np.diag(variances), rtol=1e-5, atol=1e-7)
    assert not by_name["first/imgs/bare.fits"].any() and not by_name["first/imgs/beamless.fits"].any()


def test_spectra_are_those_of_the_cutouts(tmp_path):
    """Measured with the sources masked, half as many modes a side as pixels; flat where nothing can be measured."""
    large = tiny_collection(tmp_path / "large", 2, 1, (96, 128), empty=1)
    pack = build_pack(large, tmp_path / "p", SnrAsinh(), 1)
    assert pack.roots.shape == (3, 48, 48) and pack.info["spectra"] == {"measured": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measured = NoiseSpectrum.measure(large.image(1), masks=large.mask(1), side=48, wander=False)
    np.testing.assert_array_equal(pack.roots[1], packed_roots(measured, 48))
    small = build_pack(tiny_collection(tmp_path / "small", 2, 1), tmp_path / "s", SnrAsinh(), 1)
    assert small.roots.shape == (3, 16, 16) and (small.roots == 1).all() and small.info["spectra"] == {"flat": 3}


def test_beam_of_known_rows(collection):
    row = replace(collection.rows[0], bmaj=8.0, bmin=2.0, pixel_scale=0.5)
    assert beam_pixels(row) == 8.0
    for change in ({"bmaj": math.nan}, {"bmin": 0.0}, {"pixel_scale": math.nan}, {"bmaj": -1.0}):
        assert beam_pixels(replace(row, **change)) == 0.0


def test_peaks_are_those_of_the_objects(collection, tmp_path):
    pack = build_pack(collection, tmp_path / "p", SnrAsinh(), workers=1)
    assert not pack.peaks[0].any()
    row = collection.rows[2]
    snr = (BACKGROUND + PEAK - row.background) / row.rms
    assert pack.peaks[2][3, 5] == pytest.approx(np.log10(1 + snr), rel=1e-3)
    np.testing.assert_array_equal(pack.peaks[2] > 0, pack.masks[2] > 0)
    ell = pack.peaks[2][10:18, 8]
    assert len(set(ell.tolist())) == 1


def test_peak_code_of_known_values():
    np.testing.assert_allclose(peak_code(np.array([0.0, 9.0, 99.0, -4.0])), [0.0, 1.0, 2.0, 0.0])


def test_larger_classes_win_overlaps_and_blank_objects_have_no_peak():
    image = np.zeros((8, 8), np.float32)
    image[2, 2], image[5, 5] = 99.0, 9.0
    image[0, 7] = np.nan
    objects = [
        SourceObject("big", 3, np.ones((4, 4), bool), 4, 4),
        SourceObject("small", 2, np.ones((4, 4), bool), 1, 1),
        SourceObject("blank", 2, np.ones((1, 1), bool), 0, 7),
    ]
    codes = peak_map(image, objects, rms=1.0, background=0.0)
    assert (codes[2, 2], codes[4, 4], codes[7, 7], codes[0, 7]) == (2.0, 1.0, 1.0, 0.0)


def test_an_up_to_date_pack_is_used_as_it_is(collection, tmp_path):
    build_pack(collection, tmp_path / "p", SnrAsinh(), workers=1)
    before = times(tmp_path / "p")
    again = build_pack(Collection.open(collection.root), tmp_path / "p", SnrAsinh(), workers=1)
    assert times(tmp_path / "p") == before
    assert len(again) == 4


def test_another_scaling_or_split_makes_it_again(collection, tmp_path):
    first = build_pack(collection, tmp_path / "p", SnrAsinh(), workers=1)
    old = np.array(first.images)
    other = build_pack(collection, tmp_path / "p", SnrAsinh(softness=5.0), workers=1)
    assert not np.allclose(other.images, old)
    np.testing.assert_array_equal(first.images, old)  # whoever still reads the old one is not disturbed
    assert len(build_pack(collection.split("train"), tmp_path / "p", SnrAsinh(), workers=1)) == 3


def test_a_mask_drawn_again_makes_it_again(collection, tmp_path):
    build_pack(collection, tmp_path / "p", SnrAsinh(), workers=1)
    _, annotation = tiny_cutout((32, 32), 2)
    annotation.objects[0] = replace(annotation.objects[0], y0=25)
    json_path = collection.root / collection.rows[2].annotation
    write_annotation(json_path, annotation, "../imgs/c2.fits")
    os.utime(json_path, ns=(1, 1))
    pack = build_pack(collection, tmp_path / "p", SnrAsinh(), workers=1)
    assert (pack.masks[2][3, 5], pack.masks[2][25, 5]) == (0, 2)


def test_processes_make_the_same_pack(collection, tmp_path):
    one = build_pack(collection, tmp_path / "p1", SnrAsinh(), workers=1)
    two = build_pack(collection, tmp_path / "p2", SnrAsinh(), workers=2)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_mixed_sizes_are_refused(tmp_path):
    collection = tiny_collection(tmp_path / "a", 1, 0, (32, 32))
    other = tiny_collection(tmp_path / "a" / "more", 1, 0, (32, 40))
    rows = [*collection.rows, *(replace(row, image=f"more/{row.image}") for row in other.rows)]
    with pytest.raises(InputError, match="cutouts of one size, here are 32 x 32, 40 x 32; run 'radiff cut'"):
        build_pack(Collection(tmp_path / "a", rows), tmp_path / "p", SnrAsinh(), workers=1)


def test_a_cutout_without_noise_is_named(collection, tmp_path):
    rows = [replace(row, rms=0.0 if k == 1 else RMS) for k, row in enumerate(collection.rows)]
    write_index(collection.root, rows)
    with pytest.raises(InputError, match=r"first/imgs/c1\.fits: the noise rms is 0\.0"):
        build_pack(Collection.open(collection.root), tmp_path / "p", SnrAsinh(), workers=1)
    with pytest.raises(InputError, match="no complete training pack"):
        Pack.open(tmp_path / "p")


def test_a_missing_image_is_named(collection, tmp_path):
    (collection.root / collection.rows[0].image).unlink()
    with pytest.raises(InputError, match=r"c0\.fits"):
        build_pack(collection, tmp_path / "p", SnrAsinh(), workers=1)


def test_paper_scaling_makes_a_pack_too(collection, tmp_path):
    pack = build_pack(collection, tmp_path / "p", Paper(), workers=1)
    assert (pack.images.min(), pack.images.max()) == (0.0, 1.0)


def test_no_pack_says_so(tmp_path):
    with pytest.raises(InputError, match="holds no complete training pack"):
        Pack.open(tmp_path)


def test_a_pack_of_an_older_version_is_made_again(collection, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(room, "FORMAT", 1)
        build_pack(collection, tmp_path / "p", SnrAsinh(), workers=1)
    for name in ("skies", "beams"):
        (tmp_path / "p" / f"{name}.npy").unlink()
    with pytest.raises(InputError, match="is of another version; remove it, it will be made again"):
        Pack.open(tmp_path / "p")
    pack = build_pack(collection, tmp_path / "p", SnrAsinh(), workers=1)
    assert len(pack.skies) == len(pack.beams) == 4
