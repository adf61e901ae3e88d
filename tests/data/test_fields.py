"""A pack of fields equals the maps it was made from; crops of it against what a known source says they must show."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from radiff.data import fields as room
from radiff.data.crops import CropOptions, Dice
from radiff.data.field_loader import FieldLoader
from radiff.data.fields import AnnotatedMaps, FieldPack, build_fields
from radiff.data.noise import packed_roots
from radiff.data.scaling import SnrAsinh
from radiff.errors import InputError
from radiff.masks import Annotation, SourceObject, write_annotation
from radiff.models.conditions import shape_code
from radiff.sky import NoiseSpectrum, background_rms, remove_sources, write_cutout
from tiny_fields import BEAM, EDGE, PEAK, SCALE, fwhm, place, source, tiny_fields, write_field, write_splits

SCALING = SnrAsinh(4.0)
SHAPE = BEAM.covariance(SCALE)
NAMES = ("images", "masks", "peaks", "skies", "beams", "noise")


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """Three train fields and one of val, whose source is ten times as bright."""
    root = tiny_fields(tmp_path_factory.mktemp("fields"), 3, 0)
    write_field(root, 3, peak=10 * PEAK)
    return AnnotatedMaps(root, (write_splits(root, 3, 1),))


@pytest.fixture(scope="module")
def pack(maps, tmp_path_factory):
    return build_fields(maps, tmp_path_factory.mktemp("pack") / "fields", workers=1)


@pytest.fixture
def loader(pack):
    """``loader(split="train", batch=16, crop options, **more)``"""

    def make(split="train", batch=16, more=None, **options):
        options = CropOptions(**({"size": 48} | options))
        return FieldLoader(pack, split, batch, options, SCALING, **(more or {}))

    return make


def places(loader, seed=5):
    """Fields, middles and matrices that a loader draws, and the batch of them."""
    fields, centres, matrices = loader.draw_places(Dice(seed, torch.device("cpu")))
    return fields, centres, matrices, loader.crop(fields, centres, matrices, Dice(seed + 1, torch.device("cpu")))


def seen_at(fields, centres, matrices, size):
    """Positions (batch, size, size) in the field, x and y, of every pixel of a crop."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    at = (
        np.einsum("bij,jyx->biyx", matrices.double().numpy(), np.stack([x, y]))
        + centres.double().numpy()[..., None, None]
    )
    return at[:, 0], at[:, 1]


def source_edges(x, y, number):
    """Where a mask may be either, since it is that of the nearest pixel: within half a pixel of its edge."""
    steps = np.linspace(-0.5, 0.5, 5)
    around = np.stack([source(x + dx, y + dy, number) > EDGE for dx in steps for dy in steps])
    return around.any(0) & ~around.all(0)


def snr(batch):
    return 4.0 * np.sinh(batch.images[:, 0].double().numpy())


# ---------------------------------------------------------------- the pack


