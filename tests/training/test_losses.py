"""The two tasks' losses against what a pencil gives, what a denoiser is told, and the latent scale."""

import math

import pytest
import torch
import torch.nn.functional as F

from conftest import wake
from radiff.data.loader import Batch
from radiff.diffusion.objectives import OBJECTIVES, DiffusionConfig, Objective
from radiff.models.autoencoder import LOG_VARIANCE_START, Autoencoder, AutoencoderConfig
from radiff.models.conditions import Conditions, condition_planes
from radiff.models.denoiser import Denoiser, DenoiserConfig
from radiff.sky import Beam
from radiff.training.autoencoder import AutoencoderLoss, AutoencoderTask
from radiff.training.config import AutoencoderSettings, DenoiserSettings
from radiff.training.denoiser import (
    DenoiserLoss,
    DenoiserTask,
    beam_told,
    drop_objects,
    halo_weight,
    peak_weight,
    source_weight,
    with_beam_numbers,
)

SIZES = {"channels": (32, 32), "layers": 1, "attention": (False, True), "head_width": 16, "context": 16}
SMALL = DenoiserConfig(**SIZES)
SETTINGS = DenoiserSettings(**SIZES)
DROPOUTS = ("mask_dropout", "peak_dropout", "object_dropout", "background_dropout", "beam_dropout", "self_share")
KEEP = SETTINGS.model_copy(update=dict.fromkeys(DROPOUTS, 0.0))


def batch(count=2, size=32, seed=0):
    """Noise, and one compact object of peak code 1.5 on pixels (10 to 13, 6 and 7)."""
    torch.manual_seed(seed)
    masks, peaks = torch.zeros(count, size, size, dtype=torch.long), torch.zeros(count, size, size)
    masks[:, 10:14, 6:8], peaks[:, 10:14, 6:8] = 2, 1.5
    images, skies = torch.randn(2, count, 1, size, size)
    return Batch(images, masks, peaks, skies, torch.linspace(2.0, 4.0, count))


def generator():
    return torch.Generator().manual_seed(7)


def exact_autoencoder():
    """One whose reconstruction is exact and whose log-variance is where it starts."""
    network = Autoencoder(AutoencoderConfig(channels=(8, 16), latent_channels=16))
    for conv in (network.encoder.conv_out, network.decoder.conv_out):
        torch.nn.init.zeros_(conv.weight)
    return network


@torch.no_grad()
def test_autoencoder_loss_by_hand():
    """An exact autoencoder errs by its latents' noise alone: E|error| = sigma sqrt(2 / pi)."""
    settings = AutoencoderSettings(latent_channels=16, brightness_weight=0.0, spectral_weight=0.0, kl_weight=0.1)
    data = batch(count=16)
    loss, figures = AutoencoderLoss(exact_autoencoder(), settings)(data, generator())
    sigma = torch.tensor(LOG_VARIANCE_START / 2).exp()
    assert figures["reconstruction"].item() == pytest.approx((sigma * (2 / torch.pi) ** 0.5).item(), rel=0.03)
    power = data.images.square().mean().item()
    kl = 0.5 * (power + sigma.item() ** 2 - 1 - LOG_VARIANCE_START)
    assert figures["kl"].item() == pytest.approx(kl, rel=1e-3)
    assert loss.item() == pytest.approx(figures["reconstruction"].item() + 0.1 * figures["kl"].item(), rel=1e-5)
    assert set(figures) == {"reconstruction", "kl"}


@torch.no_grad()
def test_bright_pixels_and_the_spectrum_count():
    data, network = batch(), exact_autoencoder()
    plain = AutoencoderLoss(network, AutoencoderSettings(latent_channels=16, brightness_weight=0.0))
    bright = AutoencoderLoss(network, AutoencoderSettings(latent_channels=16, brightness_weight=3.0))
    _, a = plain(data, generator())
    _, b = bright(data, generator())
    expected = 1 + 3 * data.images.abs().mean().item()
    assert b["reconstruction"].item() / a["reconstruction"].item() == pytest.approx(expected, rel=0.05)
    assert a["spectrum"].item() < 0.05


