"""The shape model: a population's anatomy as a Gaussian distribution of landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from atlas.arrays import read_only
from atlas.components.principal import RELATIVE_TOLERANCE, ShapeModelError, batch_scores
from atlas.landmarks.scheme import LandmarkScheme
from atlas.text.display import summary_html

# Observation noise below this share of the largest is raised to it, so that exact and inexact
# landmarks can stand side by side.
RELATIVE_FLOOR = 1e-12
# Entries this close to the largest count as equal to it when a mode's sign is chosen.
SIGN_TOLERANCE = 1e-9
# Modes whose signs are found together: as many as stay close to the processor.
SIGNED_AT_ONCE = 64
# Shapes whose scores are worked out together.
AT_ONCE = 256


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


@dataclass(frozen=True, slots=True, eq=False)
class ShapeModel:
    """Mean, modes and variance of a population of shapes.

    The distribution is Gaussian: ``x = mean + sum_k c_k sqrt(variance_k) modes_k + e``, with
    independent standard normal ``c_k`` and ``e`` of variance ``noise * noise_share_l / weights_l``
    per coordinate.

    Parameters
    ----------
    scheme : LandmarkScheme
    mean : (L, 3) float
        mm, in the canonical frame of the alignment.
    modes : (K, L, 3) float
        Orthonormal in the weighted inner product ``sum_l w_l a_l . b_l``, by falling variance.
    variance : (K,) float
        mm², n - 1; of the whole shape, not per landmark.
    noise : float
        mm² per coordinate, of what the modes do not hold.
    n_subjects : int
    weights : (L,) float, optional
        Of the landmarks in inner products, of mean 1; all 1 by default.
    noise_share : (L,) float, optional
        How much of the noise each landmark carries; 1 by default, less where it was observed.
    """

    scheme: LandmarkScheme
    mean: np.ndarray
    modes: np.ndarray
    variance: np.ndarray
    noise: float
    n_subjects: int
    weights: np.ndarray | None = None
    noise_share: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = self.scheme.size
        object.__setattr__(self, "mean", read_only(self.mean, (n, 3), "mean"))
        object.__setattr__(self, "modes", read_only(self.modes, (None, n, 3), "modes"))
        for name in ("weights", "noise_share"):
            given = getattr(self, name)
            values = read_only(np.ones(n) if given is None else given, (n,), name)
            object.__setattr__(self, name, values)
        variance = read_only(self.variance, (len(self.modes),), "variance")
        if (variance <= 0).any() or (np.diff(variance) > 0).any():
            raise ShapeModelError(f"variance: expected positive and falling, got {variance}")
        object.__setattr__(self, "variance", variance)

    @property
    def n_modes(self) -> int:
        """Number of modes K."""
        return len(self.variance)

    def _repr_html_(self) -> str:
        facts = {
            "subjects": f"n = {self.n_subjects}",
            "landmarks": f"{self.scheme.size}, depth from {self.scheme.origin}",
            "total variance": f"{self.total_variance:.0f} mm² of the whole shape (n − 1)",
            "noise": f"{self.noise**0.5:.3g} mm SD per coordinate",
        }
        share = 100 * self.explained
        rows = [
            (k + 1, f"{v**0.5:.1f}", f"{share[k]:.1f}", f"{share[: k + 1].sum():.1f}")
            for k, v in enumerate(self.variance)
        ]
        columns = ("mode", "SD mm", "share %", "cumulative %")
        return summary_html("Shape model", facts, columns=columns, rows=rows)

    @property
    def total_variance(self) -> float:
        """Variance of the whole shape, mm²: of the modes and of the noise in all coordinates."""
        assert self.noise_share is not None  # filled in at construction
        return float(self.variance.sum() + 3 * self.noise * self.noise_share.sum())

    @property
    def explained(self) -> np.ndarray:
        """Share (K,) of the total variance that each mode holds."""
        return self.variance / self.total_variance

    @property
    def landmark_sd(self) -> np.ndarray:
        """Standard deviation (L, 3) of each landmark's coordinates, mm."""
        spread = np.einsum("k,klj->lj", self.variance, self.modes**2)
        return np.sqrt(spread + self._noise[:, None])

    @property
    def noise_sd(self) -> np.ndarray:
        """Standard deviation (L,) of each landmark's noise, mm per coordinate."""
        return np.sqrt(self._noise)

    @property
    def _noise(self) -> np.ndarray:
        """Noise variance (L,) of each landmark, mm² per coordinate."""
        assert self.noise_share is not None  # filled in at construction
        return self.noise * self.noise_share / self._weights

    @property
    def _weights(self) -> np.ndarray:
        assert self.weights is not None  # filled in at construction
        return self.weights

    def shape(self, coefficients: np.ndarray) -> np.ndarray:
        """The shape at given coefficients.

        Parameters
        ----------
        coefficients : (..., k) float
            In standard deviations, of the first k modes; k <= K.

        Returns
        -------
        (..., L, 3) float
            mm.

        Raises
        ------
        ShapeModelError
            More coefficients than modes.
        """
        c = np.asarray(coefficients, dtype=float)
        k = c.shape[-1]
        if k > self.n_modes:
            raise ShapeModelError(f"coefficients: expected at most {self.n_modes}, got {k}")
        flat = (c * np.sqrt(self.variance[:k])) @ self.modes[:k].reshape(k, self.mean.size)
        shapes: np.ndarray = flat.reshape(*c.shape[:-1], *self.mean.shape)
        shapes += self.mean
        return shapes

    def coefficients(self, points: np.ndarray) -> np.ndarray:
        """Coefficients of shapes in the frame of the model.

        Parameters
        ----------
        points : (..., L, 3) float
            Aligned, mm, nothing missing.

        Returns
        -------
        (..., K) float
            In standard deviations: ``<modes_k, points - mean> / sqrt(variance_k)``.
        """
        points = self._checked(points)
        if not np.isfinite(points).all():
            raise ShapeModelError("points: expected every landmark, got missing (NaN) ones")
        deviation = (self._weights[:, None] * (points - self.mean)).reshape(*points.shape[:-2], -1)
        modes = self.modes.reshape(self.n_modes, self.mean.size)
        return deviation @ modes.T / np.sqrt(self.variance)

    def scores(self, points: np.ndarray) -> np.ndarray:
        """Expected coefficients of shapes of which a part may be missing.

        Parameters
        ----------
        points : (..., L, 3) float
            Aligned, mm; NaN where missing.

        Returns
        -------
        (..., K) float
            In standard deviations: the posterior mean given the landmarks that are there.  Equal to
            :meth:`coefficients` for whole shapes and a model without noise.

        Notes
        -----
        ``(I + A^T A / noise)^-1 A^T d / noise`` with the weighted loadings A of the landmarks that
        are there and their weighted deviations d; without noise the least-squares solution.
        """
        points = self._checked(points)
        if self.noise == 0 and np.isfinite(points).all():
            return self.coefficients(points)
        flat = points.reshape(-1, *self.mean.shape)
        parts = [self._scores(flat[i : i + AT_ONCE]) for i in range(0, len(flat), AT_ONCE)]
        scores = np.concatenate(parts) if parts else np.empty((0, self.n_modes))
        return scores.reshape(*points.shape[:-2], self.n_modes)

    def _scores(self, points: np.ndarray) -> np.ndarray:
        root = np.sqrt(self._weights)[:, None]
        loadings = np.moveaxis(np.sqrt(self.variance)[:, None, None] * self.modes * root, 0, 2)
        return batch_scores(loadings, root * (points - self.mean), self.noise)

    def _checked(self, points: np.ndarray) -> np.ndarray:
        points = np.asarray(points, dtype=float)
        if points.shape[-2:] != self.mean.shape:
            raise ShapeModelError(
                f"points: expected shape (..., {len(self.mean)}, 3), got {points.shape}"
            )
        return points

    def condition(
        self,
        points: np.ndarray,
        names: Sequence[str] | None = None,
        *,
        noise_mm: float | np.ndarray = 0.0,
    ) -> ShapeModel:
        """The model given some of its landmarks.

        Parameters
        ----------
        points : (m, 3) float
            Observed places in the frame of the model, mm.
        names : sequence of str, optional
            Their m landmarks.  By default ``points`` is (L, 3), NaN where nothing was observed.
        noise_mm : float or (m,) float
            Standard deviation of the observations per axis; (L,) with the default names.

        Returns
        -------
        ShapeModel
            The posterior distribution: on nothing the model itself, on everything without noise
            the shape.  Where the model has no noise of its own and the shape lies outside of it,
            the nearest shape it holds.

        Raises
        ------
        ShapeModelError
            Unknown or repeated names, points that do not go with them, or negative noise.
        """
        observed, places, sd = self._observations(points, names, noise_mm)
        loadings = np.moveaxis(self.modes * np.sqrt(self.variance)[:, None, None], 0, 2)
        mean, spread, noise = posterior(
            loadings, self._noise, places - self.mean[observed], observed, sd**2
        )
        share = noise * self._weights / self.noise if self.noise > 0 else self.noise_share
        modes, variance = weighted_modes(spread, self._weights)
        return replace(
            self,
            mean=self.mean + mean,
            modes=modes * mode_signs(modes, self.scheme)[:, None, None],
            variance=variance,
            noise_share=share,
        )

    def _observations(
        self, points: np.ndarray, names: Sequence[str] | None, noise_mm: float | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Indices (m,), places (m, 3) and SD (m,) of what was observed."""
        places = np.asarray(points, dtype=float)
        wanted = self.scheme.names if names is None else tuple(names)
        if places.shape != (len(wanted), 3):
            raise ShapeModelError(
                f"points: expected shape ({len(wanted)}, 3), one a name, got {places.shape}"
            )
        index = {name: i for i, name in enumerate(self.scheme.names)}
        unknown = [name for name in wanted if name not in index]
        if unknown or len(set(wanted)) < len(wanted):
            raise ShapeModelError(
                f"names: expected landmarks of the scheme, like {self.scheme.names[0]}, none "
                f"twice, got {unknown[:3] or 'repeated names'}"
            )
        sd = np.broadcast_to(np.asarray(noise_mm, dtype=float), (len(wanted),))
        there = np.isfinite(places).all(axis=1)
        if (sd[there] < 0).any() or not np.isfinite(sd[there]).all():
            raise ShapeModelError("noise_mm: expected 0 or more mm, got a negative or missing SD")
        return np.array([index[n] for n in wanted], dtype=int)[there], places[there], sd[there]

    def sample(self, n: int, rng: np.random.Generator, *, noise: bool = False) -> np.ndarray:
        """Draw shapes from the distribution.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator
        noise : bool
            Whether the noise term is drawn too.

        Returns
        -------
        (n, L, 3) float
            mm.
        """
        shapes = self.shape(rng.standard_normal((n, self.n_modes)))
        if noise:
            shapes += self.noise_sd[:, None] * rng.standard_normal(shapes.shape)
        return shapes

    def truncate(self, k: int) -> ShapeModel:
        """The model of the first k modes; what the others held becomes noise.

        The maximum-likelihood model of k factors (Tipping & Bishop 1999): the total variance stays.
        """
        if not 1 <= k <= self.n_modes:
            raise ShapeModelError(f"k: expected 1 to {self.n_modes} modes, got {k}")
        free = 3 * self.scheme.size - k
        noise = self.noise + float(self.variance[k:].sum()) / free
        return replace(
            self,
            modes=self.modes[:k],
            variance=self.variance[:k] - (noise - self.noise),
            noise=noise,
        )


def weighted_modes(loadings: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Modes and variance of loadings on standard normal variables.

    Parameters
    ----------
    loadings : (L, 3, K) float
        mm.
    weights : (L,) float

    Returns
    -------
    modes : (k, L, 3) float
        Orthonormal in the weighted inner product, by falling variance; k <= K, what is only
        rounding is dropped.
    variance : (k,) float
    """
    root = np.sqrt(weights)[:, None]
    n, _, k = loadings.shape
    u, size, _ = np.linalg.svd((root[..., None] * loadings).reshape(3 * n, k), full_matrices=False)
    keep = size**2 > RELATIVE_TOLERANCE * max((size**2).max(initial=0.0), np.finfo(float).tiny)
    return u.T[keep].reshape(-1, n, 3) / root, size[keep] ** 2


def mode_signs(modes: np.ndarray, scheme: LandmarkScheme) -> np.ndarray:
    """Signs that make modes comparable from one fit to the next.

    The largest coordinate of the left half and the midline is made positive.  Over both sides it
    would be a tie in every left-right symmetric mode, decided by rounding.

    Parameters
    ----------
    modes : (K, L, 3) float
    scheme : LandmarkScheme

    Returns
    -------
    (K,) float
        +1 or -1.
    """
    half = np.flatnonzero(left_half(scheme))
    parts = [
        _signs(modes[i : i + SIGNED_AT_ONCE, half]) for i in range(0, len(modes), SIGNED_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _signs(half: np.ndarray) -> np.ndarray:
    """Signs of some modes by their left half (K, n, 3)."""
    half = half.reshape(len(half), -1)
    size = np.abs(half)
    # Ties within the half go to the first by name, whatever the rounding.
    first = (size >= (1 - SIGN_TOLERANCE) * size.max(axis=1, keepdims=True)).argmax(axis=1)
    return np.where(half[np.arange(len(half)), first] < 0, -1.0, 1.0)


@lru_cache(maxsize=64)
def left_half(scheme: LandmarkScheme) -> np.ndarray:
    """Mask (L,) of the landmarks of the left side and the midline."""
    mask = []
    for block in scheme.blocks:
        if block.kind == "tube":
            place = np.arange(block.size) % block.around
            mask.append(2 * place <= block.around)
        else:
            mask.append(np.full(block.size, block.name.endswith("/left")))
    return read_only(np.concatenate(mask), (scheme.size,), "mask", dtype=bool)
