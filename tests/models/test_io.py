"""The weights folder: round trip, shards, refusals that name the file, and an old folder that survives a failure."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from radiff.errors import InputError
from radiff.models import io
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
from radiff.models.denoiser import Denoiser, DenoiserConfig
from radiff.models.io import (
    MANIFEST,
    Part,
    copy_weights,
    describe_weights,
    find_weights,
    load_autoencoder,
    load_denoiser,
    load_features,
    load_segmenter,
    read_manifest,
    save_weights,
)
from radiff.models.resnet import ResNet18, ResNetConfig
from radiff.models.segmenter import LightUNetConfig, build_segmenter, segmenter_config

INFO = {"scaling": {"name": "snr-asinh", "softness": 2.0}, "diffusion": {"objective": "flow"}}


def autoencoder(seed=0):
    torch.manual_seed(seed)
    network = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    network.latent_std.fill_(1.0 + 1e-6)
    return network


def save(folder, network, **options):
    return save_weights(folder, {"autoencoder": Part(network, network.config_dict())}, INFO, **options)


def same(one, two):
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "w", autoencoder())


def test_round_trip(tmp_path):
    network = autoencoder()
    denoiser = Denoiser(DenoiserConfig(channels=(32, 32), layers=1, attention=(False, True), head_width=16))
    parts = {
        "autoencoder": Part(network, network.config_dict()),
        "denoiser": Part(denoiser, denoiser.config.to_dict()),
    }
    folder = save_weights(tmp_path / "a" / "w", parts, INFO)
    manifest = read_manifest(folder)
    assert {k: manifest[k] for k in INFO} == INFO
    back = load_autoencoder(folder)
    assert same(back, network) and back.config == network.config and not back.training
    back = load_denoiser(folder)
    assert same(back, denoiser) and back.config == denoiser.config
    assert sorted(p.name for p in folder.parent.iterdir()) == ["w"]
    described = describe_weights(folder)
    assert described["networks"]["autoencoder"]["parameters"] == sum(p.numel() for p in network.parameters())
    assert described["networks"]["denoiser"]["config"]["channels"] == [32, 32]


def test_only_data_is_written_and_others_may_read_it(folder):
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    assert all(p.stat().st_mode & 0o044 == 0o044 for p in files)


def test_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(io, "SHARD", "20KB")
    network = autoencoder()
    folder = save(tmp_path / "w", network)
    assert len(list((folder / "autoencoder").glob("*.safetensors"))) > 2
    assert (folder / "autoencoder" / "model.safetensors.index.json").is_file()
    read_manifest(folder)
    assert same(load_autoencoder(folder), network)


@pytest.mark.parametrize(("dtype", "error"), [("bfloat16", 2**-8), ("float16", 2**-10)])
def test_half_precision_keeps_the_latent_scale_exact(tmp_path, dtype, error):
    network = autoencoder()
    back = load_autoencoder(save(tmp_path / "w", network, dtype=dtype))
    assert torch.equal(back.latent_std, network.latent_std)
    assert all(p.dtype == torch.float32 for p in back.parameters())
    for one, two in zip(back.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=error)
    assert not same(back, network)


def test_an_altered_file_is_named(folder):
    file = folder / "autoencoder" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors: was altered .*; copy the folder again"):
        read_manifest(folder)
    assert read_manifest(folder, check=False)["format"] == io.FORMAT


def test_a_missing_file_is_named(folder):
    (folder / "autoencoder" / "config.json").unlink()
    with pytest.raises(InputError, match=r"autoencoder/config\.json: this file of the weights is missing"):
        read_manifest(folder)


def test_another_format_is_refused(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(InputError, match=r"radiff\.json: weights format 99, this radiff reads 1; update radiff"):
        read_manifest(folder)


def test_a_folder_without_weights_says_so(tmp_path):
    with pytest.raises(InputError, match=r"is no weights folder \(radiff.json is missing\)"):
        read_manifest(tmp_path)


def test_a_truncated_file_is_named(folder):
    file = folder / "autoencoder" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"model\.safetensors: is no readable safetensors file"):
        load_autoencoder(folder)
    file.unlink()
    with pytest.raises(InputError, match=r"holds no model\.safetensors"):
        load_autoencoder(folder)


def test_weights_of_another_network_are_refused(folder):
    config = folder / "autoencoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"channels": [8, 24]}))
    with pytest.raises(InputError, match=r"the weights do not fit the network that config\.json describes"):
        load_autoencoder(folder)


def test_an_autoencoder_alone_has_no_denoiser(folder):
    with pytest.raises(InputError, match="has no denoiser, only an autoencoder; run 'radiff train denoiser'"):
        load_denoiser(folder)


def test_a_new_folder_takes_the_place_of_the_old_and_keeps_its_card(folder):
    (folder / "MODEL_CARD.md").write_text("# Card\n")
    (folder / "autoencoder" / "left-over.txt").write_text("old")
    network = autoencoder(seed=5)
    save(folder, network)
    assert same(load_autoencoder(folder), network)
    assert (folder / "MODEL_CARD.md").read_text() == "# Card\n"
    assert not (folder / "autoencoder" / "left-over.txt").exists()
    assert [p.name for p in folder.parent.iterdir()] == ["w"]


@pytest.mark.parametrize("where", ["writing", "swap"])
def test_the_old_folder_survives_a_failure(folder, monkeypatch, where):
    old = autoencoder()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    def rename(self, target):
        if self.name.startswith(".tmp-"):
            full()
        shutil.move(self, target)
        return target

    if where == "writing":
        monkeypatch.setattr(io, "save_torch_state_dict", full)
    else:
        monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(InputError, match=r"w: the weights cannot be written .*No space left"):
        save(folder, autoencoder(seed=5))
    read_manifest(folder)
    assert same(load_autoencoder(folder), old)
    assert [p.name for p in folder.parent.iterdir()] == ["w"]


def test_finding_weights(tmp_path, monkeypatch):
    assert find_weights(tmp_path) == tmp_path
    assert (find_weights() / MANIFEST).is_file()
    for name in (tmp_path / "nothing", "./nothing/here", "nothing"):
        with pytest.raises(InputError, match="no such weights folder; give a folder, 'default' or a hub id"):
            find_weights(name)

    def closed(*_, **__):
        raise ConnectionError("no network\nmore lines")

    monkeypatch.setattr(io, "snapshot_download", closed)
    with pytest.raises(InputError, match=r"owner/name: is no folder here and the hub does not give it \(no network\)"):
        find_weights("owner/name")
    monkeypatch.setattr(io, "snapshot_download", lambda *_, **__: str(tmp_path))
    assert find_weights("owner/name") == tmp_path


def test_the_weights_in_the_package_are_whole():
    folder = find_weights()
    read_manifest(folder)
    network = load_autoencoder(folder)
    assert (network.latent_std > 0).all()


def test_features_and_segmenter_round_trip(tmp_path):
    torch.manual_seed(0)
    features = ResNet18(ResNetConfig(widths=(4, 4, 8, 8)))
    segmenter = build_segmenter(LightUNetConfig((8, 16), 4))
    parts = {
        "features": Part(features, features.config.to_dict()),
        "segmenter": Part(segmenter, segmenter_config(segmenter)),
    }
    folder = save_weights(tmp_path / "w", parts, {"scaling": {"name": "snr-asinh"}})
    for network, load in ((features, load_features), (segmenter, load_segmenter)):
        back = load(folder)
        assert same(back, network) and back.config == network.config and not back.training
    assert set(describe_weights(folder)["networks"]) == {"features", "segmenter"}
    copied = copy_weights(folder, tmp_path / "half", "bfloat16", {"segmenter": {"iou": 0.7}})
    assert read_manifest(copied)["validation"] == {"segmenter": {"iou": 0.7}}
    assert load_features(copied).config == features.config
    assert torch.equal(load_features(copied).bn1.running_mean, features.bn1.running_mean)


def test_a_part_that_is_not_there_is_named(folder):
    for part, load in (("features", load_features), ("segmenter", load_segmenter)):
        with pytest.raises(InputError, match=f"w: has no {part}; run 'radiff train {part}'"):
            load(folder)


def test_a_segmenter_of_another_kind_is_refused(tmp_path):
    network = build_segmenter(LightUNetConfig((8, 16), 4))
    part = Part(network, segmenter_config(network) | {"kind": "vgg"})
    folder = save_weights(tmp_path / "w", {"segmenter": part}, {"scaling": {"name": "snr-asinh"}})
    with pytest.raises(InputError, match=r"config\.json: describes no segmenter \('vgg' is no kind of segmenter"):
        load_segmenter(folder)


def test_default_weights_of_each_part_have_a_folder():
    names = [find_weights("default", part).name for part in ("autoencoder", "denoiser", "features", "segmenter")]
    assert names == ["vla", "vla", "vla-features", "vla-segmenter"]
