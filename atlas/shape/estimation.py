"""From aligned subjects to the shape model: plain principal components, or probabilistic ones."""

from __future__ import annotations

import numpy as np

from atlas.shape.alignment import Alignment
from atlas.shape.components import Factors, ShapeModelError, principal_components, signal_modes
from atlas.shape.landmarks import LandmarkSet
from atlas.shape.model import ShapeModel, mode_signs, weighted_modes
from atlas.shape.ppca import fit_factors
from atlas.shape.scheme import Status

BRIDGED = ("as-measured", "uncertain", "missing")


def fit_shape_model(
    alignment: Alignment, *, n_modes: int | None = None, bridged: str = "as-measured"
) -> ShapeModel:
    """Principal components of aligned shapes; probabilistic ones where landmarks are missing.

    Parameters
    ----------
    alignment : Alignment
        Of at least two subjects.
    n_modes : int, optional
        By default all S - 1 where nothing is missing.  Otherwise as many as hold 99 % of the
        variance of the landmarks that every subject has, at most S - 2: the noise needs the rest.
    bridged : {"as-measured", "uncertain", "missing"}
        Bridged landmarks count like measured ones, with the noise of their bridge added, or not at
        all.  A landmark that no subject traced is uncertain even then: there is nothing else.

    Returns
    -------
    ShapeModel
        Variance with n - 1.  Whole shapes that count as measured give plain principal components.

    Raises
    ------
    ShapeModelError
        Fewer than two subjects, more modes than they allow, or no variation at all.
    """
    ids = alignment.landmarks.subject_ids
    if len(ids) < 2:
        raise ShapeModelError(
            f"expected at least 2 subjects for a model of variation, got {len(ids)}"
        )
    if n_modes is not None and not 1 <= n_modes < len(ids):
        raise ShapeModelError(f"n_modes: expected 1 to {len(ids) - 1}, got {n_modes}")
    present, extra = _grounds(alignment.landmarks, bridged)
    if present.all() and not extra.any():
        model = _closed_form(alignment)
        return model if n_modes is None else model.truncate(min(n_modes, model.n_modes))
    return _expectation_maximisation(alignment, present, extra, n_modes)


def _grounds(landmarks: LandmarkSet, bridged: str) -> tuple[np.ndarray, np.ndarray]:
    """Which landmarks count (S, L) and with what variance beyond the noise (S, L), mm²."""
    if bridged not in BRIDGED:
        raise ShapeModelError(f"bridged: expected one of {BRIDGED}, got {bridged!r}")
    present = landmarks.status != Status.MISSING
    extra = np.zeros(present.shape)
    if bridged != "as-measured":
        assert landmarks.bridge_sd is not None  # filled in at construction
        gaps = landmarks.status == Status.BRIDGED
        extra = np.where(gaps, landmarks.bridge_sd**2, 0.0)
        if bridged == "missing":
            traced = (landmarks.status == Status.MEASURED).any(axis=0)
            present = present & ~(gaps & traced)
    return present, extra


def _closed_form(alignment: Alignment) -> ShapeModel:
    count, n = alignment.points.shape[:2]
    root = np.sqrt(alignment.weights)[:, None]
    deviations = (root * (alignment.points - alignment.mean)).reshape(count, -1)
    modes, variance = principal_components(deviations)
    return _signed_model(alignment, alignment.mean, modes.reshape(-1, n, 3) / root, variance, 0.0)


def _signed_model(
    alignment: Alignment, mean: np.ndarray, modes: np.ndarray, variance: np.ndarray, noise: float
) -> ShapeModel:
    scheme = alignment.landmarks.scheme
    return ShapeModel(
        scheme=scheme,
        mean=mean,
        modes=modes * mode_signs(modes, scheme)[:, None, None],
        variance=variance,
        noise=noise,
        n_subjects=len(alignment.points),
        weights=alignment.weights,
    )


def _expectation_maximisation(
    alignment: Alignment, present: np.ndarray, extra: np.ndarray, n_modes: int | None
) -> ShapeModel:
    count = len(present)
    root = np.sqrt(alignment.weights)[:, None]
    y = root * np.where(present[..., None], alignment.points - alignment.mean, 0.0)
    k = n_modes or signal_modes(y, present)
    # Missing entries begin where the alignment expects them.
    start = Factors.of(root * (alignment.completed - alignment.mean), k)
    fit = fit_factors(y, present, start=start, extra=extra * alignment.weights).factors
    # Maximum likelihood divides by S; variances here are those of a sample, n - 1.
    unbiased = count / (count - 1)
    modes, variance = weighted_modes(fit.loadings / root[..., None], alignment.weights)
    mean = alignment.mean + fit.mean / root
    return _signed_model(alignment, mean, modes, unbiased * variance, unbiased * fit.noise)
