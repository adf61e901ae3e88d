"""What other programs read of a truth package: astropy, regions, pycocotools, and this package itself."""

import contextlib
import io
import json

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from regions import Regions

from populate_samples import BEAM, SCALE, noise_map
from radiff.cli.main import app
from radiff.masks import find_pairs, read_annotation, read_ds9, read_yolo
from radiff.populate.exports import write_rg
from radiff.populate.maps import Background
from radiff.populate.pictures import VIEWS
from radiff.sky import MapReader, read_catalog, read_cutout
from radiff.sky.catalog import SDC1_COLUMNS
from radiff.sky.columns import TRUTH
from radiff.sky.sdc1 import truth_sdc1
from radiff.sky.truth import read_truth, truth_table
from radiff.sky.windows import averaged


def test_astropy_reads_both_tables_with_their_units(package):
    tables = [QTable.read(package / "truth.fits", hdu=1), QTable.read(package / "truth.ecsv", format="ascii.ecsv")]
    for table in tables:
        assert table.colnames == list(TRUTH) and len(table) == 85
        assert table["int_flux"].unit == u.Jy and table["peak_flux"].unit == u.Jy / u.beam and table["ra"].unit == u.deg
        assert table["maj"].unit == u.arcsec and table["x"].unit == u.pix
        assert table.meta["SEED"] == 7 and table.meta["BMAJ"] * 3600 == pytest.approx(6.0)
    assert np.array_equal(tables[0]["int_flux"], tables[1]["int_flux"])
    assert list(tables[0]["name"].astype(str)) == list(tables[1]["name"])
    truth = read_truth(package)
    assert truth["ra"].info.description == "right ascension, ICRS; of a truth, of the flux centroid"
    catalog = read_catalog(package / "truth.fits")  # as any catalog
    assert np.allclose(catalog["int_flux"], truth["int_flux"].value)


def test_every_draw_is_a_column(package):
    truth = read_truth(package)
    gaussians, stamped = truth[truth["class"] == "compact"], truth[truth["class"] != "compact"]
    assert (gaussians["stamp"] == -1).all() and (gaussians["stamp_seed"] == -1).all()
    assert (stamped["stamp"] >= 0).all() and (stamped["stamp_seed"] >= 0).all() and (stamped["turn"] < 8).all()
    assert stamped["scale"] == pytest.approx(3.2 / 4.0, rel=1e-3)  # the stamps' beam is 4 pixels, the map's 3.2
    assert len(set(truth["seed"])) == 85 and (truth["k"] > 0).all() and (truth["attempt"] >= 0).all()
    for name in ("dx", "dy"):
        assert (np.abs(truth[name].value) <= 0.5).all() and len(set(truth[name].value)) == 85


def test_sdc1(package, tmp_path):
    truth = read_truth(package)
    read = read_catalog(package / "sdc1.txt")
    real = truth[truth["class"] != "spurious"]
    assert read.meta["columns"] == list(SDC1_COLUMNS) and len(read) == len(real) == 80
    assert np.allclose(read["ra"], real["ra"].value, atol=1e-6) and np.allclose(
        read["int_flux"], real["int_flux"].value
    )
    assert np.allclose(read["ra_peak"], real["ra_peak"].value, atol=1e-6) and set(read["class"]) == {"1", "2"}
    columns = truth_sdc1(truth)
    assert list(columns) == list(SDC1_COLUMNS) and set(columns["size"]) == {2}
    assert len(truth_sdc1(truth_table({"id": []}))["flux"]) == 0


def test_regions_parse(package):
    regions = Regions.read(package / "regions.reg", format="ds9")
    truth = read_truth(package)
    assert len(regions) >= 85
    assert {region.meta["text"] for region in regions} == set(truth["name"])
    cutout = read_cutout(package / "map.fits")
    objects = {one.name: one for one in read_ds9(package / "regions.reg", cutout.image.shape, cutout.wcs)}
    for row in truth:
        assert objects[row["name"]].npix == pytest.approx(row["n_pixels"], abs=2)


def test_pycocotools_reads_the_masks(package):
    coco = pytest.importorskip("pycocotools.coco")
    with contextlib.redirect_stdout(io.StringIO()):
        found = coco.COCO(str(package / "coco.json"))
    instances = fits.getdata(package / "instances.fits")
    truth = read_truth(package)
    names = {one["id"]: one["name"] for one in found.loadCats(found.getCatIds())}
    [image] = found.loadImgs(found.getImgIds())
    assert (image["file_name"], image["height"], image["width"]) == ("map.fits", 400, 500)
    for number, annotation in enumerate(found.loadAnns(found.getAnnIds()), start=1):
        assert np.array_equal(found.annToMask(annotation).astype(bool), instances == number)
        assert names[annotation["category_id"]] == truth["class"][number - 1]


def test_yolo_boxes(package):
    truth = read_truth(package)
    objects = read_yolo(package / "yolo" / "map.txt", (400, 500))
    boxes = [one.bbox for one in objects]
    wanted = zip(*(truth[n].value for n in ("y_min", "y_max", "x_min", "x_max")), strict=True)
    assert boxes == [(y0, y1 + 1, x0, x1 + 1) for y0, y1, x0, x1 in wanted]


