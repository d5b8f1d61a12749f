"""Bending energy: what costs nothing, what it costs by another program, the least of it."""

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator
from scipy.spatial.transform import Rotation

from atlas.procrustes.bending import BendingEnergy, BendingError, bending_energy_matrix


@pytest.fixture(scope="module")
def reference():
    return np.random.default_rng(0).uniform(-50, 50, (40, 3))


@pytest.fixture(scope="module")
def energy(reference):
    return BendingEnergy.of(reference)


def test_the_matrix_is_symmetric_positive_semidefinite_and_affine_maps_are_all_its_kernel(energy):
    np.testing.assert_array_equal(energy.matrix, energy.matrix.T)
    eigenvalues = np.linalg.eigvalsh(energy.matrix)
    assert eigenvalues[0] > -1e-12 * eigenvalues[-1]
    assert (eigenvalues < 1e-9 * eigenvalues[-1]).sum() == 4


def test_affine_maps_bend_nothing(reference, energy):
    affine = np.random.default_rng(1).normal(size=(3, 3))
    assert energy.value(reference @ affine.T + [3, -40, 500]) == pytest.approx(0, abs=1e-10)


def test_energy_is_that_of_another_programs_thin_plate_spline(reference, energy):
    rng = np.random.default_rng(2)
    target = reference + rng.normal(size=reference.shape)
    # Its kernel is -r where the fundamental solution is -r / (8 pi): its weights are smaller by
    # the factor, and the energy is weights times target.
    spline = RBFInterpolator(reference, target, kernel="linear", degree=1)
    weights = 8 * np.pi * spline._coeffs[: len(reference)]
    assert energy.value(target) == pytest.approx((weights * target).sum(), rel=1e-9)


def test_energy_is_the_integral_of_squared_second_derivatives():
    # A radially symmetric map: the integral over space by shells, far enough out that the rest is
    # known to fall off.  Six points about a centre that is lifted by 1.
    reference = np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
    target = np.zeros((7, 3))
    target[0, 0] = 1.0
    spline = RBFInterpolator(reference, target[:, 0], kernel="linear", degree=1)
    weights = spline._coeffs[:7, 0]
    rng = np.random.default_rng(3)
    # Importance sampling of space: directions at random, radius with density 1 / (1 + r)^2.
    u = rng.uniform(size=100_000)
    radius = u / (1 - u)
    points = rng.normal(size=(len(u), 3))
    points *= (radius / np.linalg.norm(points, axis=1))[:, None]
    offset = points[:, None] - reference
    r = np.linalg.norm(offset, axis=2)
    # Second derivative of -r: (x x' / r^2 - 1) / r.
    outer = offset[..., :, None] * offset[..., None, :] / r[..., None, None] ** 2
    second = np.einsum("p,npij->nij", weights, (outer - np.eye(3)) / r[..., None, None])
    volume = 4 * np.pi * radius**2 * (1 + radius) ** 2
    integral = ((second**2).sum(axis=(1, 2)) * volume).mean()
    assert BendingEnergy.of(reference).value(target) == pytest.approx(integral, rel=0.04)


def test_energy_does_not_change_when_target_or_reference_is_moved(reference, energy):
    turn = Rotation.random(rng=np.random.default_rng(4)).as_matrix()
    target = reference + np.random.default_rng(5).normal(size=reference.shape)
    expected = energy.value(target)
    assert energy.value(target @ turn.T + 30) == pytest.approx(expected, rel=1e-9)
    moved = BendingEnergy.of(reference @ turn.T + 30)
    assert moved.value(target) == pytest.approx(expected, rel=1e-9)


def test_no_other_step_along_the_tangents_leaves_less(reference, energy):
    rng = np.random.default_rng(6)
    points = reference + rng.normal(size=reference.shape)
    tangents = rng.normal(size=(len(points), 2, 3))
    free = rng.uniform(size=(len(points), 2)) < 0.7
    step = energy.step(points, tangents, free)
    assert (step[~free] == 0).all() and (step[free] != 0).all()

    def after(step):
        return energy.value(points + np.einsum("np,npk->nk", step, tangents))

    least = after(step)
    assert least < 0.8 * energy.value(points)
    for _ in range(20):
        other = step + 1e-2 * rng.normal(size=step.shape) * free
        assert after(other) > least


def test_two_equal_directions_are_no_obstacle(reference, energy):
    points = reference + np.random.default_rng(7).normal(size=reference.shape)
    once = np.random.default_rng(8).normal(size=(len(points), 1, 3))
    twice = np.repeat(once, 2, axis=1)
    step = energy.step(points, twice, np.ones((len(points), 2), dtype=bool))
    expected = energy.step(points, once, np.ones((len(points), 1), dtype=bool))
    np.testing.assert_allclose(step.sum(axis=1), expected[:, 0], atol=1e-4)


def test_nothing_free_is_no_step(reference, energy):
    still = energy.step(reference, np.ones((40, 2, 3)), np.zeros((40, 2), dtype=bool))
    np.testing.assert_array_equal(still, 0)


@pytest.mark.parametrize(
    ("points", "text"),
    [
        (np.eye(3), "expected at least 5 points, got 3"),
        (np.random.default_rng(0).normal(size=(9, 3)) * [1, 1, 0], "got points in a plane"),
        (
            np.random.default_rng(0).normal(size=(9, 3))[[0, 1, 2, 3, 4, 5, 6, 7, 7]],
            r"got two at one place \(row [78]\)",
        ),
    ],
)
def test_references_without_a_spline_are_refused(points, text):
    with pytest.raises(BendingError, match=text):
        bending_energy_matrix(points)
