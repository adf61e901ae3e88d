"""``radiff augment``: parses and prints; the work is done by `radiff.augment`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radiff.cli.values import parse_peak, parse_per_image
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.augment import AugmentReport, MaskSource, RealImages

KINDS = ("collection", "real", "model")


def register(app: typer.Typer) -> None:
    """Add the verb ``augment``."""
    app.command("augment")(augment)


def augment(
    collection: Annotated[Path, typer.Argument(help="Folder made by 'radiff cut', with splits.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the bigger collection.")],
    masks: Annotated[
        str, typer.Option(help="Masks: collection (its objects placed anew), real (its own masks), model, or a folder.")
    ] = "collection",
    number: Annotated[
        int | None, typer.Option("--number", "-n", min=1, help="Pairs to add; default: one a real mask, else 1000.")
    ] = None,
    classes: Annotated[str, typer.Option(help="Classes of the objects, e.g. extended or compact,extended.")] = "",
    balance: Annotated[bool, typer.Option("--balance", help="Add most of the classes that there is least of.")] = False,
    per_image: Annotated[str, typer.Option(help="Objects of a drawn mask, e.g. 1:6; default: as in real ones.")] = "",
    peak_snr: Annotated[
        str, typer.Option(help="Peaks in units of the rms: real (as real objects of that size), 20, or 5:100.")
    ] = "real",
    background: Annotated[
        str, typer.Option(help="other: another cutout's; self-masked: the mask's own (real masks); none.")
    ] = "other",
    background_strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much of a background is kept.")
    ] = None,
    weights: Annotated[str, typer.Option(help="Weights of the generator: a folder, hub id, or 'default'.")] = "default",
    mask_weights: Annotated[str, typer.Option(help="Weights of the mask model, for --masks model.")] = "default",
    segmenter: Annotated[str, typer.Option(help="Weights of the segmenter of the gate, or 'none'.")] = "default",
    least_iou: Annotated[
        float, typer.Option(min=0, max=1, help="Least IoU of an object asked for and what is found on it; 0: any.")
    ] = 0.3,
    segmenter_iou: Annotated[
        float, typer.Option(min=0, max=1, help="The same with what the segmenter finds; 0: any.")
    ] = 0.3,
    peak_tolerance: Annotated[float, typer.Option(min=0, help="Largest relative error of a peak; 0: any.")] = 0.25,
    labels: Annotated[
        str, typer.Option(help="found: pixels as an annotator would mark them on the image; asked: the mask's.")
    ] = "found",
    gate: Annotated[bool, typer.Option("--gate/--no-gate", help="Drop images that are not as asked.")] = True,
    real: Annotated[str, typer.Option(help="The real cutouts in the output: link, copy or none.")] = "link",
    samples: Annotated[str, typer.Option(help="Use real cutouts of these samples alone, separated by commas.")] = "",
    sample: Annotated[str, typer.Option(help="Folder of the pairs in the output.")] = "synthetic",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image; the next has the next number.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16; a run goes on in its own.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that read files; default: all cores.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, write nothing.")] = False,
) -> None:
    """Add synthetic pairs of images and masks to a collection's train split.

    Only the train split is read. Every pair has a mask, peaks such as real objects of that size have, and the noise,
    beam and background of a real cutout. A gate drops images that are not as asked and counts them by reason. The
    output is a collection (index.csv marks what is synthetic, and its seed), with YOLO labels and coco_train.json.
    Stopped, the same command goes on where it was.

    \b
    Examples:
      radiff augment collection -o bigger --balance --number 1000
      radiff augment collection -o bigger --classes extended --number 5000
      radiff augment collection -o rendered --masks real --real none
    """
    from radiff import augment as room
    from radiff.cli.outcome import say
    from radiff.data.collection import Collection
    from radiff.generate import Generator

    spread = parse_peak(peak_snr)
    wanted = parse_classes(classes)
    check_choices(labels, real, background, masks)
    opened = Collection.open(collection)
    room.check_names(opened, output, real, sample)
    images = room.RealImages.read(opened, split_names(samples) or None, workers)
    source, about = mask_source(images, masks, wanted, per_image, seed, background, balance, mask_weights, device)
    total = number or (len(source) if masks == "real" and not balance else 1000)  # type: ignore[arg-type]
    rules = room.GateOptions(
        peak_tolerance if gate else 0.0,
        least_iou if gate else 0.0,
        segmenter_iou if gate and segmenter != "none" else 0.0,
        gate,
        labels,
    )
    options = room.AugmentOptions(
        total, seed, sample, spread, background != "none", background_strength, steps, balance, 3.0, batch_size, rules
    )
    kept = room.Journal.settings_of(output / sample / room.JOURNAL)
    if kept is not None and precision == "auto":
        precision = str(kept.get("precision", precision))
    generator = Generator(weights, device, precision)
    finder = None
    if rules.segmenter_iou > 0:
        from radiff.evaluate.segment.masking import MapSegmenter

        finder = MapSegmenter(segmenter, device, generator.precision)
    settings = room.settings_of(images, generator, options, finder, about)
    journal = room.Journal(output / sample / room.JOURNAL, settings, batch_size)
    if dry_run:
        have = len(journal.rows)
        print(f"would make {max(total - have, 0)} pairs ({have} are made already) into {output / sample};", end=" ")
        print(f"train split: {len(images)} real cutouts, {told(images.counts())}; nothing was written")
        return
    report = room.augment(images, source, generator, output, options, finder, about)
    room.write_summary(output / sample, report, settings)
    rows = room.finish_collection(output, report.rows, sample, opened, real)
    train = [row for row in rows if row.split == "train"]
    room.write_coco(output, train, workers)
    summary(report, images, output)
    if len(report.rows) < total:
        say(f"{len(report.rows)} of {total} pairs: the gate dropped the others; see --least-iou, --no-gate")
        raise typer.Exit(1)


def summary(report: "AugmentReport", real: "RealImages", output: Path) -> None:
    """Print what was made, what was dropped and why, and the balance of the classes."""
    print(f"{len(report.rows)} pairs in {output} ({report.kept_before} of an earlier run), {report.attempts} attempts")
    for reason, count in sorted(report.dropped.items()):
        print(f"  dropped {count}: {reason}")
    before = real.counts()
    for value, name in enumerate(("spurious", "compact", "extended"), start=1):
        added = report.counts[name]
        print(f"  {name}: {before[value]:,} real + {added:,} synthetic = {before[value] + added:,}")
    print(output / "index.csv")


def told(counts: dict[int, int]) -> str:
    """Objects of each class in words."""
    return ", ".join(f"{counts[value]:,} {name}" for value, name in ((1, "spurious"), (2, "compact"), (3, "extended")))


def split_names(text: str) -> list[str]:
    """What stands between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_classes(text: str) -> list[int]:
    """Class values of ``compact,extended``; all where the text is empty.

    Raises
    ------
    InputError
        Where a name is no class of an object.
    """
    from radiff.masks.compose import parse_classes as parse

    names = split_names(text)
    return list(parse(names or None))


