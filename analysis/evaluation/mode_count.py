"""How many modes mean anything: parallel analysis and the broken stick."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

# The last mode has one dimension left, and turning it changes nothing but rounding.
ROUNDING = 1e-9

Null = Callable[[np.random.Generator], np.ndarray]


def broken_stick(variance: np.ndarray) -> pd.DataFrame:
    """Shares of variance against those of a stick broken at random.

    Parameters
    ----------
    variance : (K,) float
        Of all modes, falling.

    Returns
    -------
    DataFrame
        One row a ``mode``: ``share``, ``expected`` and ``retained``, true up to the first mode that
        holds no more than expected.

    Notes
    -----
    ``expected_k = (1 / K) sum_{i=k}^K 1 / i`` (Frontier 1976, doi:10.1016/0022-0981(76)90076-9;
    Jackson 1993, doi:10.2307/1939574).  It knows neither landmarks nor subjects and is strict:
    a rule of thumb to stand beside :func:`parallel_analysis`.

    Examples
    --------
    >>> broken_stick(np.array([8.0, 1.0, 1.0]))["expected"].round(4).tolist()
    [0.6111, 0.2778, 0.1111]
    """
    variance = np.asarray(variance, dtype=float)
    count = len(variance)
    expected = np.cumsum(1 / np.arange(count, 0, -1))[::-1] / count
    share = variance / variance.sum()
    return pd.DataFrame(
        {
            "mode": np.arange(1, count + 1),
            "share": share,
            "expected": expected,
            "retained": np.cumprod(share > expected).astype(bool),
        }
    )


def parallel_analysis(
    deviations: np.ndarray,
    *,
    groups: Sequence[slice] | None = None,
    quantile: float = 0.95,
    n_null: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Variances of modes against those of shapes whose parts vary independently.

    Parameters
    ----------
    deviations : (S, L, 3) float
        Aligned shapes (times the square root of the landmarks' weights, if there are any), mm.
    groups : sequence of slice, optional
        Landmarks that vary together under the null.  By default each landmark by itself: modes
        beyond what independent jitter of landmarks gives.  With the spans of the structures: modes
        beyond what structures give that vary each in its own way, that is, modes of which
        structures share more than chance.
    quantile : float
        Of the null that a variance has to exceed.
    n_null : int
        Draws of the null for each mode.
    seed : int

    Returns
    -------
    DataFrame
        One row a ``mode``: ``variance_mm2``, ``null_mm2`` (the quantile), ``p`` (counting
        the group as one of the draws), ``retained`` (true up to the first of p over
        ``1 - quantile``), ``n_null``, ``seed``.

    Notes
    -----
    Horn 1965 (doi:10.1007/BF02289447) compares all eigenvalues with those of wholly independent
    data, so that a large first mode hides the others.  Here mode k is compared with the largest
    eigenvalue of shapes that have the covariance which the k - 1 modes before it leave, group by
    group but not between groups, in the S - k dimensions they leave (as in Crawford et al. 2010,
    doi:10.1177/0013164410379332): every group is turned among these dimensions by itself, which
    is exact for normal shapes.
    Neighbouring landmarks of smooth curves do not jitter independently, so the default is generous
    on real shapes; and jitter of the anchor moves all landmarks at once, which is a mode.
    """
    s, n, _ = deviations.shape
    flat = (deviations - deviations.mean(axis=0)).reshape(s, -1)
    _, size, axes = np.linalg.svd(flat, full_matrices=False)
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(s - 1):
        left = (size[k : s - 1, None] * axes[k : s - 1]).reshape(-1, n, 3)
        null = _independent_landmarks(left) if groups is None else _independent_groups(left, groups)
        drawn = np.array([np.linalg.eigvalsh(null(rng))[-1] for _ in range(n_null)])
        p = (1 + (drawn >= (1 - ROUNDING) * size[k] ** 2).sum()) / (1 + n_null)
        rows.append((k + 1, size[k] ** 2, np.quantile(drawn, quantile), p))
    table = pd.DataFrame(rows, columns=["mode", "variance_mm2", "null_mm2", "p"])
    table[["variance_mm2", "null_mm2"]] /= s - 1
    beyond = table["p"] <= 1 - quantile + ROUNDING
    return table.assign(retained=beyond.cumprod().astype(bool), n_null=n_null, seed=seed)


def _independent_landmarks(left: np.ndarray) -> Null:
    """Gram matrices of the landmarks of (m, L, 3), each turned at random by itself."""
    m, n, _ = left.shape
    kept = min(m, 3)
    squared = np.linalg.eigvalsh(np.einsum("mli,mlj->lij", left, left)).clip(min=0)
    size = np.sqrt(squared[:, 3 - kept :].T)

    def draw(rng: np.random.Generator) -> np.ndarray:
        # Only where a landmark's three principal axes go matters: an orthonormal frame of normals.
        axes = rng.standard_normal((kept, m, n))
        for i in range(kept):
            for j in range(i):
                axes[i] -= (axes[j] * axes[i]).sum(axis=0) * axes[j]
            axes[i] /= np.sqrt((axes[i] ** 2).sum(axis=0))
        parts = axes * size[:, None]
        return sum(part @ part.T for part in parts)

    return draw


def _independent_groups(left: np.ndarray, groups: Sequence[slice]) -> Null:
    """Gram matrices of the groups of (m, L, 3), each turned at random by itself."""
    m = len(left)
    parts = [left[:, span].reshape(m, -1) for span in groups]
    grams = np.array([part @ part.T for part in parts])

    def draw(rng: np.random.Generator) -> np.ndarray:
        q, r = np.linalg.qr(rng.standard_normal(grams.shape))
        turns = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
        return (turns @ grams @ np.swapaxes(turns, 1, 2)).sum(axis=0)

    return draw
