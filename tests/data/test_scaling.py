"""Intensity scalings: Jy/beam come back, and the one that cannot be inverted says so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiff.data.scaling import SCALINGS, Paper, SnrAsinh, make_scaling, scaling_config
from radiff.errors import InputError

EPS = np.finfo(np.float32).eps


@settings(max_examples=60, deadline=None)
@given(
    snr=st.lists(st.floats(-20, 1e5), min_size=1, max_size=30),
    rms=st.floats(1e-7, 10.0),
    background=st.floats(-5, 5),
    softness=st.floats(0.2, 10.0),
)
def test_inverse_is_exact_to_float32(snr, rms, background, softness):
    """The scaled value y is rounded to float32, so the image is known to rms * softness * cosh(y) * eps * |y|."""
    image = np.asarray(snr) * rms + background * rms
    scaling = SnrAsinh(softness)
    scaled = scaling.forward(image, background * rms, rms)
    assert scaled.dtype == np.float32
    back = scaling.inverse(scaled, background * rms, rms)
    y = np.abs(scaled.astype(np.float64))
    bound = EPS * (rms * softness * np.cosh(y) * (y + EPS) + np.abs(image)) + 1e-30
    assert back.dtype == np.float32
    assert np.all(np.abs(back - image) <= bound)


def test_known_values():
    scaling = SnrAsinh(softness=2.0)
    image = np.array([[1.0, 1.0 + 2 * 0.1, 1.0 + 2 * 0.1 * np.sinh(3.0)]])
    np.testing.assert_allclose(scaling.forward(image, 1.0, 0.1), [[0.0, np.arcsinh(1.0), 3.0]], rtol=1e-6)


def test_blank_pixels_become_the_background():
    scaled = SnrAsinh().forward([[np.nan, 2.0]], background=2.0, rms=0.5)
    np.testing.assert_array_equal(scaled, [[0.0, 0.0]])


@pytest.mark.parametrize("rms", [0.0, -1.0, np.nan, np.inf])
def test_an_rms_that_is_no_noise_is_refused(rms):
    with pytest.raises(InputError, match=r"the noise rms is .*; a positive number"):
        SnrAsinh().forward(np.zeros((2, 2)), 0.0, rms)


def test_paper_chain_fills_zero_to_one_and_forgets_the_flux_scale():
    image = np.random.default_rng(0).normal(0, 1e-4, (64, 64))
    image[20, 30] = 0.01
    image[0, 0] = np.nan
    scaled = Paper().forward(image, 0.0, 1e-4)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)
    np.testing.assert_allclose(Paper().forward(1000 * image, 0.0, 0.1), scaled, atol=1e-5)


def test_paper_chain_of_a_constant_image_is_finite():
    assert np.isfinite(Paper().forward(np.full((16, 16), 3.0), 0.0, 0.0)).all()


def test_paper_chain_cannot_be_inverted_and_says_what_to_use():
    assert not Paper.invertible
    with pytest.raises(InputError, match=r"'paper' .* cannot be inverted .* use weights trained with 'snr-asinh'"):
        Paper().inverse(np.zeros((2, 2)), 0.0, 1.0)


@pytest.mark.parametrize("scaling", [SnrAsinh(), SnrAsinh(3.5), Paper(), Paper(0.1)])
def test_config_makes_the_same_scaling(scaling):
    assert make_scaling(**scaling_config(scaling)) == scaling


def test_unknown_names_and_parameters_are_refused():
    with pytest.raises(InputError, match="'log' is no intensity scaling; there are: " + ", ".join(SCALINGS)):
        make_scaling("log")
    with pytest.raises(InputError, match=r"'snr-asinh' was given parameters it has not: .*contrast"):
        make_scaling("snr-asinh", contrast=1)