def test_measured_latents_have_zero_mean_and_unit_width():
    """Of the noise: latent pixels on an object or beside one do not count."""
    task = AutoencoderTask(AutoencoderSettings(channels=(8, 16)), {"name": "snr-asinh"})
    batches = [batch(8, seed=k) for k in range(4)]
    for data in batches:
        data.images.mul_(3).add_(1)
        data.images[data.masks[:, None] > 0] = 1000.0
    task.measure_latents(batches)
    latents = torch.cat([task.autoencoder.encode(data.images) for data in batches])
    clear = torch.ones(8, 8, dtype=torch.bool)
    clear[1:5, 0:3] = False  # the object lies on latent pixels (2 and 3, 1)
    noise = latents[..., clear].transpose(0, 1).flatten(1)
    torch.testing.assert_close(noise.mean(1), torch.zeros(16), atol=1e-4, rtol=0)
    torch.testing.assert_close(noise.std(1), torch.ones(16), atol=1e-4, rtol=0)
    assert latents[:, :, 2, 1].abs().max() > 50


def test_where_objects_leave_too_little_all_latents_are_measured():
    task = AutoencoderTask(AutoencoderSettings(channels=(8, 16)), {"name": "snr-asinh"})
    data = batch(16)
    data.masks.fill_(3)
    task.measure_latents([data])
    latents = task.autoencoder.encode(data.images).transpose(0, 1).flatten(1)
    torch.testing.assert_close(latents.std(1), torch.ones(16), atol=1e-4, rtol=0)


def test_source_weight_covers_the_object_and_its_neighbours():
    masks = torch.zeros(1, 32, 32, dtype=torch.long)
    masks[0, 13, 18] = 1
    expected = torch.ones(8, 8)
    expected[2:5, 3:6] = 4.0
    assert source_weight(masks, 4, 4.0)[0, 0].equal(expected)
    assert source_weight(masks, 4, 1.0).eq(1).all()


def test_peak_weight_is_the_square_of_the_code_that_is_asked():
    codes = torch.zeros(1, 16, 3, 3)
    codes[0, 5, 1, 1], codes[0, 9, 1, 1], codes[0, 3, 2, 0] = 2.0, 1.0, 0.5
    expected = torch.zeros(3, 3)
    expected[1, 1], expected[2, 0] = 40.0, 2.5  # the brightest of a latent pixel
    assert peak_weight(codes, 10.0)[0, 0].equal(expected)
    assert not peak_weight(codes, 0.0).any()


def test_halo_weight_reaches_around_bright_objects_alone():
    codes = torch.zeros(1, 16, 40, 40)
    codes[0, 3, 15, 20], codes[0, 5, 38, 38] = 3.0, 1.9  # 1,000 rms and 78 rms
    expected = torch.zeros(40, 40)
    expected[3:28, 8:33] = 0.5
    assert halo_weight(codes, 0.5)[0, 0].equal(expected)


def loss_of(objective="angle", settings=KEEP, config=SMALL):
    torch.manual_seed(1)
    autoencoder = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    return DenoiserLoss(Denoiser(config), autoencoder, Objective(DiffusionConfig(objective)), settings)


def weight_by_hand(settings):
    """1 on noise, `source_weight` on the object's latent pixels and those beside them, more where its peak is asked."""
    weight = torch.ones(8, 8)
    weight[1:5, 0:3] = settings.source_weight
    weight[2:4, 1] += settings.peak_weight * 1.5**2
    return weight


def test_no_pixel_counts_more_where_the_mask_is_dropped():
    masks = torch.zeros(2, 32, 32, dtype=torch.long)
    masks[:, 8:12, 8:12] = 3
    peaks = torch.where(masks > 0, 2.0, 0.0)
    planes = condition_planes(masks, peaks, 4, torch.tensor([True, False]))
    weight = loss_of().weigh(masks, planes)
    assert weight[1].eq(1.0).all()
    assert weight[0].max() > KEEP.source_weight


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("context", [0, 16])
@torch.no_grad()
def test_denoiser_loss_by_hand(objective, context):
    """A new denoiser predicts zero, so its loss is the weighted mean square of the target."""
    settings = KEEP.model_copy(update={"context": context})
    task, data = loss_of(objective, settings, DenoiserConfig(**(SIZES | {"context": context}))), batch()
    loss, figures = task(data, generator())
    random = generator()
    task.draw_conditions(data, random)
    clean = task.autoencoder.encode(data.images)
    noise = torch.randn(clean.shape, generator=random)
    angle = task.objective.draw_angles(2, random)[:, None, None, None]
    slope = angle.cos() * noise - angle.sin() * clean
    target = {"angle": slope, "v": slope, "flow": noise - clean, "eps": noise}[objective]
    error, weight = target.square().mean(1), weight_by_hand(settings).expand(2, 8, 8)
    assert figures["mse"].item() == pytest.approx(error.mean().item(), rel=1e-5)
    assert loss.item() == pytest.approx(((error * weight).sum() / weight.sum()).item(), rel=1e-5)