def test_rg_dataset(package, background, tmp_path, capsys):
    assert find_pairs(package / "rg")
    annotation = read_annotation(package / "rg" / "masks" / "mask_map.json", package / "rg" / "imgs" / "map.fits")
    assert len(annotation.objects) == 85 and annotation.meta["bmaj"] == pytest.approx(6.0)
    assert np.array_equal(annotation.labels, fits.getdata(package / "instances.fits"))
    assert len(list((package / "rg" / "masks").glob("mask_map_obj*.fits"))) == 85
    one = annotation.objects[0]
    sources = fits.getdata(package / "sources.fits").astype(float)
    assert one.info["Stot"] == pytest.approx(sources[one.slices][one.stamp].sum(), rel=1e-4)
    many = [type(one)(f"S{n}", 2, one.stamp, one.y0, one.x0, one.info) for n in range(1100)]
    write_rg(tmp_path, many, Background(background), (0.0, 1e-4))  # too many for a file each
    assert [path.name for path in (tmp_path / "rg" / "masks").iterdir()] == ["mask_map.json"]
    assert len(read_annotation(tmp_path / "rg" / "masks" / "mask_map.json").objects) == 1100


def test_a_package_can_be_cut_into_a_collection(package, tmp_path):
    from typer.testing import CliRunner

    told = CliRunner().invoke(app, ["cut", str(package / "rg"), "-o", str(tmp_path / "c"), "--size", "128"])
    assert told.exit_code == 0, told.output
    assert (tmp_path / "c" / "index.csv").is_file()


def test_headers(package, background):
    before, after = fits.getheader(background), fits.getheader(package / "map.fits")
    for key in ("CTYPE1", "CRVAL1", "CRPIX2", "CDELT2", "BMAJ", "BPA", "BUNIT"):
        assert after[key] == before[key]
    history = " ".join(after["HISTORY"])
    assert "85 synthetic objects were added to this map" in history and "seed 7" in history
    assert json.loads(after["RADIFF"]) == {"populated": "noise.fits", "objects": 85, "seed": 7}
    assert not Background(package / "map.fits").simulated  # its sources would be found, if it were populated again
    classes = fits.getheader(package / "classes.fits")
    assert classes["BITPIX"] == 8 and "BUNIT" not in classes and classes["CLASS3"] == "extended"
    assert fits.getheader(package / "instances.fits")["BITPIX"] == 32
    for name in ("map", "sources", "classes", "instances"):
        with fits.open(package / f"{name}.fits") as hdus:
            hdus.verify("exception")


def test_cubes_of_one_plane_and_compressed_maps_keep_their_cards(background, tmp_path):
    from radiff.masks import COMPACT
    from radiff.populate import Number, PopulateOptions, populate

    data, header = fits.getdata(background, header=True)
    header["OBJECT"], header["ZENITH"] = "FIELD 1", 3.0
    header.add_history("as it was")
    fits.CompImageHDU(data, header, compression_type="GZIP_1", quantize_level=0.0).writeto(tmp_path / "a.fits")
    cube = header.copy()
    cube["CTYPE3"], cube["CRVAL3"], cube["CDELT3"], cube["CRPIX3"] = "FREQ", 1.4e9, 1e6, 1.0
    fits.PrimaryHDU(data[None, None], cube).writeto(tmp_path / "b.fits")
    options = PopulateOptions({COMPACT: Number(10)}, real="accept")
    for name in ("a", "b"):
        made = populate(tmp_path / f"{name}.fits", tmp_path / name, options, pictures=False)
        after = fits.getheader(made.folder / "map.fits")
        assert after["OBJECT"] == "FIELD 1" and after["ZENITH"] == 3.0 and "as it was" in str(after["HISTORY"])
        assert "ZCMPTYPE" not in after and after["NAXIS"] == (2 if name == "a" else 4)
    assert after["CTYPE3"] == "FREQ" and fits.getdata(made.folder / "map.fits").shape == (1, 1, 400, 500)


def test_pictures(tmp_path):
    from PIL import Image

    from radiff.masks import COMPACT
    from radiff.populate import Number, PopulateOptions, populate

    background = noise_map(tmp_path / "noise.fits", (150, 200))
    made = populate(background, tmp_path / "out", PopulateOptions({COMPACT: Number(20)}))
    assert {f"overview_{view}.png" for view in VIEWS} == {path.name for path in made.folder.glob("*.png")}
    for view in VIEWS:
        with Image.open(made.folder / f"overview_{view}.png") as picture:
            assert min(picture.size) > 800
            values = np.asarray(picture.convert("L"))
            assert (values < 60).mean() > 0.2 and (values > 200).any()  # dark noise, and something in it


def test_large_images_are_averaged(tmp_path):
    """Means of blocks, blank pixels apart: a lone bright pixel does not vanish and does not win."""
    image = np.ones((100, 130), np.float32)
    image[7, 9] = 401.0
    image[40:60, 40:60] = np.nan
    image[41, 41] = 5.0
    header = fits.Header([("BUNIT", "Jy/beam"), ("BMAJ", BEAM.maj / 3600), ("CDELT1", -SCALE / 3600)])
    fits.PrimaryHDU(image, header).writeto(tmp_path / "m.fits")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = MapReader(tmp_path / "m.fits")
    with reader:
        small, n = averaged(reader, (0, 100, 0, 130), longest=13)
        assert n == 10 and small.shape == (10, 13)
        assert small[0, 0] == 5.0 and small[4, 4] == 5.0 and np.isnan(small[5, 5]) and small[9, 12] == 1.0
        whole, n = averaged(reader, (10, 30, 5, 50), longest=100)
        assert n == 1 and np.array_equal(whole, image[10:30, 5:50], equal_nan=True)
