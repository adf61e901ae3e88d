"""Noise spectra to FITS files and back, one or a bank of them. Knows no estimator.

One spectrum: the primary image is the power (n, n), mode 0 in the middle, in units of rms^2 (mean 1), its axes in
cycles a pixel; its header holds rms, pixel scale, beam, frequency and what is not Gaussian. A bank is one file with
many: an image cube of log powers in 8 bits, Rice-compressed, and a table with a row each.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from radiff.errors import InputError
from radiff.files import atomic_path
from radiff.seeds import check_seed
from radiff.sky.beam import Beam
from radiff.sky.fits import open_image
from radiff.sky.header import quiet_astropy
from radiff.sky.spectrum import FaintSources, NoiseSpectrum, Residuals

MARK = "radiff noise spectrum"
BANK_MARK = "radiff noise bank"
BANK = Path(__file__).parent.parent / "weights" / "noise-bank.fits"
"""The bank in the box: spectra of FIRST and NVSS fields."""
DECADES = 8.0
"""Log powers of a bank go from so many decades below the largest mode; a step is 1 / 255 of them (7 %)."""


def write_noise_spectrum(path: str | os.PathLike[str], spectrum: NoiseSpectrum) -> Path:
    """Write a spectrum as a FITS file.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    path = Path(path)
    primary = fits.PrimaryHDU(np.fft.fftshift(spectrum.power).astype(np.float32))
    header = primary.header
    header["CONTENT"] = (MARK, "power of the noise by spatial frequency")
    header["BUNIT"] = ("rms**2", "power a mode; its mean is 1")
    for axis, name in ((1, "FX"), (2, "FY")):
        header[f"CTYPE{axis}"] = (name, "spatial frequency")
        header[f"CUNIT{axis}"] = ("1/pixel", "cycles a pixel")
        header[f"CRPIX{axis}"] = spectrum.side // 2 + 1.0
        header[f"CRVAL{axis}"] = 0.0
        header[f"CDELT{axis}"] = 1.0 / spectrum.side
    for key, value, comment in _cards(spectrum):
        if value is not None:
            header[key] = (value, comment)
    header["NOTES"] = json.dumps(spectrum.notes)
    hdus = fits.HDUList([primary])
    if spectrum.floor is not None:
        floor = fits.ImageHDU(np.fft.fftshift(spectrum.floor).astype(np.uint8), name="FLOOR")
        floor.header["COMMENT"] = "1: leakage from stronger modes dominates; the true power may be less"
        hdus.append(floor)
    frequency, power = spectrum.radial()
    columns = [
        fits.Column("frequency", "D", "1/pixel", array=frequency),
        fits.Column("power", "D", "rms**2", array=power),
    ]
    hdus.append(fits.BinTableHDU.from_columns(columns, name="RADIAL"))
    try:
        with atomic_path(path) as temporary, quiet_astropy():
            hdus.writeto(temporary, overwrite=True, checksum=True)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror or error}); choose another place", path) from error
    return path


def _cards(spectrum: NoiseSpectrum) -> list[tuple[str, Any, str]]:
    beam, faint, residuals = spectrum.beam, spectrum.faint, spectrum.residuals
    return [
        ("RMSNOISE", spectrum.rms, "[Jy/beam] rms it was measured at"),
        ("PIXSCALE", spectrum.pixel_scale, "[arcsec] side of a pixel"),
        ("BMAJ", None if beam is None else beam.maj / 3600, "[deg] beam FWHM, major axis"),
        ("BMIN", None if beam is None else beam.min / 3600, "[deg] beam FWHM, minor axis"),
        ("BPA", None if beam is None else beam.pa, "[deg] beam position angle"),
        ("FREQ", spectrum.frequency, "[Hz] frequency"),
        ("RMSSPRD", spectrum.rms_spread, "spread of ln(local rms)"),
        ("RMSSCALE", spectrum.rms_scale, "[pixel] scale over which the rms wanders"),
        ("FAINTN", None if faint is None else faint.per_beam, "faint sources a beam area"),
        ("FAINTSLP", None if faint is None else faint.slope, "slope of their differential counts"),
        ("FAINTLOW", None if faint is None else faint.low, "[rms] faintest peak"),
        ("FAINTHI", None if faint is None else faint.high, "[rms] brightest peak"),
        ("RESFLOOR", None if residuals is None else residuals.floor, "rms of residuals over that of the map"),
        ("RESLEVEL", None if residuals is None else residuals.level, "the same at a source of peak 1 rms"),
        ("RESPOWER", None if residuals is None else residuals.power, "power of the peak by which it grows"),
        ("RESSCALE", None if residuals is None else residuals.scale, "[beam] distance over which it falls"),
        ("RESPATCH", None if residuals is None else residuals.patch, "[beam] size of patches"),
        ("RESSPRD", None if residuals is None else residuals.spread, "spread of ln(rms) of patches"),
        ("RESCOLOR", None if residuals is None else residuals.colour, "power of the spectrum that is theirs"),
        ("RESTURN", None if residuals is None else residuals.turned, "part of unmasked islands turned into holes"),
        ("MODEERR", spectrum.error, "relative error of a mode"),
        ("ORIGIN", printable(spectrum.origin)[:60] or None, "where it comes from"),
    ]


