"""Measure generated images against real ones of the same masks.    python examples/06_measure.py [WEIGHTS]

New here: `Samples` of a collection; figures of reconstructions and of generated images, as text. Takes the collection
of example 03. The same on the command line: radiff check reconstruction|control collection
"""

import sys

from radiff import Collection, Generator
from radiff.evaluate import (
    Samples,
    generation_figures,
    generation_lines,
    reconstruction_figures,
    reconstruction_lines,
)
from radiff.generate import Observation

generator = Generator.from_pretrained(sys.argv[1] if len(sys.argv) > 1 else "default")
samples = Samples.read(Collection.open("collection"), "val", limit=8)  # images, masks, objects, noise

figures = reconstruction_figures(samples, generator.reconstruct)
print("\n".join(reconstruction_lines("reconstructed", figures["all"])))

skies = [Observation(rms=rms) for rms in samples.rms]
asked = {"observation": skies, "objects": samples.objects, "peaks": samples.peaks(), "beams": samples.beams}
made = generator.generate(samples.masks, range(len(samples)), **asked, num_steps=4)
figures = generation_figures(samples, [cutout.image for cutout in made])
print("\n".join(generation_lines("generated", figures["all"])))
