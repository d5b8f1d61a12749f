"""Which smooth bias a group wants, by leaving out each subject; and what it buys."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import chi

from atlas.model.fitting import fit_shape_model
from atlas.model.leave_one_out import Holdout, given_mask, leave_one_out
from atlas.model.shape_model import ShapeModel
from atlas.model.smooth_bias import SmoothBias, with_smooth_bias
from atlas.prediction.calibration import LEVELS, Predictor, errors_mm, fit_predictor, hidden
from atlas.procrustes.alignment import Alignment

# Millimetres on the walls and on the roots, and the length over which they go together.
BIASES: Mapping[str, SmoothBias | None] = {
    "none": None,
    "walls 1, roots 2, length 60 mm": SmoothBias({"tube": 1.0, "root": 2.0}, 60.0),
    "walls 1, roots 5, length 60 mm": SmoothBias({"tube": 1.0, "root": 5.0}, 60.0),
    "walls 1, roots 8, length 60 mm": SmoothBias({"tube": 1.0, "root": 8.0}, 60.0),
    "walls 1, roots 5, length 100 mm": SmoothBias({"tube": 1.0, "root": 5.0}, 100.0),
}


def bias_table(
    reference: Alignment,
    given: tuple[str, ...] = ("dura", "cord"),
    *,
    biases: Mapping[str, SmoothBias | None] = BIASES,
) -> pd.DataFrame:
    """Error, coverage and log density of Gaussian predictions with and without a smooth bias.

    Parameters
    ----------
    reference : Alignment
    given : tuple of str
        Structures that are seen.
    biases : mapping of name to SmoothBias or None

    Returns
    -------
    DataFrame
        A row a bias: ``error_mm`` (root mean square), ``coverage_50/80/95`` of Gaussian balls,
        ``log_density`` (mean over subjects of the mean over their hidden landmarks, per mm³),
        ``n`` subjects, and ``chosen``: the largest log density, which pays for error and for
        width alike.

    Notes
    -----
    Each subject is left out of alignment, model and bias.  Modes and noise are those that
    leave-one-out chose for the whole group, so that the biases differ in nothing else.
    """
    mask = given_mask(reference.landmarks.scheme, given)
    predictor = fit_predictor(reference, given)
    sums: dict[str, list[np.ndarray]] = {name: [] for name in biases}
    for holdout in leave_one_out(reference, mask):
        model = fit_shape_model(holdout.group)
        for name, bias in biases.items():
            sums[name].append(_scores(holdout, model, predictor, bias, mask))
    columns = ["squared", *(f"coverage_{100 * level:.0f}" for level in LEVELS), "log_density"]
    table = pd.DataFrame([np.mean(v, axis=0) for v in sums.values()], columns=columns)
    table.insert(0, "bias", list(sums))
    table.insert(1, "error_mm", np.sqrt(table.pop("squared")))
    best = table["log_density"].idxmax()
    return table.assign(n=predictor.n_subjects, chosen=table.index == best)


def _scores(
    holdout: Holdout,
    model: ShapeModel,
    predictor: Predictor,
    bias: SmoothBias | None,
    mask: np.ndarray,
) -> np.ndarray:
    """Mean squared error, coverage at the levels, and mean log density of one subject."""
    short = model.truncate(min(predictor.n_modes, model.n_modes))
    wide = short if bias is None else with_smooth_bias(short, bias, alignment=holdout.group)
    after = wide.condition(holdout.given, noise_mm=predictor.noise_mm)
    where = hidden(holdout, mask)
    error = errors_mm(holdout, after.mean, where)
    variance = (after.landmark_sd[where] ** 2).mean(axis=1)
    density = -1.5 * np.log(2 * np.pi * variance) - error**2 / (2 * variance)
    held = [(error <= chi(3).ppf(level) * np.sqrt(variance)).mean() for level in LEVELS]
    return np.array([(error**2).mean(), *held, density.mean()])
