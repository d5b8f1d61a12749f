"""How far eigenvalues and modes rest on who happened to be in the group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import linear_sum_assignment

from analysis.variability.normal_intervals import CONFIDENCE
from atlas.components.principal import RELATIVE_TOLERANCE, principal_components
from atlas.curves.transforms import best_rotation, cross_covariance
from atlas.errors import AtlasError
from atlas.model.leave_one_out import choose
from atlas.procrustes.alignment import Alignment

METHODS = ("bootstrap", "jackknife")

# What the columns of each table say.
COLUMNS = {
    "eigenvalues.csv": {
        "mode": "from 1",
        "variance_mm2, share": "n - 1, mm²; of the total",
        "…_low, …_high": "95 % bootstrap interval over subjects, percentiles; empty where more "
        "than 2.5 % of the draws do not have so many modes",
        "…_bca_low, …_bca_high": "bias-corrected and accelerated",
        "n, n_bootstrap, seed, realigned": "subjects; draws; whether each was aligned anew",
    },
    "mode_stability.csv": {
        "mode": "from 1",
        "cosine, cosine_low": "median and 5 % quantile of |cos| with the matched mode",
        "same_rank": "share of groups that match it to the mode of its own rank",
        "angle_deg, angle_high_deg": "median and 95 % quantile of the largest principal angle "
        "between the spaces of this and all modes before it",
        "method, realigned, n_groups, n, seed": "bootstrap or jackknife; aligned anew; groups; "
        "subjects",
    },
}
# Subjects picked to (variance (k,), cosines (K, k) of the group's modes with those of the picked).
Refit = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def eigenvalue_intervals(
    alignment: Alignment, *, n: int = 1000, seed: int = 0, realign: bool = False
) -> pd.DataFrame:
    """Bootstrap intervals of the variance of modes and of their shares.

    Parameters
    ----------
    alignment : Alignment
        Missing landmarks count at their expected places.
    n : int
        Bootstrap draws of subjects.
    seed : int
    realign : bool
        Align every draw anew; some fifty milliseconds a draw at the standard scheme.

    Returns
    -------
    DataFrame
        One row a ``mode``: ``variance_mm2`` and ``share``, each with the 95 % percentile interval
        ``_low``, ``_high`` and the bias-corrected and accelerated one ``_bca_low``,
        ``_bca_high``; ``n`` subjects, ``n_bootstrap``, ``seed``.  No interval for modes that more
        than 2.5 % of the draws do not have.

    Notes
    -----
    BCa: Efron 1987 (doi:10.1080/01621459.1987.10478410), acceleration from the jackknife.  A draw
    holds some 63 % of the subjects, so it has fewer modes, and late ones come out too small;
    intervals are only approximate: with n = 14 read them as orders of magnitude.
    """
    refit, variance = _refit(alignment, realign)
    count = len(alignment.points)
    drawn, jackknife = (
        np.array([_padded(refit(picks)[0], len(variance)) for picks in groups])
        for groups in (_redrawn(count, n, seed), _without_one(count))
    )
    rare = (drawn == 0).mean(axis=0) > (1 - CONFIDENCE) / 2
    table = pd.DataFrame({"mode": np.arange(1, len(variance) + 1)})
    for name, of in (("variance_mm2", _itself), ("share", _shares)):
        table[name] = of(variance)
        stem = name.removesuffix("_mm2")
        unit = "_mm2" if name.endswith("_mm2") else ""
        for word, ends in {
            "": _percentile(of(drawn)),
            "_bca": _bca(of(variance), of(drawn), of(jackknife)),
        }.items():
            for side, end in zip(("low", "high"), ends, strict=True):
                table[f"{stem}{word}_{side}{unit}"] = np.where(rare, np.nan, end)
    return table.assign(n=count, n_bootstrap=n, seed=seed, realigned=realign)


def mode_stability(
    alignment: Alignment,
    *,
    method: str = "bootstrap",
    modes: int | None = None,
    n: int = 500,
    seed: int = 0,
    realign: bool = False,
) -> pd.DataFrame:
    """How much modes turn when the group changes.

    Parameters
    ----------
    alignment : Alignment
        Missing landmarks count at their expected places.
    method : {"bootstrap", "jackknife"}
        Subjects drawn with replacement, or each left out once.
    modes : int, optional
        How many of the group's modes to match; by default as many as 95 % of the groups have.
    n : int
        Bootstrap draws.
    seed : int
    realign : bool
        Align every group anew and turn it onto the reference.

    Returns
    -------
    DataFrame
        One row a ``mode``: ``cosine`` (median over groups of |cos| with the mode it is matched to),
        ``cosine_low`` (5 % quantile), ``same_rank`` (share of groups that match it to the mode of
        its own rank), ``angle_deg`` (median of the largest principal angle between the spaces of
        this and all modes before it), ``angle_high_deg`` (95 % quantile), ``method``, ``n_groups``,
        ``n`` subjects, ``seed``.

    Notes
    -----
    Modes are matched one to one so that the sum of |cos| is largest (Kuhn 1955,
    doi:10.1002/nav.3800020109).  Two modes of nearly equal variance turn into each other: low
    cosines with a small angle of their common space mean that the pair is stable and the two are
    not.
    """
    if method not in METHODS:
        raise AtlasError(f"method: expected one of {METHODS}, got {method!r}")
    refit, _ = _refit(alignment, realign)
    count = len(alignment.points)
    groups = _redrawn(count, n, seed) if method == "bootstrap" else _without_one(count)
    cosines = [refit(picks)[1] for picks in groups]
    k = modes or max(int(np.quantile([c.shape[1] for c in cosines], 0.05)), 1)
    matched = [match_modes(c[:k]) for c in cosines]
    cosine, rank = (np.array(part) for part in zip(*matched, strict=True))
    angles = np.array([[_subspace_angle(c, j) for j in range(1, k + 1)] for c in cosines])
    return pd.DataFrame(
        {
            "mode": np.arange(1, k + 1),
            "cosine": np.median(cosine, axis=0),
            "cosine_low": np.quantile(cosine, 0.05, axis=0),
            "same_rank": (rank == np.arange(k)).mean(axis=0),
            "angle_deg": np.median(angles, axis=0),
            "angle_high_deg": np.quantile(angles, 0.95, axis=0),
            "method": method,
            "realigned": realign,
            "n_groups": len(cosines),
            "n": count,
            "seed": seed,
        }
    )


def match_modes(cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Match modes one to one so that the sum of |cos| is largest.

    Parameters
    ----------
    cosines : (K, k) float
        Of K modes with k others.

    Returns
    -------
    cosine : (K,) float
        |cos| with the partner; 0 without one.
    partner : (K,) int
        Its place; -1 without one.
    """
    size = np.abs(cosines)
    rows, columns = linear_sum_assignment(size, maximize=True)
    cosine, partner = np.zeros(len(size)), np.full(len(size), -1)
    cosine[rows], partner[rows] = size[rows, columns], columns
    return cosine, partner


