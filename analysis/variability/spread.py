"""How far each landmark spreads over a group: covariance, and ellipsoids of places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.variability.normal_intervals import (
    CONFIDENCE,
    COVERAGE,
    sd_interval,
    total_variance_interval,
)
from atlas.arrays import read_only
from atlas.errors import AtlasError
from atlas.landmarks.scheme import Status
from atlas.procrustes.alignment import Alignment

Floats = NDArray[np.float64]
AXES = ("left", "dorsal", "rostral")
# What the columns of `LandmarkSpread.table` say.
COLUMNS = {
    "landmark": "name",
    "n, n_bridged": "subjects that have it; of these bridged between trace and ganglion, not seen",
    "sd_left_mm, sd_dorsal_mm, sd_rostral_mm": "SD (n - 1) along x, y and z of the aligned frame, "
    f"each with its {CONFIDENCE:.0%} chi-square interval (_low, _high), mm",
    "sd_mm, sd_low_mm, sd_high_mm": "SD in all three directions together (square root of the "
    f"trace) and its {CONFIDENCE:.0%} interval (Satterthwaite), mm",
    "population1_mm, population2_mm, population3_mm": "half axes, longest first, of the ellipsoid "
    f"that holds {COVERAGE:.0%} of a normal population with the estimated mean and covariance, mm",
    "prediction1_mm, prediction2_mm, prediction3_mm": "half axes of the ellipsoid that holds the "
    f"landmark of a new subject with {COVERAGE:.0%}, mm; empty below four subjects",
    "direction1, direction2, direction3": "unit vectors of the axes: x y z, LPS",
}


class SpreadError(AtlasError):
    """Points whose spread cannot be told."""


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkSpread:
    """Where the landmarks of a group lie and how they spread, each by itself.

    Parameters
    ----------
    names : tuple of str
        L landmarks.
    n, n_bridged : (L,) int
        Subjects that have the landmark; those of them in whom it is bridged.
    mean : (L, 3) float
        mm; NaN where nobody has it.
    covariance : (L, 3, 3) float
        With n - 1, mm²; NaN below two subjects.
    """

    names: tuple[str, ...]
    n: NDArray[np.int_]
    n_bridged: NDArray[np.int_]
    mean: Floats
    covariance: Floats

    def __post_init__(self) -> None:
        size = len(self.names)
        for name in ("n", "n_bridged"):
            object.__setattr__(self, name, read_only(getattr(self, name), (size,), name, dtype=int))
        object.__setattr__(self, "mean", read_only(self.mean, (size, 3), "mean"))
        object.__setattr__(
            self, "covariance", read_only(self.covariance, (size, 3, 3), "covariance")
        )

    @property
    def sd_axes(self) -> Floats:
        """SD (L, 3) along x, y and z, mm."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    @property
    def sd(self) -> Floats:
        """SD (L,) in all directions together: square root of the trace, mm."""
        return np.sqrt(np.trace(self.covariance, axis1=1, axis2=2))

    def sd_interval(self) -> tuple[Floats, Floats]:
        """The 95 % interval (L,), (L,) of :attr:`sd`, mm, as :func:`total_variance_interval`."""
        squares = np.einsum("lij,lij->l", self.covariance, self.covariance)
        total = np.trace(self.covariance, axis1=1, axis2=2)
        low, high = total_variance_interval(total, squares, self.n)
        return np.sqrt(low), np.sqrt(high)

    def ellipsoids(self, *, prediction: bool = False) -> tuple[Floats, Floats]:
        """Half axes and directions of the ellipsoid about each mean that holds 95 %.

        Parameters
        ----------
        prediction : bool
            False: of a normal population with just this mean and covariance.  True: of the
            landmark of one new subject, mean and covariance being estimates; wider.

        Returns
        -------
        half_axes : (L, 3) float
            Longest first, mm; NaN below two (prediction: four) subjects.
        directions : (L, 3, 3) float
            Rows are unit vectors; their sign is arbitrary, their largest part positive.

        Notes
        -----
        With λ the principal variances, ``sqrt(λ chi²(3))`` and, for prediction,
        ``sqrt(λ 3 (n² - 1) / (n (n - 3)) F(3, n - 3))`` (Hotelling 1931,
        doi:10.1214/aoms/1177732979).  In few subjects the longest axis is estimated too long and
        the shortest too short; prediction covers as it says all the same.
        """
        known = ~np.isnan(self.covariance).any(axis=(1, 2))
        variance, vectors = (
            np.full((len(self.n), 3), np.nan),
            np.full(self.covariance.shape, np.nan),
        )
        found, axes = np.linalg.eigh(self.covariance[known])
        variance[known] = np.maximum(found[:, ::-1], 0.0)
        vectors[known] = _positive(np.swapaxes(axes, 1, 2)[:, ::-1])
        factor = prediction_factor(self.n) if prediction else stats.chi2.ppf(COVERAGE, 3)
        return np.sqrt(variance * np.reshape(factor, (-1, 1))), vectors

    def table(self) -> pd.DataFrame:
        """One row a landmark, as ``COLUMNS`` says."""
        columns: dict[str, object] = {
            "landmark": self.names,
            "n": self.n,
            "n_bridged": self.n_bridged,
        }
        for axis, sd in zip(AXES, self.sd_axes.T, strict=True):
            low, high = sd_interval(self.n, sd)
            columns |= {f"sd_{axis}_mm": sd, f"sd_{axis}_low_mm": low, f"sd_{axis}_high_mm": high}
        low, high = self.sd_interval()
        columns |= {"sd_mm": self.sd, "sd_low_mm": low, "sd_high_mm": high}
        inner, directions = self.ellipsoids()
        outer, _ = self.ellipsoids(prediction=True)
        for i in range(3):
            columns[f"population{i + 1}_mm"] = inner[:, i]
            columns[f"prediction{i + 1}_mm"] = outer[:, i]
            columns[f"direction{i + 1}"] = [_text(d[i]) for d in directions]
        return pd.DataFrame(columns)


