"""Which device a network runs on, and which number format it computes in there: a table, no trial. Knows no network."""

import re
import sys
from pathlib import Path

import torch

from radiff.errors import InputError

PRECISIONS = ("auto", "fp32", "bf16")
FAST_BF16 = frozenset({"amx_bf16", "avx512_bf16"})
"""Flags of a processor that has instructions for bf16; others are several times slower at it than in float32."""
LEAST_CAPABILITY = 8
"""Compute capability (its major number) from which a CUDA GPU has units for bf16."""
CPUINFO = Path("/proc/cpuinfo")


def find_device(name: str = "auto") -> torch.device:
    """The torch device called `name`: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``.

    Raises
    ------
    InputError
        Where it is none of these, or a GPU is asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise InputError(f"{name!r} is no device; there are: auto, cpu, cuda")
    if name != "cpu" and not torch.cuda.is_available():
        raise InputError("this machine shows no CUDA GPU to torch; use --device cpu")
    return torch.device(name)


def choose_precision(wanted: str, device: torch.device) -> str:
    """``bf16`` or ``fp32``: as `wanted`; for ``auto`` bf16 where the processor is fast at it, else fp32.

    The same on every run on a processor, so that a seed gives the same image again.

    Raises
    ------
    InputError
        Where `wanted` is none of `PRECISIONS`.
    """
    if wanted not in PRECISIONS:
        raise InputError(f"{wanted!r} is no precision; there are: {', '.join(PRECISIONS)}")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= LEAST_CAPABILITY else "fp32"
    return "bf16" if device.type == "cpu" and has_fast_bf16() else "fp32"


def has_fast_bf16() -> bool:
    """Whether this machine's CPU has instructions for bf16 (Apple's and unknown ones count as without)."""
    return bool(FAST_BF16 & cpu_flags())


def cpu_flags() -> frozenset[str]:
    """What this machine's CPU can do, in Linux's words: of /proc/cpuinfo, elsewhere of torch; empty where unknown."""
    if sys.platform == "linux":
        try:
            lines = CPUINFO.read_text().splitlines()
        except OSError:
            return frozenset()
        return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))
    told = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    return frozenset(name for name, there in told.items() if there is True)
