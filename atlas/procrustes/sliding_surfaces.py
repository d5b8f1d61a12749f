"""Curves and surfaces that landmarks slide on, each by parameters that never leave it.

A landmark on a root has one parameter, its arc length; one on the sac or cord has two, its height
below the top plane and its place around.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import isotonic_regression
from scipy.spatial import cKDTree

from atlas.curves.polylines import bridge_variance
from atlas.landmarks.fitting_curves import DEPTH_TOLERANCE_MM, FittedRoot, FittedTube
from atlas.landmarks.scheme import Block, Status

# Neighbours come no nearer to each other than this share of equal spacing: order is kept, and the
# reference never holds two landmarks at one place, where its bending energy has no bound.
LEAST_SPACING = 0.1
# Weight of a landmark that stays among those that give way to each other.
FIXED = 1e9
# Newton on a surface doubles the digits each time; the nearest sample has two of them.
FOOTPOINT_ROUNDS = 12


@dataclass(frozen=True, slots=True, eq=False)
class RootCarrier:
    """The centreline of a root; the first parameter is arc length in mm, the second is idle.

    Parameters
    ----------
    root : FittedRoot
    levels : int
        Landmarks on it; the first traced point and the ganglion stay.
    """

    root: FittedRoot
    levels: int

    @property
    def free(self) -> np.ndarray:
        """Which parameters may change, (n, 2)."""
        free = np.zeros((self.levels, 2), dtype=bool)
        free[1:-1, 0] = True
        return free

    def locate(self, points: np.ndarray) -> np.ndarray:
        """Parameters (n, 2) of the points nearest to points (n, 3)."""
        begin, step = self.root.line[:-1], np.diff(self.root.line, axis=0)
        share = np.einsum("nsk,sk->ns", points[:, None] - begin, step) / (step**2).sum(axis=1)
        share = np.clip(share, 0, 1)
        apart = ((begin + share[..., None] * step - points[:, None]) ** 2).sum(axis=2)
        nearest = apart.argmin(axis=1)
        place = nearest + share[np.arange(len(points)), nearest]
        length = np.interp(place, np.arange(len(self.root.line)), self.root.lengths)
        return np.stack([length, np.zeros(len(points))], axis=1)

    def points(self, parameters: np.ndarray) -> np.ndarray:
        """Points (n, 3) at parameters (n, 2), mm."""
        return _interpolate(parameters[:, 0], self.root.lengths, self.root.line)

    def tangents(self, parameters: np.ndarray) -> np.ndarray:
        """Derivative (n, 2, 3) of the points by the parameters."""
        slope = np.gradient(self.root.line, self.root.lengths, axis=0)
        along = _interpolate(parameters[:, 0], self.root.lengths, slope)
        return np.stack([along, np.zeros_like(along)], axis=1)

    def limited(self, parameters: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The step (n, 2) as far as it keeps the order of neighbours."""
        step = step.copy()
        ends = (0.0, float(self.root.lengths[-1]))
        step[:, 0] = _in_order(parameters[:, 0], step[:, 0], self.free[:, 0], ends)
        return step

    def status(self, parameters: np.ndarray) -> np.ndarray:
        """What each landmark rests on there, (n,)."""
        traced = parameters[:, 0] <= self.root.traced_mm + DEPTH_TOLERANCE_MM
        status = np.where(traced, Status.MEASURED, Status.BRIDGED)
        # The ganglion was marked, on another sequence than the trace.
        status[-1] = Status.MEASURED
        return status

    def bridge_sd(self, parameters: np.ndarray, roughness: float) -> np.ndarray:
        """Uncertainty (n,) of landmarks in the gap, SD per axis across the root, mm."""
        gap = self.root.lengths[-1] - self.root.traced_mm
        share = (parameters[:, 0] - self.root.traced_mm) / max(gap, DEPTH_TOLERANCE_MM)
        return np.sqrt(roughness * gap**3 * bridge_variance(np.clip(share, 0, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class TubeCarrier:
    """The surface of sac or cord by height below the top (mm) and place around (ring points).

    The surface is the tensor product of the fitted tracks and the periodic cubic spline through
    their rings at whole numbers: twice continuously differentiable, and through every landmark that
    was placed on it.

    Parameters
    ----------
    tube : FittedTube
    block : Block
    apex : bool
        Whether the first ring is the apex, whose dorsal point stays.
    conus : bool
        Whether the last ring is the conus, which stays.
    """

    tube: FittedTube
    block: Block
    apex: bool = False
    conus: bool = False

    @property
    def free(self) -> np.ndarray:
        """Which parameters may change, (n, 2)."""
        free = np.ones((self.block.levels, self.block.around, 2), dtype=bool)
        # The first and last ring bound what is compared: they turn, they do not move along.
        free[[0, -1], :, 0] = False
        free[0, 0, 1] = not self.apex
        free[-1, :, 1] = not self.conus
        return free.reshape(-1, 2)

    def locate(self, points: np.ndarray) -> np.ndarray:
        """Parameters (n, 2) of the points nearest to points (n, 3)."""
        rings = np.arange(2 * self.block.around) / 2
        grid = np.stack(np.meshgrid(self.tube.heights, rings, indexing="ij"), axis=-1)
        samples = np.einsum("ra,hak->hrk", self._weights(rings), self.tube.tracks(grid[:, 0, 0]))
        nearest = cKDTree(samples.reshape(-1, 3)).query(points)[1]
        parameters = grid.reshape(-1, 2)[nearest]
        for _ in range(FOOTPOINT_ROUNDS):
            tangents = self.tangents(parameters)
            metric = tangents @ np.swapaxes(tangents, 1, 2)
            offset = tangents @ (points - self.points(parameters))[..., None]
            parameters = parameters + np.linalg.solve(metric, offset)[..., 0]
            parameters[:, 0] = np.clip(parameters[:, 0], *self._ends)
        return parameters

    def points(self, parameters: np.ndarray) -> np.ndarray:
        """Points (n, 3) at parameters (n, 2), mm."""
        rings = self.tube.tracks(parameters[:, 0])
        return np.einsum("na,nak->nk", self._weights(parameters[:, 1]), rings)

    def tangents(self, parameters: np.ndarray) -> np.ndarray:
        """Derivative (n, 2, 3) of the points by the parameters."""
        height, around = parameters.T
        down = np.einsum("na,nak->nk", self._weights(around), self.tube.tracks(height, 1))
        turn = np.einsum("na,nak->nk", self._weights(around, 1), self.tube.tracks(height))
        return np.stack([down, turn], axis=1)

    def limited(self, parameters: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The step (n, 2) as far as it keeps the order of neighbours."""
        shape = (self.block.levels, self.block.around, 2)
        grid, wanted, free = (a.reshape(shape) for a in (parameters, step, self.free))
        given = np.zeros(shape)
        for column in range(self.block.around):
            given[:, column, 0] = _in_order(
                grid[:, column, 0], wanted[:, column, 0], free[:, column, 0], self._ends
            )
        # Around there is no end to start from: each may go half the way to its neighbours.
        after = np.mod(np.roll(grid[..., 1], -1, axis=1) - grid[..., 1], self.block.around)
        room = np.nan_to_num(np.maximum(after - LEAST_SPACING, 0.0) / 2)
        given[..., 1] = np.clip(wanted[..., 1], -np.roll(room, 1, axis=1), room)
        return given.reshape(-1, 2)

    @property
    def _ends(self) -> tuple[float, float]:
        return float(self.tube.heights[0]), float(self.tube.heights[-1])

    def _weights(self, around: np.ndarray, derivative: int = 0) -> np.ndarray:
        """Weight (n, around) of each ring point in the periodic spline at places (n,)."""
        return _ring_basis(self.block.around)(around, derivative)


Carrier = RootCarrier | TubeCarrier


def _in_order(
    places: np.ndarray, step: np.ndarray, free: np.ndarray, ends: tuple[float, float]
) -> np.ndarray:
    """The step (n,) nearest to the one wanted after which places (n,) still rise.

    Places that would pass each other meet at :data:`LEAST_SPACING` of equal spacing instead, about
    where they wanted to go in the mean (isotonic regression); a whole row may move at once.
    Missing places are NaN and stay so.
    """
    given = np.zeros_like(step)
    there = ~np.isnan(places)
    if there.sum() < 2:
        return given
    gap = np.diff(places[there])
    least = np.minimum(gap, LEAST_SPACING * gap.mean())
    before = np.concatenate([[0.0], np.cumsum(least)])
    wanted = places[there] + step[there] - before
    weight = np.where(free[there], 1.0, FIXED)
    rising = isotonic_regression(wanted, weights=weight).x
    held = np.clip(rising, ends[0], ends[1] - before[-1]) + before
    given[there] = np.where(free[there], held - places[there], 0.0)
    return given


@lru_cache(maxsize=8)
def _ring_basis(n: int) -> CubicSpline:
    """Periodic cubic splines (n) that are 1 at one of n places around and 0 at the others."""
    return CubicSpline(np.arange(n + 1), np.eye(n)[np.arange(n + 1) % n], bc_type="periodic")


def _interpolate(at: np.ndarray, lengths: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(at, lengths, axis) for axis in values.T], axis=1)
