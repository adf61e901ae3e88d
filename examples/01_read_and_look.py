"""Read a FITS image and look at it.    python examples/01_read_and_look.py [IMAGE.fits]

New here: `read_cutout` and what a `Cutout` knows; `background_rms`; `quicklook`. Writes look.png.
"""

import sys
from pathlib import Path

from radiff import background_rms, read_cutout
from radiff.sky import quicklook

if len(sys.argv) > 1:
    path = Path(sys.argv[1])
else:  # no image at hand: make one
    from synthetic import write_maps

    (path,) = write_maps(Path("maps"), 1)

cutout = read_cutout(path)  # Jy/beam, whatever the file's unit; NaN where there is no sky
background, rms = background_rms(cutout.image)
ny, nx = cutout.shape
print(f"{path}: {nx} x {ny} pixels of {cutout.pixel_scale:.2f} arcsec")
print(f"beam {cutout.beam}")
print(f"noise {rms * 1e6:.0f} uJy/beam about {background * 1e6:.0f} uJy/beam")

window = cutout.window(0, 128, 0, 128)  # rows 0 to 127, columns 0 to 127; the WCS goes along
quicklook("look.png", [cutout.image, window.image], ["the image", "its lower left corner"], rms=rms)
print("look.png")
