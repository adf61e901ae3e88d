"""Generate images from masks.    python examples/05_generate.py [WEIGHTS]

New here: `Generator`; a mask drawn by hand; the noise, beam and peaks asked for; the sky of a real image; a seed an
image. Writes generated.fits and generated.png.
"""

import sys

import numpy as np
from synthetic import make_map

from radiff import Beam, Generator, write_cutout
from radiff.generate import Observation
from radiff.masks.review import draw_sheet

generator = Generator.from_pretrained(sys.argv[1] if len(sys.argv) > 1 else "default")

mask = np.zeros((96, 128), np.uint8)  # (ny, nx), sides multiples of 4: 0 background, 1 spurious, 2 compact, 3 extended
mask[60:66, 20:26] = 2
mask[30:42, 60:100] = 3
image = generator(mask, seed=1, observation=Observation(rms=2e-4, beam=Beam(5.4, 5.4)))
print(f"{image.shape}, rms {image.rms} Jy/beam, made by {image.provenance['num_steps']} steps")
write_cutout("generated.fits", image)

bright = generator(mask, seed=1, peak_snr=[30, 300])  # one an object, in units of the noise
real = make_map(128)  # any image of yours
like = generator(mask, seed=2, observation=Observation.like(real))  # WCS, beam, header and noise of that image
several = generator.generate([mask, mask.T], seeds=[3, 4])  # sizes may differ

made = [image, bright, like, *several]
names = ["seed 1", "seed 1, peaks asked", "like an image", "seed 3", "seed 4, turned"]
masks = [mask, mask, mask, mask, mask.T]
panels = [(n, m.image, k) for n, m, k in zip(names, made, masks, strict=True)]
print(*draw_sheet(panels, "generated.png", ncols=5, rows=1))
