"""Pictures: range of the stretch, orientation, outlines and refusals."""

import numpy as np
import pytest
from matplotlib.image import imread

from radiff.errors import InputError
from radiff.sky import quicklook, stretch


def test_stretch_runs_from_minus_three_rms_to_the_peak():
    image = np.array([[-3.0, 0.0], [1000.0, np.nan]])
    shown = stretch(image, rms=1.0, background=0.0)
    assert shown[0, 0] == pytest.approx(0, abs=1e-6) and shown[1, 0] == pytest.approx(1) and np.isnan(shown[1, 1])
    assert shown[0, 1] == pytest.approx(np.arcsinh(3) / (np.arcsinh(3) + np.arcsinh(1000)), rel=1e-5)


def test_stretch_measures_noise_and_keeps_noise_dark():
    image = np.random.default_rng(0).normal(5.0, 2.0, (100, 100))
    shown = stretch(image)
    assert 0.2 < np.median(shown) < 0.6 and shown.min() >= 0 and shown.max() <= 1
    assert np.isnan(stretch(np.full((4, 4), np.nan))).all()
    assert np.isfinite(stretch(np.zeros((8, 8)))).all()


def test_picture_has_row_zero_at_the_bottom_and_outlines(tmp_path):
    image = np.random.default_rng(0).normal(0, 1, (64, 64)).astype(np.float32)
    image[:16, :16] = 500
    mask = np.zeros((64, 64), np.uint8)
    mask[40:60, 40:60] = 2
    path = quicklook(tmp_path / "q.png", [image], masks=[mask], rms=1.0, dpi=100)
    picture = imread(path)[..., :3]
    rows, columns = picture.shape[:2]
    assert picture[int(0.9 * rows), int(0.08 * columns)].min() > 0.9
    green = (picture[..., 1] > 0.8) & (picture[..., 0] < 0.3) & (picture[..., 2] < 0.3)
    y, x = np.nonzero(green)
    assert len(y) > 100 and y.max() < rows / 2 and x.min() > columns / 2
    assert list(tmp_path.iterdir()) == [path]


def test_many_panels_with_everything(tmp_path, make_map):
    images = [make_map((40, 60 + 10 * number)).image for number in range(5)]
    images[1][:10] = np.nan
    masks = [None if number == 2 else np.full(image.shape, number % 4, np.uint8) for number, image in enumerate(images)]
    path = quicklook(
        tmp_path / "q.png",
        images,
        titles=[f"panel {number}" for number in range(5)],
        masks=masks,
        rms=[1e-4, None, 1e-4, None, 2e-4],
        ncols=3,
        beam_pixels=(9, 5, 40),
        labels={1: "spurious", 2: "compact", 3: "extended"},
        suptitle="five",
    )
    rows, columns = imread(path).shape[:2]
    assert columns == 720 and 530 <= rows <= 630


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="no image"):
        quicklook(tmp_path / "q.png", [])
    with pytest.raises(InputError, match="2 titles for 1 images"):
        quicklook(tmp_path / "q.png", [np.eye(8)], titles=["a", "b"])
    with pytest.raises(InputError, match=r"a mask of shape \(4, 4\) for an image of shape \(8, 8\)"):
        quicklook(tmp_path / "q.png", [np.eye(8)], masks=[np.eye(4)])
    with pytest.raises(InputError, match="cannot be written"):
        quicklook(tmp_path / "none" / "q.png", [np.eye(8)])
    assert list(tmp_path.iterdir()) == []


def test_no_pyplot():
    import subprocess
    import sys

    code = "import radiff.sky, sys; assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
