"""How to predict, and how wide intervals must be: learned by leaving out each subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from atlas.arrays import read_only
from atlas.errors import AtlasError
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.model.fitting import fit_shape_model
from atlas.model.leave_one_out import Fold, given_mask, leave_one_out
from atlas.model.shape_model import ShapeModel
from atlas.prediction.roots import root_radii
from atlas.procrustes.alignment import Alignment

LEVELS = (0.5, 0.8, 0.95)
# What leave-one-out chooses from: how many modes speak, and how far what is seen may lie from
# them.  The second is the error of the model, not of the annotation.
MODES_TRIED = (1, 2, 3, 4, 5, 6, 8, 10)
NOISE_TRIED_MM = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class PredictionError(AtlasError):
    """What cannot be predicted from; the text says expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """How to predict from given structures, learned by leaving out each subject of the group.

    Parameters
    ----------
    given : tuple of str
    n_modes : int
        Modes that speak.
    noise_mm : float
        SD per axis of what is seen about the model.
    spread_mm : (L,) float
        Root mean square error of each landmark when left out, both sides together; 0 where given.
    inflation : mapping of float to float
        Nominal level to the factor that turns ``spread_mm`` into the radius of the ball that
        holds a landmark at that level.
    error_mm, baseline_mm : float
        Root mean square error of the hidden measured landmarks when left out: predicted, and by the
        mean shape put onto what is given.  Modes and noise were chosen by the first, which
        flatters it; :mod:`analysis.evaluation.prediction` leaves each subject out of that too.
    root_radii : (14, 3) float
        Half widths that held 95 % of the left-out errors of :func:`root_measures`, both sides of a
        level together; NaN where no subject shows the measure.
    n_subjects : int
    """

    given: tuple[str, ...]
    n_modes: int
    noise_mm: float
    spread_mm: np.ndarray
    inflation: Mapping[float, float]
    error_mm: float
    baseline_mm: float
    root_radii: np.ndarray
    n_subjects: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "spread_mm", read_only(self.spread_mm, (None,), "spread_mm"))
        object.__setattr__(self, "root_radii", read_only(self.root_radii, (14, 3), "root_radii"))


def fit_predictor(reference: Alignment, given: tuple[str, ...] = ("dura", "cord")) -> Predictor:
    """Learn how to predict, and how wide intervals must be, by leaving out each subject.

    Parameters
    ----------
    reference : Alignment
        Of at least four subjects.
    given : tuple of str
        Structures that will be seen.

    Returns
    -------
    Predictor
        The modes and noise with the least error of the hidden measured landmarks.

    Raises
    ------
    PredictionError
        Fewer than four subjects, or nothing left to predict.

    Notes
    -----
    Gaussian intervals of 14 subjects are too narrow: they know nothing of the shapes the model
    lacks.  Intervals here are calibrated instead, by leave-one-out conformal prediction
    (jackknife+, Barber et al. 2021, doi:10.1214/20-AOS1965, for the idea): the ratio of error to
    the landmark's own root mean square error, over all hidden landmarks and all subjects left out,
    each subject counting alike; its quantile at a level is the inflation at that level.  It
    holds on average over landmarks and subjects.  For all of one subject at once 14 subjects
    promise nothing at 95 %: that would take the 15th of 14 order statistics.
    """
    mask = given_mask(reference.landmarks.scheme, given)
    if len(reference.points) < 4 or mask.all():
        raise PredictionError(
            f"expected at least 4 subjects and something left to predict, got "
            f"{len(reference.points)} subjects and {', '.join(given)} given"
        )
    holdouts = list(leave_one_out(reference, mask))
    models = [fit_shape_model(h.group) for h in holdouts]
    trials = [_trials(h, m, mask) for h, m in zip(holdouts, models, strict=True)]
    squared = {choice: float(np.mean([t[choice] for t in trials])) for choice in trials[0]}
    best = min(squared, key=squared.__getitem__)
    predicted = [posterior_of(m, h.given, best).mean for h, m in zip(holdouts, models, strict=True)]
    errors = np.stack([_errors(h, p, mask) for h, p in zip(holdouts, predicted, strict=True)])
    scheme = reference.landmarks.scheme
    ratios = _ratios(errors, scheme)
    missed = [errors_mm(h, h.group.mean, hidden(h, mask)) ** 2 for h in holdouts]
    return Predictor(
        given=tuple(given),
        n_modes=best[0],
        noise_mm=best[1],
        spread_mm=_landmark_spread(errors, scheme),
        inflation={level: _conformal(ratios, level) for level in LEVELS},
        error_mm=float(np.sqrt(np.nanmean(errors**2, axis=1).mean())),
        baseline_mm=float(np.sqrt(np.mean([m.mean() for m in missed]))),
        root_radii=root_radii(holdouts, predicted, scheme),
        n_subjects=len(holdouts),
    )


