"""Leading components from products alone: those of all components, or a clear refusal."""

import numpy as np
import pytest

from atlas.components.krylov import TooManyModesError, array_components, leading_components
from atlas.components.principal import ShapeModelError, principal_components, reached


def shapes(n, p, rank, noise, seed=0):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(p, rank)))[0]
    data = (rng.normal(size=(n, rank)) * 30 * 0.6 ** np.arange(rank)) @ axes.T
    data += noise * rng.normal(size=(n, p))
    return data - data.mean(axis=0)


def by_products(data, **options):
    calls = []

    def multiply(columns):
        calls.append(columns.shape[1])
        return data.T @ (data @ columns)

    found = leading_components(multiply, (data**2).sum(axis=0), len(data), **options)
    return found, calls


@pytest.mark.parametrize(("n", "p"), [(300, 120), (120, 300), (40, 60)])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_leading_components_are_those_of_all(n, p, noise):
    data = shapes(n, p, 8, noise)
    modes, variance = principal_components(data)
    found, calls = by_products(data, held=0.98)
    k = len(found.variance)
    assert k == reached(variance, variance.sum(), 0.98)
    np.testing.assert_allclose(found.variance, variance[:k], rtol=1e-12)
    np.testing.assert_allclose(found.total, variance.sum(), rtol=1e-12)
    cosine = np.abs((found.modes * modes[:k]).sum(axis=1))
    np.testing.assert_allclose(cosine, 1, atol=1e-12)
    np.testing.assert_allclose(found.modes @ found.modes.T, np.eye(k), atol=1e-12)
    assert len(calls) <= 5


def test_everything_can_be_asked_for_and_is_exact():
    data = shapes(30, 50, 4, 0.2)
    modes, variance = principal_components(data)
    found, _ = by_products(data, held=1.0)
    np.testing.assert_allclose(found.variance[:29], variance, rtol=1e-10)
    np.testing.assert_allclose(np.abs((found.modes[:29] * modes).sum(axis=1)), 1, atol=1e-8)


def test_a_number_of_modes_can_be_asked_for():
    data = shapes(200, 90, 6, 0.1)
    found, _ = by_products(data, k=3)
    assert found.modes.shape == (3, 90)
    np.testing.assert_allclose(found.variance, principal_components(data)[1][:3], rtol=1e-12)


def test_pure_noise_is_refused_where_passes_would_never_end():
    data = np.random.default_rng(0).normal(size=(400, 300))
    with pytest.raises(TooManyModesError, match=r"modes that hold 99\.00%.*within 60 directions"):
        by_products(data - data.mean(axis=0), held=0.99, widest=60)


def test_in_memory_noise_falls_back_on_all_components():
    data = np.random.default_rng(1).normal(size=(420, 60))
    data -= data.mean(axis=0)
    found = array_components(data, held=0.9)
    modes, variance = principal_components(data)
    k = len(found.variance)
    np.testing.assert_allclose(found.variance, variance[:k], rtol=1e-10)
    np.testing.assert_allclose(np.abs((found.modes * modes[:k]).sum(axis=1)), 1, atol=1e-8)


def test_the_same_shape_in_everybody_is_refused():
    with pytest.raises(ShapeModelError, match="expected shapes that differ"):
        by_products(np.zeros((9, 6)), held=0.99)


def test_reached_counts_what_a_share_needs():
    assert reached(np.array([6.0, 3.0, 1.0]), 10.0, 0.9) == 2
    assert reached(np.array([6.0, 3.0, 1.0]), 10.0, 1.0) == 3
    assert reached(np.array([6.0, 3.0]), 10.0, 0.95) is None