@pytest.mark.parametrize("objective", OBJECTIVES)
@torch.no_grad()
def test_the_denoiser_is_given_what_sampling_will_give_it(objective, monkeypatch):
    """Latents and time belong to the noise and the angle that were drawn, and an exact answer costs nothing."""
    task, data, seen = loss_of(objective), batch(4), {}
    random = generator()
    conditions = task.draw_conditions(data, random)
    clean = task.autoencoder.encode(data.images)
    noise = torch.randn(clean.shape, generator=random)
    angle = task.objective.draw_angles(4, random)

    def spy(latents, time, asked):
        seen.update(latents=latents, time=time, asked=asked)
        return task.objective.target(clean, noise, angle)

    monkeypatch.setattr(task.denoiser, "forward", spy)
    loss, _ = task(data, generator())
    assert loss.item() == 0
    given, time = task.objective.model_input(task.objective.noised(clean, noise, angle), angle)
    assert seen["latents"].equal(given) and seen["time"].equal(time)
    assert seen["asked"].planes.equal(conditions.planes) and seen["asked"].noised.equal(conditions.noised)


@torch.no_grad()
def test_with_the_sky_prior_clean_latents_are_mixed_with_those_of_the_noise_maps():
    """A new denoiser predicts zero: its loss is the mean square of the target, made by hand from a given noise map."""
    task, data = loss_of(settings=KEEP.model_copy(update={"prior": "sky"})), batch()
    data.noise = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(9))
    _, figures = task(data, generator())
    random = generator()
    task.draw_conditions(data, random)
    angle = task.objective.draw_angles(2, random)[:, None, None, None]
    clean, noise = task.autoencoder.encode(data.images), task.autoencoder.encode(data.noise)
    assert figures["mse"].item() == pytest.approx((angle.cos() * noise - angle.sin() * clean).square().mean().item())
    data.noise = data.images  # both ends are one picture
    assert task.draw_noise(data, clean.shape, random).equal(clean)


def test_the_sky_prior_needs_noise_and_a_scaling_that_knows_it():
    sky = KEEP.model_copy(update={"prior": "sky"})
    with pytest.raises(ValueError, match="the sky prior needs a loader that draws noise"):
        loss_of(settings=sky)(batch(), generator())
    with pytest.raises(ValueError, match="the sky prior needs the scaling snr-asinh, not paper: set prior to white"):
        DenoiserTask(sky, Autoencoder(AutoencoderConfig(channels=(8, 16))), {"scaling": {"name": "paper"}})


def test_beams_are_told_by_three_numbers_or_not_at_all():
    """6 x 3 pixels with the major axis along x: width sqrt(18), ln 2 times cos 0."""
    shape = torch.from_numpy(Beam(6.0, 3.0, 90.0).covariance(1.0)).float()
    told = beam_told(torch.stack([shape, torch.zeros(2, 2)]))
    torch.testing.assert_close(told, torch.tensor([[18**0.5, math.log(2), 0.0], [0.0, 0.0, 0.0]]), atol=1e-5, rtol=1e-5)
    settings = SETTINGS.model_copy(update={"beam_dropout": 0.4})
    task, data = loss_of(settings=settings), batch(400)
    data.beams = shape.expand(400, 2, 2)
    beam = task.draw_conditions(data, generator()).beam
    dropped = (beam == 0).all(1)
    assert beam.shape == (400, 3) and (beam[~dropped] == beam[~dropped][0]).all()
    assert dropped.float().mean().item() == pytest.approx(0.4, abs=0.08)


@torch.no_grad()
def test_a_denoiser_that_learns_to_hear_of_axes_starts_as_it_was():
    one = Denoiser(SMALL).eval()
    wake(one)
    wider = with_beam_numbers(one, 3)
    assert wider.config.beam_numbers == 3 and not wider.training and with_beam_numbers(wider, 1) is wider
    data = batch(2)
    planes = condition_planes(data.masks, data.peaks, 4)
    latents, time = torch.randn(2, 16, 8, 8), torch.tensor([200.0, 700.0])
    width = Conditions(planes, data.beams)
    shaped = Conditions(planes, torch.stack([data.beams, torch.full((2,), 0.5), torch.full((2,), -0.3)], 1))
    before = one(latents, time, width)
    torch.testing.assert_close(wider(latents, time, width), before)
    torch.testing.assert_close(wider(latents, time, shaped), before)  # until the new columns are trained