def check_choices(labels: str, real: str, background: str, masks: str) -> None:
    """Refuse what is none of the choices.

    Raises
    ------
    InputError
    """
    from radiff.augment import LABELS, REAL

    kinds = ("other", "self-masked", "none")
    for name, value, choices in (("labels", labels, LABELS), ("real", real, REAL), ("background", background, kinds)):
        if value not in choices:
            raise InputError(f"--{name} {value}: there are {', '.join(choices)}")
    if background == "self-masked" and masks != "real":
        raise InputError("--background self-masked is for --masks real: other masks have no image of their own")
    if masks not in KINDS and not Path(masks).exists():
        raise InputError(f"--masks {masks}: there are {', '.join(KINDS)}, or a folder or file of masks")


def mask_source(
    images: "RealImages",
    masks: str,
    classes: list[int],
    per_image: str,
    seed: int,
    background: str,
    balance: bool,
    mask_weights: str,
    device: str,
) -> "tuple[MaskSource, dict[str, Any]]":
    """What gives the masks, and what of it the result depends on."""
    from radiff import augment as room

    span = parse_per_image(per_image)
    about: dict[str, Any] = {"masks": masks, "classes": classes, "per_image": span, "background_of": background}
    if masks == "real":
        return room.RealMasks(images, classes, seed, background, chosen=balance), about
    single = balance and len(classes) > 1
    if masks == "collection":
        return room.DrawnMasks(images, room.Composer(images, span), classes, seed, single), about
    if masks == "model":
        from radiff.generate.masks import MaskMaker

        maker = MaskMaker.from_pretrained(mask_weights, device)
        about["mask_weights"] = maker.describe(maker.options())
        return room.DrawnMasks(images, room.Modeller(images, maker, span), classes, seed, single), about
    return room.MaskFiles(images, [masks], classes, seed), about
