"""A generator that draws what it is asked for, and skies of known sources, for tests of augmentation."""

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np

from radiff.data.collection import Collection, CollectionWriter
from radiff.generate import GenerateOptions
from radiff.masks import AnnotateOptions, annotate
from radiff.sky import Beam, Cutout

RMS, SIZE, BEAM = 2e-4, 64, 3.0


def gaussian(shape, x, y, peak, width):
    """A round Gaussian of that FWHM (pixels)."""
    rows, columns = np.indices(shape)
    return peak * np.exp(-4 * math.log(2) * ((columns - x) ** 2 + (rows - y) ** 2) / width**2)


def noise(seed, size=SIZE):
    """White noise of rms 1."""
    return np.random.default_rng(seed).normal(0, 1, (size, size))


def sky_with(sources, seed):
    """A cutout of noise with Gaussians (x, y, peak in rms, FWHM in pixels), and what the annotator marks on it."""
    snr = noise(seed)
    for x, y, peak, width in sources:
        snr += gaussian(snr.shape, x, y, peak, width)
    header_scale = 5.4 / BEAM
    cutout = Cutout((RMS * snr).astype(np.float32), beam=Beam(5.4, 5.4), rms=RMS)
    cutout.header["CDELT1"], cutout.header["CDELT2"] = -header_scale / 3600, header_scale / 3600
    cutout.header["SURVEY"] = "TEST"
    return cutout, annotate(cutout, None, AnnotateOptions())


def known_collection(root) -> Collection:
    """16 train and 4 val cutouts; two compact sources each, every third with an extended one, four without sources."""
    writer = CollectionWriter(root)
    for k in range(20):
        random = np.random.default_rng((7, k))
        sources = [(16, 14 + k % 5, float(random.uniform(15, 60)), BEAM), (46, 20, float(random.uniform(15, 60)), BEAM)]
        if k % 3 == 0:
            sources.append((30, 46, 30.0, 4 * BEAM))
        cutout, annotation = sky_with([] if k % 5 == 4 else sources, k)
        split = "val" if k >= 16 else "train"
        writer.add("real", f"c{k:02d}", cutout, annotation, split=split, group=str(k), survey="TEST")
    return writer.finish()


class Drawer:
    """Stands in for a `radiff.generate.Generator`: each object as a plateau of its mask smoothed, at the peak asked.

    `made` are the seeds it was given, `isophotes` those that it was to hold.
    """

    precision, backend = "fp32", "torch"
    device = type("Device", (), {"type": "cpu"})()
    manifest: ClassVar = {"files": {"denoiser/model.safetensors": "0"}}

    def __init__(self, wrong=()):
        self.wrong = set(wrong)
        self.made, self.isophotes = [], []

    def options(self, *, background_strength, num_steps, batch_size):
        return GenerateOptions(batch_size=batch_size)

    def iterate(self, specs, options):
        self.isophotes.extend(spec.isophote for spec in specs)
        for spec in specs:
            mask, seed, one = spec.mask, spec.seed, spec.observation
            self.made.append(seed)
            snr = noise((3, seed), mask.shape[0])
            for item, peak in zip(spec.objects, spec.peaks, strict=True):
                rows, columns = item.coordinates()
                if seed in self.wrong:
                    continue
                area = item.npix
                width = math.sqrt(area / (math.pi / (4 * math.log(2)) * math.log(max(peak / 3, 1.5))))
                shape = gaussian(mask.shape, columns.mean(), rows.mean(), 1.0, width)
                shape *= peak / shape[rows, columns].max()
                snr[rows, columns] = np.where(shape[rows, columns] > 2, shape[rows, columns], snr[rows, columns])
                snr += np.where(item.pixels(mask.shape), 0, np.minimum(shape, 1.0))
            provenance = {"generator": "test", "seed": seed}
            yield Cutout(
                (snr * one.rms).astype(np.float32), one.make_wcs(mask.shape), one.beam, "Jy/beam", one.rms, 0.0,
                one.header.copy(), provenance,
            )  # fmt: skip


def without_val(collection: Collection) -> Collection:
    """The same, whose val files are not to be read."""
    rows = [replace(r, image="gone.fits", annotation="gone.json") if r.split == "val" else r for r in collection.rows]
    return Collection(collection.root, rows)


def files_of(folder):
    """{relative name: bytes} of all files."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
