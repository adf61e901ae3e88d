"""Presets and overrides: what is right is read, what is wrong is named with what would be right."""

import pytest
import yaml

from radiff.data.crops import CropOptions
from radiff.errors import InputError
from radiff.training.config import LoopSettings, Preset, load_preset
from radiff.training.reading import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_survive_a_round_trip(name, tmp_path):
    preset = load_preset(name)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(preset.model_dump(mode="json")))
    assert load_preset(str(path)) == preset


def test_paper_preset_is_the_paper_s():
    paper = load_preset("paper")
    network = paper.denoiser.network
    assert paper.scaling.name == "paper"
    assert (network.objective, network.num_train_steps, network.beta_schedule) == ("eps", 1000, "linear")
    assert (network.sampler, network.num_steps) == ("ddim", 100)
    assert paper.autoencoder.network.convs == 3 and paper.autoencoder.network.attention
    assert paper.autoencoder.network.latent_channels == 3
    assert (network.prior, network.beam_numbers) == ("white", 1)


@pytest.mark.parametrize("name", ["smoke", "cpu", "gpu"])
def test_the_other_presets_start_from_the_sky(name):
    network = load_preset(name).denoiser.network
    assert (network.prior, network.beam_numbers) == ("sky", 3)


def test_crops_of_a_preset_are_options_of_the_loader():
    crops = load_preset("gpu", ["denoiser.crops.zoomed=0.1", "denoiser.crops.beams=[3, 5]"]).denoiser.crops
    options = CropOptions(**crops.model_dump())
    assert (options.zoomed, options.beams, options.shares) == (0.1, (3.0, 5.0), (0.2, 0.35, 0.45))
    assert CropOptions(**Preset().denoiser.crops.model_dump()) == CropOptions()


def test_gpu_preset_keeps_the_gpu_busy():
    for loop in (load_preset("gpu").autoencoder.loop, load_preset("gpu").denoiser.loop):
        assert loop.resident and loop.compile and loop.precision == "bf16"


def test_overrides():
    preset = load_preset(
        "smoke",
        [
            "denoiser.loop.steps=77",
            "autoencoder.network.channels=[4, 8]",
            "scaling.parameters.softness=3",
            "autoencoder.loop.learning_rate=1e-4",
            "denoiser.loop.compile=true",
        ],
    )
    assert preset.denoiser.loop.steps == 77
    assert preset.autoencoder.network.channels == (4, 8)
    assert preset.scaling.parameters == {"softness": 3.0}
    assert preset.autoencoder.loop.learning_rate == 1e-4
    assert preset.denoiser.loop.compile is True
    assert preset.autoencoder.loop.steps == load_preset("smoke").autoencoder.loop.steps


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("denoiser.loop.stepps=3", "denoiser.loop.stepps is no setting; valid here: steps, batch_size, learning_rate"),
        ("autoencoder.netwerk.patch=2", "autoencoder.netwerk is no setting; valid here: network, loop"),
        ("steps=3", "steps is no setting; valid here: scaling, autoencoder, denoiser"),
        (
            "denoiser.loop.steps",
            "--set 'denoiser.loop.steps' is not of the form key=value or section.key=value; there are: ",
        ),
        ("=3", "--set '=3' is not of the form key=value or section.key=value"),
        ("denoiser.loop.steps.more=3", "--set 'denoiser.loop.steps.more=3': steps is a value, not a section"),
        ("denoiser.loop.steps=[1", "'[1' is no YAML value, e.g. 2000, true or [32, 64]"),
        ("denoiser.loop.steps=many", "denoiser.loop.steps: Input should be a valid integer"),
        ("denoiser.loop.steps=0", "denoiser.loop.steps: Input should be greater than 0 (here 0)"),
        ("denoiser.network.objective=x0", "denoiser.network.objective: String should match"),
        ("denoiser.loop.precision=fp8", "denoiser.loop.precision: String should match pattern '^(auto|fp32|bf16)$'"),
        ("denoiser.network.prior=pink", "denoiser.network.prior: String should match pattern '^(white|sky)$'"),
        ("denoiser.crops.near=2", "denoiser.crops.near: Input should be less than or equal to 1"),
        ("denoiser=3", "denoiser: Input should be a valid dictionary or instance of DenoiserRun (here 3)"),
    ],
)
def test_bad_overrides_are_refused(override, message):
    with pytest.raises(InputError) as caught:
        load_preset("smoke", [override])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("denoiser: [1", "mine.yaml: is not YAML"),
        ("- 1\n- 2\n", "mine.yaml: holds no settings; there are: scaling, autoencoder, denoiser"),
        ("just words", "mine.yaml: holds no settings"),
        ("denoiser: {loop: {step: 3}}", "mine.yaml: denoiser.loop.step is no setting; valid here: steps"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    for overrides in ([], ["denoiser.loop.steps=3"]):
        with pytest.raises(InputError) as caught:
            load_preset(str(path), overrides)
        assert message in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe")
    with pytest.raises(InputError, match=r"mine\.yaml"):
        load_preset(str(path))


def test_an_empty_file_is_all_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("")
    assert load_preset(str(path)) == Preset()


def test_an_unknown_preset_lists_those_that_there_are():
    with pytest.raises(InputError, match=r"'huge' is neither a preset \(smoke, cpu, gpu, paper\) nor a YAML file"):
        load_preset("huge")


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        LoopSettings().steps = 3
