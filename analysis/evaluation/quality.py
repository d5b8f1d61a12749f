"""How good a shape model is: compactness, generalisation and specificity, in mm.

After Davies 2002 (PhD thesis, Manchester) and Styner et al. 2003
(doi:10.1007/978-3-540-45087-0_6).  Other programs use the same words for other numbers;
``definition`` computes theirs.  What they compute was read from their sources in 2026:

``atlas``
    The others are aligned anew for every subject held out, the subject is put onto them by the
    same rule and projected onto the first modes; distance of corresponding landmarks.  Samples
    have the standard deviations of the model.
``shapeworks``
    ``ShapeEvaluation.cpp``.  Subjects stay where the whole group put them.  Mean distance of
    corresponding particles.  For specificity it hands the *singular values* of the centred data to
    a normal generator as if they were variances, so that a sample's standard deviation is
    ``((n - 1) variance)^(1/4)`` and the result depends on the unit: compare in mm with mm only.  It
    gives no standard error; ours stands beside.  (Newer versions can measure to surfaces instead.)
``sva``
    ShapeVariationAnalyzer's ``shapepcalib.py`` (SlicerSALT).  No new alignment, mean distance of
    corresponding points.  Samples have the standard deviation of the scores with n, not n - 1.  Its
    compactness is the cumulative *sum of squared singular values*, ``(n - 1)`` times ours in mm²,
    with the standard error ``sqrt(2 / n) sum``.
``scalismo``
    ``ModelMetrics.scala``: no new alignment, one direction of ``MeshMetrics.avgDistance``, the mean
    distance to the nearest *vertex* of the other mesh, whichever structure it belongs to; from the
    projection to the subject for generalisation, from the training shape to the sample for
    specificity.  (In the version read; newer ones may go to the surface.)  scalismo takes whatever
    test data it is given and always uses all modes.  Vertices here are the landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from atlas.components.principal import ShapeModelError
from atlas.model.fitting import fit_shape_model
from atlas.model.leave_one_out import leave_one_out
from atlas.model.shape_model import ShapeModel
from atlas.procrustes.alignment import Alignment

DEFINITIONS = ("atlas", "shapeworks", "sva", "scalismo")
# Samples held in memory at a time.
BATCH = 50
# What the columns of each table say.
COLUMNS = {
    "compactness.csv": {
        "modes": "the first so many",
        "variance_mm2": "of the last of them, mm²",
        "cumulative_mm2, cumulative_mm2_se": "of all of them, and its standard error (normal data)",
        "cumulative, cumulative_se": "share of the total variance, and its standard error",
        "n": "subjects",
    },
    "generalisation.csv": {
        "definition": "atlas: aligned anew without the subject; shapeworks, sva, scalismo: as "
        "those programs compute it (scalismo: nearest vertex, from the description to the subject)",
        "realigned": "whether the others were aligned anew in each fold",
        "modes": "the first so many; 0 is the mean",
        "n": "subjects held out",
        "mean_mm, mean_mm_se": "mean distance over landmarks, mean over subjects and its standard "
        "error, mm",
        "rms_mm, rms_mm_se": "root mean square distance over landmarks, the same, mm",
    },
    "specificity.csv": {
        "definition": "as above; shapeworks depends on the unit, here mm",
        "modes": "drawn with the first so many",
        "n_samples, n, seed": "shapes drawn; training shapes; seed",
        "mean_mm, mean_mm_se": "mean distance over landmarks to the nearest training shape, and "
        "its standard error over draws, mm",
    },
}


def compactness(model: ShapeModel) -> pd.DataFrame:
    """How much of the variance the first modes hold.

    Parameters
    ----------
    model : ShapeModel

    Returns
    -------
    DataFrame
        One row a number of ``modes``: ``variance_mm2`` of the last of them, ``cumulative_mm2`` and
        its standard error, ``cumulative`` (share of the total variance) and its standard error,
        ``n`` subjects.

    Notes
    -----
    Standard errors are those of normal data and many subjects, ``var(λ_k) = 2 λ_k² / (n - 1)``,
    independent (Anderson 1963, doi:10.1214/aoms/1177704248); of the share A / (A + B) by the delta
    method ``sqrt(B² var A + A² var B) / (A + B)²``.  With few subjects large eigenvalues are too
    large: see :func:`analysis.evaluation.stability.eigenvalue_intervals`.
    """
    variance, total = model.variance, model.total_variance
    held = np.cumsum(variance)
    spread = 2 * np.cumsum(variance**2) / (model.n_subjects - 1)
    rest, rest_spread = total - held, spread[-1] - spread
    share_se = np.sqrt(rest**2 * spread + held**2 * rest_spread) / total**2
    return pd.DataFrame(
        {
            "modes": np.arange(1, model.n_modes + 1),
            "variance_mm2": variance,
            "cumulative_mm2": held,
            "cumulative_mm2_se": np.sqrt(spread),
            "cumulative": held / total,
            "cumulative_se": share_se,
            "n": model.n_subjects,
        }
    )


def generalisation(
    alignment: Alignment,
    *,
    modes: int | None = None,
    definition: str = "atlas",
    realign: bool | None = None,
    bridged: str = "as-measured",
) -> pd.DataFrame:
    """How well a model describes a subject it has not seen.

    Parameters
    ----------
    alignment : Alignment
        Of the group; see :func:`atlas.model.leave_one_out.leave_one_out`.
    modes : int, optional
        Up to how many; S - 2, all there are without one subject, by default.
    definition : {"atlas", "shapeworks", "sva", "scalismo"}
        See the head of this module.
    realign : bool, optional
        Whether the others are aligned anew in each fold: by default for ``atlas`` and not for the
        others, as their definition says.
    bridged : {"as-measured", "uncertain", "missing"}
        As :func:`atlas.model.shape_model.fit_shape_model` takes it.

    Returns
    -------
    DataFrame
        One row a number of ``modes`` from 0, the mean shape: ``definition``, ``realigned``, ``n``
        subjects held out, ``mean_mm`` (mean distance over landmarks, mean over subjects) and its
        standard error, ``rms_mm`` (root of the mean squared distance, mean over subjects) and its.

    Notes
    -----
    The subject is projected by least squares onto the first modes; what it lacks counts in nothing.
    The standard error is ``sd / sqrt(n)`` over subjects, which is the jackknife's of a mean; folds
    share subjects, so it is too small rather than too large.
    """
    _known(definition)
    realign = definition == "atlas" if realign is None else realign
    mean, rms = generalisation_errors(
        alignment, modes=modes, definition=definition, realign=realign, bridged=bridged
    )
    n = len(mean)
    return pd.DataFrame(
        {
            "definition": definition,
            "realigned": realign,
            "modes": np.arange(mean.shape[1]),
            "n": n,
            "mean_mm": mean.mean(axis=0),
            "mean_mm_se": mean.std(axis=0, ddof=1) / np.sqrt(n),
            "rms_mm": rms.mean(axis=0),
            "rms_mm_se": rms.std(axis=0, ddof=1) / np.sqrt(n),
        }
    )


def generalisation_errors(
    alignment: Alignment,
    *,
    modes: int | None = None,
    definition: str = "atlas",
    realign: bool = True,
    bridged: str = "as-measured",
) -> tuple[np.ndarray, np.ndarray]:
    """Errors behind :func:`generalisation`, subject by subject.

    Returns
    -------
    mean, rms : (S, K + 1) float
        Of the distance over landmarks, mm, with 0 to K modes.
    """
    top = len(alignment.points) - 2 if modes is None else modes
    if not 0 <= top <= len(alignment.points) - 2:
        raise ShapeModelError(
            f"modes: expected 0 to {len(alignment.points) - 2} (one subject is held out), got {top}"
        )
    means, squares = [], []
    for fold in leave_one_out(alignment, realign=realign):
        model = fit_shape_model(fold.group, bridged=bridged)
        there = np.isfinite(fold.truth).all(axis=1)
        found = reconstructions(model, fold.truth, top)[:, there]
        distances = _distances(definition, found, fold.truth[there])
        means.append(distances.mean(axis=1))
        squares.append((distances**2).mean(axis=1))
    if len(means) < 2:
        raise ShapeModelError(
            "expected at least 2 subjects whose landmarks the others have too, got "
            f"{len(means)}; place landmarks with extent='common'"
        )
    return np.array(means), np.sqrt(squares)


def reconstructions(model: ShapeModel, points: np.ndarray, modes: int) -> np.ndarray:
    """A shape as the first 0 to ``modes`` modes of a model describe it.

    Parameters
    ----------
    model : ShapeModel
    points : (L, 3) float
        In the frame of the model, mm; NaN where missing.
    modes : int
        What is beyond the model's number repeats its last.

    Returns
    -------
    (modes + 1, L, 3) float
        mm, whole.  Least squares in the weights of the model on the landmarks that are there.
    """
    assert model.weights is not None  # filled in at construction
    there = np.isfinite(points).all(axis=1)
    root = np.sqrt(model.weights)[:, None]
    axes = (root * model.modes)[:, there].reshape(model.n_modes, -1)
    deviation = (root * (points - model.mean))[there].ravel()
    shapes = [model.mean]
    for k in range(1, min(modes, model.n_modes) + 1):
        if there.all():
            scores = axes[:k] @ deviation
        else:
            scores = np.linalg.lstsq(axes[:k].T, deviation, rcond=None)[0]
        shapes.append(model.mean + np.tensordot(scores, model.modes[:k], axes=1))
    return np.stack(shapes + shapes[-1:] * (modes + 1 - len(shapes)))


def _distances(definition: str, found: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Distances (K + 1, L) of reconstructions from the subject."""
    if definition == "scalismo":
        return cKDTree(subject).query(found)[0]
    return np.linalg.norm(found - subject, axis=-1)


