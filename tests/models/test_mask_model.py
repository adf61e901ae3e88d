"""The mask model: fields in and out, what it learns and what it says of it, its conditions."""

import pytest
import torch

from conftest import wake
from radiff.models.mask_model import ANY, MaskModel, MaskModelConfig

SMALL = MaskModelConfig(size=32, channels=(16, 16), layers=1, attention=(False, True), head_width=8)


def make() -> MaskModel:
    torch.manual_seed(0)
    model = MaskModel(SMALL).eval().requires_grad_(False)
    wake(model, 0.2)
    return model


def fields(count: int = 3) -> torch.Tensor:
    values = torch.full((count, 3, 32, 32), -1.0)
    values[:, 1, 8:16, 8:16] = 1.0
    return values


def angles(*values: float) -> torch.Tensor:
    return torch.tensor(values)


def test_planes_are_fields_over_the_gain_and_zero_where_nothing_is():
    model = make()
    planes = model.pack(fields())
    assert planes.shape == (3, *SMALL.shape) == (3, 48, 8, 8)
    assert planes.min() == 0 and planes.max() == 2 * SMALL.gain
    assert torch.equal(model.unpack(planes), fields())


def test_the_deviation_is_that_of_the_training_masks():
    model = make()
    model.measure(fields())
    # a sixteenth of the pixels is full: the root of it, times what full means
    assert model.deviation.tolist() == pytest.approx([0.01, 0.25 * 2 * SMALL.gain, 0.01])


def test_clean_and_target_are_each_others_inverse():
    model = make()
    model.measure(fields())
    clean, noise = model.pack(fields()), torch.randn(3, *SMALL.shape, generator=torch.Generator().manual_seed(1))
    angle = angles(0.1, 0.8, 1.5)
    x = torch.cos(angle)[:, None, None, None] * clean + torch.sin(angle)[:, None, None, None] * noise
    assert torch.allclose(model.clean(x, model.target(clean, noise, angle), angle), clean, atol=1e-4)
    # and the velocity of what is known is the derivative of x by the angle
    said = model.target(clean, noise, angle)
    model.forward = lambda x, angle, numbers: said  # type: ignore[method-assign]
    velocity = model.velocity(x, angle, torch.full((3, 3), float(ANY)))
    wanted = torch.cos(angle)[:, None, None, None] * noise - torch.sin(angle)[:, None, None, None] * clean
    assert torch.allclose(velocity, wanted, atol=2e-3)


def test_targets_have_unit_variance_at_every_angle():
    model = make()
    random = torch.Generator().manual_seed(2)
    model.deviation.fill_(0.3)
    for angle in (0.05, 0.7, 1.5):
        clean = 0.3 * torch.randn(8, *SMALL.shape, generator=random)
        noise = torch.randn(8, *SMALL.shape, generator=random)
        assert model.target(clean, noise, torch.full((8,), angle)).std().item() == pytest.approx(1.0, abs=0.02)


def test_numbers_are_heard_and_any_is_none_of_them():
    model = make()
    x = torch.randn(1, *SMALL.shape, generator=torch.Generator().manual_seed(3))
    rows = [[ANY, ANY, ANY], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, ANY, 0.0]]
    said = [model(x, angles(0.9), torch.tensor([row])) for row in rows]
    for k, one in enumerate(said):
        for other in said[:k]:
            assert not torch.allclose(one, other, atol=1e-5)
    assert not torch.allclose(model(x, angles(0.4), torch.tensor([rows[0]])), said[0], atol=1e-5)


def test_guidance_is_a_line_through_both():
    model = make()
    x, angle = torch.randn(1, *SMALL.shape, generator=torch.Generator().manual_seed(3)), angles(0.9)
    numbers = torch.tensor([[0.0, 2.0, 1.0]])
    one, two, free = (
        model.velocity(x, angle, n, g) for n, g in ((numbers, 1.0), (numbers, 2.0), (torch.full((1, 3), ANY), 1.0))
    )
    assert torch.allclose(two, free + 2.0 * (one - free), atol=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 36}, "masks of 36 pixels; the side must be a multiple of 8"),
        ({"attention": (True,)}, "attention needs one entry a level: 2, not 1"),
        ({"channels": (16, 18), "attention": (False, True)}, "18 channels cannot attend in heads of 8"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(values, message):
    given = {"size": 32, "channels": (16, 16), "attention": (False, True), "layers": 1, "head_width": 8, **values}
    with pytest.raises(ValueError, match=message):
        MaskModelConfig(**given)


def test_the_default_network_has_its_size():
    model = MaskModel(MaskModelConfig())
    assert model.config.shape == (48, 32, 32)
    assert sum(p.numel() for p in model.parameters()) == 5_689_456
