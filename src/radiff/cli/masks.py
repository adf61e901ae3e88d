"""``radiff masks``: parses and prints; the work is done by `radiff.generate` and `radiff.evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radiff.cli.values import parse_per_image
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.data.mask_set import MaskSet
    from radiff.evaluate.report.mask_report import Judgement

KEPT = "real_masks.npz"
"""The masks of a collection, read once, in the output folder."""


def register(app: typer.Typer) -> None:
    """Add the verb ``masks``."""
    app.command("masks")(masks)


def masks(
    number: Annotated[int, typer.Argument(min=1, help="How many masks.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the masks.")],
    classes: Annotated[
        str | None, typer.Option(help="Classes that may occur, e.g. compact,extended; default: all there are.")
    ] = None,
    per_image: Annotated[
        str | None, typer.Option(help="Objects of a mask, e.g. 1:6; default: as in real ones.")
    ] = None,
    from_collection: Annotated[
        Path | None, typer.Option(help="Place the real objects of this collection; without it the mask model draws.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of that collection, the objects of this split.")] = "train",
    counts: Annotated[
        str, typer.Option(help="Numbers of objects: real (of a real mask), even, or any (left to the model).")
    ] = "real",
    weights: Annotated[str, typer.Option(help="Weights folder with a mask model, hub id, or 'default'.")] = "default",
    size: Annotated[
        int | None, typer.Option(min=32, max=2048, help="Side in pixels, with --from-collection; default: as there.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Mask k depends on this number and k alone.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    sampler: Annotated[str | None, typer.Option(help="As of 'radiff generate'; default: that of the weights.")] = None,
    guidance: Annotated[
        float | None, typer.Option(help="How strongly the numbers of objects are followed; 1 as trained.")
    ] = None,
    formats: Annotated[
        str, typer.Option(help="Besides rg-dataset and npz: fits, png, npy, yolo, coco; separated by commas.")
    ] = "",
    compare: Annotated[
        Path | None, typer.Option(help="Measure the masks against those of this collection (train and val splits).")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Masks at a time.")] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that read a collection.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the masks that an earlier run has made.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, write nothing.")] = False,
) -> None:
    """Make synthetic class masks, to generate images from.

    Two sources: the mask model (radiff train masks), or, with --from-collection, real objects turned, flipped, scaled
    and placed clear of each other, which needs no training. What the model makes is checked by rules (specks, touching
    classes, wrong numbers, ...); a broken mask is made again, and counted. With --compare the statistics of the masks
    stand beside those of real ones in DIR/statistics.

    \b
    Example:
      radiff masks 1000 -o masks --classes compact,extended --per-image 1:6 --compare collection
      radiff masks 1000 -o placed --from-collection collection --compare collection
      radiff generate masks/masks -o synthetic --peak-snr 5:100
    """
    from radiff.generate import mask_files
    from radiff.masks.compose import parse_classes
    from radiff.parallel import track

    span = parse_per_image(per_image)
    wanted = None if classes is None else [name.strip() for name in classes.split(",") if name.strip()]
    extra = [name.strip() for name in formats.split(",") if name.strip()]
    mask_files.check_formats(extra)
    settings: dict[str, Any] = {"seed": seed, "classes": wanted, "per_image": span and list(span), "counts": counts}
    if from_collection is None:
        if size is not None:
            raise InputError("--size goes with --from-collection; the mask model has a size of its own")
        from radiff.generate.masks import MaskMaker

        maker = MaskMaker.from_pretrained(weights, device, precision)
        options = maker.options(sampler, steps, guidance)
        settings |= maker.describe(options)
        held = [k for k in (1, 2, 3) if maker.table[:, k - 1].any()]
    else:
        real = read_real(from_collection, output / KEPT, workers, not dry_run).split(split)
        settings |= {"made_by": "objects", "collection": str(from_collection.resolve()), "split": split, "size": size}
        held = [k for k in (1, 2, 3) if real.counts[:, k - 1].any()]
    done = mask_files.already_made(output, number, settings) if resume else {}
    if not resume and not dry_run and mask_files.mask_path(output, 0).exists():
        raise InputError("masks stand here already; --resume goes on with them, or choose another -o", output)
    todo = [index for index in range(number) if index not in done]
    asked: dict[str, Any] = {"classes": wanted, "per_image": span, "seed": seed, "counts": counts, "indices": todo}
    if from_collection is None:
        made = maker.iterate(number, **asked, options=options, batch_size=batch_size)
    else:
        made = mask_files.collection_masks(real, number, **asked, size=size)
    if dry_run:
        print(f"would make {len(todo)} masks ({len(done)} are made already) into {output}; nothing was written")
        return
    for one in track(made, "masks", len(todo)):
        done[one.index] = mask_files.write_one(output, one, settings, extra)
    stored = [done[index] for index in range(number)]
    found = mask_files.finish_masks(output, stored, extra)
    rejected = mask_files.rejections(stored)
    spurious, compact, extended = found.counts.sum(0).tolist()
    print(f"{number:,} masks in {output}: {spurious:,} spurious, {compact:,} compact, {extended:,} extended objects")
    exact = mask_files.as_asked(stored)
    if exact is not None:
        print(f"exactly as many objects of each class as asked: {100 * exact:.1f} %")
    told = ", ".join(f"{rule} {count:,}" for rule, count in rejected.most_common()) or "none"
    print(f"thrown away and made again: {sum(rejected.values()):,} ({told})")
    if specks := sum(one.record["specks"] for one in stored):
        print(f"specks taken off masks that were kept: {specks:,}")
    print(output / "masks.csv")
    if compare is not None:
        chosen = held if wanted is None else list(parse_classes(wanted))
        judge(found, compare, output, chosen, span, dict(rejected), workers)


def judge(
    found: "MaskSet",
    collection: Path,
    output: Path,
    classes: list[int],
    span: tuple[int, int] | None,
    rejected: dict[str, int],
    workers: int | None,
) -> None:
    """Measure masks against those of a collection, print the table, write it to `output`/statistics."""
    from radiff.evaluate.metrics.mask_statistics import like_asked
    from radiff.evaluate.report.mask_report import judge_masks, write_judgement

    real = read_real(collection, output / KEPT, workers)
    judgement = judge_masks(found, real, classes, span, rejected)
    show(judgement)
    reference = like_asked(real.split("train"), classes, span)
    for path in write_judgement(output / "statistics", judgement, reference):
        print(path)


def read_real(collection: Path, kept: Path, workers: int | None, keep: bool = True) -> "MaskSet":
    """The masks of the cutouts that were cut from maps (all, where there are no others)."""
    from radiff.data.collection import Collection
    from radiff.data.mask_set import is_native, read_mask_set

    opened = Collection.open(collection, workers)
    native = opened.where(is_native)
    return read_mask_set(native if len(native) else opened, kept if keep else None, workers)


def show(judgement: "Judgement") -> None:
    """Print the table of a judgement."""
    from radiff.cli.stats import show as show_table
    from radiff.data.stats import Table
    from radiff.evaluate.report.mask_report import HEAD, judgement_table

    sizes = ", ".join(f"{count:,} {name}" for name, count in judgement.sizes.items())
    rows: list[tuple[Any, ...]] = list(judgement_table(judgement))
    show_table(Table("masks", f"Masks: {sizes}. Middle of each set; distances 0 equal, 1 apart.", HEAD, rows))
