"""Command line to verbs: ``radiff VERB ...``. Knows no images; a verb's module is imported only when it is run.

A verb's module has ``register(app: typer.Typer) -> None``, which adds the command (or group) of that name to `app`.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from radiff.cli.outcome import BAD_INPUT, INTERRUPTED, FolderErrors, explain, finish, plain_warnings, say

__all__ = ["VERBS", "FolderErrors", "app", "finish", "main"]

# Verb, module in radiff.cli, line in `radiff --help`; in the order of the work.
VERBS: tuple[tuple[str, str, str], ...] = (
    ("demo", "demo", "Generate radio images with the weights and masks in the box."),
    ("annotate", "annotate", "Draw raw masks from FITS maps, and a sheet to review them."),
    ("cut", "cut", "Cut annotated maps into a collection of cutouts."),
    ("resample", "resample", "Make cutouts of other beam widths from larger cutouts."),
    ("stats", "stats", "Print and draw what is in a collection."),
    ("train", "train", "Train networks: autoencoder, denoiser, segmenter and others."),
    ("masks", "masks", "Make synthetic class masks, to generate images from."),
    ("noise", "noise", "Measure the noise of maps as a spectrum, and draw maps of it."),
    ("generate", "generate", "Make calibrated cutouts in Jy/beam from masks."),
    ("augment", "augment", "Add synthetic pairs of images and masks to a collection."),
    ("stamps", "stamps", "Generate a library of objects to place on maps."),
    ("populate", "populate", "Place objects on a large map, with the complete truth."),
    ("segment", "segment", "Find the sources of images by a network, and write masks."),
    ("check", "check", "Measure reconstructed and generated images on real ones."),
    ("figures", "figures", "Draw figures of what is generated, as the paper's."),
    ("detect", "detect", "Find the sources of a map: sep, PyBDSF, Aegean, segmenter."),
    ("challenge", "challenge", "Make a data challenge: a public map and its hidden truth."),
    ("score", "score", "Score catalogs of sources against the truth."),
    ("evaluate", "evaluate", "Compare synthetic images with real ones, on one page."),
    ("report", "report", "Put reports of 'radiff evaluate' side by side."),
    ("reproduce", "reproduce", "Make the paper's Tables 3 to 8 on public images."),
    ("export", "export", "Copy weights to be handed on, with figures measured on them."),
    ("info", "info", "Say what a FITS file, a collection or a weights folder is."),
)

# Former names: they work, and stand in no list.
ALIASES: tuple[tuple[str, str], ...] = (("background", "noise"),)
FORMER_OPTIONS: dict[str, str] = {
    "--detail": "--background-strength",
    "--steer": "--peak-projection",
    "--no-steer": "--no-peak-projection",
    "--exact": "--rescale-peaks",
}


class LazyGroup(TyperGroup):
    """Verbs known by name and help line; `resolve_command` imports the one that is asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.modules = {verb: module for verb, module, _ in VERBS} | dict(ALIASES)
        for verb, _, summary in VERBS:
            self.add_command(TyperCommand(verb, help=summary, rich_markup_mode=None), verb)
        for verb, _ in ALIASES:
            self.add_command(TyperCommand(verb, hidden=True, rich_markup_mode=None), verb)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.modules)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub if name is None else load_verb(name, self.modules[name]), [present_name(one) for one in rest]

    def invoke(self, ctx: Any) -> Any:
        with handled():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


def present_name(argument: str) -> str:
    """An argument with an option's former name brought to the present one."""
    option, sign, value = argument.partition("=")
    return FORMER_OPTIONS.get(option, option) + sign + value


def load_verb(verb: str, module: str) -> Any:
    """The command `verb` of ``radiff.cli.<module>``."""
    room = typer.Typer(rich_markup_mode=None)
    import_module(f"radiff.cli.{module}").register(room)
    return typer.main.get_group(room).commands[verb]  # type: ignore[attr-defined]


@contextmanager
def handled() -> Iterator[None]:
    """Turn what a user can mend, an interruption or a closed pipe into a line on stderr and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        say("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        silence_stdout()
        raise typer.Exit(0) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        line = explain(error)
        if line is None:
            raise
        say(line)
        raise typer.Exit(BAD_INPUT) from error


def silence_stdout() -> None:
    """Send what is still buffered nowhere: nobody reads the other end (``radiff info x | head -1``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(wanted: bool) -> None:
    if wanted:
        from radiff import __version__

        print(f"radiff {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Synthetic radio sky: from FITS maps to masks, collections, networks and calibrated cutouts."""


def main() -> None:
    """Entry point of the command ``radiff``."""
    plain_warnings()
    try:
        app(prog_name="radiff")
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            silence_stdout()


if __name__ == "__main__":
    main()
