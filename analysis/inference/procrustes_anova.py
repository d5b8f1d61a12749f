"""Analysis of variance of shape by residual randomisation, on inner products of subjects alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations as all_orders
from math import factorial

import numpy as np

from analysis.inference.effects import (
    detectable_r2,
    effective_dimension,
    noncentrality_interval,
)

PERMUTATIONS = 9999
CHUNK = 500_000


@dataclass(frozen=True, slots=True)
class ShapeTerm:
    """What one term explains of shape.

    Parameters
    ----------
    term : str
    df, df_residual : int
        Of the term, and of the residual of the whole model.
    ss_mm2, ss_residual_mm2, ss_total_mm2 : float
        Sums of squares over subjects and coordinates.
    r2, r2_low, r2_high : float
        ``ss / ss_total``, and the 95 % interval of the population's R².
    f, z : float
        ``(ss / df) / (ss_residual / df_residual)``; its logarithm in SD from its mean over the
        permutations.
    p : float
    n_permutations : int
        The observed order among them.
    exact : bool
        Whether they are all there are.
    dimension : float
        Effective number of coordinates of the residuals.
    r2_detectable : float
        Population R² found at 5 % with a probability of 80 % with this n.
    """

    term: str
    df: int
    df_residual: int
    ss_mm2: float
    ss_residual_mm2: float
    ss_total_mm2: float
    r2: float
    r2_low: float
    r2_high: float
    f: float
    z: float
    p: float
    n_permutations: int
    exact: bool
    dimension: float
    r2_detectable: float


def gram(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Inner products (S, S), mm², of shapes about their mean.

    Parameters
    ----------
    points : (S, L, 3) float
        Aligned, without missing landmarks, mm.
    weights : (L,) float
        Of the landmarks.
    """
    centred = (points - points.mean(axis=0)) * np.sqrt(weights)[:, None]
    flat = centred.reshape(len(points), -1)
    return flat @ flat.T


