"""What is placed and where: catalogs, clusters, densities, and everything that is refused."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from populate_samples import SCALE
from radiff.errors import InputError
from radiff.masks import COMPACT, EXTENDED
from radiff.populate import FluxRule, Number, PopulateOptions, populate
from radiff.populate.maps import Background
from radiff.sky.truth import read_truth

CATALOG = PopulateOptions(flux=FluxRule("catalog"), positions="catalog")


@pytest.fixture
def grid(background):
    return Background(background).grid


def write(path, grid, **columns):
    """A catalog of sources at pixels x, y."""
    x, y = columns.pop("x", [100.0, 250.5, 400.0]), columns.pop("y", [100.0, 200.25, 300.0])
    ra, dec = grid.to_sky(x, y)
    table = Table({"ra": ra, "dec": dec} | columns)
    table.write(path, format={"xml": "votable"}.get(path.suffix[1:]), overwrite=True)
    return path


@pytest.mark.parametrize("suffix", ["csv", "fits", "ecsv", "xml"])
def test_catalogs_of_any_format(background, stamps, grid, tmp_path, suffix):
    path = write(
        tmp_path / f"c.{suffix}", grid, name=["a", "b", "c"], I1400=[5.0, 20.0, 100.0], size=[0.0, 2.0, 30.0]
    )  # T-RECS: mJy, arcsec
    made = populate(background, tmp_path / "out", CATALOG, catalog=path, stamps=stamps, pictures=False)
    assert made.placed == {"compact": 2, "extended": 1}
    truth = read_truth(made.folder)
    truth.sort("name")
    assert list(truth["name"]) == ["a", "b", "c"] and np.allclose(
        truth["int_flux"].value, [0.005, 0.02, 0.1], rtol=1e-4
    )
    assert np.allclose(truth["x"].value, [100, 250.5, 400], atol=0.01)
    assert np.allclose(truth["y"].value, [100, 200.25, 300], atol=0.01)
    assert list(truth["class"]) == ["compact", "compact", "extended"] and truth["stamp"][2] >= 0
    assert truth["maj_deconvolved"][1].value == pytest.approx(2.0, abs=0.05)
    assert truth["maj_deconvolved"][2].value == pytest.approx(30.0, rel=0.2)


def test_columns_of_trecs(background, grid, tmp_path):
    ra, dec = grid.to_sky([100.0], [50.0])
    path = tmp_path / "t.fits"
    Table({"longitude": ra, "latitude": dec, "I1400": [7.0], "size": [3.0], "RadioClass": [4]}).write(path)
    made = populate(background, tmp_path / "out", CATALOG, catalog=path, pictures=False)
    [row] = read_truth(made.folder)
    assert row["int_flux"].value == pytest.approx(7e-3, rel=1e-4) and row["x"].value == pytest.approx(100, abs=0.01)
    assert row["maj_deconvolved"].value == pytest.approx(3.0, abs=0.05)


def test_a_truth_is_a_catalog(package, tmp_path, background):
    """What was placed, placed again on another map: the same fluxes, places and sizes."""
    options = PopulateOptions(flux=FluxRule("catalog"), positions="catalog", overlap=1.0)
    again = read_truth(
        populate(background, tmp_path / "out", options, catalog=package / "truth.fits", pictures=False).folder
    )
    before = read_truth(package)
    assert len(again) >= 80  # Gaussians reach further than stamps: some lie across the edge
    before = before[np.isin(before["name"], again["name"])]
    for table in (again, before):
        table.sort("name")
    compact = before["class"] == "compact"
    assert list(again["name"]) == list(before["name"]) and list(again["class"]) == list(before["class"])
    assert np.allclose(again["int_flux"].value, before["int_flux"].value, rtol=1e-5)
    assert np.allclose(again["x"].value, before["x"].value, atol=0.01)
    assert np.allclose(again["maj"].value[compact], before["maj"].value[compact], rtol=0.003)
    assert np.allclose(again["min"].value[compact], before["min"].value[compact], rtol=0.003)


def test_classes_of_a_catalog(background, stamps, grid, tmp_path):
    path = write(tmp_path / "c.csv", grid, flux=[0.1] * 3, maj=[0.1] * 3, Class=["galaxy", "3", "sidelobe"])
    made = populate(background, tmp_path / "out", CATALOG, catalog=path, stamps=stamps, pictures=False)
    assert made.placed == {"spurious": 1, "compact": 1, "extended": 1}  # numbers are kinds of galaxies elsewhere


def test_without_stamps_extended_catalog_sources_are_gaussians(background, grid, tmp_path):
    path = write(tmp_path / "c.csv", grid, flux=[0.1] * 3, maj=[30.0] * 3, min=[10.0] * 3, pa=[10.0, 50.0, 90.0])
    truth = read_truth(populate(background, tmp_path / "out", CATALOG, catalog=path, pictures=False).folder)
    assert set(truth["class"]) == {"extended"} and np.allclose(truth["min_deconvolved"].value, 10.0, atol=0.1)


def test_catalog_sources_that_cannot_be_placed_are_listed(background, grid, tmp_path):
    x, y = [100.0, 100.0, 2.0, 300.0, -30.0, 450.0], [100.0, 101.0, 200.0, 200.0, 200.0, 200.0]
    path = write(tmp_path / "c.csv", grid, x=x, y=y, flux=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    data, header = fits.getdata(background, header=True)
    data[195:205, 295:305] = np.nan
    fits.PrimaryHDU(data, header).writeto(tmp_path / "m.fits")
    made = populate(tmp_path / "m.fits", tmp_path / "out", CATALOG, catalog=path, pictures=False)
    assert made.outside == 1 and made.placed == {"compact": 2} and not made.complete
    assert made.reasons == {"off the map": 1, "blank pixels": 1, "overlap": 1}
    listed = Table.read(made.folder / "not_placed.ecsv")
    assert sorted(listed["reason"]) == ["blank pixels", "off the map", "overlap"]
    ra, _ = grid.to_sky([300.0], [200.0])
    assert listed["ra"][list(listed["reason"]).index("blank pixels")] == pytest.approx(ra[0])


def test_density_counts_and_power_law(background, grid, tmp_path):
    density = 40 / grid.area
    for number, flux in (
        (Number(density=density), FluxRule("power", low=1e-3, high=1.0)),
        (Number(counts=True), FluxRule("counts", low=2e-4, high=1.0)),
    ):
        options = PopulateOptions({COMPACT: number}, flux, seed=2)
        made = populate(background, tmp_path / flux.rule, options, pictures=False)
        truth = read_truth(made.folder)
        wanted = 40 if flux.rule == "power" else round(flux.per_steradian() * grid.area * (np.pi / 180) ** 2)
        assert len(truth) == wanted > 5 and np.isnan(truth["k"]).all()
        assert (
            truth["int_flux"].min().value >= 0.9999 * flux.low and truth["int_flux"].max().value <= 1.0001 * flux.high
        )


def test_clusters(background, tmp_path):
    options = PopulateOptions({COMPACT: Number(60)}, positions="clustered", cluster_members=20, cluster_radius=60.0)
    truth = read_truth(populate(background, tmp_path / "out", options, pictures=False).folder)
    assert set(truth["cluster"]) == {0, 1, 2}
    for number in range(3):
        mine = truth[truth["cluster"] == number]
        spread = np.hypot(mine["x"].value - np.median(mine["x"].value), mine["y"].value - np.median(mine["y"].value))
        assert np.median(spread) * SCALE < 130  # 60 arcsec each way, wider where it is crowded


def test_more_compact_sources_are_wider(background, tmp_path):
    options = PopulateOptions({COMPACT: Number(40)}, compact_size=(0.5, 0.6))
    truth = read_truth(populate(background, tmp_path / "out", options, pictures=False).folder)
    assert (truth["maj_deconvolved"].value > 0.48 * 4.8).all() and (truth["maj_deconvolved"].value < 0.62 * 4.8).all()


def refused(background, tmp_path, options, **more):
    with pytest.raises(InputError) as error:
        populate(background, tmp_path / "out", options, pictures=False, **more)
    assert not (tmp_path / "out").exists()
    return str(error.value)


def test_catalogs_that_are_refused(background, grid, tmp_path):
    def told(**columns):
        return refused(background, tmp_path, CATALOG, catalog=write(tmp_path / "c.csv", grid, **columns))

    assert (
        "c.csv: none of its 3 sources lies on the map, which is about ra 150.0000, dec -30.0000 deg; the first"
        in told(x=[-5000.0] * 3, flux=[1.0] * 3)
    )
    assert told(brightness=[1.0] * 3).endswith(
        "c.csv: has no column of fluxes; it has ra, dec, brightness; needed is int_flux in Jy (also read: flux,"
        " total_flux, int_mjy, fint, i1400), or choose another --flux rule"
    )
    assert told(flux=[1.0, -2.0, 0.0]).endswith(
        "c.csv: 2 fluxes are not positive, the first in row 2: -2 Jy; leave these rows out"
    )
    assert told(flux=[1.0, np.nan, 1.0]).endswith("the first in row 2: nan Jy; leave these rows out")
    path = tmp_path / "c.csv"
    path.write_text("long,lat,flux\n1,2,3\n")
    message = refused(background, tmp_path, CATALOG, catalog=path)
    assert "has no column for ra and dec; it has long, lat, flux; needed are ra and dec in deg" in message
    path.write_text("ra,dec,flux\n")
    assert "c.csv" in refused(background, tmp_path, CATALOG, catalog=path)
    message = refused(background, tmp_path, CATALOG, catalog=tmp_path / "none.csv")
    assert message.endswith("none.csv: no such file")


def test_options_that_do_not_go_together(background, grid, tmp_path):
    some = {COMPACT: Number(3)}
    path = write(tmp_path / "c.csv", grid, flux=[1.0] * 3)
    for options, more, message in (
        (PopulateOptions(), {}, "no object is asked for; give --compact, --extended or --spurious, or a --catalog"),
        (PopulateOptions(some, positions="catalog"), {}, "positions 'catalog': needs a catalog: --catalog FILE"),
        (PopulateOptions(some), {"catalog": path}, "positions 'uniform': leave them out with a catalog"),
        (PopulateOptions(some, FluxRule("catalog")), {}, "the flux rule 'catalog' needs a catalog: --catalog FILE"),
        (PopulateOptions({COMPACT: Number(counts=True)}), {}, "a number of 'counts' needs the flux rule counts:"),
        (
            PopulateOptions(some, positions="catalog"),
            {"catalog": path},
            "the number of objects comes from the catalog; leave --compact, --extended and --spurious out",
        ),
        (
            PopulateOptions({EXTENDED: Number(3)}),
            {},
            "extended objects need stamps of that class; make some: radiff stamps --classes extended -o",
        ),
    ):
        assert refused(background, tmp_path, options, **more).startswith(message)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"BMAJ": None, "BMIN": None},
            "no beam in the header; add BMAJ, BMIN and BPA (deg) to it (populate takes --beam)",
        ),
        ({"CTYPE1": None, "CTYPE2": None}, "no celestial WCS in the header; add CTYPE, CRVAL, CRPIX and CDELT to it"),
        ({"BUNIT": None}, "no BUNIT in the header; put the unit of its pixels into it, e.g. BUNIT = 'Jy/beam'"),
        ({"BUNIT": "K"}, "BUNIT is 'K'; convert the map to Jy/beam (mJy/beam and uJy/beam are read too)"),
        ({"CDELT2": 0.0006}, "pixels of 1.5 x 2.16 arcsec are not square; regrid the map (e.g. with reproject)"),
    ],
)
def test_maps_that_are_refused(background, tmp_path, change, message):
    data, header = fits.getdata(background, header=True)
    for key, value in change.items():
        if value is None:
            header.remove(key)
        else:
            header[key] = value
    path = tmp_path / "m.fits"
    fits.PrimaryHDU(data, header).writeto(path)
    assert refused(path, tmp_path, PopulateOptions({COMPACT: Number(3)})) == f"{path}: {message}"


def test_blank_maps_are_refused(background, tmp_path):
    data, header = fits.getdata(background, header=True)
    fits.PrimaryHDU(np.full_like(data, np.nan), header).writeto(tmp_path / "m.fits")
    with pytest.raises(InputError, match="holds no usable pixel; the map is blank, leave it out"):
        populate(tmp_path / "m.fits", tmp_path / "out", PopulateOptions({COMPACT: Number(3)}))
    assert not (tmp_path / "out" / "map.fits").exists()
