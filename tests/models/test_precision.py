"""Which number format a network computes in."""

import pytest
import torch

from radiff.models import precision
from radiff.models.precision import PRECISIONS, choose_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_precision_is_as_wanted():
    assert PRECISIONS == ("auto", "fp32", "bf16")
    assert choose_precision("fp32", CUDA) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("auto", CUDA) == "bf16"
    assert choose_precision("auto", CPU) in ("fp32", "bf16")


@pytest.mark.parametrize(("bf16", "chosen"), [(0.5, "bf16"), (0.95, "fp32"), (2.0, "fp32")])
def test_on_a_cpu_it_is_bf16_only_where_that_is_clearly_faster(monkeypatch, bf16, chosen):
    """A clock under which a trial in fp32 takes 1 s and one in bf16 `bf16` s."""
    clock, enabled = [0.0], []
    autocast = torch.autocast

    def watched(*arguments, **options):
        enabled.append(options["enabled"])
        clock[0] += bf16 if options["enabled"] else 1.0
        return autocast(*arguments, **options)

    monkeypatch.setattr(precision.torch, "autocast", watched)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: clock[0])
    assert choose_precision("auto", CPU) == chosen
    assert set(enabled) == {True, False}


def test_the_trial_works_where_gradients_are_off():
    for mode in (torch.inference_mode, torch.no_grad):
        with mode():
            assert choose_precision("auto", CPU) in ("fp32", "bf16")