def test_a_pack_equals_its_maps(maps, pack):
    assert len(pack) == 4 and pack.images.shape == (4, 150, 160)
    assert [row.split for row in pack.rows] == ["train"] * 3 + ["val"]
    assert pack.of_split("val").tolist() == [3]
    assert pack.origins == {"measured": 4}
    for k, row in enumerate(pack.rows):
        cutout, mask = write_field(maps.root, k, peak=10 * PEAK if k == 3 else PEAK), pack.labels[k] > 0
        level, rms = background_rms(cutout.image, mask)
        assert (row.background, row.rms, row.nx, row.ny) == (pytest.approx(level), pytest.approx(rms), 160, 150)
        expected = (cutout.image - level) / rms
        np.testing.assert_allclose(pack.images[k], expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(pack.skies[k], remove_sources(expected, mask, k), rtol=2e-3, atol=2e-3)
        y, x = np.mgrid[:150, :160]
        np.testing.assert_array_equal(mask, source(x, y, k) > EDGE)
        np.testing.assert_allclose(pack.beams[k], SHAPE, rtol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the source's wings lie above 5 rms outside of its mask
            measured = NoiseSpectrum.measure(cutout, masks=mask, wander=False)
        np.testing.assert_array_equal(pack.roots[k], packed_roots(measured, 128))
        field, number, at_x, at_y, kind, peak = pack.objects[k]
        assert (field, number, kind) == (k, 1, 2)
        assert (at_x, at_y) == pytest.approx(place(k), abs=0.3)
        assert peak == pytest.approx(expected.max(), rel=1e-5)


def test_smaller_fields_are_padded_and_blank_pixels_filled(tmp_path):
    tiny_fields(tmp_path, 1, 0)
    cutout = write_field(tmp_path, 1, shape=(100, 120))
    cutout.image[20:25, 30:40] = np.nan
    write_cutout(tmp_path / "maps" / "imgs" / "f1.fits", cutout)
    pack = build_fields(AnnotatedMaps(tmp_path, (write_splits(tmp_path, 2, 0),)), tmp_path / "p", workers=1)
    np.testing.assert_array_equal(pack.images[1, 100:], np.broadcast_to(pack.images[1, 99], (50, 160)))
    np.testing.assert_array_equal(pack.images[1, :100, 120:], np.repeat(pack.images[1, :100, 119:120], 40, 1))
    assert not pack.labels[1, 100:].any() and np.isfinite(pack.images).all()
    filled = pack.images[1, 21:24, 31:39]  # clear of the pixels around
    assert 0.2 < filled.std() < 1.6 and abs(filled.mean()) < 1.0


def test_an_up_to_date_pack_is_used_and_another_made_again(tmp_path):
    maps = AnnotatedMaps(tiny_fields(tmp_path / "m", 2, 0), (write_splits(tmp_path / "m", 1, 1),))
    build_fields(maps, tmp_path / "p", workers=2)
    before = (tmp_path / "p" / "images.npy").stat().st_mtime_ns
    write_splits(maps.root, 2, 0)  # splits are read every time
    again = build_fields(maps, tmp_path / "p", workers=1)
    assert (tmp_path / "p" / "images.npy").stat().st_mtime_ns == before and len(again.of_split("train")) == 2
    other = np.zeros((150, 160), bool)
    other[10:14, 10:14] = True
    path = maps.root / "maps" / "masks" / "mask_f0.json"
    write_annotation(path, Annotation([SourceObject.from_pixels("S1", 3, other)], (150, 160)), "../imgs/f0.fits")
    changed = build_fields(maps, tmp_path / "p", workers=1)
    np.testing.assert_array_equal(changed.labels[0] > 0, other)


def test_without_split_files_the_sky_divides_them(tmp_path):
    maps = AnnotatedMaps(tiny_fields(tmp_path / "m", 5, 0))
    pack = build_fields(maps, tmp_path / "p", workers=1)
    assert sorted(row.split for row in pack.rows) == ["train"] * 4 + ["val"]


def test_what_cannot_be_packed_is_refused_with_the_remedy(maps, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"f9\.fits is not in it: the given splits must name every map"):
        write_field(tmp_path, 9)
        build_fields(AnnotatedMaps(tmp_path, (write_splits(tmp_path, 1, 1),)), tmp_path / "p", workers=1)
    with pytest.raises(InputError, match="holds no complete pack of fields"):
        FieldPack.open(tmp_path / "nothing")
    monkeypatch.setattr(room, "LARGEST", 155)
    with pytest.raises(InputError, match=r"\.fits: a map of 160 pixels a side; .* up to 155: cut it with 'radiff cut'"):
        build_fields(maps, tmp_path / "p", workers=1)
    monkeypatch.setattr(room, "LARGEST", 4096)
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: SimpleNamespace(available=1e5))
    with pytest.raises(
        InputError, match=r"4 fields, .* need 0\.0 GB and 0\.0 GB of memory are free; cut the large maps"
    ):
        build_fields(maps, tmp_path / "p", workers=1)
    assert not (tmp_path / "p").exists()


def test_a_broken_annotation_is_named(tmp_path):
    root = tiny_fields(tmp_path / "m", 1, 0)
    (root / "maps" / "masks" / "mask_f0.json").write_text(json.dumps({"img": "lost.fits", "objs": []}))
    with pytest.raises(InputError, match=r"mask_f0\.json: its image 'lost.fits' does not exist"):
        build_fields(AnnotatedMaps(root), tmp_path / "p", workers=1)


def test_collections_are_told_from_maps(tmp_path):
    assert not AnnotatedMaps.is_collection(tmp_path)
    (tmp_path / "index.csv").touch()
    assert AnnotatedMaps.is_collection(tmp_path)
    (tmp_path / "index.csv").rename(tmp_path / "train.txt")
    assert AnnotatedMaps.is_collection(tmp_path)


# ---------------------------------------------------------------- crops


def test_plain_crops_show_the_pixels_of_their_field(loader, pack):
    made = loader(zoomed=0.0, stretched=0.0)
    fields, centres, matrices, batch = places(made)
    x, y = (np.rint(a).astype(int) for a in seen_at(fields, centres, matrices, 48))
    k = fields.numpy()[:, None, None]
    sky = pack.skies[k, y, x].astype(float)
    found = 4.0 * np.sinh(batch.skies[:, 0].double().numpy())
    for one, expected in zip(found, sky, strict=True):  # but for level and rms, which are the crop's own
        slope, offset = np.polyfit(expected.ravel(), one.ravel(), 1)
        np.testing.assert_allclose(one, slope * expected + offset, atol=2e-3)
        assert abs(slope - 1) < 0.1 and abs(offset) < 0.15
    np.testing.assert_array_equal(batch.masks.numpy(), 2 * (pack.labels[k, y, x] > 0))


def test_any_crop_shows_the_source_where_and_as_it_must_be(loader):
    """Image, mask, peak and beam of zoomed, stretched and turned crops, against the formula the field was made from."""
    made = loader(batch=48, near=1.0, zoomed=0.3, stretched=0.7, beams=(3.0, 6.0))
    fields, centres, matrices, batch = places(made)
    x, y = seen_at(fields, centres, matrices, 48)
    images, masks, peaks, code = snr(batch), batch.masks.numpy(), batch.peaks.numpy(), shape_code(batch.beams).numpy()
    whole = 0
    for k, field in enumerate(fields.tolist()):
        expected = source(x[k], y[k], field)
        scale = images[k][expected > 0.3].sum() / max(expected[expected > 0.3].sum(), 1e-9)
        if (expected > 0.9).sum() < 2:
            continue  # at the edge
        whole += 1
        bright = expected > EDGE
        assert np.abs(images[k] / scale - expected).max() < 0.05
        near = source_edges(x[k], y[k], field)  # a mask is known to half a pixel of the field
        np.testing.assert_array_equal(masks[k][~near], 2 * bright[~near])
        assert (bright & ~near).sum() > 4
        assert np.unique(peaks[k][masks[k] == 2]) == pytest.approx(np.log10(1 + images[k].max()), rel=1e-5)
        assert not peaks[k][masks[k] == 0].any()
        # second moments: a quadratic through the logarithm of the bright pixels
        v, u = np.nonzero(bright & (images[k] > 0))
        terms = np.stack([np.ones(len(u)), u, v, u * u, u * v, v * v], 1)
        fit = np.linalg.lstsq(terms, np.log(images[k][v, u]), rcond=None)[0]
        found = np.linalg.inv(-np.array([[2 * fit[3], fit[4]], [fit[4], 2 * fit[5]]]))
        np.testing.assert_allclose(found, batch.beams[k].numpy(), atol=0.06 * found.max())
        assert code[k, 0] == pytest.approx(fwhm(found), rel=0.03)
    assert whole > 25


def test_crops_are_near_objects_and_bright_ones_are_seen_more_often(tmp_path):
    for k, (peak, kind) in enumerate([(50.0, 2), (50.0, 2), (500.0, 2), (50.0, 3), (0.0, 0)]):
        write_field(tmp_path, k, peak=peak, class_value=kind)
    pack = build_fields(AnnotatedMaps(tmp_path, (write_splits(tmp_path, 5, 0),)), tmp_path / "p", workers=1)
    made = FieldLoader(pack, "train", 4000, CropOptions(size=48), SCALING)
    fields, centres, _ = made.draw_places(Dice(1, torch.device("cpu")))
    share = torch.bincount(fields, minlength=5) / 4000
    # four in five near objects, by the shares of their classes, the bright one five times as often; the rest anywhere
    weights = np.array([0.35 / 3, 0.35 / 3, 5 * 0.35 / 3, 0.45, 0.0])
    expected = 0.2 / 5 + 0.8 * weights / weights.sum()
    assert share.tolist() == pytest.approx(expected.tolist(), abs=0.03)
    inside = (centres >= 0).all(1) & (centres[:, 0] <= 159) & (centres[:, 1] <= 149)
    assert inside.all()


def test_level_and_rms_are_measured_on_every_crop(loader):
    batch = loader(batch=64).batch(0)
    skies = 4.0 * np.sinh(batch.skies[:, 0].numpy())
    for sky in skies:
        level, rms = background_rms(sky)
        assert level == pytest.approx(0.0, abs=0.15) and rms == pytest.approx(1.0, abs=0.1)


def test_noise_of_a_batch_has_variance_1_and_the_spectrum_of_its_field(loader):
    """White fields: noise of plain crops is white, that of crops zoomed in by two is correlated over two pixels."""
    made = loader(batch=128, zoomed=0.0, stretched=0.0)
    noise = 4.0 * np.sinh(made.batch(0).noise[:, 0].numpy())
    variance = (noise**2).mean((1, 2))
    assert variance.mean() == pytest.approx(1.0, abs=5 * float(variance.std()) / 128**0.5)
    assert (noise[:, :, 1:] * noise[:, :, :-1]).mean() == pytest.approx(0.0, abs=0.05)
    width = fwhm(SHAPE)
    made = loader(batch=128, zoomed=1.0, stretched=0.0, beams=(2 * width, 2 * width))
    noise = 4.0 * np.sinh(made.batch(0).noise[:, 0].numpy())
    assert (noise**2).mean() == pytest.approx(1.0, abs=0.03)
    for lag in (1, 2):  # white up to half of the crop's highest frequency
        assert (noise[:, :, lag:] * noise[:, :, :-lag]).mean() == pytest.approx(np.sinc(lag / 2), abs=0.05)


def test_fields_of_val_are_never_seen_in_training(loader):
    """Their sources are ten times as bright."""
    brightest = {split: max(loader(split).batch(k).images.max().item() for k in range(4)) for split in ("train", "val")}
    assert 4 * np.sinh(brightest["train"]) < 2 * PEAK and 4 * np.sinh(brightest["val"]) > 5 * PEAK
    assert len(loader("train")) == 3 and len(loader("val")) == 1


def test_a_batch_is_a_function_of_seed_step_and_process(loader):
    def same(a, b):
        return all(torch.equal(getattr(a, name), getattr(b, name)) for name in NAMES)

    first = loader().batch(7)
    one = loader()
    one.batch(3)
    assert same(one.batch(7), first)
    assert not same(one.batch(8), first)
    assert not same(loader(more={"seed": 1}).batch(7), first)
    assert not same(loader(more={"process": 1}).batch(7), first)
    assert same(loader(more={"resident": True}).batch(7), first)
    assert first.images.shape == first.noise.shape == first.skies.shape == (16, 1, 48, 48)
    assert first.masks.dtype == torch.int64 and first.beams.shape == (16, 2, 2)
    assert all(getattr(first, name).isfinite().all() for name in NAMES)


def test_fields_smaller_than_a_crop_are_left_out_or_refused(tmp_path):
    tiny_fields(tmp_path, 1, 0)
    write_field(tmp_path, 1, shape=(100, 120))
    pack = build_fields(AnnotatedMaps(tmp_path, (write_splits(tmp_path, 2, 0),)), tmp_path / "p", workers=1)
    made = FieldLoader(pack, "train", 2, CropOptions(size=128), SCALING)
    assert (len(made), made.left_out) == (1, 1)
    with pytest.raises(InputError, match=r"no field of the split 'train' is as large as a crop, 156 pixels"):
        FieldLoader(pack, "train", 2, CropOptions(size=156), SCALING)
    with pytest.raises(InputError, match="no field is in the split 'val'; splits here: train"):
        FieldLoader(pack, "val", 2, CropOptions(size=64), SCALING)


def test_fields_without_any_object_are_cropped_anywhere(tmp_path):
    tiny_fields(tmp_path, 2, 0, peak=0.0)
    pack = build_fields(AnnotatedMaps(tmp_path, (write_splits(tmp_path, 2, 0),)), tmp_path / "p", workers=1)
    batch = FieldLoader(pack, "train", 8, CropOptions(size=48), SCALING).batch(0)
    assert not batch.masks.any() and not batch.peaks.any()
