"""What the figures show: the choice of masks and backgrounds, what is asked behind each panel, made skies."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from radiff.errors import InputError
from radiff.masks import mask_to_objects
from radiff.masks.draw import demo_peaks
from radiff.paper.figures import (
    BACKGROUND_KINDS,
    BEAM,
    RMS,
    figure7,
    figure8,
    simulated_background,
    simulated_samples,
    textured,
    varied,
)
from radiff.sky import noise_power_spectrum


@pytest.fixture(scope="module")
def samples():
    return simulated_samples(10, seed=2)


class Recorder:
    """A generator that draws nothing but noise and keeps what it was asked."""

    def __call__(self, specs):
        self.specs = list(specs)
        for spec in self.specs:
            yield spec.rms * np.random.default_rng(spec.seed).normal(size=spec.mask.shape)


def test_made_cutouts_hold_the_sources_of_their_masks(samples):
    assert [one.shape for one in samples.images] == [(128, 128)] * 10
    assert set(samples.surveys) == {"simulated"}
    for k, (image, mask) in enumerate(zip(samples.snr, samples.masks, strict=True)):
        asked = demo_peaks(mask, 2 + k)
        found = samples.peaks()[k]
        bright = [(a, f) for a, f in zip(asked, found, strict=True) if a > 30]
        assert all(abs(f / a - 1) < 0.5 for a, f in bright)
        assert image[mask == 0].std() < 5
    again = simulated_samples(10, seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(samples.images, again.images, strict=True))
    assert (samples.rms[0], samples.beams[0]) == (RMS, BEAM)


def test_simulated_backgrounds_are_what_they_are_called():
    skies = {kind: [simulated_background(kind, seed=k) for k in range(4)] for kind in BACKGROUND_KINDS}
    _, plain = noise_power_spectrum(skies["noise"])
    for kind in BACKGROUND_KINDS:
        assert np.isfinite(skies[kind]).all()
        assert kind == "noise" or noise_power_spectrum(skies[kind])[1][:2].max() > 1.2 * plain[:2].max()
    assert np.std(skies["noise"][0]) == pytest.approx(1.0)
    assert plain[-1] < 1e-2 * plain[0]  # nothing finer than the beam
    halves = [np.array_split(np.sort(one.ravel()), 2) for one in skies["diffuse"]]
    assert all(high.max() > -low.min() for low, high in halves)  # emission, not absorption
    with pytest.raises(InputError, match="'rain' is no kind of background; there are: stripes"):
        simulated_background("rain")


def test_masks_of_many_kinds_come_first(samples):
    chosen = varied(samples, 4)
    classes = [{one.class_value for one in samples.objects[k]} for k in chosen]
    assert len(set(chosen)) == 4
    assert classes[0] == {1, 2, 3}
    assert len({tuple(sorted(one)) for one in classes}) == 3
    assert chosen == varied(samples, 4)
    empty = dataclasses.replace(samples, items=[dataclasses.replace(item, objects=()) for item in samples.items])
    with pytest.raises(InputError, match="no cutout has an object"):
        varied(empty, 2)


def test_backgrounds_go_from_plain_to_strong(samples):
    chosen = textured(samples, 4, without=[0])
    assert 0 not in chosen
    strengths = [
        noise_power_spectrum([simulated_background(BACKGROUND_KINDS[k % 5], seed=2 + k)])[1][0] for k in chosen
    ]
    assert strengths[0] < strengths[-1]
    with pytest.raises(InputError, match="9 cutouts for 12 backgrounds"):
        textured(samples, 12, without=[0])


def test_figure7_asks_for_every_mode_at_one_seed(samples, tmp_path):
    draw = Recorder()
    path = figure7(tmp_path / "f.png", samples, draw, rows=2)
    with Image.open(path) as picture:
        assert picture.width > 1000
    modes = [None if one.background is None else one.background.mode for one in draw.specs]
    assert modes == [None, "self-masked", "self", "other"] * 2
    for row in (draw.specs[:4], draw.specs[4:]):
        assert len({one.seed for one in row}) == 1
        assert all(one.mask is row[0].mask and one.peaks == row[0].peaks for one in row)
        assert row[1].background.name == row[2].background.name
        assert row[3].background.name != row[1].background.name
        assert mask_to_objects(row[0].mask)[0].npix == row[0].objects[0].npix


def test_figure8_changes_nothing_but_the_background(samples, tmp_path):
    draw = Recorder()
    figure8(tmp_path / "f.png", samples, draw, rows=2, backgrounds=3)
    assert len(draw.specs) == 6
    for row in (draw.specs[:3], draw.specs[3:]):
        assert len({one.seed for one in row}) == 1
        assert len({one.background.name for one in row}) == 3
        assert all(one.background.mode == "other" for one in row)
    assert [one.background.name for one in draw.specs[:3]] == [one.background.name for one in draw.specs[3:]]
