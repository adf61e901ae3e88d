"""``radiff train NETWORK``: parses and prints; `radiff.training` does the work."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radiff.cli.outcome import say
from radiff.errors import InputError

if TYPE_CHECKING:
    from radiff.data.collection import Collection
    from radiff.data.fields import AnnotatedMaps
    from radiff.paper.settings import PaperPreset
    from radiff.training.run import RunOptions
    from radiff.training.task import State

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the run: checkpoint, weights, logs, sheets.")]
PresetName = Annotated[str, typer.Option("--preset", help="smoke, cpu, gpu, paper, or a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="A setting, e.g. --set denoiser.loop.steps=2000; repeat.")
]
Minutes = Annotated[float | None, typer.Option(min=0, help="Stop after so long, with a checkpoint to go on from.")]
PackFolder = Annotated[Path | None, typer.Option("--pack", help="Where training packs lie; default: RUN/pack.")]
Resume = Annotated[bool, typer.Option("--resume/--no-resume", help="Go on from the run's checkpoint, if any.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the settings and leave.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes that build the packs; default: all cores.")]
CollectionFolder = Annotated[Path, typer.Argument(help="Folder made by 'radiff cut', with train and val splits.")]


def register(app: typer.Typer) -> None:
    """Add the group ``train``."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Train a network on a collection.")
    group.command("autoencoder")(verb("autoencoder", VERBS["autoencoder"]))
    group.command("denoiser")(denoiser)
    for name in ("features", "segmenter", "masks"):
        group.command(name)(verb(name, VERBS[name]))
    for name, text in BASELINE_VERBS.items():
        example = f"Example: radiff train {name} collection -o runs/{name} --set {name}.loop.minutes=10"
        group.command(name)(verb(name, f"{text}\n\n{example}"))
    app.add_typer(group, name="train")


VERBS = {
    "autoencoder": """Train the autoencoder: images to latents and back.

Weights land in RUN/weights. A run that was stopped or killed goes on where its last checkpoint was, with the same
loss curve. Several processes or GPUs: torchrun --nproc_per_node 2 -m radiff train autoencoder ...

Example: radiff train autoencoder collection -o runs/autoencoder --preset cpu --max-minutes 30
""",
    "features": """Train the feature network (BYOL): images to 512 numbers each, without labels.

FID, precision and recall and the search for copies of training images work on these. Weights land in RUN/weights.
What is printed: how often the nearest train cutout agrees with a val cutout on which classes it has (0.5 =
guessing), and how many directions of the features are in use.

Example: radiff train features collection -o runs/features --preset cpu
""",
    "segmenter": """Train the segmenter: images to class masks, for 'radiff segment' and the Segmentation Score.

Networks: light-unet, and the Tiramisu of the paper, fc-densenet56, fc-densenet67 and fc-densenet103
(--set segmenter.network.name=fc-densenet67). RUN/weights has those of the best mean IoU on val.

Example: radiff train segmenter collection -o runs/segmenter --preset cpu
""",
    "masks": """Train the mask model: noise to class masks, for 'radiff masks'.

It learns from the masks alone; cutouts of 'radiff resample' and empty masks are left out. Weights land in
RUN/weights. What is printed beside the loss, mse_noisy, is its part where objects get their places.

Example: radiff train masks collection -o runs/masks --preset cpu
""",
}
"""The networks of ours that need nothing but a collection, and what each says of itself in --help."""
BASELINE_VERBS = {
    "dcgan": "Train DCGAN (Radford et al. 2015), baseline of Table 3: random numbers to images, without masks.",
    "pggan": "Train PG-GAN (Karras et al. 2017), baseline of Table 3: random numbers to images, by networks that grow.",
    "ddpm": "Train DDPM (Ho et al. 2020), baseline of Table 3: diffusion on pixels, at 64 x 64 of them, without masks.",
    "spade": "Train SPADE (Park et al. 2019), baseline of Table 4: a mask and the style of a background to an image.",
    "inade": "Train INADE (Tan et al. 2021), baseline of Table 4: a mask and noise for each object to an image.",
}
"""The same of the baselines."""


def verb(name: str, text: str) -> Callable[..., None]:
    """The command that trains `name` on a collection: all have the same options."""

    def train(
        collection: CollectionFolder,
        output: Output,
        preset: PresetName = "cpu",
        overrides: Overrides = None,
        max_minutes: Minutes = None,
        pack: PackFolder = None,
        resume: Resume = True,
        device: Device = "auto",
        workers: Workers = None,
        dry_run: DryRun = False,
    ) -> None:
        def run(data: "Collection", settings: "PaperPreset", options: "RunOptions") -> "State":
            from radiff.training import run as room

            if name in BASELINE_VERBS:
                from radiff.paper.training import train_baseline

                return train_baseline(name, data, settings, options)
            own = {
                "autoencoder": room.train_autoencoder,
                "features": room.train_features,
                "segmenter": room.train_segmenter,
                "masks": room.train_masks,
            }
            return own[name](data, settings, options)

        place = (output, pack, resume, max_minutes, device, workers)
        _train(name, run, collection, place, preset, overrides, dry_run)

    train.__doc__ = text
    return train


