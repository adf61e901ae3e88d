"""Weights of baselines as generators: calibrated cutouts, seeds, conditions heard, refusals."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from radiff.cli.main import app
from radiff.cli.weights import open_generator
from radiff.data.collection import Collection
from radiff.errors import InputError
from radiff.generate import BackgroundImage, Generator, Observation
from radiff.masks import mask_to_objects
from radiff.masks.draw import demo_masks
from radiff.models.io import Part, save_weights
from radiff.paper.baselines import BASELINES, PART, baseline_config, load_baseline
from radiff.paper.baselines.dcgan import DcganConfig
from radiff.paper.baselines.ddpm import DdpmConfig
from radiff.paper.baselines.inade import InadeConfig
from radiff.paper.baselines.pggan import PgganConfig
from radiff.paper.baselines.spade import SpadeConfig
from radiff.paper.generator import BaselineGenerator
from radiff.sky import background_rms

SIZES = {
    "dcgan": DcganConfig(5, (8, 8, 4, 4, 4)),
    "pggan": PgganConfig(6, (8, 8, 8, 4, 4, 4)),
    "ddpm": DdpmConfig(widths=(8, 16), layers=1, attention=(False, False), dropout=0.0),
    "spade": SpadeConfig(2, 4, 6),
    "inade": InadeConfig(2, 6),
}
FREE, BOUND = ("dcgan", "pggan", "ddpm"), ("spade", "inade")
SAMPLING = {"sampler": "dpm++", "num_steps": 3}
RMS = 3e-4
SKY = Observation(rms=RMS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A weights folder of each baseline, small and random."""
    torch.manual_seed(0)
    root, made = tmp_path_factory.mktemp("baselines"), {}
    for name, config in SIZES.items():
        network = BASELINES[name].network(config)
        if name == "dcgan":
            for parameter in network.parameters():
                parameter.data *= 4.0  # starts with images near zero
        if name == "ddpm":
            network.deviation.fill_(0.002)  # untrained, it says too little noise: what is drawn is large
        info = {"scaling": {"name": "snr-asinh", "softness": 4.0}, "diffusion": {"objective": "eps"}}
        info |= {"sampling": SAMPLING} if name == "ddpm" else {}
        made[name] = save_weights(root / name, {PART: Part(network, baseline_config(network))}, info)
    return made


@pytest.fixture
def open_one(folders):
    return lambda name: open_generator(folders[name], "cpu", "fp32")


def test_weights_say_whose_they_are(folders, weights):
    assert type(open_generator(str(weights), "cpu", "fp32")) is Generator
    one = open_generator(folders["pggan"], "cpu", "fp32")
    assert isinstance(one, BaselineGenerator) and (one.name, one.title, one.conditional) == ("pggan", "PG-GAN", False)


@pytest.mark.parametrize("name", BASELINES)
def test_cutouts_have_the_noise_asked_for_and_a_seed_each(open_one, name):
    one = open_one(name)
    masks = demo_masks(3, 128) if one.conditional else [np.zeros((128, 128), np.uint8)] * 3
    options = {"observation": SKY, "unconditional": not one.conditional}
    cutouts = one.generate(masks, [1, 2, 3], batch_size=2, **options)
    for cutout, mask in zip(cutouts, masks, strict=True):
        assert cutout.image.shape == (128, 128) and cutout.unit == "Jy/beam"
        level, rms = background_rms(cutout.image, mask > 0)
        assert rms == pytest.approx(RMS, rel=0.02) and abs(level - cutout.background) < 0.05 * RMS
        assert cutout.provenance["weights_sha256"]
    (again,) = one.generate(masks[1:2], [2], batch_size=1, **options)
    assert np.abs(again.image - cutouts[1].image).max() < 0.05 * RMS
    assert np.abs(cutouts[0].image - cutouts[2].image).max() > RMS