def prediction_factor(n: NDArray[np.int_]) -> Floats:
    """``3 (n² - 1) / (n (n - 3)) F(3, n - 3)`` at 95 %, (L,); NaN below four subjects."""
    n = np.where(np.asarray(n) > 3, n, np.nan)
    return 3 * (n**2 - 1) / (n * (n - 3)) * stats.f.ppf(COVERAGE, 3, n - 3)


def landmark_spread(
    points: Floats, *, names: tuple[str, ...] = (), status: NDArray[np.int_] | None = None
) -> LandmarkSpread:
    """Mean and covariance of every landmark over the subjects that have it.

    Parameters
    ----------
    points : (S, L, 3) float
        In one frame, LPS mm; NaN where missing.
    names : tuple of str
        L names; by default the places from 0.
    status : (S, L) int, optional
        :class:`Status` of each; without, none counts as bridged.

    Returns
    -------
    LandmarkSpread

    Raises
    ------
    SpreadError
        Points, names or status of another shape.

    Notes
    -----
    Subjects are taken as independent draws.  Spread is that of the frame: with an anchor held fixed
    it is zero there and grows away from it.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 3 or points.shape[2] != 3:
        raise SpreadError(f"points: expected shape (S, L, 3), got {points.shape}")
    names = names or tuple(str(i) for i in range(points.shape[1]))
    if len(names) != points.shape[1]:
        raise SpreadError(f"names: expected {points.shape[1]}, one a landmark, got {len(names)}")
    seen: NDArray[np.bool_] = np.logical_not(np.isnan(points).any(axis=2))
    if status is not None and np.shape(status) != seen.shape:
        raise SpreadError(f"status: expected shape {seen.shape}, got {np.shape(status)}")
    bridged = seen & (status == Status.BRIDGED) if status is not None else np.zeros_like(seen)
    n = seen.sum(axis=0)
    total = np.where(seen[..., None], points, 0.0).sum(axis=0)
    mean = np.where(n[:, None] > 0, total / np.maximum(n, 1)[:, None], np.nan)
    off = np.where(seen[..., None], points - mean, 0.0)
    freedom = np.where(n > 1, n - 1, np.nan)[:, None, None]
    covariance = np.einsum("sli,slj->lij", off, off) / freedom
    return LandmarkSpread(tuple(names), n, bridged.sum(axis=0), mean, covariance)


def alignment_spread(alignment: Alignment) -> LandmarkSpread:
    """:func:`landmark_spread` of aligned subjects, as far as each was seen or bridged."""
    landmarks = alignment.landmarks
    return landmark_spread(alignment.points, names=landmarks.scheme.names, status=landmarks.status)


def _text(direction: Floats) -> str:
    return "" if np.isnan(direction).any() else " ".join(f"{x:.3f}" for x in direction)


def _positive(directions: Floats) -> Floats:
    """Unit vectors (..., 3) turned so that their largest part is positive."""
    largest = np.abs(directions).argmax(axis=-1)[..., None]
    sign = np.sign(np.take_along_axis(directions, largest, axis=-1))
    return directions * np.where(sign == 0, 1.0, sign)
