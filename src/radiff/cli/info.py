"""``radiff info``: what a FITS file, a mask, a collection or a weights folder is. Knows how to print, no format."""

import json
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from radiff.cli.values import HduText, PlaneNumber
from radiff.errors import InputError

Facts = dict[str, Any]

# Windows (pixels a side) and their number that the noise of a map is measured on.
RMS_WINDOW, RMS_WINDOWS = 512, 16


def register(app: typer.Typer) -> None:
    """Add the verb ``info``."""
    app.command("info")(info)


def info(
    path: Annotated[Path, typer.Argument(help="FITS image, mask JSON, collection or weights folder.")],
    hdu: HduText = None,
    plane: PlaneNumber = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say what a FITS file, a collection or a weights folder is."""
    from radiff.sky.address import with_part

    facts = describe(with_part(path, hdu, plane))
    if as_json:
        print(json.dumps(plain(facts), indent=2))
    else:
        print("\n".join(lines(facts)))


def describe(path: Path) -> Facts:
    """What `path` is: its kind under ``is``, then facts by name.

    Raises
    ------
    InputError
        Where there is nothing of that name, or it is of no kind that we know.
    """
    from radiff.sky.address import map_file

    if not map_file(path).exists():
        raise InputError("no such file or folder", path)
    if path.suffix == ".safetensors" or path.name == "index.csv":
        path = path.resolve().parent
    if path.suffix == ".json":
        return describe_annotation(path)
    if map_file(path).is_file():
        return describe_fits(path)
    return describe_weights(path) if holds_weights(path) else describe_collection(path)


def holds_weights(folder: Path) -> bool:
    """Whether `folder`, or a folder in it, holds networks."""
    return any(True for pattern in ("*.safetensors", "*/*.safetensors", "MODEL_CARD.md") for _ in folder.glob(pattern))


def describe_weights(folder: Path) -> Facts:
    """Networks, parameter counts, scaling and checksums of a weights folder."""
    from radiff.cli.weights import know_parts
    from radiff.models.io import describe_weights as read

    know_parts(folder)
    return {"is": "weights", "path": str(folder)} | dict(read(folder))


def describe_fits(path: Path) -> Facts:
    """Header and noise of a FITS image; the pixels of large maps are sampled."""
    from radiff.sky import read_header_info

    try:
        header = read_header_info(path)
    except InputError as error:
        raise InputError(error.message, error.path or path) from error
    ny, nx = header["shape"]
    facts: Facts = {"is": "FITS image", "path": str(path), "hdu": header["hdu"], "size": f"{nx} x {ny} pixels (x, y)"}
    if header["planes"] > 1:
        facts["planes"] = header["planes"]
    facts["unit"] = header["unit"] or "not given (Jy/beam is assumed)"
    scale, beam = header["pixel_scale"], header["beam"]
    facts["pixel scale"] = "unknown" if scale is None else f"{scale:.6g} arcsec"
    facts["beam"] = "unknown" if beam is None else f'{beam[0]:.4g}" x {beam[1]:.4g}", pa {beam[2]:.4g} deg'
    if header["projection"] is None:
        facts["WCS"] = "none"
    else:
        center = header["center"]
        place = "the centre is off the sky" if center is None else f"centre {center[0]:.5f} {center[1]:+.5f} deg"
        facts["WCS"] = f"{header['projection']}, {place}"
    facts |= {key: header[key] for key in ("telescope", "survey", "object", "frequency") if header.get(key)}
    if header["rms"] is not None:
        facts["rms in the header"] = flux(header["rms"])
    facts |= measure(path) if header["planes"] == 1 or header["plane"] is not None else {}
    facts |= {key: header[key] for key in ("provenance", "warnings") if header[key]}
    return facts


def measure(path: Path) -> Facts:
    """Noise rms, brightest pixel and share of blank pixels, from up to `RMS_WINDOWS` windows over the map."""
    import numpy as np

    from radiff.sky import HeaderWarning, MapReader, background_rms, iter_windows

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HeaderWarning)
        reader = MapReader.open(path)
    with reader:
        windows = list(iter_windows(reader.shape, RMS_WINDOW))
        chosen = windows[:: math.ceil(len(windows) / RMS_WINDOWS)]
        rms, peak, blank, total = [], -math.inf, 0, 0
        for y0, y1, x0, x1 in chosen:
            image = reader.read(y0, min(y1, reader.shape[0]), x0, min(x1, reader.shape[1]))
            good = image[np.isfinite(image)]
            blank, total = blank + image.size - good.size, total + image.size
            if good.size:
                peak = max(peak, float(good.max()))
                rms.append(background_rms(image)[1])
    if not rms:
        return {"pixels": "all are blank (NaN)"}
    sampled = "" if len(chosen) == len(windows) else f" ({len(chosen)} of {len(windows)} windows)"
    return {"rms": flux(median(rms)) + sampled, "peak": flux(peak) + sampled, "blank": f"{blank / total:.2%}" + sampled}


def describe_annotation(path: Path) -> Facts:
    """Objects per class of a mask JSON."""
    from radiff.masks import CLASSES, read_annotation

    annotation = read_annotation(path)
    ny, nx = annotation.shape
    counts = {one.name: annotation.count(one.value) for one in CLASSES if one.value}
    return {"is": "mask", "path": str(path), "size": f"{nx} x {ny} pixels (x, y)", "objects": counts} | {
        "said of the image": {key: value for key, value in annotation.meta.items() if value is not None}
    }


def describe_collection(path: Path) -> Facts:
    """Sizes, classes and splits of a collection."""
    from radiff.data.collection import Collection

    rows = Collection.open(path).rows
    facts: Facts = {"is": "collection", "path": str(path), "cutouts": len(rows)}
    facts["size"] = tally(f"{row.nx} x {row.ny} pixels (x, y)" for row in rows)
    for name in ("telescope", "survey"):
        facts[name] = tally(getattr(row, name) or "unknown" for row in rows)
    facts["noise rms"] = spread([row.rms * 1e3 for row in rows], "mJy/beam")
    facts["pixel scale"] = spread([row.pixel_scale for row in rows], "arcsec")
    facts["beam major axis"] = spread([row.bmaj for row in rows], "arcsec")
    facts["splits"] = {}
    for split in sorted({row.split for row in rows}):
        chosen = [row for row in rows if row.split == split]
        counts = [sum(column) for column in zip(*(row.counts for row in chosen), strict=True)]
        facts["splits"][split or "none"] = {
            "cutouts": len(chosen),
            "spurious": counts[0],
            "compact": counts[1],
            "extended": counts[2],
        }
    return facts


def tally(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, most frequent first."""
    return dict(Counter(values).most_common())


def spread(values: list[float], unit: str) -> str:
    """Median and range of the finite `values`."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "unknown"
    return f"{median(finite):.4g} {unit} ({min(finite):.4g} to {max(finite):.4g})"


def flux(value: float) -> str:
    """A flux density in Jy/beam, in the unit that reads best."""
    for factor, unit in ((1.0, "Jy/beam"), (1e3, "mJy/beam"), (1e6, "uJy/beam")):
        if abs(value) * factor >= 0.1:
            return f"{value * factor:.4g} {unit}"
    return f"{value:.4g} Jy/beam"


def lines(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """`facts` as text, one line each; a mapping on one line where it fits, else indented below its name."""
    width = max((len(str(key)) for key in facts), default=0)
    for key, value in facts.items():
        if isinstance(value, Mapping) and not fits_a_line(value):
            yield f"{indent}{key}"
            yield from lines(value, indent + "  ")
        else:
            yield f"{indent}{key!s:<{width}}  {text(value)}".rstrip()


def fits_a_line(facts: Mapping[str, Any]) -> bool:
    """Whether `facts` are few and not nested."""
    return not any(isinstance(each, Mapping) for each in facts.values()) and len(text(facts)) < 80


def text(value: Any) -> str:
    """A value on one line: integers with thousands marked, floats short."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(map(text, value)) or "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """`value` with nothing in it that JSON does not know; NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)
