"""What a user says of the noise (`--noise`) to a spectrum, or to a bank of spectra. Prints nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radiff.errors import InputError
from radiff.sky.beam import Beam
from radiff.sky.spectrum import NoiseSpectrum
from radiff.sky.spectrum_files import NoiseBank, is_noise_bank, is_noise_spectrum, read_noise_spectrum
from radiff.sky.spectrum_measure import measure_noise_spectrum

SURVEYS = ("first", "nvss")
"""Names that stand for the spectra in the box."""
CHOICES = "give a spectrum or a bank of 'radiff noise measure', a FITS map to measure it on, or one of: " + ", ".join(
    SURVEYS
)


@dataclass(frozen=True, eq=False)
class NoiseSource:
    """One spectrum for all, or a bank of which each seed draws one.

    Attributes
    ----------
    name : str
        What it was opened by, for provenance.
    spectrum : NoiseSpectrum, optional
    bank : NoiseBank, optional
        Where there is no one spectrum.
    survey : str, optional
        The survey whose spectra are drawn of the bank; default: all.
    """

    name: str
    spectrum: NoiseSpectrum | None = None
    bank: NoiseBank | None = None
    survey: str | None = None

    def draw(self, seed: int) -> NoiseSpectrum:
        """The spectrum for a seed."""
        if self.spectrum is not None:
            return self.spectrum
        assert self.bank is not None
        return self.bank.draw(seed, self.survey)


def open_noise(
    source: str | Path, note: Callable[[str], object] | None = None, beam: Beam | None = None, pixel_scale: float = 0.0
) -> NoiseSource:
    """What `--noise` says.

    Parameters
    ----------
    source : str or path
        A file of a spectrum or of a bank; ``first`` or ``nvss`` (the bank in the box); a FITS map, measured on the
        spot with what is bright in it left out; ``beam``, where `beam` and `pixel_scale` are given.
    note : callable, optional
        Is told in a line what was measured.
    beam : Beam, optional
        Of the image that the noise is for: for ``beam``.
    pixel_scale : float, optional
        Arcsec, likewise.

    Raises
    ------
    InputError
        Where it is none of these, or cannot be read or measured.
    """
    name = str(source)
    if name.lower() in SURVEYS:
        bank = NoiseBank.open()
        bank.of_survey(name.lower())
        return NoiseSource(name.lower(), bank=bank, survey=name.lower())
    if name == "beam" and beam is not None:
        return NoiseSource(name, NoiseSpectrum.from_beam(beam, pixel_scale))
    path = Path(source)
    if not path.is_file():
        more = ", beam" if beam is not None else ""
        raise InputError(f"--noise {name!r} is no file and no survey; {CHOICES}{more}")
    if is_noise_spectrum(path):
        return NoiseSource(name, read_noise_spectrum(path))
    if is_noise_bank(path):
        return NoiseSource(name, bank=NoiseBank.open(path))
    try:
        spectrum = measure_noise_spectrum(path)
    except InputError as error:
        raise InputError(f"no noise can be measured on it: {error.message}; {CHOICES}", path) from error
    if note is not None:
        about = f"{spectrum.notes['windows']} windows, {100 * spectrum.error:.0f} % a mode"
        note(f"noise measured on {path.name}: {about}; 'radiff noise measure' keeps it")
    return NoiseSource(name, spectrum)
