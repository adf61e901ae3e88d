"""A plain FITS map to PyBDSF's own source list, in a process of its own: ``run_pybdsf.py MAP OUT SETTINGS``.

Kept apart so that PyBDSF (GPL) is never loaded into radiff itself, and its memory goes with the process.
"""

import json
import sys


def main() -> None:
    """Find sources; no OUT is written where there are none."""
    import bdsf

    path, output, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    image = bdsf.process_image(path, quiet=True, **settings)
    if image.nsrc > 0:
        image.write_catalog(outfile=output, format="fits", catalog_type="srl", clobber=True)


if __name__ == "__main__":
    main()