def printable(text: str) -> str:
    """The text as FITS cards can hold it: what is not printable ASCII becomes a question mark."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def is_noise_spectrum(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a spectrum that `write_noise_spectrum` made."""
    return _content_of(path) == MARK


def _content_of(path: str | os.PathLike[str]) -> str:
    try:
        with quiet_astropy(), fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
            return str(hdus[0].header.get("CONTENT", ""))
    except (OSError, fits.VerifyError, ValueError, IndexError):
        return ""


def is_noise_bank(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a bank that `write_noise_bank` made."""
    return _content_of(path) == BANK_MARK


def read_noise_spectrum(path: str | os.PathLike[str]) -> NoiseSpectrum:
    """Read a spectrum.

    Raises
    ------
    InputError
        Where the file is none, or what it says is impossible.
    """
    path = Path(path)
    with quiet_astropy(), open_image(path, 0) as opened:
        header, data = opened.header, np.asarray(opened.hdu.data, float)
        if str(header.get("CONTENT", "")) != MARK:
            raise InputError("is no noise spectrum; make one with 'radiff noise measure'", path)
    try:
        floor = None
        with quiet_astropy(), fits.open(path, memmap=False) as hdus:
            if "FLOOR" in hdus:
                floor = np.fft.ifftshift(np.asarray(hdus["FLOOR"].data) > 0)
        return NoiseSpectrum(np.fft.ifftshift(data), floor=floor, **_about(header))
    except (TypeError, ValueError, KeyError, OSError) as error:
        raise InputError(f"is a damaged noise spectrum ({error}); measure it again", path) from error
    except InputError as error:
        raise InputError(error.message, path) from error


def _about(header: Any) -> dict[str, Any]:
    def number(key: str) -> float | None:
        value = header.get(key)
        return None if value is None else float(value)

    maj, minor = number("BMAJ"), number("BMIN")
    beam = None if maj is None or minor is None else Beam.from_axes(_arcsec(maj), _arcsec(minor), number("BPA") or 0.0)
    return {
        "rms": number("RMSNOISE"),
        "pixel_scale": number("PIXSCALE"),
        "beam": beam,
        "frequency": number("FREQ"),
        "rms_spread": number("RMSSPRD") or 0.0,
        "rms_scale": number("RMSSCALE") or 16.0,
        "faint": _part(FaintSources, [number(k) for k in ("FAINTN", "FAINTSLP", "FAINTLOW", "FAINTHI")]),
        "residuals": _part(
            Residuals,
            [
                number(k)
                for k in ("RESFLOOR", "RESLEVEL", "RESPOWER", "RESSCALE", "RESPATCH", "RESSPRD", "RESCOLOR", "RESTURN")
            ],
        ),
        "error": number("MODEERR") or 0.0,
        "origin": str(header.get("ORIGIN", "")),
        "notes": json.loads(str(header.get("NOTES", "{}"))),
    }


def _part(kind: Any, values: Sequence[float | None]) -> Any:
    return None if values[0] is None else kind(*(v for v in values if v is not None))


def _arcsec(degrees: float) -> float:
    return float(f"{degrees * 3600.0:.12g}")


@dataclass(frozen=True)
class NoiseBank:
    """Spectra of many fields, of which each image draws one by its seed.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> "NoiseBank":
        """A bank; default: the one in the box.

        Raises
        ------
        InputError
            Where the file is none.
        """
        bank = cls(Path(path) if path is not None else BANK)
        bank._content  # noqa: B018  read now: an error belongs here
        return bank

    @cached_property
    def _content(self) -> tuple[npt.NDArray[np.uint8], fits.FITS_rec, fits.Header]:
        return _read_bank(self.path)

    def __len__(self) -> int:
        return len(self._content[0])

    @property
    def surveys(self) -> list[str]:
        """Names of the surveys, as ``--noise`` takes them."""
        return sorted({str(name).lower() for name in self._content[1]["survey"]})

    @property
    def names(self) -> list[str]:
        """Fields, in order."""
        return [str(name) for name in self._content[1]["name"]]

    def of_survey(self, survey: str | None) -> npt.NDArray[np.int_]:
        """Numbers of the spectra of a survey; of all where None.

        Raises
        ------
        InputError
            Where there are none.
        """
        if survey is None:
            return np.arange(len(self))
        chosen = np.flatnonzero([str(name).lower() == survey.lower() for name in self._content[1]["survey"]])
        if not len(chosen):
            raise InputError(f"the noise bank has no survey {survey!r}; it has {', '.join(self.surveys)}", self.path)
        return chosen

    def spectrum(self, number: int) -> NoiseSpectrum:
        """One of them."""
        levels, table, _ = self._content
        power = _unpacked(levels[number])
        row = table[number]
        about = _about(
            {name.upper(): row[name] for name in table.names if name.upper() in _NUMBERS and _told(row[name])}
        )
        about |= {"origin": f"{row['survey']} field {row['name']}", "notes": {}}
        return NoiseSpectrum(power, **about)

    def draw(self, seed: int, survey: str | None = None) -> NoiseSpectrum:
        """The spectrum that a seed draws, of a survey or of all."""
        chosen = self.of_survey(survey)
        return self.spectrum(int(chosen[np.random.default_rng((check_seed(seed), 8)).integers(len(chosen))]))


_NUMBERS = (
    "RMSNOISE", "PIXSCALE", "BMAJ", "BMIN", "BPA", "FREQ", "RMSSPRD", "RMSSCALE", "FAINTN", "FAINTSLP", "FAINTLOW",
    "FAINTHI", "RESFLOOR", "RESLEVEL", "RESPOWER", "RESSCALE", "RESPATCH", "RESSPRD", "RESCOLOR", "RESTURN", "MODEERR",
)  # fmt: skip


def _told(value: Any) -> bool:
    return math.isfinite(float(value))


@lru_cache(maxsize=4)
def _read_bank(path: Path) -> tuple[npt.NDArray[np.uint8], fits.FITS_rec, fits.Header]:
    if not path.is_file():
        raise InputError("no such noise bank; install radiff again or give --noise", path)
    try:
        with quiet_astropy(), fits.open(path, memmap=False) as hdus:
            header = hdus[0].header.copy()
            if str(header.get("CONTENT", "")) != BANK_MARK:
                raise InputError("is no noise bank; make one with 'radiff noise measure --bank'", path)
            return np.asarray(hdus["POWER"].data, np.uint8), hdus["FIELDS"].data.copy(), header
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"is a damaged noise bank ({error}); make it again", path) from error


