"""One measure over the roots: level and side as fixed effects, subjects as random intercepts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM

# Below this share of the residual variance (1 % of the SD) the intercepts' variance is taken to
# be on its bound, 0: the search stops near it, not at it.
SINGULAR = 1e-4
RANDOM = "random intercept of subjects, REML"
ROBUST = "least squares, standard errors robust to clustering by subject"


@dataclass(frozen=True, slots=True, eq=False)
class MixedModel:
    """A fitted model of one measure.

    Parameters
    ----------
    model : str
        What was fitted: ``RANDOM`` or, where that has no maximum inside its bounds, ``ROBUST``.
    note : str
        Why it is not the model first asked for; empty where it is.
    names : tuple of str
        Fixed effects, p of them.
    estimates : (p,) float
    covariance : (p, p) float
        Of the estimates.
    freedom : (p,) float
        Denominator degrees of freedom of each.
    subject_sd, residual_sd : float
        Random intercepts and residual, in the measure's unit; ``subject_sd`` is 0 under ``ROBUST``.
    n_subjects, n_values : int
    """

    model: str
    note: str
    names: tuple[str, ...]
    estimates: np.ndarray
    covariance: np.ndarray
    freedom: np.ndarray
    subject_sd: float
    residual_sd: float
    n_subjects: int
    n_values: int

    def __post_init__(self) -> None:
        for name in ("estimates", "covariance", "freedom"):
            array = np.array(getattr(self, name), dtype=float)
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def contrast(self, weights: np.ndarray) -> tuple[float, float, float]:
        """Estimate, standard error and degrees of freedom (the least of those used) of a sum."""
        variance = float(weights @ self.covariance @ weights)
        used = self.freedom[np.abs(weights) > 0]
        return float(weights @ self.estimates), float(np.sqrt(variance)), float(used.min())

    def wald(self, columns: np.ndarray) -> tuple[float, float, float, float]:
        """F, its degrees of freedom and p that all the estimates of ``columns`` (q,) int are 0.

        Notes
        -----
        ``F = b' V^-1 b / q``.  Under ``ROBUST`` V has the rank of S subjects, and F is Hotelling's
        ``(S - q) / (S - 1)`` of that with ``(q, S - q)`` degrees of freedom; NaN for S <= q.
        """
        q, freedom = len(columns), float(self.freedom[columns].min())
        b, v = self.estimates[columns], self.covariance[np.ix_(columns, columns)]
        if self.model == ROBUST:
            freedom = float(self.n_subjects - q)
        if freedom < 1 or np.linalg.matrix_rank(v) < q:
            return np.nan, float(q), np.nan, np.nan
        f = float(b @ np.linalg.solve(v, b)) / q
        if self.model == ROBUST:
            f *= (self.n_subjects - q) / (self.n_subjects - 1)
        return f, float(q), freedom, float(stats.f.sf(f, q, freedom))


def fit_random_intercept(
    values: np.ndarray, subjects: np.ndarray, design: np.ndarray, *, names: tuple[str, ...]
) -> MixedModel:
    """``values = design b + intercept of the subject + residual`` by REML.

    Parameters
    ----------
    values : (m,) float
    subjects : (m,) object
    design : (m, p) float
        Of full column rank; the intercept among its columns.
    names : tuple of str
        Of the columns.

    Returns
    -------
    MixedModel

    Raises
    ------
    ValueError
        The design lacks full column rank, or leaves nothing within subjects.

    Notes
    -----
    Denominator degrees of freedom split between and within subjects (Pinheiro & Bates 2000,
    doi:10.1007/b98882, section 2.4.2): columns constant within every subject, the intercept among
    them, get S less their number; the others m - S less theirs.  For balanced data the tests are
    the exact ones of the analysis of variance; otherwise approximate.

    Where the variance of the intercepts is estimated as 0, or the search does not converge, least
    squares with standard errors robust to clustering and S - 1 degrees of freedom stand in.
    """
    codes, found = pd.factorize(np.asarray(subjects, dtype=object))
    s, (m, p) = len(found), design.shape
    inner = np.array([_varies_within(column, codes, s) for column in design.T])
    within, between = m - s - int(inner.sum()), s - int((~inner).sum())
    if np.linalg.matrix_rank(design) < p or (inner.any() and within < 1) or between < 1:
        raise ValueError(
            f"mixed model: expected a design of full rank with degrees of freedom left, got {m} "
            f"values of {s} subjects for {p} columns; leave terms out"
        )
    # In its own spread a curvature in 1/mm is searched as well as an area in mm².
    spread = float(np.std(values)) or 1.0
    fit, reason = _restricted_likelihood(np.asarray(values) / spread, codes, design)
    if fit is None:
        return _robust(values, codes, design, names, reason)
    return MixedModel(
        RANDOM,
        "",
        names,
        spread * np.asarray(fit.fe_params),
        spread**2 * np.asarray(fit.cov_params())[:p, :p],
        np.where(inner, within, between),
        spread * float(np.sqrt(np.asarray(fit.cov_re)[0, 0])),
        spread * float(np.sqrt(fit.scale)),
        s,
        m,
    )


@dataclass(frozen=True, slots=True, eq=False)
class LevelSideModel:
    """A mixed model of level and side, and where in it each effect stands.

    Parameters
    ----------
    fit : MixedModel
    levels : tuple of str
    columns : dict of str to (q,) int
        ``level``, ``side``, ``level:side`` to columns; those not fitted are not there.
    formula, note : str
        What was fitted, and why that.
    """

    fit: MixedModel
    levels: tuple[str, ...]
    columns: dict[str, np.ndarray]
    formula: str
    note: str

    def level_weights(self, level: str) -> np.ndarray:
        """Weights (p,) of the estimates that make the level's deviation from the mean of levels."""
        weights = np.zeros(len(self.fit.names))
        row = sum_contrasts(len(self.levels))[self.levels.index(level)]
        weights[self.columns["level"]] = row
        return weights


