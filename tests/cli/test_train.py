"""``radiff train``: what it prints, and what it refuses with exit code 2 and one line."""

import pytest
import yaml
from typer.testing import CliRunner

from radiff.cli import main
from radiff.data.collection import Collection, write_index
from radiff.models.autoencoder import Autoencoder, AutoencoderConfig
from radiff.models.io import Part, save_weights
from tiny_collection import tiny_collection
from tiny_fields import tiny_fields


def run(*arguments):
    return CliRunner().invoke(main.app, ["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return tiny_collection(tmp_path_factory.mktemp("train") / "collection", 3, 1).root


def refused(result):
    """The one line on stderr of a run that was refused."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("radiff: ") and result.stderr.count("\n") == 1
    return result.stderr


def test_dry_run_prints_the_settings_and_does_nothing(tmp_path):
    result = run(
        "autoencoder", "no-collection", "-o", tmp_path / "run", "--preset", "smoke", "--dry-run",
        "--set", "autoencoder.loop.steps=5", "--set", "scaling.parameters.softness=3",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    settings = yaml.safe_load(result.stdout)
    assert set(settings) == {"scaling", "autoencoder"}
    assert settings["autoencoder"]["loop"]["steps"] == 5
    assert settings["autoencoder"]["loop"]["learning_rate"] == 1e-3
    assert settings["scaling"] == {"name": "snr-asinh", "parameters": {"softness": 3.0}}
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("preset", ["smoke", "cpu", "gpu", "paper"])
def test_dry_run_of_a_preset_is_a_preset(tmp_path, preset):
    arguments = ("denoiser", "c", "--autoencoder", "default", "-o", "r", "--dry-run")
    result = run(*arguments, "--preset", preset)
    (tmp_path / "mine.yaml").write_text(result.stdout)
    assert run(*arguments, "--preset", tmp_path / "mine.yaml").stdout == result.stdout
    assert yaml.safe_load(result.stdout)["denoiser"]["network"]["num_steps"] > 0


def test_training_prints_its_validation_and_its_weights(collection, tmp_path):
    arguments = (
        "autoencoder",
        collection,
        "-o",
        tmp_path / "run",
        "--preset",
        "smoke",
        "--workers",
        1,
        "--device",
        "cpu",
    )
    result = run(*arguments, "--max-minutes", 0)
    assert result.exit_code == 0, result.output
    assert "stopped at step 1 of 8 after" in result.stderr
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("step 4  val/loss ") and lines[1].startswith("step 8  val/loss ")
    assert lines[2:] == [str(tmp_path / "run" / "weights")]
    assert "trained at step 8 of 8 after" in result.stderr
    assert "checkpoint already" in refused(run(*arguments, "--no-resume"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--preset", "huge"), "'huge' is neither a preset (smoke, cpu, gpu, paper) nor a YAML file"),
        (("--set", "autoencoder.loop.step=3"), "autoencoder.loop.step is no setting; valid here: steps, batch_size"),
        (("--set", "steps"), "--set 'steps' is not of the form key=value or section.key=value"),
        (("--device", "tpu"), "'tpu' is no device; there are: auto, cpu, cuda"),
        (("--set", "autoencoder.network.latent_channels=20"), "do not go together: a 4 x 4 patch has 16 cosines"),
        (("--set", "scaling.name=log"), "'log' is no intensity scaling; there are: snr-asinh, paper"),
    ],
)
def test_bad_settings_are_refused(collection, tmp_path, more, message):
    result = run("autoencoder", collection, "-o", tmp_path / "run", "--preset", "smoke", "--workers", 1, *more)
    assert message in refused(result)


def test_bad_collections_are_refused(collection, tmp_path):
    def start(folder):
        return refused(run("autoencoder", folder, "-o", tmp_path / "run", "--preset", "smoke", "--workers", 1))

    assert "no such folder" in start(tmp_path / "nothing")
    plain = tiny_collection(tmp_path / "plain", 3, 1)
    write_index(plain.root, [type(row)(**(vars(row) | {"split": ""})) for row in Collection.open(plain.root).rows])
    assert "no cutout is in the split 'train'; splits here: (none)" in start(plain.root)
    odd = tiny_collection(tmp_path / "odd", 2, 1, (30, 30))
    assert "c0.fits: is of 30 x 30 pixels; sides must be multiples of 4" in start(odd.root)
    mixed = tiny_collection(tmp_path / "mixed", 2, 1)
    other = tiny_collection(tmp_path / "mixed" / "more", 2, 0, (32, 40))
    write_index(mixed.root, [*mixed.rows, *(type(r)(**(vars(r) | {"image": f"more/{r.image}"})) for r in other.rows)])
    assert "training needs cutouts of one size, here are 32 x 32, 40 x 32" in start(mixed.root)


def test_a_denoiser_needs_weights(collection, tmp_path):
    arguments = ("denoiser", collection, "-o", tmp_path / "run", "--preset", "smoke")
    assert "no such weights folder" in refused(run(*arguments, "--autoencoder", tmp_path / "nothing"))
    assert "is no weights folder (radiff.json is missing)" in refused(run(*arguments, "--autoencoder", tmp_path))
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(("network", "figure"), [("features", "val/rank "), ("segmenter", "val/iou_background 0.")])
def test_features_and_segmenter_train(tmp_path, network, figure):
    collection = tiny_collection(tmp_path / "collection", 5, 3, empty=1).root
    result = run(
        network, collection, "-o", tmp_path / "run", "--preset", "smoke", "--workers", 1, "--device", "cpu",
        "--set", f"{network}.loop.steps=2", "--set", f"{network}.loop.validation_batches=2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("step 2  val/loss ") and figure in lines[0]
    assert lines[1:] == [str(tmp_path / "run" / "weights")]
    assert (tmp_path / "run" / "weights" / network / "config.json").is_file()


@pytest.mark.parametrize("network", ["features", "segmenter"])
@pytest.mark.parametrize("preset", ["smoke", "cpu", "gpu", "paper"])
def test_presets_of_features_and_segmenter(network, preset):
    result = run(network, "c", "-o", "r", "--dry-run", "--preset", preset)
    assert set(yaml.safe_load(result.stdout)) == {"scaling", network}


def test_an_unknown_segmenter_is_refused(collection, tmp_path):
    result = run(
        "segmenter", collection, "-o", tmp_path / "run", "--preset", "smoke", "--workers", 1,
        "--set", "segmenter.network.name=vgg",
    )  # fmt: skip
    assert "'vgg' is no segmenter; there are: light-unet, fc-densenet56" in refused(result)


@pytest.mark.parametrize("name", ["dcgan", "pggan", "ddpm", "spade", "inade"])
def test_every_baseline_has_a_verb_and_four_presets(name, tmp_path):
    for preset in ("smoke", "cpu", "gpu", "paper"):
        more = ("--preset", preset, "--set", f"{name}.loop.minutes=10", "--dry-run")
        result = run(name, "no-collection", "-o", tmp_path / "run", *more)
        assert result.exit_code == 0, result.output
        assert yaml.safe_load(result.stdout)[name]["loop"]["minutes"] == 10


def test_a_run_of_minutes_says_what_it_spent(collection, tmp_path):
    more = ("--workers", 1, "--device", "cpu", "--preset", "smoke", "--set", "autoencoder.loop.minutes=0.001")
    result = run("autoencoder", collection, "-o", tmp_path / "run", *more)
    assert result.exit_code == 0, result.output
    assert "of 0.001 processor min after" in result.stderr and "trained at step" in result.stderr


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a tiny autoencoder."""
    folder = tmp_path_factory.mktemp("autoencoder") / "weights"
    network = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    info = {"scaling": {"name": "snr-asinh", "softness": 4.0}}
    return save_weights(folder, {"autoencoder": Part(network, network.config_dict())}, info)


def test_a_denoiser_trains_on_annotated_maps(weights, tmp_path):
    root = tiny_fields(tmp_path / "maps", 2, 1)
    arguments = (
        "denoiser", root, "--splits", root / "splits.csv", "--autoencoder", weights, "-o", tmp_path / "run",
        "--preset", "smoke", "--workers", 1, "--device", "cpu", "--set", "denoiser.crops.size=32",
        "--set", "denoiser.loop.steps=2",
    )  # fmt: skip
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("step 2  val/loss ") and lines[1:] == [str(tmp_path / "run" / "weights")]
    assert (tmp_path / "run" / "pack" / "fields" / "fields.json").is_file()


def test_maps_that_cannot_be_trained_on_are_refused(collection, weights, tmp_path):
    def start(folder, *more):
        options = ("--autoencoder", weights, "-o", tmp_path / "run", "--preset", "smoke", "--workers", 1)
        return refused(run("denoiser", folder, *options, "--device", "cpu", *more))

    splits = tiny_fields(tmp_path / "maps", 1, 0) / "splits.csv"
    assert "a collection has its splits; --splits goes with annotated maps" in start(collection, "--splits", splits)
    assert "no field is in the split 'val'; splits here: train" in start(
        tmp_path / "maps", "--splits", splits, "--set", "denoiser.crops.size=32"
    )
    (tmp_path / "empty").mkdir()
    assert "holds no annotated map; run 'radiff annotate' on the maps first" in start(tmp_path / "empty")
    assert "no such folder" in start(tmp_path / "nothing")
