"""A denoiser compiled by OpenVINO, for CPUs (the extra ``fastcpu``). Knows no schedule and no FITS."""

import warnings
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radiff.errors import InputError
from radiff.models.conditions import PLANES, Conditions
from radiff.models.denoiser import Denoiser, DenoiserConfig, Encoded

BACKENDS = ("auto", "torch", "openvino")
NUMBERS = {"fp32": "f32", "bf16": "bf16"}
"""What OpenVINO calls a precision."""
IMAGES, VECTORS, TOKENS = (0, 2, 3), (0,), (0, 2)
"""Axes along which the inputs of a compiled network may differ from call to call, by the kind of input."""


def choose_backend(wanted: str, device: torch.device) -> str:
    """``torch`` or ``openvino``: as `wanted`; ``auto`` is torch, so that images do not depend on what is installed.

    In float32 both are as fast where threads have cores to themselves, and torch need not compile first. Where other
    work keeps the cores busy, OpenVINO on several threads is faster (docs/speed.md), but no rule can know that before.

    Raises
    ------
    InputError
        Where the backend is not known or does not run on `device`.
    """
    if wanted not in BACKENDS:
        raise InputError(f"{wanted!r} is no backend; there are: {', '.join(BACKENDS)}")
    if wanted == "openvino" and device.type != "cpu":
        raise InputError("the backend 'openvino' runs on the device 'cpu' only")
    return "torch" if wanted == "auto" else wanted


class OpenVinoDenoiser:
    """Stands where a `Denoiser` stands at sampling: `encode` is torch's, each step runs in OpenVINO.

    The network is compiled once, at the first call (some seconds), for every shape: batches and windows may differ
    from call to call, and an image comes out the same, bit for bit, whatever else is in its batch.

    Parameters
    ----------
    denoiser : Denoiser
        float32, on the CPU.
    precision : str
        ``fp32`` or ``bf16``.

    Raises
    ------
    InputError
        Where OpenVINO is not installed.
    """

    def __init__(self, denoiser: Denoiser, precision: str = "bf16") -> None:
        try:
            import openvino
        except ImportError as error:
            raise InputError("the backend 'openvino' is not installed; run: pip install 'radiff[fastcpu]'") from error
        self._openvino: Any = openvino
        self._hints = {
            "INFERENCE_PRECISION_HINT": NUMBERS[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self.denoiser = denoiser
        self._request: Any = None

    @property
    def config(self) -> DenoiserConfig:
        """That of the network."""
        return self.denoiser.config

    def encode(self, conditions: Conditions) -> Encoded:
        """As `Denoiser.encode`, in float32."""
        with torch.autocast("cpu", enabled=False):
            return self.denoiser.encode(conditions)

    def __call__(self, latents: Tensor, time: Tensor, conditions: Encoded) -> Tensor:
        """`forward`."""
        return self.forward(latents, time, conditions)

    def forward(self, latents: Tensor, time: Tensor, conditions: Encoded) -> Tensor:
        """As `Denoiser.forward`."""
        if self._request is None:
            model = self.converted()
            self._request = self._openvino.Core().compile_model(model, "CPU", self._hints).create_infer_request()
        height, width = latents.shape[-2:]
        output = self._request.infer([t.numpy() for t in self.inputs(latents, time, conditions)])[0]
        return torch.from_numpy(np.array(output[..., :height, :width]))

    def inputs(self, latents: Tensor, time: Tensor, conditions: Encoded) -> tuple[Tensor, ...]:
        """What a call is given, as the plain float32 tensors that the converted network takes, latents padded."""
        local = () if conditions.local is None else (conditions.local,)
        pairs = (part for pair in conditions.keys_values if pair is not None for part in pair)
        (height, width), planes = latents.shape[-2:], conditions.planes
        latents = F.pad(latents, (0, planes.shape[-1] - width, 0, planes.shape[-2] - height), mode="reflect")
        tensors = (latents, time, planes, conditions.embedding, *local, *pairs)
        return tuple(part.detach().float().contiguous() for part in tensors)

    def converted(self) -> Any:
        """The network as an OpenVINO model of any batch, height and width."""
        config, side = self.config, 2 * self.denoiser.multiple
        planes = torch.zeros(2, PLANES * config.factor**2, side, side)
        encoded = self.encode(Conditions(planes, torch.ones(2)))
        example = self.inputs(torch.zeros(2, config.latent_channels, side, side), torch.ones(2), encoded)
        local = encoded.local is not None
        free = [IMAGES, VECTORS, IMAGES, VECTORS] + [IMAGES] * local
        free += [TOKENS] * (len(example) - len(free))
        shapes = [
            [-1 if k in axes else n for k, n in enumerate(t.shape)] for t, axes in zip(example, free, strict=True)
        ]
        flat = _Flat(self.denoiser, local).eval()
        with torch.autocast("cpu", enabled=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns of every size it looks at
            return self._openvino.convert_model(flat, example_input=example, input=shapes)


class _Flat(nn.Module):
    """The denoiser with its encoded conditions as plain tensors."""

    def __init__(self, denoiser: Denoiser, local: bool) -> None:
        super().__init__()
        self.denoiser, self.local = denoiser, local

    def forward(self, latents: Tensor, time: Tensor, planes: Tensor, embedding: Tensor, *rest: Tensor) -> Tensor:
        parts = iter(rest)
        local = next(parts) if self.local else None
        attended = (
            stage.attention is not None and bool(self.denoiser.config.context) for stage in self.denoiser.stages
        )
        pairs = tuple((next(parts), next(parts)) if one else None for one in attended)
        return self.denoiser(latents, time, Encoded(planes, embedding, local, pairs))
