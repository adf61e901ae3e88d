"""Which number format a network computes in: a table, on faked processors."""

import pytest
import torch

from radiff.errors import InputError
from radiff.models import precision
from radiff.models.precision import PRECISIONS, choose_precision, cpu_flags, find_device, has_fast_bf16

CPU, CUDA = torch.device("cpu"), torch.device("cuda:1")
INTEL = "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu avx2 {}\nvmx flags\t: amx_bf16\n\nprocessor\t: 1\n"


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """``processor(text)``: Linux whose /proc/cpuinfo says `text`."""

    def fake(text):
        path = tmp_path / "cpuinfo"
        path.write_text(text)
        monkeypatch.setattr(precision.sys, "platform", "linux")
        monkeypatch.setattr(precision, "CPUINFO", path)

    return fake


def test_it_is_as_wanted(processor):
    assert PRECISIONS == ("auto", "fp32", "bf16")
    processor(INTEL.format("amx_bf16"))
    assert choose_precision("fp32", CPU) == choose_precision("fp32", CUDA) == "fp32"
    processor(INTEL.format("avx512f"))
    assert choose_precision("bf16", CPU) == choose_precision("bf16", CUDA) == "bf16"


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ("avx512f amx_tile amx_bf16", "bf16"),
        ("avx512f avx512_bf16 avx512_vnni", "bf16"),
        ("avx512f avx512_vnni amx_tile", "fp32"),
        ("", "fp32"),
    ],
)
def test_on_a_cpu_its_flags_decide(processor, flags, chosen):
    """Those of the processor, not the hypervisor's; the same at every call."""
    processor(INTEL.format(flags))
    assert cpu_flags() == {"fpu", "avx2", *flags.split()}
    assert [choose_precision("auto", CPU) for _ in range(3)] == [chosen] * 3


@pytest.mark.parametrize("text", ["", "processor : 0\nFeatures : fp asimd bf16\n"], ids=["nothing", "ARM"])
def test_unknown_processors_compute_in_fp32(processor, text):
    processor(text)
    assert not has_fast_bf16() and choose_precision("auto", CPU) == "fp32"


def test_linux_without_cpuinfo(processor):
    processor("")
    precision.CPUINFO.unlink()
    assert choose_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize(
    ("told", "chosen"),
    [
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"architecture": "x86_64", "avx512_bf16": False, "l1d_cache_size": 32768}, "fp32"),
        ({"architecture": "arm64", "bf16": True}, "fp32"),
    ],
)
def test_elsewhere_torch_tells(monkeypatch, told, chosen):
    monkeypatch.setattr(precision.sys, "platform", "win32")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    assert choose_precision("auto", CPU) == chosen


def test_a_torch_that_does_not_tell(monkeypatch):
    monkeypatch.setattr(precision.sys, "platform", "darwin")
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize(("capability", "chosen"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_on_a_gpu_its_compute_capability_decides(monkeypatch, capability, chosen):
    asked = []
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: asked.append(device) or capability)
    assert choose_precision("auto", CUDA) == chosen
    assert asked == [CUDA]


def test_other_devices_compute_in_fp32(processor):
    processor(INTEL.format("amx_bf16"))
    assert choose_precision("auto", torch.device("meta")) == "fp32"


def test_devices(monkeypatch):
    assert find_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device() == find_device("auto") == torch.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(InputError, match="this machine shows no CUDA GPU to torch; use --device cpu"):
            find_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device("auto") == torch.device("cuda") and find_device("cuda:1") == torch.device("cuda:1")
    for name in ("tpu", "cuda:", "gpu0", ""):
        with pytest.raises(InputError, match=f"'{name}' is no device; there are: auto, cpu, cuda"):
            find_device(name)


def test_an_unknown_precision():
    with pytest.raises(InputError, match="'fp8' is no precision; there are: auto, fp32, bf16"):
        choose_precision("fp8", CPU)
