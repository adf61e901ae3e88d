"""Units as headers and catalogs spell them to units that are meant. Knows no files and no columns."""

import math
import re

import astropy.units as u

_ANGLES: dict[str, u.UnitBase] = {
    **dict.fromkeys(("deg", "degs", "degree", "degrees", "d", "°"), u.deg),
    **dict.fromkeys(("rad", "radian", "radians"), u.rad),
    **dict.fromkeys(("arcmin", "arcmins", "arcminute", "arcminutes", "amin", "'"), u.arcmin),
    **dict.fromkeys(("arcsec", "arcsecs", "arcsecond", "arcseconds", "asec", "as", '"', "''"), u.arcsec),
    **dict.fromkeys(("mas", "milliarcsec", "milliarcsecond", "milliarcseconds"), u.mas),
    **dict.fromkeys(("uas", "µas", "μas", "microarcsec", "microarcsecond", "microarcseconds"), u.uas),
}
_PREFIXES = {
    "": 0,
    "k": 3,
    "kilo": 3,
    "m": -3,
    "milli": -3,
    "u": -6,
    "µ": -6,
    "μ": -6,
    "micro": -6,
    "n": -9,
    "nano": -9,
}
_FLUX = re.compile(r"^(kilo|milli|micro|nano|[kmunµμ]?)(?:jy|jansky|janskys|janskies)$")
_BEAM = re.compile(r"(?:/|per|[.*])?(?:beam|bm)(?:area)?(?:\^?-1|\*\*-1)?")
_SCALE = re.compile(r"^(?:10(?:\*\*|\^)?([+-]\d+)|10(?:\*\*|\^)(\d+)|(\d*\.?\d+(?:e[+-]?\d+)?))[.*]?(?=[a-zµμ])")


def angle_unit(text: str) -> u.UnitBase | None:
    """The unit of an angle; None where the text names none."""
    return _ANGLES.get(text.strip().strip("[]()").strip().lower())


def flux_unit(text: str) -> tuple[float, bool] | None:
    """(factor to Jy, whether per beam) of a flux density; None where the text names none, or mega may be meant.

    Capitals say nothing but in ``MJy``, which is mega and no unit of a beam; ``MJY``, as old programs write all in
    capitals, is milli.
    """
    text = re.sub(r"[\s(){}\[\]\"]", "", text)
    if "MJy" in text:
        return None
    text = text.lower()
    scale, found = 1.0, _SCALE.match(text)
    if found:
        power = found[1] or found[2]
        scale = float(f"1e{power}" if power else found[3])
        if not 0 < scale < math.inf:
            return None
        text = text[found.end() :]
    bare, beams = _BEAM.subn("", text, count=1)
    match = _FLUX.match(bare.strip(".*"))
    return None if match is None else (scale * float(f"1e{_PREFIXES[match[1]]}"), bool(beams))
