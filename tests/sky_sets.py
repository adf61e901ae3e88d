"""Sets of small synthetic pictures of known content, and networks without training, for tests of metrics."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from radiff.evaluate.networks import Networks
from radiff.evaluate.sets import ImageSet, Picture, picture_of

SIZE = 64
WIDTH = 3.0  # beam FWHM, pixels
AREA = np.pi / (4 * np.log(2)) * WIDTH**2


def noise(seed: int | tuple[int, ...], size: int = SIZE) -> np.ndarray:
    """Noise (size, size) of rms 1 with the beam's correlation."""
    white = np.random.default_rng(seed).normal(0, 1, (size, size))
    smooth = ndimage.gaussian_filter(white, WIDTH / 2.355, mode="wrap")
    return smooth / smooth.std()


def gaussian(x: float, y: float, peak: float, fwhm: float, size: int = SIZE) -> np.ndarray:
    """A round Gaussian (size, size)."""
    rows, columns = np.indices((size, size))
    return peak * np.exp(-4 * np.log(2) * ((columns - x) ** 2 + (rows - y) ** 2) / fwhm**2)


def picture(seed: int, empty: bool = False, size: int = SIZE) -> Picture:
    """Noise, up to three compact sources and one extended source of random peaks; the mask is where they exceed 2."""
    random = np.random.default_rng((7, seed))
    sky, mask = np.zeros((size, size)), np.zeros((size, size), np.uint8)
    for _ in range(0 if empty else random.integers(1, 4)):
        x, y = random.uniform(8, size - 8, 2)
        source = gaussian(x, y, 10 ** random.uniform(1.0, 2.0), WIDTH, size)
        sky += source
        mask[source > 2] = 2
    if not empty:
        x, y = random.uniform(16, size - 16, 2)
        source = gaussian(x, y, 10 ** random.uniform(1.0, 1.7), 5 * WIDTH, size)
        sky += source
        mask[source > 2] = 3
    like = Picture("", np.zeros((1, 1), np.float32), np.zeros((1, 1), np.uint8), 2e-4, AREA, WIDTH)
    return picture_of(f"p{seed:04d}", noise((11, seed), size) + sky, mask, like)


def pictures(count: int, start: int = 0) -> list[Picture]:
    """`count` pictures, every eighth of them empty."""
    return [picture(start + k, empty=k % 8 == 7) for k in range(count)]


def image_set(items: list[Picture], name: str = "set") -> ImageSet:
    """Pictures as a set."""
    return ImageSet(name, items)


class FixedFeatures(nn.Module):
    """16 features of an image: mean and deviation of its slopes, curvature and level at two scales, saturating."""

    def forward(self, image: Tensor) -> Tensor:
        features = []
        for scaled in (image, nn.functional.avg_pool2d(image, 2)):
            slopes = [scaled.diff(dim=-1), scaled.diff(dim=-2), scaled.diff(n=2, dim=-1), scaled]
            features += [torch.tanh(2 * s.abs()).flatten(1) for s in slopes]
        return torch.cat([torch.stack([f.mean(1), f.std(1)], 1) for f in features], 1)


class Thresholds(nn.Module):
    """A segmenter without training: islands above 2 rms about peaks above 5, extended where wide and bright."""

    def forward(self, image: Tensor) -> Tensor:
        snr = nn.functional.avg_pool2d(2 * torch.sinh(image.clamp(-4, 9)), 3, 1, 1).clamp(max=20)
        wide = nn.functional.avg_pool2d(snr, 9, 1, 4) > 7
        peaks = nn.functional.max_pool2d((snr > 5).float(), 9, 1, 4) > 0
        broad = nn.functional.max_pool2d(wide.float(), 25, 1, 12) > 0
        peaks |= broad
        classes = torch.where((snr > 2) & peaks, torch.where(broad, 3, 2), 0)[:, 0]
        return nn.functional.one_hot(classes, 4).permute(0, 3, 1, 2).float()


def networks() -> Networks:
    """Both."""
    return Networks(FixedFeatures().eval(), Thresholds().eval(), names={"features": "fixed", "segmenter": "threshold"})
