"""Blocks of the networks against closed forms."""

import pytest
import torch

from radiff.models.blocks import ChannelNorm, ResBlock, SelfAttention, dct_patches


def test_channel_norm_acts_on_the_channels_of_one_pixel():
    x = torch.randn(2, 16, 5, 7, generator=torch.Generator().manual_seed(0)) * 3 + 1
    y = ChannelNorm(16)(x)
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 5, 7), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, unbiased=False), torch.ones(2, 5, 7), atol=1e-3, rtol=0)
    x[:, :, 0, 0] = 1e6
    other = ChannelNorm(16)(x)
    assert torch.equal(other[:, :, 1:], y[:, :, 1:])


@pytest.mark.parametrize(("size", "channels"), [(2, 4), (4, 12), (4, 16), (8, 20)])
def test_cosine_patches_are_orthonormal(size, channels):
    patches = dct_patches(size, channels)
    assert patches.shape == (channels, 1, size, size)
    flat = patches.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(channels), atol=1e-6, rtol=0)
    torch.testing.assert_close(patches[0, 0], torch.full((size, size), 1.0 / size))


def test_cosine_patches_come_from_low_to_high_frequency():
    patches = dct_patches(4, 16)[:, 0]
    changes = [(p.diff(dim=0).square().sum() + p.diff(dim=1).square().sum()).item() for p in patches]
    assert changes[0] == pytest.approx(0, abs=1e-10)
    assert max(changes[1:3]) < min(changes[3:])
    assert changes[-1] == max(changes)


def test_more_cosines_than_pixels_are_refused():
    with pytest.raises(ValueError, match="a 4 x 4 patch has 16 cosines, 17 were asked for"):
        dct_patches(4, 17)


@pytest.mark.parametrize("convs", [1, 2, 3])
def test_residual_block_starts_as_the_identity(convs):
    x = torch.randn(2, 8, 6, 6)
    block = ResBlock(8, 8, convs)
    assert torch.equal(block(x), x)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in block.modules()) == convs
    assert ResBlock(8, 12, convs)(x).shape == (2, 12, 6, 6)


def test_attention_starts_as_the_identity_and_sees_all_pixels():
    torch.manual_seed(0)
    x = torch.randn(1, 16, 4, 6)
    block = SelfAttention(16, head_width=8)
    assert block.heads == 2
    assert torch.equal(block(x), x)
    torch.nn.init.normal_(block.out.weight)
    far = x.clone()
    far[:, :, 3, 5] += 5 * torch.randn(16)
    assert (block(far) - block(x))[:, :, 0, 0].abs().max() > 1e-4
    flipped = block(x.flip(-1)).flip(-1)  # attention knows no order of pixels
    torch.testing.assert_close(flipped, block(x), atol=1e-5, rtol=1e-4)
