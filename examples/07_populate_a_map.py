"""Place objects on a map, and read the truth.    python examples/07_populate_a_map.py

New here: a simulated background; a library of stamps (drawn by hand here: `radiff stamps` generates them); `populate`;
the truth table. The same on the command line: radiff background, radiff stamps, radiff populate
"""

import numpy as np

from radiff.masks import COMPACT, EXTENDED
from radiff.populate import FluxRule, Number, PopulateOptions, Stamp, populate, write_stamps
from radiff.populate.backgrounds import BackgroundOptions, simulate_noise
from radiff.sky import Beam
from radiff.sky.truth import read_truth

background = BackgroundOptions((400, 500), Beam(6.0, 5.0, 30.0), 1.5, rms=1e-4, center=(150.0, -30.0), edge=2.0)
simulate_noise("noise.fits", background)

y, x = np.indices((41, 41)) - 20.0
double = sum(np.exp(-0.5 * ((x - side) ** 2 + y**2) / 2.2**2) for side in (-7, 7))
double[double < 1e-3] = 0.0
area = np.pi / (4 * np.log(2)) * 4.0**2  # of a beam of 4 pixels: a stamp of unit flux sums to it
stamp = Stamp((double * area / double.sum()).astype(np.float32), EXTENDED, 0, 4.0, 17.0, 3.3, 1000.0)
write_stamps("stamps.fits", [stamp])

options = PopulateOptions({COMPACT: Number(60), EXTENDED: Number(5)}, FluxRule("power", low=3e-4, high=0.1), seed=1)
made = populate("noise.fits", "sky", options, stamps="stamps.fits")
truth = read_truth(made.folder)
print(f"placed {made.placed} on noise.fits; files in {made.folder}/")
print(f"brightest: {truth['name'][truth['int_flux'].argmax()]} of {truth['int_flux'].max():.3g}")
print(truth["name", "class", "ra", "dec", "int_flux", "snr"][:3])
