"""A denoiser compiled by OpenVINO, for CPUs (the extra ``fastcpu``). Knows no schedule and no FITS."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from radiff.errors import InputError
from radiff.models.conditions import Conditions
from radiff.models.denoiser import Denoiser, DenoiserConfig, Encoded


class OpenVinoDenoiser:
    """Stands where a `Denoiser` stands at sampling: `encode` is torch's, each step runs in OpenVINO.

    The network is compiled once for each shape of latents, a few seconds each.

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
        self._core: Any = openvino.Core()
        self._hints = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self.denoiser = denoiser
        self._compiled: dict[tuple[int, ...], Any] = {}

    @property
    def config(self) -> DenoiserConfig:
        """That of the network."""
        return self.denoiser.config

    def encode(self, conditions: Conditions) -> Encoded:
        """As `Denoiser.encode`, in float32."""
        with torch.autocast("cpu", enabled=False):
            return self.denoiser.encode(conditions)

    def __call__(self, latents: Tensor, time: Tensor, conditions: Encoded) -> Tensor:
        """As `Denoiser.forward`."""
        inputs = (latents, time.float(), conditions.planes, conditions.embedding)
        local = () if conditions.local is None else (conditions.local,)
        pairs = tuple(part for pair in conditions.keys_values if pair is not None for part in pair)
        tensors = tuple(part.float().contiguous() for part in (*inputs, *local, *pairs))
        shape = tuple(latents.shape)
        if shape not in self._compiled:
            flat = _Flat(self.denoiser, bool(local)).eval()
            with torch.autocast("cpu", enabled=False), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that sizes are fixed: there is one compiled network a shape
                model = self._openvino.convert_model(
                    flat, example_input=tensors, input=[list(t.shape) for t in tensors]
                )
            self._compiled[shape] = self._core.compile_model(model, "CPU", self._hints).create_infer_request()
        return torch.from_numpy(np.array(self._compiled[shape].infer([t.numpy() for t in tensors])[0]))


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
