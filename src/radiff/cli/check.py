"""``radiff check reconstruction|generation``: parses and prints; the figures come from `radiff.evaluate`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

Weights = Annotated[str, typer.Option(help="Weights folder, hub id, or 'default' (in the package).")]
Split = Annotated[str, typer.Option(help="Which split of the collection.")]
Limit = Annotated[int | None, typer.Option(min=2, help="At most so many cutouts, evenly chosen.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")]
CollectionFolder = Annotated[Path, typer.Argument(help="Folder made by 'radiff cut'.")]


def register(app: typer.Typer) -> None:
    """Add the group ``check``."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Measure the networks on real cutouts.")
    group.command("reconstruction")(reconstruction)
    group.command("generation")(generation)
    app.add_typer(group, name="check")


def reconstruction(
    collection: CollectionFolder,
    weights: Weights = "default",
    split: Split = "val",
    limit: Limit = None,
    json_file: JsonFile = None,
) -> None:
    """The autoencoder on real cutouts: noise error, peak fluxes, noise power spectrum.

    The difference of image and reconstruction outside the objects, in units of the noise rms; the peak flux of objects
    above 10 rms, reconstructed over real; and the noise power in eight bands up to 0.5 cycles per pixel, likewise.

    Example: radiff check reconstruction collection --split val
    """
    from radiff.evaluate import check_reconstruction
    from radiff.generate import Generator
    from radiff.parallel import track

    chosen = _chosen(collection, split, limit)
    generator = Generator(weights)
    real: list[Any] = []
    rebuilt: list[Any] = []
    objects: list[Any] = []
    for index in track(range(len(chosen)), "reconstructing"):
        row, image = chosen.rows[index], chosen.image(index).image
        level, rms = row.background, row.rms
        real.append((image - level) / rms)
        rebuilt.append((generator.reconstruct(image, level, rms) - level) / rms)
        objects.append(_objects(chosen, index))
    figures: dict[str, Any] = {}
    for name, kept in _surveys(chosen):
        figures[name] = check_reconstruction(_at(real, kept), _at(rebuilt, kept), _at(objects, kept))
        _print_reconstruction(name, figures[name])
    _write(json_file, figures)


def generation(
    collection: CollectionFolder,
    weights: Weights = "default",
    split: Split = "val",
    limit: Limit = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps; default: that of the weights.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Default: that of the weights.")] = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="Guidance scale; default: that of the weights.")] = None,
    peaks: Annotated[bool, typer.Option("--peaks", help="Ask for each object's real peak.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a PNG: real cutouts beside generated ones.")] = None,
    json_file: JsonFile = None,
) -> None:
    """The denoiser on real masks: do sources lie where the mask says, is the noise the noise asked for.

    Mean signal-to-noise inside and outside the objects' pixels, of generated and of real images; noise rms measured
    over asked (the rms of the mask's own image); noise power in eight bands, generated over real.

    Example: radiff check generation collection --split val --limit 200 --sheet sheet.png
    """
    import time

    from radiff.data.pack import peak_map
    from radiff.evaluate import check_generation
    from radiff.generate import Generator, Sky
    from radiff.parallel import track

    chosen = _chosen(collection, split, limit)
    generator = Generator(weights)
    objects = [_objects(chosen, k) for k in range(len(chosen))]
    images = [chosen.image(k).image for k in range(len(chosen))]
    real = [(image - row.background) / row.rms for image, row in zip(images, chosen.rows, strict=True)]
    asked = [row.rms for row in chosen.rows]
    codes = [10.0 ** peak_map(i, o, 1.0, 0.0).astype("f4") - 1.0 for i, o in zip(real, objects, strict=True)]
    made_iter = generator.iterate(
        [chosen.mask(k) for k in range(len(chosen))],
        [seed + k for k in range(len(chosen))],
        sky=[Sky(rms=rms) for rms in asked],
        peaks=codes if peaks else None,
        num_steps=steps,
        sampler=sampler,
        guidance_scale=guidance,
    )
    start = time.perf_counter()
    made = list(track(made_iter, "generating", len(chosen)))
    seconds = (time.perf_counter() - start) / len(made)
    figures: dict[str, Any] = {}
    for name, kept in _surveys(chosen):
        made_images = [made[k].image for k in kept]
        figures[name] = check_generation(_at(real, kept), made_images, _at(objects, kept), _at(asked, kept))
        _print_generation(name, figures[name])
    print(f"{seconds:.3f} s a cutout")
    if sheet is not None:
        print(_draw_sheet(sheet, chosen, real, [m.image / rms for m, rms in zip(made, asked, strict=True)]))
    _write(json_file, figures)


