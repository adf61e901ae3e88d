"""``radiff challenge``: parses and prints; the work is done by `radiff.challenge.making` and ``radiff populate``."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from radiff.cli.outcome import SOME_FAILED, say
from radiff.errors import InputError

_SEED = "seed.txt"


def register(app: typer.Typer) -> None:
    """Add the group ``challenge``."""
    group = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
    group.callback()(challenge)
    group.command("new", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(new)
    group.command("check")(check)
    app.add_typer(group, name="challenge")


def challenge() -> None:
    """Make a data challenge: a public map and its hidden truth."""


def new(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="PACKAGE|MAP", help="Truth package of 'radiff populate', or a map to populate.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the challenge.")],
    name: Annotated[str | None, typer.Option(help="Title; default: the folder's name.")] = None,
    training: Annotated[float, typer.Option(help="Share of the map whose truth is public; 0: none.")] = 0.05,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the challenge that is there.")] = False,
) -> None:
    """Make a challenge: public/ is to be handed out, hidden/ is for the organisers.

    public/ holds the map with nothing in its header but grid, beam, unit and frequency, a description with columns,
    units and scoring, an example of a submission, and a training area with its truth. hidden/ holds the truth package
    with checksums of both; 'radiff score CHALLENGE SUBMISSION' reads it. A map is populated first: further options are
    those of 'radiff populate'; its seed is drawn and kept hidden, since whoever knows it can make the truth.

    \b
    Examples:
      radiff challenge new sky/ -o challenge
      radiff challenge new map.fits -o challenge --compact 500 --extended 50 --stamps stamps.fits
      radiff challenge new map.fits -o challenge --noise map.fits --compact 500
    """
    from radiff.challenge.answers import HIDDEN
    from radiff.challenge.making import PUBLIC, guessable, make_challenge

    replaced = any(option.partition("=")[0] == "--noise" for option in context.args)
    weak = None if replaced else guessable(source)
    complete = True
    if source.is_dir():
        if context.args:
            raise InputError(f"{context.args[0]}: options of 'radiff populate' are for a map; {source} is a folder")
        package = source
    else:
        package = output / HIDDEN
        complete = _populate(source, package, context.args, overwrite)
    if replaced:  # the noise follows from the seed, like the objects
        weak = guessable(package)
    made = make_challenge(package, output, name, training, overwrite)
    artefacts = f", {made.artefacts:,} artefacts" if made.artefacts else ""
    print(f"{made.sources:,} sources to be found{artefacts}, {made.training:,} objects in the training area")
    print(f"to hand out: {output / PUBLIC}")
    print(f"keep hidden: {output / HIDDEN}")
    if weak is not None:
        say(f"warning: {weak}; make it again with a --seed of your own")
    if not complete:
        say("not all objects found room; see above")
        raise typer.Exit(SOME_FAILED)


def _populate(source: Path, package: Path, options: list[str], overwrite: bool) -> bool:
    """Populate a map, by a seed that is drawn where none is given; whether all objects found room."""
    from radiff.cli.main import load_verb
    from radiff.files import make_folder, write_text

    if not any(option.partition("=")[0] == "--seed" for option in options):
        make_folder(package)
        drawn = package / _SEED
        if not drawn.is_file():  # a run that was killed goes on with its own
            write_text(drawn, f"{secrets.randbelow(2**31)}\n")
        options = [*options, "--seed", drawn.read_text().strip()]
    if overwrite:
        options = [*options, "--overwrite"]
    verb = load_verb("populate", "populate")
    try:
        code = verb.main([str(source), "-o", str(package), *options], "radiff populate", standalone_mode=False)
    except Exception:
        if package.is_dir() and [one.name for one in package.iterdir()] == [_SEED]:  # nothing was begun
            (package / _SEED).unlink()
            package.rmdir()
        raise
    return not code


def check(
    folder: Annotated[Path, typer.Argument(metavar="CHALLENGE", help="Folder of 'radiff challenge new'.")],
) -> None:
    """Check that no file of a challenge has changed since it was made."""
    from radiff.challenge.answers import HIDDEN, SETTINGS
    from radiff.challenge.making import check_files
    from radiff.files import read_json

    told = read_json(folder / HIDDEN / SETTINGS)
    bad = [f"{half}/{name}" for half, digests in told["sha256"].items() for name in check_files(folder / half, digests)]
    if bad:
        raise InputError(f"{len(bad)} files are not what they were: {', '.join(bad[:5])}", folder)
    print(f"{sum(map(len, told['sha256'].values()))} files are as they were made")
