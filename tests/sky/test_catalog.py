"""Catalogs of many makers read alike."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

from conftest import celestial_wcs
from radiff.errors import InputError
from radiff.sky import HeaderWarning, read_catalog, read_cutout, sources_inside

STANDARD = ["name", "ra", "dec", "peak_flux", "int_flux", "local_rms", "maj", "min", "pa", "p_sidelobe"]
EXPECTED = {
    "ra": 150.0,
    "dec": -3.0,
    "peak_flux": 0.012,
    "int_flux": 0.02,
    "local_rms": 2e-4,
    "maj": 7.2,
    "min": 5.4,
    "pa": 30.0,
}
MAKERS = {
    "own": "name,ra,dec,peak_flux,int_flux,local_rms,maj,min,pa\na,150,-3,0.012,0.02,0.0002,7.2,5.4,30\n",
    "aegean": "island,source,local_rms,ra_str,dec_str,ra,dec,peak_flux,int_flux,a,b,pa\n"
    "1,0,0.0002,10:00:00,-03:00:00,150,-3,0.012,0.02,7.2,5.4,30\n",
    "first": "RA,DEC,SIDEPROB,FPEAK,FINT,RMS,MAJOR,MINOR,POSANG\n150,-3,0.1,12,20,0.2,7.2,5.4,30\n",
    "pybdsf": "# srl list\n#\n# Source_id, Isl_id, RA, E_RA, DEC, Total_flux, Peak_flux, Maj, Min, PA, Isl_rms\n"
    " 0, 0, 150, 1e-5, -3, 0.02, 0.012, 0.002, 0.0015, 30, 0.0002\n",
    "pybdsf as saved by TOPCAT": "Isl_id\tRA\tDEC\tTotal_flux\tPeak_flux\tMaj\tMin\tPA\tIsl_rms\n"
    "0\t150\t-3\t0.02\t0.012\t0.002\t0.0015\t30\t0.0002\n",
    "caesar": "# name x_wcs(deg) y_wcs(deg) Speak(Jy/beam) S(Jy/beam) beamArea bmaj_wcs(arcsec) bmin_wcs(arcsec)"
    " pa_wcs rms(mJy/beam)\n"
    "S1 150 -3 0.012 0.4 20 7.2 5.4 30 0.2\n",
    "selavy": "component_name,ra_deg_cont,dec_deg_cont,flux_peak,flux_int,maj_axis,min_axis,pos_ang,rms_image\n"
    "B,150,-3,12,20,7.2,5.4,30,0.2\n",
    "vizier": "FIRST,RAJ2000,DEJ2000,p(S),Fpeak,Fint,Rms,Maj,Min,PA\n"
    "J1,10 00 00.0,-03 00 00,0.014,12,20,0.2,7.2,5.4,30\n",
}


@pytest.mark.parametrize("maker", MAKERS)
def test_every_maker_gives_the_same_row(tmp_path, maker):
    path = tmp_path / "c.csv"
    path.write_text(MAKERS[maker])
    table = read_catalog(path)
    assert len(table) == 1
    for column, value in EXPECTED.items():
        assert table[column][0] == pytest.approx(value), column
    assert (table["ra"].unit, table["peak_flux"].unit, table["maj"].unit) == (u.deg, u.Jy / u.beam, u.arcsec)


@pytest.mark.parametrize(
    "head", ["", "id ra_core dec_core ra_cent dec_cent flux core_frac b_maj b_min pa size class\n"]
)
def test_sdc1_with_and_without_names(tmp_path, head):
    path = tmp_path / "c.txt"
    path.write_text(head + "7 150.1 -3.1 150 -3 0.02 0.5 7.2 5.4 30 2 1.0\n8 151.1 -3.1 151 -3 0.03 0 1 1 0 3 3\n")
    row = read_catalog(path)[0]
    assert (row["id"], row["ra"], row["dec"], row["ra_peak"], row["int_flux"]) == (7, 150.0, -3.0, 150.1, 0.02)
    assert (row["core_fraction"], row["maj"], row["min"], row["size"], row["class"]) == (0.5, 7.2, 5.4, 2, "1")


@pytest.mark.parametrize("name", ["c.fits", "c.ecsv", "c.vot"])
def test_a_unit_told_by_the_file_counts(tmp_path, name):
    table = Table({"RA": [150.0] * u.deg, "DEC": [-180.0] * u.arcmin, "Peak_flux": [12.0] * (u.mJy / u.beam)})
    table["Maj"] = [0.12] * u.arcmin
    table["Total_flux"] = MaskedColumn([20.0], unit="mJy", mask=[True])
    table.write(tmp_path / name, format={"c.vot": "votable"}.get(name))
    row = read_catalog(tmp_path / name)[0]
    assert row["dec"] == pytest.approx(-3) and row["peak_flux"] == pytest.approx(0.012)
    assert row["maj"] == pytest.approx(7.2) and np.isnan(row["int_flux"])


def test_missing_positions(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("ra,flux\n1,2\n")
    with pytest.raises(InputError, match=r"has no column for dec; it has ra, flux; needed are ra and dec in deg"):
        read_catalog(path)
    path.write_text("ra,dec\n1,2\n,3\n5,95\n")
    with pytest.warns(HeaderWarning, match="2 rows have no position"):
        assert len(read_catalog(path)) == 1


def test_files_that_are_no_catalog(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_catalog(tmp_path / "none.csv")
    for name, text in (
        ("a.fits", "no table"),
        ("a.vot", "no table"),
        ("a.csv", ""),
        ("b.csv", "ra,dec\nnorth,south\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError) as error:
            read_catalog(tmp_path / name)
        assert "\n" not in str(error.value) and name in str(error.value)


@pytest.mark.parametrize(("projection", "frame"), [("SIN", "RA"), ("TAN", "RA"), ("TAN", "G"), ("SIN", "G")])
def test_sources_inside_in_any_frame(projection, frame):
    wcs = celestial_wcs((50, 80), 5.0, projection, frame)
    x = np.array([-0.4, 79.4, 10.0, 40.0, -0.6, 40.0])
    y = np.array([-0.4, 49.4, 20.25, 25.0, 10.0, 49.6])
    sky = wcs.pixel_to_world(x, y).icrs
    rng = np.random.default_rng(0)
    ra, dec = [*sky.ra.deg, *rng.uniform(0, 360, 500)], [*sky.dec.deg, *rng.uniform(-90, 90, 500)]
    found = sources_inside(Table({"ra": ra, "dec": dec, "row": np.arange(506)}), wcs, (50, 80))
    assert list(found["row"]) == [0, 1, 2, 3]
    assert np.allclose(found["x"], x[:4], atol=1e-4) and np.allclose(found["y"], y[:4], atol=1e-4)


def test_sources_inside_nothing():
    catalog = Table({"ra": [10.0], "dec": [80.0]})
    found = sources_inside(catalog, celestial_wcs((50, 80)), (50, 80))
    assert len(found) == 0 and {"x", "y"} <= set(found.colnames)
    assert len(sources_inside(catalog[:0], celestial_wcs((50, 80)), (50, 80))) == 0


def test_real_first_catalog(real_data):
    table = read_catalog(real_data / "vla" / "first_catalog.csv")
    assert len(table) == 14322 and table.colnames == STANDARD
    row = table[list(table["name"]).index("J105348.9+402347")]
    assert row["peak_flux"] == pytest.approx(0.01607) and row["maj"] == pytest.approx(11.84)
    assert table["p_sidelobe"].min() >= 0 and table["p_sidelobe"].max() < 1


def test_real_catalog_falls_on_real_sources(real_data):
    table = read_catalog(real_data / "vla" / "first_catalog.csv")
    ratios = []
    for path in sorted((real_data / "vla" / "first_mirabest").glob("*.fz"))[::60]:
        cutout = read_cutout(path)
        inside = sources_inside(table, cutout.wcs, cutout.shape)
        assert len(inside) > 0
        for row in inside[(inside["peak_flux"] > 5e-3) & (inside["maj"] < 4)]:
            y, x = round(float(row["y"])), round(float(row["x"]))
            ratios.append(np.nanmax(cutout.window(y - 2, y + 3, x - 2, x + 3).image) / row["peak_flux"])
    assert len(ratios) > 10 and np.median(ratios) == pytest.approx(1, abs=0.1)


def test_whole_sky_map_with_corners_off_the_sky(real_data):
    cutout = read_cutout(real_data / "maps" / "aegean_1904-66.fits")
    sky = cutout.wcs.pixel_to_world(150, 120)
    catalog = Table({"ra": [sky.icrs.ra.deg, 285.0], "dec": [sky.icrs.dec.deg, 60.0]})
    found = sources_inside(catalog, cutout.wcs, cutout.shape)
    assert len(found) == 1 and found["x"][0] == pytest.approx(150, abs=1e-3)


def test_positions_match_astropy(real_data):
    cutout = read_cutout(real_data / "maps" / "lotss_p218.fits")
    coord = SkyCoord(218.6, 54.97, unit="deg")
    found = sources_inside(Table({"ra": [218.6], "dec": [54.97]}), cutout.wcs, cutout.shape)
    x, y = cutout.wcs.world_to_pixel(coord)
    assert (found["x"][0], found["y"][0]) == pytest.approx((float(x), float(y)), abs=1e-6)


def test_a_catalog_of_0_1_0(tmp_path):
    """Its names are read as they were meant: a plain rms beside flux and peak is in Jy."""
    path = tmp_path / "old.csv"
    path.write_text("ra,dec,flux,peak,rms,major,minor,pa,major_deconvolved,minor_deconvolved\n1,2,3,4,5,6,7,8,9,10\n")
    table = read_catalog(path)
    names = ("int_flux", "peak_flux", "local_rms", "maj", "min", "pa", "maj_deconvolved", "min_deconvolved")
    assert [float(table[name][0]) for name in names] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert table.meta["names"]["int_flux"] == "flux"
