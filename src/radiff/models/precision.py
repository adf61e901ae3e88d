"""Which number format a network computes in on a device. Knows no network."""

import time

import torch
from torch import nn

PRECISIONS = ("auto", "fp32", "bf16")


def choose_precision(wanted: str, device: torch.device) -> str:
    """``bf16`` or ``fp32``: as `wanted`; for ``auto`` bf16 on a GPU, on a CPU whichever a small trial finds faster."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16"
    times = {"fp32": float("inf"), "bf16": float("inf")}
    with torch.inference_mode(False), torch.enable_grad():
        conv = nn.Conv2d(64, 64, 3, padding=1)
        x = torch.randn(4, 64, 32, 32).to(memory_format=torch.channels_last)
        for _ in range(4):  # in turns, the best counts: other processes may be busy
            for name in times:
                start = time.perf_counter()
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=name == "bf16"):
                    for _ in range(5):
                        conv(x).float().square().mean().backward()
                times[name] = min(times[name], time.perf_counter() - start)
    return "bf16" if times["bf16"] < 0.9 * times["fp32"] else "fp32"
