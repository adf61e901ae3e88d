"""``radiff score``: parses and prints; the work is done by `radiff.challenge`."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb ``score``."""
    app.command("score")(score)


def score(
    truth: Annotated[
        Path, typer.Argument(help="Challenge, its hidden folder, truth package, truth.fits, or SDC1 catalog (text).")
    ],
    submissions: Annotated[list[Path], typer.Argument(metavar="SUBMISSION...", help="Catalogs of any maker.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the report.")],
    radius: Annotated[
        float | None, typer.Option(help="Arcsec a match may be apart; default: half the source's FWHM on the map.")
    ] = None,
    sdc1_frequency: Annotated[
        int | None,
        typer.Option(help="560, 1400 or 9200: SDC1 score with the challenge's beam and training area, as ska-sdc."),
    ] = None,
) -> None:
    """Score catalogs of sources against the truth: completeness, reliability, errors, SDC1 score.

    A submission is a FITS table, ECSV, VOTable, CSV or text table with ra, dec (deg) and int_flux (Jy); better also
    peak_flux, local_rms, maj, min (arcsec FWHM on the map), pa (deg), class. Catalogs of PyBDSF, Aegean, CAESAR, Selavy
    and SDC1 are read as they are. The folder gets report.html, score.json, matches/ (each submission with a status for
    every row) and sdc1/ (the tables of the SDC1 score). Exit code 1: some submissions could not be used, the others are
    scored.

    \b
    Example:
      radiff score challenge/ sep.fits aegean.fits -o scores
    """
    from radiff.challenge import answers, scoring, submission
    from radiff.challenge.report.page import text_lines, write_report
    from radiff.cli.outcome import FolderErrors
    from radiff.errors import InputError

    answer = answers.read_answer(truth, sdc1_frequency)
    errors, tables = FolderErrors(len(submissions)), []
    for path, name in zip(submissions, submission.short_names(submissions), strict=True):
        try:
            table = submission.read_submission(path)
            wrong = scoring.misplaced(answer, table)
            if wrong:
                raise InputError(wrong, path)
            tables.append((name, table))
        except InputError as error:
            errors.add(error)
    if tables:
        scores = scoring.score(answer, tables, radius, sdc1_frequency)
        page = write_report(output, scores)
        for line in text_lines(scores):
            print(line)
        print(page)
    elif len(submissions) > 1:
        raise InputError("no submission could be used: " + "; ".join(errors.messages))
    errors.finish()
