"""The baselines' networks against the figures that their papers and published weights give."""

import pytest
import torch

from radiff.paper.baselines import BASELINES, baseline_config, baseline_from
from radiff.paper.baselines.dcgan import Dcgan, DcganConfig, DcganCritic
from radiff.paper.baselines.ddpm import Ddpm, DdpmConfig
from radiff.paper.baselines.inade import Inade, InadeConfig, InadeNorm
from radiff.paper.baselines.pggan import Pggan, PgganConfig, PgganCritic
from radiff.paper.baselines.spade import (
    MultiScaleCritic,
    Spade,
    SpadeConfig,
    SpadeNorm,
    StyleEncoder,
)


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.fixture
def meta():
    """Networks of the published sizes, without memory for their weights."""
    with torch.device("meta"):
        yield


def test_dcgan_has_the_layers_of_figure_1(meta):
    """100 numbers to 4 x 4 x 1024, then 5 x 5 kernels to 512, 256 and 128 channels and the image, at 64 pixels."""
    network = Dcgan(DcganConfig(widths=(1024, 512, 256, 128)))
    assert network.config.size == 64
    assert network.project.weight.numel() == 100 * 4 * 4 * 1024
    shapes = [tuple(layer.weight.shape) for layer in network.grow]
    assert shapes == [(1024, 512, 5, 5), (512, 256, 5, 5), (256, 128, 5, 5), (128, 1, 5, 5)]
    assert DcganConfig().size == 128
    assert [tuple(c.weight.shape)[:2] for c in DcganCritic(DcganConfig()).shrink] == [
        (128, 64), (256, 128), (512, 256), (1024, 512),
    ]  # fmt: skip


def test_pggan_at_1024_pixels_has_23_million_parameters(meta):
    """Karras et al. 2017, Table 2: 23.1 M in each network."""
    config = PgganConfig(512, (512, 512, 512, 512, 256, 128, 64, 32, 16), channels=3)
    assert config.size == 1024
    assert count(Pggan(config)) == pytest.approx(23.1e6, rel=0.002)
    assert count(PgganCritic(config)) == pytest.approx(23.1e6, rel=0.002)
    assert PgganConfig().size == 128


def test_ddpm_for_cifar10_has_35_7_million_parameters(meta):
    """Ho et al. 2020, appendix B: 35.7 M; the published weights have 35,746,307."""
    config = DdpmConfig(inner=32, widths=(128, 256, 256, 256), attention=(False, True, False, False), channels=3)
    assert count(Ddpm(config)) == 35_746_307


def test_spade_for_ade20k_has_96_5_million_parameters(meta):
    """The count given for 151 classes in colour, without a style: a convolution of the mask then stands first."""
    classes, width = 151, 64
    network = Spade(SpadeConfig(width, classes=classes))
    start = classes * 16 * width * 9 + 16 * width
    colours = 2 * (width * 9 + 1)
    assert count(network.decoder) + start + colours == pytest.approx(96.5e6, rel=0.0005)


def test_spade_has_the_blocks_of_its_figures():
    """1024, 1024, 1024, 512, 256, 128, 64 channels; a bridge where their number changes; style from 5 layers."""
    network = Spade(SpadeConfig(width=4, hidden=8, latent=6))
    assert [block.convs[1].weight.shape[0] // 4 for block in network.decoder.blocks] == [16, 16, 16, 8, 4, 2, 1]
    assert [block.bridge is None for block in network.decoder.blocks] == [True] * 3 + [False] * 4
    assert [conv.weight.shape[0] // 4 for conv in network.encoder.convs] == [1, 2, 4, 8, 8]
    assert SpadeConfig().size == 128


def test_the_style_encoder_has_the_published_layers(meta):
    encoder = StyleEncoder(64, 256)
    assert [tuple(conv.weight.shape)[:2] for conv in encoder.convs] == [
        (64, 1), (128, 64), (256, 128), (512, 256), (512, 512),
    ]  # fmt: skip
    assert tuple(encoder.last.weight.shape) == (512, 512 * 16)


def test_the_critic_of_spade_has_two_scales_of_four_layers(meta):
    critic = MultiScaleCritic()
    for scale in critic.scales:
        assert [tuple(conv.weight.shape) for conv in scale.convs] == [
            (64, 5, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4),
        ]  # fmt: skip
        assert tuple(scale.last.weight.shape) == (1, 512, 4, 4)
    assert len(critic.scales) == 2


def test_inade_needs_fewer_parameters_than_spade(meta):
    """Its normalisation has none that see a neighbourhood: numbers of each class, and a linear map of the noise."""
    norm = InadeNorm(96, 4, 64)
    assert count(norm) == 2 * (4 * 2 * 96) + 64 * 2 * 96 + 2 * 96
    assert count(SpadeNorm(96, 4, 128)) == 4 * 128 * 9 + 128 + 128 * 192 * 9 + 192
    assert count(Inade(InadeConfig())) < 0.85 * count(Spade(SpadeConfig()))


TINY = {
    "dcgan": DcganConfig(latent=5, widths=(8, 8, 4, 4, 4)),
    "pggan": PgganConfig(6, (8, 8, 8, 4, 4, 4)),
    "ddpm": DdpmConfig(widths=(8, 16), layers=1, attention=(False, False), dropout=0.0),
    "spade": SpadeConfig(2, 4, 6),
    "inade": InadeConfig(2, 6),
}


@pytest.mark.parametrize("name", BASELINES)
def test_a_network_is_built_again_from_its_configuration(name):
    network = BASELINES[name].network(TINY[name])
    config = baseline_config(network)
    assert config["kind"] == name
    other = baseline_from({k: list(v) if isinstance(v, tuple) else v for k, v in config.items()})
    assert type(other) is type(network) and other.config == network.config
    other.load_state_dict(network.state_dict())


def test_an_unknown_kind_lists_those_that_there_are():
    with pytest.raises(ValueError, match="'gan' is no baseline; there are: dcgan, pggan, ddpm, spade, inade"):
        baseline_from({"kind": "gan"})


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"widths": (8, 8), "attention": (True,)}, "attention needs one entry a level: 2, not 1"),
        ({"inner": 30, "widths": (8, 8, 8), "attention": (False,) * 3}, "30 pixels cannot be halved 2 times"),
    ],
)
def test_sizes_of_ddpm_that_do_not_go_together(sizes, message):
    with pytest.raises(ValueError, match=message):
        DdpmConfig(**sizes)
