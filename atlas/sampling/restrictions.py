"""Keep scores to what is probable, by moving them there instead of throwing them away.

Each restriction carries the standard normal distribution onto the restricted one, point by point:
no draw is lost, and a design that fills the space still fills it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from atlas.sampling.designs import SamplingError


@dataclass(frozen=True, slots=True)
class Restriction:
    """Where scores may lie.

    Parameters
    ----------
    coverage : float or None
        Inside the ellipsoid ``|c|^2 <= chi2_K(coverage)`` that holds this share of the
        population; None: anywhere.
    truncate_sd : float or None
        Every mode within so many SD; None: no limit.

    Raises
    ------
    SamplingError
        A coverage that is not between 0 and 1, a limit that is not above 0, or both at once.
    """

    coverage: float | None = 0.99
    truncate_sd: float | None = None

    def __post_init__(self) -> None:
        if self.coverage is not None and not 0 < self.coverage < 1:
            raise SamplingError(
                f"coverage: expected a share between 0 and 1 (without a limit: none), "
                f"got {self.coverage:g}"
            )
        if self.truncate_sd is not None and not 0 < self.truncate_sd < np.inf:
            raise SamplingError(f"truncate_sd: expected above 0 SD, got {self.truncate_sd:g}")
        if self.coverage is not None and self.truncate_sd is not None:
            raise SamplingError("coverage and truncate_sd: expected one of the two, got both")

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Standard normal scores (..., K) as scores of the restricted distribution.

        Notes
        -----
        The direction of a normal vector is independent of its length, and the squared length is
        chi-square with K degrees of freedom F; so ``r^2 -> F^-1(coverage F(r^2))`` along the
        direction is exactly the normal distribution given ``F(r^2) <= coverage``.  A limit per mode
        does the same with each coordinate's own distribution.
        """
        if self.coverage is not None:
            k = scores.shape[-1]
            squared = (scores**2).sum(axis=-1, keepdims=True)
            kept = stats.chi2.ppf(self.coverage * stats.chi2.cdf(squared, k), k)
            return scores * np.sqrt(np.divide(kept, squared, where=squared > 0, out=squared * 0))
        if self.truncate_sd is not None:
            low, high = stats.norm.cdf([-self.truncate_sd, self.truncate_sd])
            return stats.norm.ppf(low + (high - low) * stats.norm.cdf(scores))
        return scores

    def holds(self, scores: np.ndarray) -> np.ndarray:
        """Mask (...,) of the scores (..., K) that lie where they may, to rounding."""
        if self.coverage is not None:
            limit = stats.chi2.ppf(self.coverage, scores.shape[-1])
            return (scores**2).sum(axis=-1) <= limit * (1 + 1e-9)
        if self.truncate_sd is not None:
            return (np.abs(scores) <= self.truncate_sd * (1 + 1e-9)).all(axis=-1)
        return np.ones(scores.shape[:-1], dtype=bool)

    def variance_ratio(self, n_modes: int) -> float:
        """Variance of each restricted score; 1 without a restriction.

        ``F_{K+2}(q) / F_K(q)`` at the quantile q of the ellipsoid; ``1 - 2 t phi(t) / (2 Phi(t) -
        1)`` for a limit t per mode.

        Examples
        --------
        >>> round(Restriction(coverage=0.99).variance_ratio(10), 3)
        0.984
        """
        if self.coverage is not None:
            limit = stats.chi2.ppf(self.coverage, n_modes)
            return float(stats.chi2.cdf(limit, n_modes + 2) / self.coverage)
        if self.truncate_sd is not None:
            t = self.truncate_sd
            return float(1 - 2 * t * stats.norm.pdf(t) / (2 * stats.norm.cdf(t) - 1))
        return 1.0