def specificity(
    model: ShapeModel,
    training_points: np.ndarray,
    *,
    modes: Sequence[int] | None = None,
    n: int = 1000,
    seed: int = 0,
    definition: str = "atlas",
) -> pd.DataFrame:
    """How near shapes drawn from a model are to those it was made from.

    Parameters
    ----------
    model : ShapeModel
    training_points : (S, L, 3) float
        Aligned, as the model was fitted to, mm; NaN where missing.
    modes : sequence of int, optional
        Numbers of modes to draw with; 1 to K by default, K alone for ``scalismo``.
    n : int
        Samples for each.
    seed : int
    definition : {"atlas", "shapeworks", "sva", "scalismo"}
        See the head of this module.

    Returns
    -------
    DataFrame
        One row a number of ``modes``: ``definition``, ``n_samples``, ``n`` training shapes,
        ``seed``, ``mean_mm`` (mean over samples of the distance to the nearest training shape) and
        its standard error ``sd / sqrt(n_samples)``, which is that of the drawing alone.

    Notes
    -----
    ``x = mean + sum_k sqrt(variance_k) z_k modes_k`` with standard normal z, the same draws for
    every number of modes.  The unit of points is the unit of the result.
    """
    _known(definition)
    chosen = modes or ([model.n_modes] if definition == "scalismo" else range(1, model.n_modes + 1))
    if not all(1 <= k <= model.n_modes for k in chosen):
        raise ShapeModelError(f"modes: expected 1 to {model.n_modes}, got {list(chosen)}")
    drawn = np.random.default_rng(seed).standard_normal((n, model.n_modes))
    drawn *= _sample_sd(model, len(training_points), definition) / np.sqrt(model.variance)
    nearest = _nearest_vertices if definition == "scalismo" else _nearest_landmarks
    rows = []
    for k in chosen:
        batches = (drawn[i : i + BATCH, :k] for i in range(0, n, BATCH))
        found = np.concatenate([nearest(model.shape(b), training_points) for b in batches])
        error = found.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
        rows.append((definition, k, n, len(training_points), seed, found.mean(), error))
    columns = ["definition", "modes", "n_samples", "n", "seed", "mean_mm", "mean_mm_se"]
    return pd.DataFrame(rows, columns=columns)