def test_the_autoencoder_is_frozen():
    autoencoder = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    task = DenoiserTask(SETTINGS, autoencoder, {"scaling": {"name": "snr-asinh"}})
    assert not any(p.requires_grad for p in autoencoder.parameters())
    assert not any("encoder" in name for name in task.module.state_dict())
    loss, _ = task.module(batch(), generator())
    loss.backward()
    assert all(p.grad is None for p in autoencoder.parameters())
    assert any(p.grad is not None for p in task.denoiser.parameters())


def test_every_weight_learns():
    """Once the zeros that training starts at are gone, no part of the network is without a gradient."""
    task = loss_of(settings=KEEP)
    wake(task.denoiser)
    task(batch(), generator())[0].backward()
    idle = [name for name, p in task.denoiser.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == ["background.nothing"]  # every image has a background here
    task.zero_grad()
    task.settings = KEEP.model_copy(update={"background_dropout": 1.0})
    task(batch(), generator())[0].backward()
    assert task.denoiser.background.nothing.grad.any()


# ---------------------------------------------------------------- what a denoiser is told


@pytest.fixture(scope="module")
def told():
    """The conditions of 4000 cutouts of two objects, 3, 5 and 8 pixels a side, and what they were drawn from."""
    rates = {"mask_dropout": 0.1, "peak_dropout": 0.5, "object_dropout": 0.3, "background_dropout": 0.2}
    settings = SETTINGS.model_copy(update=rates | {"beam_dropout": 0.4, "self_share": 0.25})
    task = loss_of(settings=settings)
    count = 4000
    random = torch.Generator().manual_seed(3)
    masks, peaks = torch.zeros(count, 16, 16, dtype=torch.long), torch.zeros(count, 16, 16)
    codes = (0.7 + 1.5 * torch.rand(2, count, generator=random)).half().float()[..., None, None]
    masks[:, 2:7, 1:4], masks[:, 9:14, 10:15] = 2, 3
    peaks[:, 2:7, 1:4], peaks[:, 9:14, 10:15] = codes
    images, skies = torch.randn(2, count, 1, 16, 16, generator=random)
    data = Batch(images, masks, peaks, skies, torch.full((count,), 3.0))
    with torch.no_grad():
        conditions = task.draw_conditions(data, generator())
        latents = {"self": task.autoencoder.encode(images), "sky": task.autoencoder.encode(skies)}
    planes = F.pixel_shuffle(conditions.planes, 4)
    return settings, conditions, planes, data, latents


def drops(told):
    """For each condition, whether it was dropped, (count,) bool."""
    _, conditions, planes, _, latents = told
    mask = ~planes[:, :4].flatten(1).any(1)
    own = conditions.background.isclose(latents["self"], atol=1e-6).flatten(1).all(1)
    return {"mask": mask, "background": ~conditions.has_background, "beam": conditions.beam == 0, "self": own}


def rate(values):
    """Share of True, and three times its standard error."""
    share = values.float().mean().item()
    return share, 3 * math.sqrt(0.25 / len(values))


def test_conditions_are_dropped_at_their_rates(told):
    expected = {"mask": 0.1, "background": 0.2, "beam": 0.4, "self": 0.25}
    for name, dropped in drops(told).items():
        share, error = rate(dropped)
        assert share == pytest.approx(expected[name], abs=error), name
    _, conditions, planes, data, latents = told
    kept = ~drops(told)["mask"]
    onehot = F.one_hot(data.masks, 4).movedim(-1, 1).float()
    assert planes[kept, :4].equal(onehot[kept])  # what is kept is whole
    sky = ~drops(told)["self"]
    torch.testing.assert_close(conditions.background[sky], latents["sky"][sky], atol=1e-5, rtol=1e-5)
    assert set(conditions.beam.unique().tolist()) == {0.0, 3.0}


def test_peaks_are_dropped_by_cutout_and_by_object(told):
    _, _, planes, data, _ = told
    kept, peaks = ~drops(told)["mask"], planes[:, 4]
    assert not peaks[~kept].any()  # no mask, no peaks
    first, second = peaks[:, 4, 2] > 0, peaks[:, 11, 12] > 0
    none = (~first & ~second)[kept]
    # a half have none because of the cutout, and of the other half each object is asked with 0.7
    assert rate(none)[0] == pytest.approx(0.5 + 0.5 * 0.3**2, abs=rate(none)[1])
    for asked in (first, second):
        assert rate(asked[kept])[0] == pytest.approx(0.5 * 0.7, abs=rate(asked[kept])[1])
    both = (first & second)[kept]
    assert rate(both)[0] == pytest.approx(0.5 * 0.7**2, abs=rate(both)[1])  # one object knows nothing of the other
    asked = peaks > 0
    assert peaks[asked].equal(data.peaks[asked])
    for box in (asked[:, 2:7, 1:4], asked[:, 9:14, 10:15]):
        assert (box.flatten(1).all(1) | ~box.flatten(1).any(1)).all()  # all pixels of an object or none


def test_each_condition_is_dropped_on_its_own(told):
    dropped = drops(told)
    peaks = ~told[2][:, 4].flatten(1).any(1)
    pairs = [(a, b) for a in dropped for b in dropped if a < b]
    for a, b in pairs:
        joint = rate(dropped[a] & dropped[b])
        assert joint[0] == pytest.approx(rate(dropped[a])[0] * rate(dropped[b])[0], abs=joint[1]), (a, b)
    kept = ~dropped["mask"]
    for name in ("background", "beam", "self"):
        joint = rate((peaks & dropped[name])[kept])
        assert joint[0] == pytest.approx(rate(peaks[kept])[0] * rate(dropped[name][kept])[0], abs=joint[1]), name


def test_how_much_of_a_background_is_shown(told):
    """Drawn evenly, with a seventh of the cutouts at each end; it is the background in so much noise."""
    _, conditions, *_ = told
    strength = conditions.strength
    for end in (0.0, 1.0):
        assert rate(strength == end)[0] == pytest.approx(1 / 7, abs=rate(strength)[1])
    inner = strength[(strength > 0) & (strength < 1)]
    assert torch.histc(inner, 5, 0, 1).tolist() == pytest.approx([len(inner) / 5] * 5, rel=0.15)
    clear = strength == 1
    assert conditions.noised[clear].equal(conditions.background[clear])
    a = ((1 - strength) * math.pi / 2)[:, None, None, None]
    noise = ((conditions.noised - a.cos() * conditions.background) / a.sin())[(strength < 0.99)]
    assert noise.mean().item() == pytest.approx(0, abs=0.01) and noise.std().item() == pytest.approx(1, abs=0.01)


def test_nothing_is_dropped_where_nothing_is_to_be():
    task, data = loss_of(), batch(50)
    data.peaks[:, 20:24, 20:24] = 0.9
    conditions = task.draw_conditions(data, generator())
    assert F.pixel_shuffle(conditions.planes, 4)[:, 4].equal(data.peaks)
    assert conditions.beam.equal(data.beams) and conditions.has_background.all()


def test_without_a_background_condition_none_is_drawn():
    config = DenoiserConfig(**(SIZES | {"context": 0}))
    conditions = loss_of(config=config).draw_conditions(batch(), generator())
    assert conditions.background is conditions.noised is conditions.has_background is None


@pytest.mark.parametrize(("share", "left"), [(0.0, 20_000), (1.0, 0), (0.15, 17_000)])
def test_objects_are_dropped_whole(share, left):
    """20,000 objects of 6 pixels: each keeps all of its pixels or none, and images draw for themselves."""
    random = torch.Generator().manual_seed(0)
    codes = (3 * torch.rand(1000, 20, generator=random)).half().float().clamp(min=0.01)
    peaks = torch.cat([codes.repeat_interleave(6, 1), torch.zeros(1000, 10)], 1).view(1000, 1, 130)
    kept = drop_objects(peaks, torch.rand(1000, generator=random), share)
    assert not kept[..., 120:].any()
    objects = kept[:, 0, :120].view(1000, 20, 6)
    assert ((objects == codes[..., None]).all(-1) | (objects == 0).all(-1)).all()
    assert (objects[..., 0] > 0).sum().item() == pytest.approx(left, rel=0.01)
    same = drop_objects(torch.full((1000, 1, 1), 1.5), torch.rand(1000, generator=random), share)
    assert (same > 0).float().mean().item() == pytest.approx(1 - share, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": (True,)}, "attention needs one entry a level: 2, not 1"),
        ({"sampler": "nonsense"}, "'nonsense' is no sampler; there are: euler, heun, adams"),
        ({"context": 18}, "background tokens of width 18; use a multiple of 4"),
        ({"objective": "eps", "sampler": "ddim", "zero_terminal_snr": True}, "zero_terminal_snr cannot go with 'eps'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_at_the_start(changes, message):
    autoencoder = Autoencoder(AutoencoderConfig(channels=(8, 16)))
    with pytest.raises(ValueError, match=message):
        DenoiserTask(SETTINGS.model_copy(update=changes), autoencoder, {"scaling": {"name": "snr-asinh"}})