def procrustes_anova(
    inner: np.ndarray,
    terms: Mapping[str, np.ndarray],
    *,
    kind: str = "sequential",
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> list[ShapeTerm]:
    """Effect of each term on shape, tested by permuting the residuals of the model without it.

    Parameters
    ----------
    inner : (S, S) float
        :func:`gram` of the shapes.
    terms : mapping of str to (S, q) float
        Columns of each term, the intercept not among them.
    kind : str
        ``sequential`` (type I: each after those before it) or ``marginal`` (type III without
        interactions: each after all others).
    permutations : int
        Draws besides the observed order; all orders are taken where those are fewer.
    seed : int

    Returns
    -------
    list of ShapeTerm

    Raises
    ------
    ValueError
        No residual degrees of freedom, a term the others contain, or no variation of shape.

    Notes
    -----
    Residual randomisation in a permutation procedure after Collyer & Adams (2018,
    doi:10.1111/2041-210X.13029).  With hat matrices H0 of the reduced, H1 of the enlarged and H of
    the whole model, residuals ``E = (I - H0) Y`` and a permutation P, ``H0 Y + P E`` has

        SS = tr((H1 - H0) P R P'),   SS residual = tr((I - H) P R P'),   R = E E' = (I-H0) G (I-H0)

    since ``(H1 - H0) H0 = (I - H) H0 = 0``: only the inner products G = Y Y' of subjects are
    permuted, never coordinates.  p is the share of permutations with F as large, the observed
    among them.

    The interval of R² inverts the noncentral F with ``df nu`` and ``df_residual nu`` degrees of
    freedom (nu from ``effective_dimension``), ``R² = L / (L + nu n)`` at noncentrality L: the R²
    of the term and the residual, the other terms aside.
    """
    n = len(inner)
    whole = _hat(np.hstack([np.ones((n, 1)), *terms.values()]))
    freedom = n - _rank(whole)
    total = float(np.trace(_project(np.eye(n) - 1 / n, inner)))
    if freedom < 1 or total <= 0:
        raise ValueError(
            f"procrustes anova: expected shapes that vary and residual degrees of freedom, got {n} "
            f"subjects for {', '.join(terms)}; leave terms out"
        )
    orders, exact = _orders(n, permutations, seed)
    results = []
    for place, name in enumerate(terms):
        before = list(terms)[:place] if kind == "sequential" else [t for t in terms if t != name]
        columns = [np.ones((n, 1)), *(terms[t] for t in before)]
        reduced = _hat(np.hstack(columns))
        gained = _hat(np.hstack([*columns, terms[name]])) - reduced
        df = round(float(np.trace(gained)))
        if df < 1:
            raise ValueError(f"procrustes anova: {name} says nothing beyond {', '.join(before)}")
        residual = _project(np.eye(n) - reduced, inner)
        ss = _permuted_traces(gained, residual, orders)
        rest = _permuted_traces(np.eye(n) - whole, residual, orders)
        dimension = effective_dimension(_project(np.eye(n) - whole, inner), freedom)
        results.append(
            _term(name, (n, df, freedom), (ss, rest), total=total, exact=exact, dimension=dimension)
        )
    return results


def _term(
    name: str,
    counts: tuple[int, int, int],
    squares: tuple[np.ndarray, np.ndarray],
    *,
    total: float,
    exact: bool,
    dimension: float,
) -> ShapeTerm:
    (n, df, freedom), (ss, rest) = counts, squares
    with np.errstate(divide="ignore", invalid="ignore"):
        f = (ss / df) / (rest / freedom)
        logs = np.log(f)
    finite = logs[np.isfinite(logs)]
    spread = finite.std() if len(finite) else 0.0
    low, high = noncentrality_interval(float(f[0]), df * dimension, freedom * dimension)
    return ShapeTerm(
        name,
        df,
        freedom,
        float(ss[0]),
        float(rest[0]),
        total,
        float(ss[0] / total),
        low / (low + dimension * n),
        high / (high + dimension * n),
        float(f[0]),
        float((logs[0] - finite.mean()) / spread) if spread > 1e-12 else np.nan,
        # Orders that give the same arrangement give the same F but for rounding.
        float((f >= f[0] * (1 - 1e-9)).mean()),
        len(f),
        exact,
        dimension,
        detectable_r2(n=n, df1=df, df2=freedom, dimension=dimension),
    )


def _hat(design: np.ndarray) -> np.ndarray:
    """Projection (S, S) onto the columns; columns that depend on others add nothing."""
    scale = np.linalg.norm(design, axis=0)
    u, s, _ = np.linalg.svd(design / np.where(scale > 0, scale, 1), full_matrices=False)
    u = u[:, s > 1e-10 * s[0]]
    return u @ u.T


def _rank(hat: np.ndarray) -> int:
    return round(float(np.trace(hat)))


def _project(projection: np.ndarray, inner: np.ndarray) -> np.ndarray:
    return projection @ inner @ projection


def _orders(n: int, draws: int, seed: int) -> tuple[np.ndarray, bool]:
    """Orders (m, n) of the subjects, the observed one first, and whether they are all."""
    # 13! no longer fits what draws could sensibly be, and need not be computed.
    if n < 13 and factorial(n) <= draws + 1:
        return np.array(list(all_orders(range(n)))), True
    rng = np.random.default_rng(seed)
    drawn = rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
    return np.vstack([np.arange(n), drawn]), False


def _permuted_traces(left: np.ndarray, right: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """``tr(left P right P')`` of each order (m,)."""
    size = max(1, CHUNK // left.size)
    n, parts = len(left), [orders[i : i + size] for i in range(0, len(orders), size)]
    places = ((o[:, :, None] * n + o[:, None, :]).reshape(len(o), -1) for o in parts)
    return np.concatenate([right.ravel()[place] @ left.ravel() for place in places])