def _sample_sd(model: ShapeModel, count: int, definition: str) -> np.ndarray:
    """Standard deviation (K,) of the scores that a definition draws, in mm or as if it were."""
    if definition == "shapeworks":
        return ((count - 1) * model.variance) ** 0.25
    if definition == "sva":
        return np.sqrt(model.variance * (count - 1) / count)
    return np.sqrt(model.variance)


def _nearest_landmarks(samples: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Mean landmark distance (n,) of samples to the training shape with the smallest."""
    best = np.full(len(samples), np.inf)
    for shape in training:
        there = np.isfinite(shape).all(axis=1)
        apart = samples[:, there] - shape[there]
        distance = np.sqrt(np.einsum("nlj,nlj->nl", apart, apart)).mean(axis=1)
        best = np.minimum(best, distance)
    return best


def _nearest_vertices(samples: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Mean distance (n,) from the nearest training shape to the nearest vertices of samples."""
    whole = [shape[np.isfinite(shape).all(axis=1)] for shape in training]
    trees = (cKDTree(sample) for sample in samples)
    return np.array([min(tree.query(s)[0].mean() for s in whole) for tree in trees])


def _known(definition: str) -> None:
    if definition not in DEFINITIONS:
        raise ShapeModelError(f"definition: expected one of {DEFINITIONS}, got {definition!r}")
