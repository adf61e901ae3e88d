"""Mark the sources of a map.    python examples/02_annotate_a_map.py

New here: `annotate` (islands above the noise become objects with a class), the annotation on disk in the rg-dataset
format, its class mask, and a picture of both. Writes annotated/ and marked.png.
"""

from collections import Counter
from pathlib import Path

from synthetic import make_map

from radiff import AnnotateOptions, annotate, read_annotation, write_annotation, write_cutout
from radiff.masks import class_name
from radiff.masks.review import draw_sheet

cutout = make_map()
annotation = annotate(cutout, options=AnnotateOptions(seed_snr=5.0, grow_snr=3.0))  # in units of the local noise
print(dict(Counter(class_name(one.class_value) for one in annotation.objects)))
for one in annotation.objects[:3]:
    info = one.info
    print(f"  {one.name} at ({info['bbox_x']:.0f}, {info['bbox_y']:.0f}): {info['npix']} pixels, snr {info['snr']:.0f}")

folder = Path("annotated/field0")
for name in ("imgs", "masks"):
    (folder / name).mkdir(parents=True, exist_ok=True)
image = write_cutout(folder / "imgs" / "field0.fits", cutout)
write_annotation(folder / "masks" / "mask_field0.json", annotation, "../imgs/field0.fits")

mask = read_annotation(folder / "masks" / "mask_field0.json").mask  # (ny, nx), values 0 to 3
assert (mask == annotation.mask).all()
print(*draw_sheet([("field0", cutout.image, mask)], "marked.png", ncols=1))
