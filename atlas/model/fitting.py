"""From aligned subjects to the shape model: plain principal components, or probabilistic ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from atlas.arrays import freeze
from atlas.components.blocks import Block, Group, MemoryGroup, total
from atlas.components.krylov import VARIANCE_HELD, group_components, signal_modes
from atlas.components.ppca import Moments, Patterns, Presence, climb, expectation, runs_of
from atlas.components.principal import RELATIVE_TOLERANCE, Factors, ShapeModelError, reached
from atlas.components.rank_selection import effective_coordinates
from atlas.landmarks.scheme import Status
from atlas.model.shape_model import ShapeModel, mode_signs, weighted_modes
from atlas.procrustes.alignment import Alignment
from atlas.threads import threads_for

BRIDGED = ("as-measured", "uncertain", "missing")


class Placed(Protocol):
    """Where the subjects of a group lie in a common frame: an alignment, or a registration."""

    @property
    def mean(self) -> np.ndarray:
        """Mean shape (L, 3), mm."""

    @property
    def weights(self) -> np.ndarray:
        """Weights of the landmarks (L,)."""

    def aligned(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Points (S, L, 3), NaN where missing, and the same with what is expected there."""


def fit_shape_model(
    alignment: Alignment,
    *,
    n_modes: int | None = None,
    variance_held: float = 1.0,
    bridged: str = "as-measured",
) -> ShapeModel:
    """Principal components of aligned shapes; probabilistic ones where landmarks are missing.

    Parameters
    ----------
    alignment : Alignment
        Of at least two subjects.
    n_modes : int, optional
        By default all S - 1 where nothing is missing.  Otherwise as many as hold 99 % of the
        variance of the landmarks that every subject has, at most S - 2: the noise needs the rest;
        and none that noise from landmark to landmark would bring about by itself
        (:func:`atlas.components.rank_selection.beyond_noise`).
    variance_held : float
        Keep only the leading modes that hold this share of the variance; what the others hold is
        noise.  Only these are worked out, which takes a fraction of the time in large groups.
        Where landmarks are missing, the share is one of modes and noise of the whole fit, of which
        all modes stay if they hold less.
    bridged : {"as-measured", "uncertain", "missing"}
        Bridged landmarks count like measured ones, with the noise of their bridge added, or not at
        all.  A landmark that no subject traced is uncertain even then: there is nothing else.

    Returns
    -------
    ShapeModel
        Variance with n - 1.  Whole shapes that count as measured give plain principal components.

    Raises
    ------
    ShapeModelError
        Fewer than two subjects, more modes than they allow, no share of the variance, or no
        variation at all.
    """
    with threads_for(len(alignment.points)):
        return fit_group_model(
            MemoryGroup(alignment.landmarks),
            alignment,
            n_modes=n_modes,
            variance_held=variance_held,
            bridged=bridged,
        )


def fit_group_model(
    group: Group,
    placed: Placed,
    *,
    n_modes: int | None = None,
    variance_held: float = 1.0,
    bridged: str = "as-measured",
) -> ShapeModel:
    """As :func:`fit_shape_model`, of a group that may lie anywhere.

    Parameters
    ----------
    group : Group
    placed : Placed
        Where its subjects lie.
    n_modes, variance_held, bridged
        As there.

    Returns
    -------
    ShapeModel
    """
    count = len(group.subject_ids)
    if count < 2:
        raise ShapeModelError(f"expected at least 2 subjects for a model of variation, got {count}")
    if n_modes is not None and not 1 <= n_modes < count:
        raise ShapeModelError(f"n_modes: expected 1 to {count - 1}, got {n_modes}")
    if not 0 < variance_held <= 1:
        raise ShapeModelError(f"variance_held: expected a share in (0, 1], got {variance_held}")
    if bridged not in BRIDGED:
        raise ShapeModelError(f"bridged: expected one of {BRIDGED}, got {bridged!r}")
    grounds = _Grounds.of(group, bridged)
    if grounds.plain:
        return _closed_form(group, placed, n_modes, variance_held)
    whole = _probabilistic(group, placed, grounds, n_modes)
    return whole if variance_held == 1 else _leading_share(whole, variance_held)


def _closed_form(
    group: Group, placed: Placed, n_modes: int | None, variance_held: float
) -> ShapeModel:
    found = group_components(group, deviations, placed, k=n_modes, held=variance_held)
    k, coordinates = len(found.variance), 3 * group.scheme.size
    # Maximum likelihood of k factors (Tipping & Bishop 1999), as ShapeModel.truncate has it.
    rest = max(found.rest, 0.0)
    beyond = rest > RELATIVE_TOLERANCE * found.total
    noise = rest / (coordinates - k) if beyond else 0.0
    root = np.sqrt(placed.weights)[:, None]
    modes = found.modes.reshape(k, -1, 3)
    if (placed.weights != 1).any():
        modes = modes / root
    spread = _Spread(placed.mean, modes, found.variance - noise, noise)
    return _signed_model(group, placed, spread)


def deviations(block: Block, placed: Placed) -> np.ndarray:
    """Weighted deviations (S, 3 L) of whole shapes from the mean."""
    rows: np.ndarray = placed.aligned(block)[1] - placed.mean
    if (placed.weights != 1).any():
        rows *= np.sqrt(placed.weights)[:, None]
    return rows.reshape(len(rows), -1)