def _at(values: list[Any], kept: list[int]) -> list[Any]:
    return [values[k] for k in kept]


def _chosen(collection: Path, split: str, limit: int | None) -> Any:
    import numpy as np

    from radiff.data.collection import Collection

    whole = Collection.open(collection).split(split)
    if limit is None or limit >= len(whole):
        return whole
    kept = np.linspace(0, len(whole) - 1, limit).round().astype(int)
    return Collection(whole.root, [whole.rows[k] for k in kept])


def _objects(collection: Any, index: int) -> list[Any]:
    annotation = collection.annotation(index)
    return [] if annotation is None else list(annotation.objects)


def _surveys(collection: Any) -> Iterable[tuple[str, list[int]]]:
    """(name, indices): all cutouts, then each survey where there are several."""
    names = [row.survey or "unnamed" for row in collection.rows]
    yield "all", list(range(len(names)))
    for name in sorted(set(names)) if len(set(names)) > 1 else ():
        kept = [k for k, n in enumerate(names) if n == name]
        if len(kept) > 1:
            yield name, kept


def _spread(values: dict[str, float]) -> str:
    if not values["n"]:
        return "-"
    return f"{values['median']:8.3f}   [{values['p16']:.3f}, {values['p84']:.3f}]   n = {values['n']}"


def _print_spectrum(spectrum: dict[str, list[float]], title: str) -> None:
    print(f"  {title}")
    print("    cycles per pixel " + " ".join(f"{f:7.3f}" for f in spectrum["frequency"]))
    print("    real             " + " ".join(f"{p:7.3g}" for p in spectrum["real"]))
    print("    ratio            " + " ".join(f"{r:7.3f}" for r in spectrum["ratio"]))


def _print_reconstruction(name: str, figures: dict[str, Any]) -> None:
    print(f"{name}: {figures['images']} cutouts (median [16 %, 84 %])")
    print(f"  error outside sources, in noise rms  {_spread(figures['noise_error'])}")
    print(f"  peak flux of sources above 10 rms    {_spread(figures['peak_ratio'])}")
    _print_spectrum(figures["spectrum"], "noise power spectrum, reconstructed over real")


def _print_generation(name: str, figures: dict[str, Any]) -> None:
    print(f"{name}: {figures['images']} cutouts (median [16 %, 84 %])")
    for kind, title in (("made", "generated"), ("real", "real")):
        values = figures[kind]
        print(f"  {title:9s} mean snr inside sources     {_spread(values['inside'])}")
        print(f"  {title:9s} mean snr outside            {_spread(values['outside'])}")
        for one, objects in values["classes"].items():
            if objects["mean_snr"]["n"]:
                drawn = f"   mean above 3: {100 * objects['drawn']:.0f} %"
                print(f"  {title:9s} mean snr of {one:9s}       {_spread(objects['mean_snr'])}{drawn}")
    print(f"  noise rms measured over asked         {_spread(figures['rms_ratio'])}")
    _print_spectrum(figures["spectrum"], "noise power spectrum, generated over real")


def _draw_sheet(path: Path, collection: Any, real: list[Any], made: list[Any], count: int = 24) -> Path:
    """Real and generated cutouts of the same masks, those with most objects' pixels spread evenly."""
    import numpy as np

    from radiff.masks import CLASSES
    from radiff.sky import quicklook

    filled = [k for k, row in enumerate(collection.rows) if sum(row.counts)] or list(range(len(real)))
    chosen = [filled[k] for k in np.linspace(0, len(filled) - 1, min(count, len(filled))).round().astype(int)]
    columns = 8
    images: list[Any] = []
    titles: list[str] = []
    masks: list[Any] = []
    for start in range(0, len(chosen), columns):
        row = chosen[start : start + columns]
        row += row[-1:] * (columns - len(row)) if start else []
        for title, source, drawn in (("real", real, False), ("mask", real, True), ("generated", made, False)):
            images += [source[k] for k in row]
            titles += [title] * len(row)
            masks += [collection.mask(k) if drawn else None for k in row]
    colors = {one.value: one.color for one in CLASSES[1:]}
    labels = {one.value: one.name for one in CLASSES[1:]}
    return quicklook(path, images, titles, masks, 1.0, min(columns, len(chosen)), None, colors, labels=labels)


def _write(path: Path | None, figures: dict[str, Any]) -> None:
    if path is not None:
        from radiff.files import write_json

        write_json(path, figures)
        print(path)