def write_noise_bank(
    path: str | os.PathLike[str], spectra: Sequence[NoiseSpectrum], names: Sequence[str], surveys: Sequence[str]
) -> Path:
    """Write a bank of spectra of one side.

    Raises
    ------
    InputError
        Where there are none, or their sides differ.
    """
    path = Path(path)
    sides = {one.side for one in spectra}
    if len(sides) != 1 or not len(spectra) == len(names) == len(surveys):
        raise InputError(
            f"a bank needs spectra of one side, with a name and a survey each; the sides are {sorted(sides)}"
        )
    primary = fits.PrimaryHDU()
    primary.header["CONTENT"] = (BANK_MARK, "power spectra of the noise of many fields")
    primary.header["COMMENT"] = f"POWER: 255 is the strongest mode of a field, a step is {DECADES / 255:.5f} decades;"
    primary.header["COMMENT"] = "rows fy from 0 to n / 2, columns fx in the order of numpy.fft.fftfreq"
    levels = np.stack([_packed(one.power) for one in spectra])
    power = fits.CompImageHDU(levels, name="POWER", compression_type="RICE_1", tile_shape=(1, *levels.shape[1:]))
    rows = [{key: value for key, value, _ in _cards(one) if key in _NUMBERS} for one in spectra]
    width = max(len(n) for n in [*names, *surveys])
    columns = [
        fits.Column("name", f"{width}A", array=np.array([printable(n) for n in names])),
        fits.Column("survey", f"{width}A", array=np.array([printable(n) for n in surveys])),
    ]
    for key in _NUMBERS:
        values = [math.nan if row[key] is None else float(row[key]) for row in rows]
        columns.append(fits.Column(key.lower(), "E", array=np.array(values, np.float32)))
    with atomic_path(path) as temporary, quiet_astropy():
        fits.HDUList([primary, power, fits.BinTableHDU.from_columns(columns, name="FIELDS")]).writeto(
            temporary, overwrite=True
        )
    _read_bank.cache_clear()
    return path


def _packed(power: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(n / 2 + 1, n) steps of log power: the other half is the same."""
    half = power[: power.shape[0] // 2 + 1]
    decades = np.log10(np.maximum(half / power.max(), 10.0**-DECADES))
    return np.asarray(np.rint(255 * (1 + decades / DECADES)), np.uint8)


def _unpacked(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    half = 10.0 ** (DECADES * (levels / 255.0 - 1.0))
    half[levels == 0] = 0.0
    side = levels.shape[1]
    rest = np.roll(half[side // 2 - 1 : 0 : -1, ::-1], 1, axis=1)  # P(-f) = P(f)
    return np.concatenate([half, rest])


def with_survey(spectrum: NoiseSpectrum, survey: NoiseSpectrum) -> NoiseSpectrum:
    """`spectrum` with what is not Gaussian taken from that of a whole survey, where one field is too little to tell."""
    return replace(
        spectrum,
        rms_spread=survey.rms_spread,
        rms_scale=survey.rms_scale,
        faint=survey.faint,
        residuals=survey.residuals,
    )
