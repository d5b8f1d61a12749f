"""The shape model: a population's anatomy as a Gaussian distribution of landmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from atlas.arrays import read_only
from atlas.errors import AtlasError
from atlas.shape.alignment import Alignment
from atlas.shape.scheme import LandmarkScheme

# Modes whose variance is less than this share of the first are rounding, not anatomy.
RELATIVE_TOLERANCE = 1e-10
# Entries this close to the largest count as equal to it when a mode's sign is chosen.
SIGN_TOLERANCE = 1e-9


class ShapeModelError(AtlasError):
    """Shapes or coefficients that do not fit the model; the text says expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class ShapeModel:
    """Mean, modes and variance of a population of shapes.

    The distribution is Gaussian: ``x = mean + sum_k c_k sqrt(variance_k) modes_k + e``, with
    independent standard normal ``c_k`` and ``e`` of variance ``noise`` in each coordinate.

    Parameters
    ----------
    scheme : LandmarkScheme
    mean : (L, 3) float
        mm, in the canonical frame of the alignment.
    modes : (K, L, 3) float
        Orthonormal over all 3 L coordinates, by falling variance.
    variance : (K,) float
        mm², n - 1; of the whole shape, not per landmark.
    noise : float
        mm² per coordinate, of what the modes do not hold.
    n_subjects : int
    """

    scheme: LandmarkScheme
    mean: np.ndarray
    modes: np.ndarray
    variance: np.ndarray
    noise: float
    n_subjects: int

    def __post_init__(self) -> None:
        n = self.scheme.size
        object.__setattr__(self, "mean", read_only(self.mean, (n, 3), "mean"))
        object.__setattr__(self, "modes", read_only(self.modes, (None, n, 3), "modes"))
        variance = read_only(self.variance, (len(self.modes),), "variance")
        if (variance <= 0).any() or (np.diff(variance) > 0).any():
            raise ShapeModelError(f"variance: expected positive and falling, got {variance}")
        object.__setattr__(self, "variance", variance)

    @property
    def n_modes(self) -> int:
        """Number of modes K."""
        return len(self.variance)

    @property
    def total_variance(self) -> float:
        """Variance of the whole shape, mm²: of the modes and of the noise in all coordinates."""
        return float(self.variance.sum() + 3 * self.scheme.size * self.noise)

    @property
    def explained(self) -> np.ndarray:
        """Share (K,) of the total variance that each mode holds."""
        return self.variance / self.total_variance

    @property
    def landmark_sd(self) -> np.ndarray:
        """Standard deviation (L, 3) of each landmark's coordinates, mm."""
        spread = np.einsum("k,klj->lj", self.variance, self.modes**2)
        return np.sqrt(spread + self.noise)

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
        flat = (c * np.sqrt(self.variance[:k])) @ self.modes[:k].reshape(k, -1)
        return self.mean + flat.reshape(*c.shape[:-1], *self.mean.shape)

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
        points = np.asarray(points, dtype=float)
        if points.shape[-2:] != self.mean.shape:
            raise ShapeModelError(
                f"points: expected shape (..., {len(self.mean)}, 3), got {points.shape}"
            )
        if not np.isfinite(points).all():
            raise ShapeModelError("points: expected every landmark, got missing (NaN) ones")
        deviation = (points - self.mean).reshape(*points.shape[:-2], -1)
        return deviation @ self.modes.reshape(self.n_modes, -1).T / np.sqrt(self.variance)

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
            shapes += np.sqrt(self.noise) * rng.standard_normal(shapes.shape)
        return shapes

    def truncate(self, k: int) -> ShapeModel:
        """The model of the first k modes; what the others held becomes noise."""
        if not 1 <= k <= self.n_modes:
            raise ShapeModelError(f"k: expected 1 to {self.n_modes} modes, got {k}")
        dropped = float(self.variance[k:].sum()) / (3 * self.scheme.size)
        return replace(
            self,
            modes=self.modes[:k],
            variance=self.variance[:k],
            noise=self.noise + dropped,
        )


