"""Whole runs of a few steps: both networks, exact resume, a kill, presets, several processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from radiff.data.collection import Collection
from radiff.data.loader import PackLoader
from radiff.data.pack import Pack
from radiff.errors import InputError
from radiff.models.io import load_autoencoder, load_denoiser, read_manifest
from radiff.training.config import load_preset
from radiff.training.run import RunOptions, make_accelerator, train_autoencoder
from run_files import log, weights_bytes
from tiny_collection import tiny_collection

LOSSES = ("step", "loss", "gradient", "rate")
SHRUNK = (
    "loop.steps=3", "loop.batch_size=2", "loop.warmup_steps=1", "loop.log_every=1", "loop.validate_every=3",
    "loop.validation_batches=1", "loop.sheet_every=3",
)  # fmt: skip
SMALL_DENOISER = (
    "network.channels=[32, 32]", "network.layers=1", "network.head_width=16", "network.context=16",
    "network.num_steps=2",
)  # fmt: skip


class Killed(BaseException):
    """Stands for a run that was stopped."""


def stop_at(step):
    def on_log(figures):
        if figures["step"] == step:
            raise Killed

    return on_log


def whole(run, *networks):
    """Check the weights folder and return its manifest."""
    manifest = read_manifest(run / "weights")
    for load in networks:
        for value in load(run / "weights").state_dict().values():
            assert value.isfinite().all()
    return manifest


def test_autoencoder_in_seconds(train, tmp_path):
    state = train("autoencoder", tmp_path)
    assert state.step == 8
    manifest = whole(tmp_path, load_autoencoder)
    assert manifest["scaling"] == {"name": "snr-asinh", "softness": 4.0}
    assert manifest["training"]["autoencoder"]["step"] == 8
    assert [k for k, _ in log(tmp_path, "step", "val/loss")] == [4, 8]
    assert (tmp_path / "sheets" / "0000008.png").read_bytes()[:4] == b"\x89PNG"


def test_latent_scale_of_the_weights_is_that_of_the_noise_of_the_training_set(autoencoder, pack):
    """Away from objects: latent pixels more than one from any."""
    network = load_autoencoder(autoencoder)
    loader = PackLoader(Pack.open(pack / "train"), 32, seed=99)
    batches = [loader.batch(k) for k in range(8)]
    latents = torch.cat([network.encode(one.images) for one in batches]).transpose(0, 1)
    masks = torch.cat([one.masks for one in batches]).float()
    near = torch.nn.functional.max_pool2d(masks.unflatten(1, (8, 4)).amax(2).unflatten(2, (8, 4)).amax(3), 3, 1, 1)
    assert 0.3 < (near == 0).float().mean() < 0.95
    noise = latents[:, near == 0]
    torch.testing.assert_close(noise.mean(1), torch.zeros(16), atol=0.05, rtol=0)
    torch.testing.assert_close(noise.std(1), torch.ones(16), atol=0.05, rtol=0)
    assert latents.abs().max() > 10  # a source of 100 rms stands far above


def test_denoiser_in_seconds(train, autoencoder, tmp_path):
    state = train("denoiser", tmp_path, autoencoder=autoencoder)
    assert state.step == 8
    manifest = whole(tmp_path, load_autoencoder, load_denoiser)
    assert manifest["diffusion"]["objective"] == "angle"
    assert manifest["sampling"] == {"sampler": "flow-euler", "num_steps": 2, "detail": 0.7}
    assert manifest["prior"] == {"name": "sky"}
    assert load_denoiser(tmp_path / "weights").config.beam_numbers == 3
    assert set(manifest["training"]) == {"autoencoder", "denoiser"}
    before, after = load_autoencoder(autoencoder).state_dict(), load_autoencoder(tmp_path / "weights").state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert (tmp_path / "sheets" / "0000008.png").is_file()


@pytest.mark.parametrize("network", ["autoencoder", "denoiser"])
def test_a_resumed_run_takes_the_same_path_bit_for_bit(train, autoencoder, tmp_path, network):
    source = autoencoder if network == "denoiser" else None
    train(network, tmp_path / "whole", autoencoder=source)
    # a checkpoint after every step; the run dies in step 5, before its checkpoint is written
    often = "loop.checkpoint_minutes=0"
    with pytest.raises(Killed):
        train(network, tmp_path / "parts", often, autoencoder=source, on_log=stop_at(5))
    assert train(network, tmp_path / "parts", often, autoencoder=source).step == 8
    first, *_ = log(tmp_path / "parts", *LOSSES)
    parts = {line[0]: line for line in log(tmp_path / "parts", *LOSSES)}
    assert first[0] == 1
    assert list(parts.values()) == log(tmp_path / "whole", *LOSSES)
    assert log(tmp_path / "parts", "step", "val/loss") == log(tmp_path / "whole", "step", "val/loss")
    assert weights_bytes(tmp_path / "parts") == weights_bytes(tmp_path / "whole")


def test_the_same_seed_gives_the_same_weights_and_another_others(train, tmp_path):
    for run, seed in (("a", 0), ("b", 0), ("c", 1)):
        train("autoencoder", tmp_path / run, f"loop.seed={seed}", "loop.steps=3")
    assert weights_bytes(tmp_path / "a") == weights_bytes(tmp_path / "b") != weights_bytes(tmp_path / "c")


def test_max_minutes_stops_and_the_run_goes_on(train, tmp_path):
    assert train("autoencoder", tmp_path, max_minutes=0.0).step == 1
    whole(tmp_path, load_autoencoder)
    assert train("autoencoder", tmp_path, max_minutes=0.0).step == 2
    assert train("autoencoder", tmp_path).step == 8


def test_a_finished_run_stays_finished(train, tmp_path):
    train("autoencoder", tmp_path)
    before = weights_bytes(tmp_path)
    assert train("autoencoder", tmp_path).step == 8
    assert weights_bytes(tmp_path) == before


def test_a_run_with_a_checkpoint_is_not_overwritten(train, tmp_path):
    train("autoencoder", tmp_path, max_minutes=0.0)
    with pytest.raises(InputError, match="has a checkpoint already; go on with --resume or choose another -o"):
        train("autoencoder", tmp_path, resume=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["loop.batch_size=3"], r"checkpoint\.pt: the run was started with other settings: batch_size \(2 -> 3\)"),
        (["network.kl_weight=0.5"], r"started with other settings: kl_weight \(0\.0001 -> 0\.5\)"),
        (["network.channels=[8, 24]"], r"started with other settings: channels \(\[8, 16\] -> \[8, 24\]\)"),
    ],
)
def test_changed_settings_are_refused(train, tmp_path, changes, message):
    train("autoencoder", tmp_path, max_minutes=0.0)
    with pytest.raises(InputError, match=message):
        train("autoencoder", tmp_path, *changes)


def test_fine_tuning_starts_from_given_weights(train, autoencoder, tmp_path):
    train("denoiser", tmp_path / "first", autoencoder=autoencoder)
    still = ("loop.learning_rate=1e-12", "loop.steps=2")
    train("denoiser", tmp_path / "second", *still, autoencoder=autoencoder, init=tmp_path / "first" / "weights")
    first, second = (load_denoiser(tmp_path / name / "weights").state_dict() for name in ("first", "second"))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=1e-6, rtol=1e-6)


def test_fine_tuning_from_white_noise_to_the_sky(train, autoencoder, tmp_path):
    """What is new in the network, two more numbers of the beam, starts with no say."""
    white = ("network.prior=white", "network.beam_numbers=1", "loop.steps=2")
    train("denoiser", tmp_path / "white", *white, autoencoder=autoencoder)
    still = ("loop.learning_rate=1e-12", "loop.steps=2")
    train("denoiser", tmp_path / "sky", *still, autoencoder=autoencoder, init=tmp_path / "white" / "weights")
    first, second = (load_denoiser(tmp_path / name / "weights").state_dict() for name in ("white", "sky"))
    new = second.pop("beam.0.weight")
    torch.testing.assert_close(new[:, :33], first.pop("beam.0.weight"), atol=1e-6, rtol=1e-6)
    assert new.shape[1] == 35 and not new[:, 33:].abs().gt(1e-9).any()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=1e-6, rtol=1e-6)
    assert read_manifest(tmp_path / "sky" / "weights")["prior"] == {"name": "sky"}


def test_fine_tuning_on_other_latents_is_refused(train, autoencoder, tmp_path):
    train("denoiser", tmp_path / "d", "loop.steps=1", autoencoder=autoencoder)
    train("autoencoder", tmp_path / "a", "loop.steps=1", "network.latent_channels=8")
    with pytest.raises(InputError, match=r"do not go together: .* was trained on latents of another shape"):
        train("denoiser", tmp_path / "e", autoencoder=tmp_path / "a" / "weights", init=tmp_path / "d" / "weights")


@pytest.mark.parametrize(
    ("network", "override", "message"),
    [
        ("autoencoder", "network.latent_channels=17", "a 4 x 4 patch has 16 cosines, 17 were asked for"),
        ("denoiser", "network.channels=[32]", "attention needs one entry a level: 1, not 2"),
        ("denoiser", "network.sampler=nonsense", "'nonsense' is no sampler; there are: euler, heun, adams"),
        ("denoiser", "network.context=18", "background tokens of width 18; use a multiple of 4"),
    ],
)
def test_settings_that_do_not_go_together(train, autoencoder, tmp_path, network, override, message):
    with pytest.raises(InputError, match="the settings do not go together: ") as caught:
        train(network, tmp_path / "run", override, autoencoder=autoencoder)
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_altered_autoencoder_is_refused(train, autoencoder, tmp_path):
    shutil.copytree(autoencoder, tmp_path / "w")
    (tmp_path / "w" / "autoencoder" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"config\.json: was altered"):
        train("denoiser", tmp_path / "run", autoencoder=tmp_path / "w")


def test_odd_sizes_are_refused_before_anything_is_packed(tmp_path):
    collection = tiny_collection(tmp_path / "c", 2, 1, (30, 32), empty=0)
    options = RunOptions(tmp_path / "run", workers=1, device="cpu")
    with pytest.raises(InputError, match=r"c0\.fits: is of 32 x 30 pixels; sides must be multiples of 4"):
        train_autoencoder(collection, load_preset("smoke"), options)
    assert not (tmp_path / "run" / "pack").exists()


def test_cutouts_that_are_not_square_train(tmp_path):
    collection = tiny_collection(tmp_path / "c", 3, 1, (24, 32), empty=0)
    preset = load_preset("smoke", ["autoencoder.loop.steps=3"])
    assert train_autoencoder(collection, preset, RunOptions(tmp_path / "run", workers=1, device="cpu")).step == 3


def test_one_collection_without_val_is_refused(collection, tmp_path):
    only = Collection(collection.root, collection.split("train").rows)
    with pytest.raises(InputError, match="no cutout is in the split 'val'; splits here: train"):
        train_autoencoder(only, load_preset("smoke"), RunOptions(tmp_path / "run", workers=1, device="cpu"))


def test_unknown_devices_are_refused(tmp_path):
    loop = load_preset("smoke").autoencoder.loop
    with pytest.raises(InputError, match="'tpu' is no device; there are: auto, cpu, cuda"):
        make_accelerator(loop, RunOptions(tmp_path, device="tpu"))
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="this machine shows no CUDA GPU to torch; use --device cpu"):
            make_accelerator(loop, RunOptions(tmp_path, device="cuda"))


# ---------------------------------------------------------------- presets


def test_gpu_preset_on_a_cpu(train, tmp_path):
    """Its own precision (bf16) and resident pack, at a size for a CPU, without the compiler."""
    small = (*SHRUNK, "loop.compile=false", "network.channels=[8, 16]", "network.blocks=1")
    train("autoencoder", tmp_path / "a", *small, preset="gpu")
    whole(tmp_path / "a", load_autoencoder)
    small = (*SHRUNK, "loop.compile=false", *SMALL_DENOISER, "network.attention=[false, true]")
    train("denoiser", tmp_path / "d", *small, preset="gpu", autoencoder=tmp_path / "a" / "weights")
    whole(tmp_path / "d", load_denoiser)
    assert torch.load(tmp_path / "d" / "checkpoint.pt", weights_only=True)["precision"] == "bf16"


def test_paper_preset_on_a_cpu(train, tmp_path):
    """Its scaling, attention, objective and sampler, at a size for a CPU."""
    small = (*SHRUNK, "network.channels=[8, 8, 16]", "network.blocks=1")
    train("autoencoder", tmp_path / "a", *small, preset="paper")
    small = (*SHRUNK, *SMALL_DENOISER, "network.attention=[true, true]")
    train("denoiser", tmp_path / "d", *small, preset="paper", autoencoder=tmp_path / "a" / "weights")
    manifest = whole(tmp_path / "d", load_autoencoder, load_denoiser)
    assert manifest["scaling"]["name"] == "paper"
    assert manifest["diffusion"]["objective"] == "eps"
    assert manifest["sampling"]["sampler"] == "ddim"
    assert manifest["prior"] == {"name": "white"} and load_denoiser(tmp_path / "d" / "weights").config.beam_numbers == 1


def test_the_precision_of_a_run_stays_when_it_goes_on(train, tmp_path):
    train("autoencoder", tmp_path, "loop.precision=auto", max_minutes=0.0)
    started = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["precision"]
    other = {"fp32": "bf16", "bf16": "fp32"}[started]
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.save(content | {"precision": other}, tmp_path / "checkpoint.pt")
    train("autoencoder", tmp_path, "loop.precision=auto", max_minutes=0.0)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["precision"] == other


# ---------------------------------------------------------------- other processes


def command(collection, run, pack, *more, network="autoencoder", preset="smoke"):
    return [
        "-m", "radiff", "train", network, str(collection.root), "-o", str(run), "--preset", preset,
        "--pack", str(pack), "--workers", "1", "--device", "cpu", *more,
    ]  # fmt: skip


def environment():
    return os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "TQDM_DISABLE": "1"}


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(collection, pack, train, tmp_path):
    """SIGKILL in the middle of a run, at a moment that nobody chose."""
    settings = ("loop.steps=40", "loop.checkpoint_minutes=0", "loop.validate_every=20", "loop.sheet_every=40")
    run, more = tmp_path / "killed", [a for s in settings for a in ("--set", f"autoencoder.{s}")]
    train("autoencoder", tmp_path / "whole", *settings)
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *command(collection, run, pack, *more)], stdout=out, stderr=out, env=environment()
        )
        deadline = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < deadline:
            lines = (run / "log.jsonl").read_text().count("\n") if (run / "log.jsonl").is_file() else 0
            if lines >= 6:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.02)
        assert process.wait() == -signal.SIGKILL, (tmp_path / "out.txt").read_text()
    stopped = torch.load(run / "checkpoint.pt", weights_only=True)["state"]["step"]
    assert 1 <= stopped < 40
    read_manifest(run / "weights")
    assert train("autoencoder", run, *settings).step == 40
    parts = {line[0]: line for line in log(run, *LOSSES)}
    assert list(parts.values()) == log(tmp_path / "whole", *LOSSES)
    assert weights_bytes(run) == weights_bytes(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_train_one_network(collection, tmp_path):
    run = tmp_path / "run"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    arguments = command(collection, run, tmp_path / "pack", "--set", "autoencoder.loop.ema_decay=0.5")
    result = subprocess.run([*launch, *arguments], capture_output=True, text=True, env=environment(), timeout=900)
    assert result.returncode == 0, result.stderr[-3000:]
    whole(run, load_autoencoder)
    steps = [step for step, _ in log(run, "step", "loss")]
    assert steps == list(range(1, 9))  # one process writes
    assert [p.name for p in (run / "weights").parent.glob("weights*")] == ["weights"]


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a C++ compiler")
def test_gpu_preset_compiled(collection, pack, tmp_path):
    run = tmp_path / "run"
    small = (*SHRUNK, "network.channels=[8, 16]", "network.blocks=1")
    more = [a for s in small for a in ("--set", f"autoencoder.{s}")]
    arguments = command(collection, run, pack, *more, preset="gpu")
    result = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment(), timeout=1800
    )
    assert result.returncode == 0, result.stderr[-3000:]
    whole(run, load_autoencoder)
    settings = json.loads(json.dumps(torch.load(run / "checkpoint.pt", weights_only=True)["settings"]))
    assert settings["compile"] is True and settings["resident"] is True
    assert Path(run / "log.jsonl").is_file()
