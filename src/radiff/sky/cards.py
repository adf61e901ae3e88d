"""Header cards of any maker to a header that FITS allows, that can be copied fast and written. Knows no meanings."""

import math
import re
import warnings
from typing import Any

from astropy.io import fits

from radiff.sky.beam import HeaderWarning

LOG_LINES = 36
"""Lines of HISTORY, and of COMMENT, that are kept of longer ones: the last of what imagers log by the thousand."""
_LOGS = ("HISTORY", "COMMENT", "")
# numbers that some writers put in quotes
_NUMBERS = re.compile(
    r"^(CRVAL|CRPIX|CDELT|CROTA|PC|CD|PV)\d+(_\d+)?$|^(EQUINOX|EPOCH|LONPOLE|LATPOLE|NAXIS\d*|BZERO|BSCALE)$"
)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?"
_VALUE = rf"(?:'(?:[^']|'')*'|[TF]|{_NUMBER}|\( *{_NUMBER} *, *{_NUMBER} *\))?"
_STANDARD = re.compile(rf"^(?:[A-Z0-9_-]{{1,8}} *|HIERARCH [ !-<>-~]+)= *{_VALUE} *(?:/[ -~]*)?$")
# what stands where a value should, neither in quotes nor a number
_BARE = re.compile(
    rf"^(?:HIERARCH [^=]*|[^=]{{8}})= *+(?! *{_VALUE} *(?:/|$))(?P<value>[^'].*?) *(?: /(?P<comment>.*))?$"
)
_BEAM = re.compile(r"BMAJ *=|BEAM *=", re.IGNORECASE)
# of the HDU itself, not of those that inherit from the primary one
_STRUCTURE = re.compile(r"^(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|EXTNAME|EXTVER|EXTLEVEL|INHERIT"
                        r"|BLOCKED|CHECKSUM|DATASUM|DATAMIN|DATAMAX|BSCALE|BZERO|BLANK|END)$")  # fmt: skip


def tidy(header: fits.Header, primary: fits.Header | None = None, path: object = None) -> fits.Header:
    """A copy of a header whose every card can be read and written.

    Cards that FITS does not allow are mended where their meaning is plain (text without quotes, small letters in a
    name, a number in quotes where one belongs), else left out, with a `HeaderWarning`. Of long logs the last lines are
    kept.
    Where the header says INHERIT = T, cards of the `primary` one that it lacks are added.
    """
    kept, logs, bad = fits.Header(), dict[str, list[fits.Card]](), list[str]()
    sources = [header]
    if primary is not None and header.get("INHERIT") is True:
        sources.append(primary)
    for source in sources:
        for card in source.cards:
            if card.keyword in _LOGS:
                if source is header:
                    logs.setdefault(card.keyword, []).append(card)
                continue
            if source is primary and (card.keyword in header or _STRUCTURE.match(card.keyword)):
                continue
            sound = _sound(card)
            if sound is None:
                bad.append(card.keyword)
            else:
                kept.append(sound, end=True)
    for lines in logs.values():
        if "BMAJ" not in kept:  # imagers of old tell the beam in the log alone
            beam = next((n for n in range(len(lines) - LOG_LINES - 1, -1, -1) if _BEAM.search(_image(lines[n]))), None)
            kept.extend([] if beam is None else [lines[beam]], end=True)
        kept.extend(lines[-LOG_LINES:], end=True)
    if bad:
        prefix = "" if path is None else f"{path}: "
        text = f"{prefix}the cards {', '.join(bad[:5])}{' ...' if len(bad) > 5 else ''} hold what FITS does not allow"
        warnings.warn(f"{text}, and are left out", HeaderWarning, stacklevel=3)
    return kept


def _sound(card: fits.Card) -> fits.Card | None:
    """The card itself where FITS allows it, a mended one where its meaning is plain, else None."""
    name, image = card.keyword.upper(), _image(card)
    number = bool(_NUMBERS.match(name))
    if _STANDARD.match(image) and not (number and ("'" in image or "D" in image[10:])):  # wcslib knows no D
        return card
    value: Any
    bare = _BARE.match(image)
    if bare:
        value, comment = bare["value"].strip(), (bare["comment"] or "").strip()
        nothing = value.startswith("=") or value.strip("+-").lower() in ("nan", "inf", "infinity")
        if not value.isascii() or (nothing and not number):
            return None
    else:
        try:
            value, comment = card.value, card.comment
        except (fits.VerifyError, ValueError, TypeError):
            return None
    if number:  # left as text where it is none: a grid without it would be another grid
        found = _as_number(str(value))
        value = str(value) if found is None else found
    try:
        return fits.Card(name, value, comment)
    except (ValueError, TypeError, fits.VerifyError):
        return None


def _image(card: fits.Card) -> str:
    """A card as it stands in the file; `Card.image` mends by guessing."""
    return str(getattr(card, "_image", None) or card.image)


def _as_number(text: str) -> float | None:
    try:
        number = float(text.strip().lstrip("JB").upper().replace("D", "E"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
