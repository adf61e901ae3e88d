"""Every figure by which generated images are judged, as one table: see docs/figures.md.

    radiff generate COLLECTION --split val -o made --peak-snr real --seed 1
    python benchmarks/joint.py COLLECTION made [made2 ...] -o table.json [--only bands,islands] [--limit 100]
    python benchmarks/joint.py COLLECTION --ceiling --fields -o table.json

Made images are paired with the real ones of their names and masks. --ceiling judges the real images themselves as if
they were made, --fields pure noise fields of the spectra (given, else measured on the real images of each field). What
is done is kept in a folder beside the table: a run that was interrupted goes on.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from radiff.errors import InputError
from radiff.evaluate.joint import classifier
from radiff.evaluate.joint.fields import field_stack, measured_spectra, read_spectra
from radiff.evaluate.joint.lines import COLUMNS, Line, format_table
from radiff.evaluate.joint.stacks import Stack, pair_stacks, read_stack
from radiff.evaluate.joint.table import FIGURES, Case, Kept, Reference, chosen_figures, figures_of, key_of
from radiff.evaluate.networks import load_networks
from radiff.evaluate.sets import ImageSet
from radiff.files import make_folder, write_text

SMOKE_IMAGES, SMOKE_EPOCHS = 12, 1


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path, help="collection of real cutouts")
    parser.add_argument("made", type=Path, nargs="*", help="collections that 'radiff generate' made of its masks")
    parser.add_argument("-o", "--output", type=Path, default=Path("joint.json"), help="the table as JSON")
    parser.add_argument("--split", default="val", help="of the real collection")
    parser.add_argument("--others", default="train", help="split of the real images of other fields")
    parser.add_argument("--ceiling", action="store_true", help="also the real images as if they were made")
    parser.add_argument("--fields", action="store_true", help="also pure noise fields")
    parser.add_argument("--spectra", type=Path, help="power asked of each image: folder of NAME.fits, or .npz")
    parser.add_argument("--only", help=f"of: {', '.join(FIGURES)}")
    parser.add_argument("--limit", type=int, help="at most so many images, evenly spread")
    parser.add_argument("--smoke", action="store_true", help="a dozen images: does it run?")
    parser.add_argument("--features", default="default", help="weights of the feature network")
    parser.add_argument("--segmenter", default="default", help="weights of the segmenter")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1, help="processes that read images")
    return parser.parse_args(arguments)


def references(options: argparse.Namespace) -> tuple[ImageSet, Reference]:
    """The real images, and what is computed of them when it is needed."""
    limit = SMOKE_IMAGES if options.smoke else options.limit
    images = ImageSet.open(options.real, options.split)
    if options.made:
        names = {name for folder in options.made for name in ImageSet.open(folder).names}
        names |= {name.rpartition("_")[0] for name in names}  # several of one mask
        images = images.chosen([k for k, name in enumerate(images.names) if name in names])
    if not len(images):
        raise InputError("no made image has the name of one of the real images", options.made[0])
    images = images.thinned(limit) if limit else images
    real = read_stack(images, options.workers)

    def rest(alike: bool) -> Stack | None:
        try:
            found = ImageSet.open(options.real, options.others)
        except InputError:  # no such split: no baseline
            return None
        chosen = same_samples(images, found) if alike else found.drawn(len(real))
        return read_stack(chosen, options.workers) if len(chosen) else None

    epochs = SMOKE_EPOCHS if options.smoke else classifier.EPOCHS
    networks = lambda: load_networks(options.features, options.segmenter, options.device)  # noqa: E731
    origin = f"{options.real.resolve()} {options.split} {options.others}"
    folder = make_folder(options.output.with_suffix(".parts"))
    return images, Reference(real, lambda: rest(False), lambda: rest(True), networks, epochs, folder, origin)


def same_samples(images: ImageSet, others: ImageSet, seed: int = 0) -> ImageSet:
    """Of each sample (folder) at most as many of the others, at random, as there are of `images`."""
    wanted, there = ([getattr(item, "sample", "") for item in one.items] for one in (images, others))
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for sample in sorted(set(wanted)):
        places = [k for k, name in enumerate(there) if name == sample]
        chosen += random.permutation(places)[: wanted.count(sample)].tolist()
    return others.chosen(sorted(chosen))


def cases(options: argparse.Namespace, images: ImageSet, ours: Reference) -> Iterator[tuple[str, Case, list[str]]]:
    """(name, case, images left out) of everything that is to be judged."""
    real = ours.real
    spectra = None if options.spectra is None else read_spectra(options.spectra, real.names)
    if options.ceiling:
        yield "real images", Case(ours, real, real, spectra), []
    if options.fields:
        given = spectra or measured_spectra(real)
        yield "noise fields", Case(ours, real, field_stack(real, given), given, fields=True), []
    for folder in options.made:
        # with a limit, a made image's real one may be missing: it is left out, and said so
        pairing = pair_stacks(images, real, folder, workers=options.workers)
        asked = None if spectra is None else [spectra[k] for k in pairing.places]
        yield str(folder), Case(ours, pairing.real, pairing.made, asked), pairing.left_out


def judge(name: str, case: Case, left_out: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one set, printed as a table; JSON values."""
    settings = {"features": options.features, "segmenter": options.segmenter, "epochs": case.reference.epochs,
                "others": options.others, "fields": case.fields}  # fmt: skip
    key = key_of(case, settings)
    assert case.reference.folder is not None
    kept = Kept(case.reference.folder / f"{key}.json", key)
    lines: list[Line] = []
    seconds: dict[str, float] = {}
    for figure, found, spent in figures_of(case, chosen_figures(options.only), kept):
        print(f"{name}: {figure}, {spent:.1f} s", file=sys.stderr, flush=True)
        lines += found
        seconds[figure] = round(spent, 2)
    show(name, len(case.made), lines)
    return {
        "name": name,
        "images": len(case.made),
        "left_out": left_out,
        "met": sum(line.met is True for line in lines),
        "not_met": sum(line.met is False for line in lines),
        "seconds": seconds,
        "lines": [line.to_json() for line in lines],
    }


def show(name: str, count: int, lines: list[Line]) -> None:
    """Print the table."""
    judged = [line.met for line in lines if line.met is not None]
    title = f"{name}: {count} images; {sum(judged)} of {len(judged)} targets met"
    table = Table(title=title, title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("made", "n", "real") else "left", overflow="fold")
    for cells in format_table(lines):
        table.add_row(*cells)
    Console(width=None if sys.stdout.isatty() else 190).print(table)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 2 for bad input."""
    options = read_options(arguments)
    warnings.simplefilter("ignore", RuntimeWarning)
    try:
        if not (options.made or options.ceiling or options.fields):
            raise InputError("nothing to judge: name folders of generated images, or give --ceiling or --fields")
        chosen_figures(options.only)
        images, ours = references(options)
        told = []
        for name, case, left_out in cases(options, images, ours):
            if left_out:
                print(f"{name}: {len(left_out)} images left out: {left_out[0]}", file=sys.stderr)
            told.append(judge(name, case, left_out, options))
            content = {"real": str(options.real), "split": options.split, "images": len(ours.real), "sets": told}
            write_text(options.output, json.dumps(content, indent=1) + "\n")
    except InputError as error:
        print(f"joint: {error}", file=sys.stderr)
        return 2
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
