"""Noise from landmark to landmark is told from components by its shape, and only then."""

import numpy as np
import pytest

from atlas.components.krylov import array_components, leading_components
from atlas.components.rank_selection import (
    beyond_noise,
    effective_coordinates,
    foreseen_beyond_noise,
    worth_keeping,
)

DRAWS = 20


def draw(n, p, factors, rng, spread=1.0):
    """Rows of noise and so many factors, 3 to 300 times as large as the edge of the noise."""
    edge = (1 + np.sqrt(p / n)) ** 2
    data = rng.normal(size=(n, p)) * np.sqrt(spread)
    if factors:
        size = np.sqrt(np.geomspace(300, 3, factors) * edge)
        axes = np.linalg.qr(rng.normal(size=(p, factors)))[0]
        data += (rng.normal(size=(n, factors)) * size) @ axes.T
    return data - data.mean(axis=0)


def variances(data):
    return (np.linalg.svd(data, compute_uv=False) ** 2 / (len(data) - 1))[: len(data) - 1]


def counted(data, coordinates=None):
    found = variances(data)
    return beyond_noise(found, found.sum(), len(data), coordinates or data.shape[1])


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), [(40, 600), (100, 600), (100, 200), (300, 90)])
@pytest.mark.parametrize("factors", [0, 1, 4, 9])
def test_the_number_of_factors_beside_noise_is_found(n, p, factors):
    rng = np.random.default_rng([n, p, factors])
    right = sum(counted(draw(n, p, factors, rng)) == factors for _ in range(DRAWS))
    assert right >= 0.95 * DRAWS


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), [(30, 600), (60, 60), (200, 60)])
def test_the_largest_component_of_noise_hardly_exceeds_the_edge(n, p):
    """Asked of noise alone whether its first component stands out: in one draw of a hundred."""
    rng = np.random.default_rng([n, p])
    first = [variances(draw(n, p, 0, rng)) for _ in range(400)]
    # With one component given, None says that it stands above the edge.
    out = sum(beyond_noise(found[:1], found.sum(), n, p) is None for found in first)
    assert out <= 0.025 * 400


@pytest.mark.slow
@pytest.mark.parametrize("n", [12, 14, 25, 40, 120])
@pytest.mark.parametrize("length", [3.0, 10.0])
def test_what_neighbours_share_is_not_taken_for_noise(n, length):
    rng = np.random.default_rng([n, int(length)])
    places = np.arange(300.0)
    shared = np.exp(-((places[:, None] - places) ** 2) / (2 * length**2))
    root = np.linalg.cholesky(shared + 1e-9 * np.eye(300))
    for _ in range(DRAWS):
        data = np.hstack([rng.normal(size=(n, 300)) @ root.T for _ in range(3)])
        found = variances(data - data.mean(axis=0))
        held = int((np.cumsum(found) < 0.99 * found.sum()).sum()) + 1
        assert beyond_noise(found[:held], found.sum(), n, 900) is None


def test_without_noise_nothing_is_taken_away():
    rng = np.random.default_rng(2)
    data = (rng.normal(size=(60, 7)) * 0.5 ** np.arange(7)) @ rng.normal(size=(7, 400))
    found = variances(data - data.mean(axis=0))
    assert beyond_noise(found[:7], found.sum(), 60, 400) is None


def test_fewer_than_twenty_components_are_never_taken_for_noise():
    alike = np.ones(20)
    assert beyond_noise(alike, 20.0, 21, 5000) == 0
    assert beyond_noise(alike[:19], 19.0, 20, 5000) is None
    assert beyond_noise(alike[:19], 19.0, 5000, 19.0) is None


def test_what_is_worth_keeping_is_what_gavish_and_donoho_found():
    # Square: (4 / sqrt 3)^2; very oblong: twice the longer side.
    assert worth_keeping(50.0, 50.0) == pytest.approx(50 * 16 / 3)
    assert worth_keeping(1e-9, 70.0) == pytest.approx(2 * 70.0)
    assert worth_keeping(30.0, 80.0) == worth_keeping(80.0, 30.0)


def test_a_component_less_than_that_adds_more_error_than_it_takes_away():
    rng = np.random.default_rng(3)
    n, p = 100, 400
    for above, better in ((1.6, True), (0.7, False)):
        gain = []
        for _ in range(20):
            # Squared singular value of the signal that gives one of the noisy matrix at the limit.
            limit = worth_keeping(n, p) - n - p
            limit = (limit + np.sqrt(limit**2 - 4 * n * p)) / 2
            signal = np.sqrt(above * limit) * np.outer(
                *(x / np.linalg.norm(x) for x in (rng.normal(size=n), rng.normal(size=p)))
            )
            u, s, vt = np.linalg.svd(signal + rng.normal(size=(n, p)), full_matrices=False)
            kept = s[0] * np.outer(u[:, 0], vt[0])
            gain.append((signal**2).sum() - ((kept - signal) ** 2).sum())
        assert (np.mean(gain) > 0) == better


@pytest.mark.parametrize("n", [40, 100])
def test_landmarks_of_unequal_weight_count_as_fewer(n):
    weights = np.r_[np.full(60, 5.25), np.full(340, 0.2)]
    coordinates = effective_coordinates(weights)
    assert coordinates == pytest.approx(3 * weights.sum() ** 2 / (weights**2).sum())
    assert effective_coordinates(np.full(400, 0.3)) == pytest.approx(1200)
    rng = np.random.default_rng(n)
    spread = np.repeat(weights, 3)
    right = [counted(draw(n, 1200, 3, rng, spread), coordinates) == 3 for _ in range(DRAWS)]
    assert np.mean(right) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), [(120, 500), (600, 150), (500, 500)])
@pytest.mark.parametrize("held", [0.99, 0.5, 1.0])
def test_products_alone_count_as_all_components_do(n, p, held):
    data = draw(n, p, 6, np.random.default_rng([n, p]))
    passes = []

    def multiply(columns):
        passes.append(columns.shape[1])
        return data.T @ (data @ columns)

    found = leading_components(multiply, (data**2).sum(axis=0), n, held=held, noisy=float(p))
    every = variances(data)
    share = int((np.cumsum(every) < (held - 1e-12) * every.sum()).sum()) + 1
    assert len(found.variance) == min(share, 6)
    assert found.bounded == (share > 6)
    np.testing.assert_allclose(found.variance, every[: len(found.variance)], rtol=1e-10)
    assert len(passes) <= 12
    gathered = array_components(data, held=held, noisy=float(p))
    assert (len(gathered.variance), gathered.bounded) == (len(found.variance), found.bounded)


def test_values_that_still_grow_past_the_edge_are_not_yet_noise():
    within = np.array([50.0, 20.0, 1.1, 1.0])
    beside = {"total": 50 + 20 + 37 * 0.9, "n": 40, "coordinates": 3000.0}
    assert foreseen_beyond_noise(within, within, 9, **beside) == 2
    assert foreseen_beyond_noise(within, within - [0, 0, 0.2, 0], 9, **beside) is None
    assert foreseen_beyond_noise(within, within[:2], 9, **beside) is None