def fit_shape_model(alignment: Alignment) -> ShapeModel:
    """Principal components of aligned shapes.

    Parameters
    ----------
    alignment : Alignment
        Of at least two subjects, nothing missing.

    Returns
    -------
    ShapeModel
        At most S - 1 modes, variance with n - 1, no noise.

    Raises
    ------
    ShapeModelError
        Fewer than two subjects, missing landmarks, or no variation at all.
    """
    ids = alignment.landmarks.subject_ids
    if len(ids) < 2:
        raise ShapeModelError(
            f"expected at least 2 subjects for a model of variation, got {len(ids)}"
        )
    _refuse_missing(alignment)
    n = alignment.landmarks.scheme.size
    deviations = (alignment.points - alignment.mean).reshape(len(ids), -1)
    modes, variance = principal_components(deviations)
    modes = modes.reshape(len(modes), n, 3)
    return ShapeModel(
        scheme=alignment.landmarks.scheme,
        mean=alignment.mean,
        modes=modes * mode_signs(modes, alignment.landmarks.scheme)[:, None, None],
        variance=variance,
        noise=0.0,
        n_subjects=len(ids),
    )


def principal_components(deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes of centred data by the smaller of its two Gram matrices.

    Parameters
    ----------
    deviations : (n, p) float
        Rows sum to zero over n.

    Returns
    -------
    modes : (K, p) float
        Orthonormal rows.
    variance : (K,) float
        Eigenvalues of the covariance (n - 1), falling; those below a relative 1e-10 are dropped.

    Notes
    -----
    ``X X^T`` (n, n) and ``X^T X`` (p, p) share their non-zero eigenvalues; from the first the
    axes are ``X^T u / |X^T u|``, made orthonormal to rounding by a QR step.
    """
    n, p = deviations.shape
    if n <= p:
        eigenvalues, u = np.linalg.eigh(deviations @ deviations.T)
    else:
        eigenvalues, u = np.linalg.eigh(deviations.T @ deviations)
    eigenvalues, u = eigenvalues[::-1][: n - 1], u[:, ::-1][:, : n - 1]
    keep = eigenvalues > RELATIVE_TOLERANCE * max(eigenvalues[0], np.finfo(float).tiny)
    if not keep.any():
        raise ShapeModelError("expected shapes that differ, got the same shape in every subject")
    axes = deviations.T @ u[:, keep] if n <= p else u[:, keep]
    q, r = np.linalg.qr(axes)
    return (q * np.sign(np.diag(r))).T, eigenvalues[keep] / (n - 1)


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
    half = modes[:, left_half(scheme)].reshape(len(modes), -1)
    size = np.abs(half)
    # Ties within the half go to the first by name, whatever the rounding.
    first = (size >= (1 - SIGN_TOLERANCE) * size.max(axis=1, keepdims=True)).argmax(axis=1)
    return np.where(half[np.arange(len(half)), first] < 0, -1.0, 1.0)


def left_half(scheme: LandmarkScheme) -> np.ndarray:
    """Mask (L,) of the landmarks of the left side and the midline."""
    mask = []
    for block in scheme.blocks:
        if block.kind == "tube":
            place = np.arange(block.size) % block.around
            mask.append(2 * place <= block.around)
        else:
            mask.append(np.full(block.size, block.name.endswith("/left")))
    return np.concatenate(mask)


def _refuse_missing(alignment: Alignment) -> None:
    missing = np.isnan(alignment.points).any(axis=2)
    if missing.any():
        names = np.array(alignment.landmarks.scheme.names)
        lines = [
            f"{subject}: {int(row.sum())} ({names[row][0]} to {names[row][-1]})"
            for subject, row in zip(alignment.landmarks.subject_ids, missing, strict=True)
            if row.any()
        ]
        raise ShapeModelError(
            "expected every landmark in every subject, got missing ones; leave these subjects out: "
            + "; ".join(lines)
        )
