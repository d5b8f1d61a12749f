"""How far the scores of modes depend on outside quantities: R² with permutation tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations as all_orders

import numpy as np

from atlas.arrays import read_only

# Predictors in mm that spread less than this are constant: what is left is rounding.
CONSTANT_SD = 0.01
# Statistics this close count as equal, whatever the order of summation.
TIE = 1e-12
# Orders held in memory at a time.
CHUNK = 1000


@dataclass(frozen=True, slots=True, eq=False)
class ModeDependence:
    """R² of each mode's scores on predictors, one by one and together.

    Parameters
    ----------
    r2, p : (K, P) float
        Of one predictor; NaN where it is constant over the subjects.
    joint_r2, joint_r2_adjusted, joint_p : (K,) float
        Of all predictors together.  Adjusted for their number: ``1 - (1 - R²)(n - 1)/(n - 1 - r)``
        with their rank r; NaN where that leaves no degree of freedom.
    joint_p_family : (K,) float
        p of ``joint_r2`` against the largest of the first ``family`` modes; NaN for later ones.
    rank, n_subjects, n_permutations, family : int
        ``n_permutations`` counts the observed order; it is n! where all orders were taken.
    """

    r2: np.ndarray
    p: np.ndarray
    joint_r2: np.ndarray
    joint_r2_adjusted: np.ndarray
    joint_p: np.ndarray
    joint_p_family: np.ndarray
    rank: int
    n_subjects: int
    n_permutations: int
    family: int

    def __post_init__(self) -> None:
        k, p = np.shape(self.r2)
        for name in ("r2", "p"):
            object.__setattr__(self, name, read_only(getattr(self, name), (k, p), name))
        for name in ("joint_r2", "joint_r2_adjusted", "joint_p", "joint_p_family"):
            object.__setattr__(self, name, read_only(getattr(self, name), (k,), name))


def mode_dependence(
    scores: np.ndarray,
    predictors: np.ndarray,
    *,
    family: int | None = None,
    permutations: int = 9999,
    seed: int = 0,
) -> ModeDependence:
    """How far each mode's scores follow predictors, by least squares.

    Parameters
    ----------
    scores : (S, K) float
    predictors : (S, P) float
        mm.  Linearly dependent ones are welcome: their span counts.
    family : int, optional
        How many of the first modes a reader looks at; all by default.
    permutations : int
        Random orders of the subjects; where S! is no larger, every order is taken instead.
    seed : int

    Returns
    -------
    ModeDependence

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite.

    Notes
    -----
    The subjects' predictors are permuted against their scores, all columns alike, which is exact
    under independence whatever the distributions; ``p = (1 + count) / (1 + N)`` with the observed
    order counted (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585).  The p of the family compares
    with the largest R² of its modes in each order (single-step maxT, Westfall & Young 1993), which
    holds the chance of any false alarm among them.  Over all n - 1 modes of a model without noise
    R² of one predictor sums to 1 by construction: what tells is whether it gathers in one mode.

    Examples
    --------
    >>> depth = np.array([0.0, 1, 2, 3])
    >>> found = mode_dependence(depth[:, None], depth[:, None])
    >>> round(found.r2.item(), 9), round(found.p.item() * 24)
    (1.0, 2)
    """
    scores, predictors = _checked(scores, predictors)
    n, k = scores.shape
    family = k if family is None else min(family, k)
    target = _unit(scores)
    orders = _orders(n, permutations, seed)
    single = [_tested(_basis(x[:, None]), target, orders, family)[:2] for x in predictors.T]
    basis = _basis(predictors)
    joint, joint_p, joint_family = _tested(basis, target, orders, family)
    rank = basis.shape[1]
    freedom = n - 1 - rank
    adjusted = 1 - (1 - joint) * (n - 1) / freedom if freedom > 0 else np.full(k, np.nan)
    return ModeDependence(
        r2=np.stack([r2 for r2, _ in single], axis=1),
        p=np.stack([p for _, p in single], axis=1),
        joint_r2=joint,
        joint_r2_adjusted=adjusted,
        joint_p=joint_p,
        joint_p_family=joint_family,
        rank=rank,
        n_subjects=n,
        n_permutations=len(orders),
        family=family,
    )


def _checked(scores: np.ndarray, predictors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, predictors = np.asarray(scores, dtype=float), np.asarray(predictors, dtype=float)
    if scores.ndim != 2 or predictors.ndim != 2 or len(scores) != len(predictors):
        raise ValueError(
            "scores and predictors: expected (S, K) and (S, P) of the same subjects, got "
            f"{scores.shape} and {predictors.shape}"
        )
    if not predictors.shape[1] or not (np.isfinite(scores).all() and np.isfinite(predictors).all()):
        raise ValueError("scores and predictors: expected finite values, got NaN, inf or none")
    return scores, predictors


def _unit(values: np.ndarray) -> np.ndarray:
    """Columns centred and of length 1; constant ones 0."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    return centred / np.where(length > 0, length, np.inf)


def _basis(predictors: np.ndarray) -> np.ndarray:
    """Orthonormal basis (S, r) of what centred predictors span above rounding."""
    centred = predictors - predictors.mean(axis=0)
    u, size, _ = np.linalg.svd(centred, full_matrices=False)
    return u[:, size > CONSTANT_SD * math.sqrt(len(centred) - 1)]


def _orders(n: int, permutations: int, seed: int) -> np.ndarray:
    """Orders (m, n) of n subjects, the observed one first; all of them where that is few."""
    if math.factorial(n) <= permutations + 1:
        return np.array(list(all_orders(range(n))))
    start = np.tile(np.arange(n), (permutations, 1))
    drawn = np.random.default_rng(seed).permuted(start, axis=1)
    return np.concatenate([np.arange(n)[None], drawn])


def _tested(
    basis: np.ndarray, target: np.ndarray, orders: np.ndarray, family: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R² (K,) of unit columns on a basis, its permutation p (K,), and p over the family (K,)."""
    k = target.shape[1]
    if not basis.shape[1]:
        return (np.full(k, np.nan),) * 3
    observed = ((basis.T @ target) ** 2).sum(axis=0)
    alone, among = np.zeros(k), np.zeros(k)
    for start in range(0, len(orders), CHUNK):
        moved = basis[orders[start : start + CHUNK]]
        r2 = ((np.swapaxes(moved, 1, 2) @ target) ** 2).sum(axis=1)
        alone += (r2 >= observed - TIE).sum(axis=0)
        among += (r2[:, :family].max(axis=1)[:, None] >= observed - TIE).sum(axis=0)
    among[family:] = np.nan
    return observed, alone / len(orders), among / len(orders)