def _redrawn(count: int, n: int, seed: int) -> np.ndarray:
    """Subjects drawn with replacement (n, count), never one alone: it has no modes."""
    draws = np.random.default_rng(seed).integers(0, count, (n, count))
    alone = (draws == draws[:, :1]).all(axis=1)
    draws[alone] = np.arange(count)
    return draws


def _without_one(count: int) -> np.ndarray:
    """All but each subject in turn (count, count - 1)."""
    return np.array([np.delete(np.arange(count), i) for i in range(count)])


def _refit(alignment: Alignment, realign: bool) -> tuple[Refit, np.ndarray]:
    """What refits picked subjects, and the variance (K,) of the whole group."""
    points = _weighted(alignment)
    modes, variance = principal_components(points - points.mean(axis=0))
    if realign:

        def again(picks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return _refit_aligned(alignment, picks, modes)

        return again, variance
    centred = points - points.mean(axis=0)
    gram = centred @ centred.T
    # Modes as sums of subjects: mode_k = sum_i loads_ik centred_i.
    loads = (centred @ modes.T) / ((len(points) - 1) * variance)

    def in_place(picks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _refit_gram(gram, loads, picks)

    return in_place, variance


def _refit_gram(
    gram: np.ndarray, loads: np.ndarray, picks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Variance and cosines from the products of subjects alone: no landmark is touched."""
    m = len(picks)
    centring = np.eye(m) - 1 / m
    squared, u = np.linalg.eigh(centring @ gram[np.ix_(picks, picks)] @ centring)
    squared, u = squared[::-1][: m - 1], u[:, ::-1][:, : m - 1]
    keep = squared > RELATIVE_TOLERANCE * max(squared[0], np.finfo(float).tiny)
    squared, u = squared[keep], u[:, keep]
    cosines = loads.T @ gram[:, picks] @ (centring @ u) / np.sqrt(squared)
    return squared / (m - 1), cosines


def _refit_aligned(
    alignment: Alignment, picks: np.ndarray, modes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    group = choose(alignment, picks, realign=True)
    (turn,) = best_rotation(
        cross_covariance(group.mean[None], alignment.mean[None], alignment.weights[None])
    )
    root = np.sqrt(group.weights)[:, None]
    deviations = ((group.completed - group.mean) @ turn.T * root).reshape(len(picks), -1)
    found, variance = principal_components(deviations)
    return variance, modes @ found.T


def _weighted(alignment: Alignment) -> np.ndarray:
    root = np.sqrt(alignment.weights)[:, None]
    return (root * alignment.completed).reshape(len(alignment.completed), -1)


def _subspace_angle(cosines: np.ndarray, k: int) -> float:
    """Largest principal angle of the first k modes and the first k others, degrees."""
    if cosines.shape[1] < k:
        return 90.0
    smallest = np.linalg.svd(cosines[:k, :k], compute_uv=False)[-1]
    return float(np.degrees(np.arccos(np.clip(smallest, 0, 1))))


def _padded(variance: np.ndarray, k: int) -> np.ndarray:
    return np.pad(variance[:k], (0, max(k - len(variance), 0)))


def _itself(variance: np.ndarray) -> np.ndarray:
    return variance


def _shares(variance: np.ndarray) -> np.ndarray:
    return variance / variance.sum(axis=-1, keepdims=True)


def _percentile(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail), axis=0)
    return low, high


def _bca(
    estimate: np.ndarray, drawn: np.ndarray, jackknife: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n, tail = len(drawn), (1 - CONFIDENCE) / 2
    below = ((drawn < estimate).sum(axis=0) + 0.5) / (n + 1)
    bias = stats.norm.ppf(below)
    apart = jackknife.mean(axis=0) - jackknife
    scale = 6 * (apart**2).sum(axis=0) ** 1.5
    acceleration = np.divide(
        (apart**3).sum(axis=0), scale, out=np.zeros(len(scale)), where=scale > 0
    )
    ends = []
    for quantile in (tail, 1 - tail):
        z = bias + stats.norm.ppf(quantile)
        level = stats.norm.cdf(bias + z / (1 - acceleration * z))
        ends.append(np.array([np.quantile(d, q) for d, q in zip(drawn.T, level, strict=True)]))
    return ends[0], ends[1]
