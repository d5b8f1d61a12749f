"""A Gaussian shape model given some of its landmarks: exactly, and still a shape model."""

from __future__ import annotations

import numpy as np

# Observation noise below this share of the largest is raised to it, so that exact and inexact
# landmarks can stand side by side.
RELATIVE_FLOOR = 1e-12


def posterior(
    loadings: np.ndarray,
    noise: np.ndarray,
    deviation: np.ndarray,
    observed: np.ndarray,
    observation_variance: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Condition ``x = A z + e`` on noisy values of some of its entries.

    Parameters
    ----------
    loadings : (L, 3, K) float
        A; z is standard normal.
    noise : (L,) float
        Variance of e per coordinate.
    deviation : (m, 3) float
        What was observed, minus the mean.
    observed : (m,) int
        Which landmarks, none twice.
    observation_variance : (m,) float
        Of the observation, per coordinate.

    Returns
    -------
    mean : (L, 3) float
        Posterior mean minus the mean.
    loadings : (L, 3, K) float
        Of the posterior, for a standard normal.
    noise : (L,) float
        Variance of the posterior beyond its loadings.

    Notes
    -----
    z given the observations ``y = A_o z + e + h`` has precision ``1 + A_o' R^-1 A_o`` with R the
    sum of both variances.  Given z, an observed entry is ``(1 - g) A z + g y`` with
    ``g = var e / R`` and variance ``var e var h / R``, independent of the others: so the posterior
    is again low-rank plus diagonal, and nothing is approximated.
    """
    k = loadings.shape[2]
    total = noise[observed] + observation_variance
    weight = _inverse_root(total)
    scaled = (loadings[observed] * weight[:, None, None]).reshape(-1, k)
    u, d, vt = np.linalg.svd(scaled, full_matrices=len(scaled) < k)
    gain, left_over = _gain(d, exact=not total.any())
    target = u.T[: len(d)] @ (deviation * weight[:, None]).ravel()
    z = vt[: len(d)].T @ (gain * target)
    root = np.ones(k)
    root[: len(d)] = np.sqrt(left_over)

    mean = loadings @ z
    spread = loadings @ vt.T * root
    left = noise.copy()
    share = np.divide(noise[observed], total, out=np.zeros(len(observed)), where=total > 0)
    mean[observed] += share[:, None] * (deviation - mean[observed])
    spread[observed] *= (1 - share)[:, None, None]
    left[observed] = share * observation_variance
    return mean, spread, left


def _gain(d: np.ndarray, *, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    """What each singular direction takes from the observation, and the variance it keeps."""
    if not exact:
        return d / (1 + d**2), 1 / (1 + d**2)
    known = d > RELATIVE_FLOOR * d.max(initial=0.0)
    return np.divide(1, d, out=np.zeros_like(d), where=known), np.where(known, 0.0, 1.0)


def _inverse_root(variance: np.ndarray) -> np.ndarray:
    # Without any noise all observations weigh the same.
    if not variance.any():
        return np.ones(len(variance))
    return 1 / np.sqrt(np.maximum(variance, RELATIVE_FLOOR * variance.max()))