def posterior_of(model: ShapeModel, points: np.ndarray, choice: tuple[int, float]) -> ShapeModel:
    """The first modes of a model given points (L, 3), NaN where unseen; choice: modes, noise mm."""
    k, noise_mm = choice
    return model.truncate(min(k, model.n_modes)).condition(points, noise_mm=noise_mm)


def hidden(holdout: Fold, mask: np.ndarray) -> np.ndarray:
    """Landmarks (L,) that were measured and not given: what a prediction is judged by."""
    return ~mask & (holdout.status == Status.MEASURED)


def errors_mm(holdout: Fold, points: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Distances of points (L, 3) from the truth at some landmarks, mm."""
    return np.linalg.norm((points - holdout.truth)[where], axis=1)


def _trials(holdout: Fold, model: ShapeModel, mask: np.ndarray) -> dict[tuple[int, float], float]:
    """Mean squared error of the hidden landmarks for every choice of modes and noise.

    The posterior mean from the normal equations of the modes: they are made once for all choices.
    """
    seen, where = np.isfinite(holdout.given).all(axis=1), hidden(holdout, mask)
    flat = model.modes.reshape(model.n_modes, -1, 3)
    shown, target = (
        flat[:, seen].reshape(model.n_modes, -1),
        flat[:, where].reshape(model.n_modes, -1),
    )
    inner = shown @ shown.T
    moment = shown @ (holdout.given - model.mean)[seen].ravel()
    miss = (holdout.truth - model.mean)[where].ravel()
    result = {}
    for k in [k for k in MODES_TRIED if k <= model.n_modes - 1]:
        short = model.truncate(k)
        sd = np.sqrt(short.variance)
        for noise in NOISE_TRIED_MM:
            information = (noise**2 + short.noise) * np.eye(k) + sd[:, None] * inner[:k, :k] * sd
            scores = sd * np.linalg.solve(information, sd * moment[:k])
            left = miss - scores @ target[:k]
            result[k, noise] = float((left**2).sum() / where.sum())
    return result


def _errors(holdout: Fold, predicted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Error (L,) of every landmark that is hidden and was measured, mm; NaN elsewhere."""
    where = hidden(holdout, mask)
    errors = np.full(len(mask), np.nan)
    errors[where] = errors_mm(holdout, predicted, where)
    return errors


def _landmark_spread(errors: np.ndarray, scheme: LandmarkScheme) -> np.ndarray:
    """Root mean square error (L,) over subjects and both sides.

    Where nobody traced a root it is interpolated between its known landmarks.
    """
    both = np.concatenate([errors, errors[:, scheme.mirror]]) ** 2
    count = np.isfinite(both).sum(axis=0)
    spread = np.sqrt(np.nansum(both, axis=0) / np.maximum(count, 1))
    for block in scheme.blocks:
        span = scheme.span(block.name)
        known = np.flatnonzero(count[span] > 0)
        if 0 < len(known) < block.size and block.kind == "curve":
            spread[span] = np.interp(np.arange(block.size), known, spread[span][known])
    return spread


def _ratios(errors: np.ndarray, scheme: LandmarkScheme) -> np.ndarray:
    """Error over the spread of the *other* subjects, (S, L); NaN where there is no error.

    A new subject is not in the spread it is held against, so neither may the ones left out be.
    """
    rows = np.arange(len(errors))
    spread = np.stack([_landmark_spread(errors[rows != i], scheme) for i in rows])
    return np.divide(errors, spread, out=np.full(errors.shape, np.nan), where=spread > 0)


def _conformal(ratios: np.ndarray, level: float) -> float:
    """Factor at which a level of the landmarks is held, each subject left out counting alike."""
    there = np.isfinite(ratios)
    weight = (there / there.sum(axis=1, keepdims=True))[there] / len(ratios)
    order = np.argsort(ratios[there])
    place = int(np.searchsorted(np.cumsum(weight[order]), level))
    return float(ratios[there][order][min(place, len(order) - 1)])