@dataclass(frozen=True, slots=True, eq=False)
class _Spread:
    """A mean (L, 3), modes (K, L, 3) about it with their variance (K,), and noise, in mm."""

    mean: np.ndarray
    modes: np.ndarray
    variance: np.ndarray
    noise: float


def _signed_model(group: Group, placed: Placed, spread: _Spread) -> ShapeModel:
    signs = mode_signs(spread.modes, group.scheme)
    modes = spread.modes
    if modes.flags.writeable:
        modes *= signs[:, None, None]
    else:
        modes = modes * signs[:, None, None]
    return ShapeModel(
        scheme=group.scheme,
        mean=spread.mean,
        modes=freeze(np.ascontiguousarray(modes)),
        variance=spread.variance,
        noise=spread.noise,
        n_subjects=len(group.subject_ids),
        weights=placed.weights,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Grounds:
    """Which landmarks count, and how uncertain they are beyond the noise.

    Parameters
    ----------
    bridged : str
    traced : (L,) bool
        Landmarks that any subject has measured: bridges are left out there alone.
    presence : Presence
        Of the landmarks that count.
    plain : bool
        Whether everything counts as measured.
    """

    bridged: str
    traced: np.ndarray
    presence: Presence
    plain: bool

    @classmethod
    def of(cls, group: Group, bridged: str) -> _Grounds:
        traced = np.zeros(group.scheme.size, dtype=bool)
        if bridged == "missing":
            for found in group.each(_traced):
                traced |= found
        grounds = list(group.each(_ground, bridged, traced))
        presence: Presence = total(one for one, _ in grounds)
        certain = all(measured for _, measured in grounds)
        return cls(bridged, traced, presence, bool(presence.common.all()) and certain)


def _traced(block: Block) -> np.ndarray:
    traced: np.ndarray = (block.landmarks.status == Status.MEASURED).any(axis=0)
    return traced


def _ground(block: Block, bridged: str, traced: np.ndarray) -> tuple[Presence, bool]:
    present, extra = _counted(block, bridged, traced)
    return Presence.of(present), extra is None or not extra.any()


def _counted(
    block: Block, bridged: str, traced: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Which landmarks count (S, L) and with what variance beyond the noise (S, L), mm²."""
    present = block.present
    if bridged == "as-measured":
        return present, None
    assert block.landmarks.bridge_sd is not None  # filled in at construction
    gaps = block.landmarks.status == Status.BRIDGED
    if bridged == "missing":
        present = present & ~(gaps & traced)
    return present, np.where(gaps, block.landmarks.bridge_sd**2, 0.0)


def _probabilistic(
    group: Group, placed: Placed, grounds: _Grounds, n_modes: int | None
) -> ShapeModel:
    k = n_modes or _signal_modes(group, placed, grounds)
    # Missing entries begin where the alignment expects them.
    start = group_components(group, deviations, placed, k=k)
    zero = np.zeros(placed.mean.shape)
    origin = Factors.leading(zero, start.modes, start.variance, rest=start.rest)
    alone = None if grounds.bridged == "as-measured" else placed.weights
    patterns = runs_of(grounds.presence.apart, alone)

    def expect(factors: Factors) -> Moments:
        moments: Moments = total(group.each(_expected, factors, placed, grounds, patterns))
        return moments

    fit = climb(expect, origin, patterns=patterns).factors
    # Maximum likelihood divides by S; variances here are those of a sample, n - 1.
    count = len(group.subject_ids)
    unbiased = count / (count - 1)
    root = np.sqrt(placed.weights)[:, None]
    modes, variance = weighted_modes(fit.loadings / root[..., None], placed.weights)
    mean = placed.mean + fit.mean / root
    spread = _Spread(mean, modes, unbiased * variance, unbiased * fit.noise)
    return _signed_model(group, placed, spread)


def _leading_share(model: ShapeModel, held: float) -> ShapeModel:
    """The model of the leading modes that hold a share of the variance, as in the closed form."""
    # What a component of the data holds is the variance of its mode and the noise along it.
    components = model.variance + model.noise
    k = reached(components, model.total_variance, held)
    return model if k is None else model.truncate(k)


def _signal_modes(group: Group, placed: Placed, grounds: _Grounds) -> int:
    """How many modes hold 99 % of the variance of what everybody has, of those beyond noise.

    Where nobody has the same, noise alone bounds their number.
    """
    common, held = grounds.presence.common, VARIANCE_HELD
    if not common.any():
        common, held = np.ones_like(common), 1.0
    noisy = effective_coordinates(placed.weights[common])
    return signal_modes(group, _common, placed, common, held=held, noisy=noisy)[0]


def _common(block: Block, placed: Placed, common: np.ndarray) -> np.ndarray:
    rows = deviations(block, placed).reshape(-1, len(common), 3)
    return rows[:, common].reshape(len(rows), -1)


def _expected(
    block: Block, factors: Factors, placed: Placed, grounds: _Grounds, patterns: Patterns
) -> Moments:
    present, extra = _counted(block, grounds.bridged, grounds.traced)
    root = np.sqrt(placed.weights)[:, None]
    y = root * np.where(present[..., None], placed.aligned(block)[0] - placed.mean, 0.0)
    if extra is not None:
        extra = extra * placed.weights
    return expectation(y, present, factors, patterns=patterns, extra=extra)