@pytest.mark.parametrize("name", BOUND)
def test_a_background_is_heard_in_style_level_and_noise(open_one, name):
    one, mask = open_one(name), demo_masks(1, 128)[0]
    random = np.random.default_rng(0)
    shown = BackgroundImage(random.normal(2.0, 3.0, (128, 128)).astype(np.float32))
    plain, styled = (one.generate([mask], [5], observation=SKY, backgrounds=[b])[0] for b in (None, shown))
    level, rms = background_rms(styled.image, mask > 0)
    assert rms == pytest.approx(3 * RMS, rel=0.05)
    assert level == pytest.approx(2 * RMS + styled.background, abs=0.3 * RMS)
    shapes = [(c.image - c.image.mean()) / c.image.std() for c in (plain, styled)]
    assert np.abs(shapes[0] - shapes[1]).max() > 0.01


@pytest.mark.parametrize("name", FREE)
def test_without_conditions_there_are_no_masks(open_one, name):
    with pytest.raises(InputError, match="knows no masks: use --unconditional NUMBER"):
        open_one(name).generate(demo_masks(1, 128), [0])


def test_what_needs_masks_is_given_some(open_one):
    with pytest.raises(InputError, match="SPADE draws from masks: give some"):
        open_one("spade").generate([np.zeros((128, 128), np.uint8)], [0], unconditional=True)
    with pytest.raises(InputError, match="the mask has 64 x 64 pixels; SPADE draws 128 x 128"):
        open_one("spade").generate(demo_masks(1, 64), [0])


def test_peaks_that_are_asked_for_are_said_to_be_of_no_use(open_one):
    mask = demo_masks(1, 128)[0]
    peaks = [[20.0] * len(mask_to_objects(mask))]
    with pytest.warns(UserWarning, match="INADE knows no peaks; those asked for are not used"):
        open_one("inade").generate([mask], [0], peaks=peaks)
    (exact,) = open_one("inade").generate([mask], [0], peaks=peaks, rescale_peaks=True, observation=SKY)
    for one in mask_to_objects(mask):
        values = (exact.image - exact.background)[one.slices][one.stamp]
        assert values.max() == pytest.approx(20.0 * RMS, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backend": "openvino"}, "the backend 'openvino' knows no baselines; use 'torch'"),
        ({"precision": "fp8"}, "'fp8' is no precision"),
    ],
)
def test_how_it_is_opened(folders, change, message):
    with pytest.raises(InputError, match=message):
        open_generator(folders["dcgan"], **({"device": "cpu"} | change))


def test_weights_of_version_0_1_0_are_read(folders, tmp_path):
    """They called the network a rival."""
    network = load_baseline(folders["dcgan"])
    info = {"scaling": {"name": "snr-asinh", "softness": 4.0}}
    old = save_weights(tmp_path / "old", {"rival": Part(network, baseline_config(network))}, info)
    assert isinstance(open_generator(str(old), "cpu", "fp32"), BaselineGenerator)
    for command in (["info", old], ["export", old, "-o", tmp_path / "copy"]):
        result = CliRunner().invoke(app, list(map(str, command)))
        assert result.exit_code == 0 and "rival" in result.output, result.output
    assert (tmp_path / "copy" / "rival" / "config.json").is_file()


def test_an_unknown_kind_is_refused(folders, tmp_path):
    info = {"scaling": {"name": "snr-asinh", "softness": 4.0}}
    save_weights(tmp_path / "w", {PART: Part(torch.nn.Linear(1, 1), {"kind": "gan"})}, info)
    with pytest.raises(InputError, match="describes no baseline \\('gan' is no baseline; there are: dcgan"):
        open_generator(tmp_path / "w", "cpu", "fp32")


def test_the_command(folders, tmp_path):
    arguments = ["generate", "--unconditional", 2, "--weights", folders["pggan"], "-o", tmp_path, "--device", "cpu"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    made = Collection.open(tmp_path)
    assert len(made) == 2 and made.image(0).image.shape == (128, 128)