def level_side_model(roots: pd.DataFrame) -> LevelSideModel:
    """``value ~ level * side`` with a random intercept of subjects, or what the data allow of it.

    Parameters
    ----------
    roots : DataFrame
        ``subject, level, side, value`` of one measure, without missing values; see ``root_values``.

    Returns
    -------
    LevelSideModel
        Effects are coded to sum to 0: the intercept is the mean of the cells, and twice the
        estimate of ``side`` left minus right averaged over levels.  Without every level on both
        sides the interaction is left out; with one level, or one side, that factor too.

    Raises
    ------
    ValueError
        No variation, or too few subjects or values for any such model.
    """
    values = roots["value"].to_numpy(float)
    if not len(values) or np.ptp(values) <= 1e-12 * np.abs(values).max():
        raise ValueError("mixed model: expected values that vary, got none or equal ones")
    levels = tuple(dict.fromkeys(roots["level"]))
    sides = tuple(s for s in ("left", "right") if (roots["side"] == s).any())
    cells = roots.groupby(["level", "side"], observed=True).ngroups
    wanted = ["level"] * (len(levels) > 1) + ["side"] * (len(sides) > 1)
    whole = len(wanted) == 2 and cells == len(levels) * 2
    attempts = [[*wanted, "level:side"]] * whole + [wanted]
    problem = ""
    for effects in attempts:
        blocks = _blocks(roots, levels, sides, effects)
        design = np.hstack([np.ones((len(values), 1)), *blocks.values()])
        names = ("mean", *(f"{e}[{i}]" for e, b in blocks.items() for i in range(b.shape[1])))
        try:
            fit = fit_random_intercept(values, roots["subject"].to_numpy(), design, names=names)
        except ValueError as error:
            problem = str(error)
            continue
        at = np.cumsum([1, *(b.shape[1] for b in blocks.values())])
        columns = {e: np.arange(at[i], at[i + 1]) for i, e in enumerate(blocks)}
        left_out = [e for e in ("level", "side", "level:side") if e not in columns]
        note = f"left out: {', '.join(left_out)}, not in the data; " if left_out else ""
        formula = " + ".join(["value ~ 1", *columns]) + f" ({fit.model})"
        return LevelSideModel(fit, levels, columns, formula, (note + fit.note).strip("; "))
    raise ValueError(problem)


def sum_contrasts(k: int) -> np.ndarray:
    """Codes (k, k - 1) of k groups whose estimates sum to 0."""
    return np.vstack([np.eye(k - 1), -np.ones(k - 1)])


def _blocks(
    roots: pd.DataFrame, levels: tuple[str, ...], sides: tuple[str, ...], effects: list[str]
) -> dict[str, np.ndarray]:
    level = sum_contrasts(len(levels))[pd.Categorical(roots["level"], levels).codes]
    side = sum_contrasts(len(sides))[pd.Categorical(roots["side"], sides).codes]
    both = (level[:, :, None] * side[:, None, :]).reshape(len(roots), -1)
    blocks = {"level": level, "side": side, "level:side": both}
    return {effect: blocks[effect] for effect in effects}


def _varies_within(column: np.ndarray, codes: np.ndarray, s: int) -> bool:
    means = np.bincount(codes, column, s) / np.bincount(codes, minlength=s)
    return bool(np.abs(column - means[codes]).max() > 1e-9 * max(np.abs(column).max(), 1e-300))


def _restricted_likelihood(
    values: np.ndarray, codes: np.ndarray, design: np.ndarray
) -> tuple[Any, str]:
    """The fit, or None and why there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = MixedLM(values, design, groups=codes).fit(reml=True)
        except (np.linalg.LinAlgError, ValueError, ZeroDivisionError) as error:
            return None, f"REML failed ({error})"
        variance = float(np.asarray(fit.cov_re)[0, 0])
        if not np.isfinite(variance) or not np.isfinite(np.asarray(fit.cov_params())).all():
            return None, "REML gave no finite standard errors"
    if variance <= SINGULAR * fit.scale:
        return None, "the variance between subjects is estimated as 0"
    return (fit, "") if fit.converged else (None, "REML did not converge")


def _robust(
    values: np.ndarray, codes: np.ndarray, design: np.ndarray, names: tuple[str, ...], reason: str
) -> MixedModel:
    s = int(codes.max()) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the rank of the covariance is looked at in wald()
        fit = OLS(values, design).fit(cov_type="cluster", cov_kwds={"groups": codes})
    covariance, sd = np.asarray(fit.cov_params()), float(np.sqrt(fit.mse_resid))
    freedom = np.full(design.shape[1], s - 1)
    note = f"{reason}: least squares instead"
    n = len(values)
    return MixedModel(ROBUST, note, names, fit.params, covariance, freedom, 0.0, sd, s, n)
