"""Images of the sky: cutouts with WCS, beam and unit; FITS; large maps; noise; catalogs; pictures. No torch."""

from radiff.sky.beam import Beam, HeaderWarning
from radiff.sky.catalog import read_catalog, sources_inside
from radiff.sky.cutout import Cutout
from radiff.sky.fits import read_cutout, read_header_info, write_cutout
from radiff.sky.grid import SkyGrid
from radiff.sky.noise import background_mesh, background_rms, noise_power_spectrum
from radiff.sky.noise_field import Mosaic, NoiseField
from radiff.sky.quicklook import quicklook, stretch
from radiff.sky.removal import remove_sources
from radiff.sky.spectrum import FaintSources, NoiseSpectrum, Residuals
from radiff.sky.spectrum_files import NoiseBank
from radiff.sky.windows import MapReader
from radiff.tiling import iter_windows

__all__ = [
    "Beam",
    "Cutout",
    "FaintSources",
    "HeaderWarning",
    "MapReader",
    "Mosaic",
    "NoiseBank",
    "NoiseField",
    "NoiseSpectrum",
    "Residuals",
    "SkyGrid",
    "background_mesh",
    "background_rms",
    "iter_windows",
    "noise_power_spectrum",
    "quicklook",
    "read_catalog",
    "read_cutout",
    "read_header_info",
    "remove_sources",
    "sources_inside",
    "stretch",
    "write_cutout",
]