def denoiser(
    folder: Annotated[
        Path, typer.Argument(help="Collection made by 'radiff cut', or folder of annotated maps ('radiff annotate').")
    ],
    output: Output,
    autoencoder: Annotated[str, typer.Option(help="Weights folder with the autoencoder; 'default': the package's.")],
    preset: PresetName = "cpu",
    overrides: Overrides = None,
    splits: Annotated[
        list[Path] | None,
        typer.Option(
            help="Of annotated maps: CSV with file, split (and group), or train.txt, val.txt (repeat); "
            "default: by sky position."
        ),
    ] = None,
    init: Annotated[str | None, typer.Option(help="Weights whose denoiser to start from (fine-tuning).")] = None,
    max_minutes: Minutes = None,
    pack: PackFolder = None,
    resume: Resume = True,
    device: Device = "auto",
    workers: Workers = None,
    dry_run: DryRun = False,
) -> None:
    """Train the denoiser: noise and a mask to latents.

    Of annotated maps it sees crops made on the way: anywhere, near objects most of the time, turned, zoomed and
    stretched (--set denoiser.crops.zoomed=0.2 and others); of a collection its cutouts, turned. Weights of both
    networks land in RUN/weights, ready for 'radiff generate --weights'. A run that was stopped or killed goes on where
    its last checkpoint was.

    \b
    Example:
      radiff train denoiser annotated --splits splits.csv --autoencoder default -o runs/denoiser --preset gpu
      radiff train denoiser collection --autoencoder runs/autoencoder/weights -o runs/denoiser --max-minutes 90
    """

    def run(data: "Collection | AnnotatedMaps", settings: "PaperPreset", options: "RunOptions") -> "State":
        from radiff.training.run import train_denoiser

        return train_denoiser(data, settings, options, autoencoder, init)

    def opened(path: Path) -> "Collection | AnnotatedMaps":
        from radiff.data.collection import Collection
        from radiff.data.fields import AnnotatedMaps

        if path.is_dir() and not AnnotatedMaps.is_collection(path):
            return AnnotatedMaps(path, tuple(splits or ()))
        if splits:
            raise InputError("a collection has its splits; --splits goes with annotated maps", path)
        return Collection.open(path)

    place = (output, pack, resume, max_minutes, device, workers)
    _train("denoiser", run, folder, place, preset, overrides, dry_run, opened)


def _train(
    network: str,
    run: "Callable[[Any, PaperPreset, RunOptions], State]",
    folder: Path,
    place: tuple[Path, Path | None, bool, float | None, str, int | None],
    preset: str,
    overrides: list[str] | None,
    dry_run: bool,
    opened: "Callable[[Path], Any] | None" = None,
) -> None:
    """Read settings and what lies in `folder`, `run` the training of `network`, say how far it came.

    `place` is what `RunOptions` begins with: run folder, pack, resume, minutes, device, workers; `opened` makes of the
    folder what `run` is given, by default a collection.
    """
    from radiff.paper.settings import load_preset

    settings = load_preset(preset, overrides)
    if dry_run:
        import yaml

        chosen = settings.model_dump(mode="json", include={"scaling", network})
        print(yaml.safe_dump(chosen, sort_keys=False, default_flow_style=None), end="")
        return
    from radiff.data.collection import Collection
    from radiff.training.run import RunOptions

    output = place[0]
    state = run((opened or Collection.open)(folder), settings, RunOptions(*place, _print_figures))
    loop = getattr(settings, network).loop
    if state.left_out:
        say(f"{state.left_out} steps were left out: loss or gradient were not finite")
    done = "trained" if state.progress(loop) >= 1 else "stopped"
    goal = f"{state.spent / 60:.1f} of {loop.minutes:g} processor min" if loop.minutes else f"of {loop.steps}"
    say(f"{done} at step {state.step}{', ' if loop.minutes else ' '}{goal} after {state.seconds / 60:.1f} min")
    print(output / "weights")


def _print_figures(figures: dict[str, float]) -> None:
    """One line on stdout for validation figures; what is logged in between goes to the log and the progress bar."""
    if "val/loss" in figures:
        values = "  ".join(f"{k} {v:.4g}" for k, v in figures.items() if k != "step")
        print(f"step {figures['step']:.0f}  {values}", flush=True)
