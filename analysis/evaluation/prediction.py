"""How good predictions from a part are: each subject left out of everything, mm and coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import chi

from analysis.products import describe_columns, write_table_folder
from atlas.model.fitting import fit_shape_model
from atlas.model.leave_one_out import Fold, given_mask, leave_one_out
from atlas.model.shape_model import ShapeModel
from atlas.model.smooth_bias import SmoothBias, with_smooth_bias
from atlas.prediction.calibration import (
    LEVELS,
    Predictor,
    errors_mm,
    fit_predictor,
    hidden,
    posterior_of,
)
from atlas.procrustes.alignment import Alignment
from atlas.store import Atlas

Intervals = tuple[np.ndarray, dict[float, np.ndarray]]
# Millimetres on the walls and on the roots, and the length over which they go together.
BIASES: Mapping[str, SmoothBias | None] = {
    "none": None,
    "walls 1, roots 2, length 60 mm": SmoothBias({"tube": 1.0, "root": 2.0}, 60.0),
    "walls 1, roots 5, length 60 mm": SmoothBias({"tube": 1.0, "root": 5.0}, 60.0),
    "walls 1, roots 8, length 60 mm": SmoothBias({"tube": 1.0, "root": 8.0}, 60.0),
    "walls 1, roots 5, length 100 mm": SmoothBias({"tube": 1.0, "root": 5.0}, 100.0),
}


@dataclass(frozen=True, slots=True, eq=False)
class PredictedFold:
    """One subject predicted by the others, which also chose how to predict and how wide."""

    holdout: Fold
    predictor: Predictor
    model: ShapeModel
    predicted: np.ndarray
    where: np.ndarray


def prediction_folds(reference: Alignment, given: tuple[str, ...]) -> Iterator[PredictedFold]:
    """Leave out each subject; align, fit, choose and calibrate on the others alone.

    Parameters
    ----------
    reference : Alignment
    given : tuple of str
        Structures that are seen.
    """
    mask = given_mask(reference.landmarks.scheme, given)
    for holdout in leave_one_out(reference, mask):
        predictor = fit_predictor(holdout.group, given)
        model = fit_shape_model(holdout.group)
        choice = (predictor.n_modes, predictor.noise_mm)
        predicted = posterior_of(model, holdout.given, choice).mean
        yield PredictedFold(holdout, predictor, model, predicted, hidden(holdout, mask))


def error_table(folds: list[PredictedFold]) -> pd.DataFrame:
    """Error of prediction and of the mean shape by level, side and stretch of the root.

    Parameters
    ----------
    folds : list of PredictedFold

    Returns
    -------
    DataFrame
        ``level, side, stretch`` (begin, trace, ganglion, all), ``n`` subjects, ``error_mm`` and
        ``baseline_mm`` (root mean square over subjects and landmarks), ``gain_mm`` (mean over
        subjects of baseline minus error) with its 95 % interval by bootstrap of subjects, and
        ``better`` (yes, no, unclear: the interval holds 0).
    """
    scheme = folds[0].holdout.group.landmarks.scheme
    rows = []
    for block in [b for b in scheme.blocks if b.kind == "curve"]:
        _, level, side = block.name.split("/")
        span = np.arange(scheme.size)[scheme.span(block.name)]
        parts = {"begin": span[:1], "trace": span[1:-1], "ganglion": span[-1:], "all": span}
        rows += [_row(folds, level, side, name, part) for name, part in parts.items()]
    table = pd.DataFrame(rows)
    return table[table["n"] > 0].reset_index(drop=True)


def _row(
    folds: list[PredictedFold], level: str, side: str, stretch: str, part: np.ndarray
) -> dict[str, object]:
    pairs = []
    for fold in folds:
        where = np.zeros(len(fold.where), dtype=bool)
        where[part] = fold.where[part]
        if where.any():
            error = errors_mm(fold.holdout, fold.predicted, where)
            baseline = errors_mm(fold.holdout, fold.holdout.group.mean, where)
            pairs.append(((error**2).mean(), (baseline**2).mean()))
    squared = np.array(pairs).reshape(-1, 2)
    gain = np.sqrt(squared[:, 1]) - np.sqrt(squared[:, 0])
    low, high = _interval(gain)
    verdict = "yes" if low > 0 else "no" if high < 0 else "unclear"
    error_mm, baseline_mm = np.sqrt(squared.mean(axis=0)) if len(squared) else (np.nan, np.nan)
    return {
        "level": level,
        "side": side,
        "stretch": stretch,
        "n": len(squared),
        "error_mm": error_mm,
        "baseline_mm": baseline_mm,
        "gain_mm": gain.mean() if len(gain) else np.nan,
        "gain_low_mm": low,
        "gain_high_mm": high,
        "better": verdict,
    }


def _interval(values: np.ndarray, *, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean over subjects."""
    if len(values) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def coverage_table(folds: list[PredictedFold], *, bias: SmoothBias | None = None) -> pd.DataFrame:
    """Share of hidden measured landmarks that intervals hold, by how they were made.

    Parameters
    ----------
    folds : list of PredictedFold
    bias : SmoothBias, optional
        Shown beside the others where given.

    Returns
    -------
    DataFrame
        ``interval`` (gaussian, gaussian with smooth bias, calibrated), ``nominal``, ``coverage``
        (mean over subjects), ``coverage_low`` and ``coverage_high`` (least and most covered
        subject), ``radius_mm`` (mean), ``error_mm`` (root mean square) and ``n`` subjects.
    """
    makers: dict[str, Callable[[PredictedFold], Intervals]] = {
        "calibrated": _calibrated,
        "gaussian": _gaussian,
    }
    if bias is not None:
        makers["gaussian, smooth bias"] = partial(_biased, bias=bias)
    rows = []
    for name, maker in makers.items():
        made = [maker(fold) for fold in folds]
        errors = [errors_mm(f.holdout, m[0], f.where) for f, m in zip(folds, made, strict=True)]
        for level in LEVELS:
            radii = [m[1][level][f.where] for f, m in zip(folds, made, strict=True)]
            held = np.array([(e <= r).mean() for e, r in zip(errors, radii, strict=True)])
            rows.append(
                {
                    "interval": name,
                    "nominal": level,
                    "coverage": held.mean(),
                    "coverage_low": held.min(),
                    "coverage_high": held.max(),
                    "radius_mm": np.mean([r.mean() for r in radii]),
                    "error_mm": np.sqrt(np.mean([(e**2).mean() for e in errors])),
                    "n": len(folds),
                }
            )
    return pd.DataFrame(rows)


def _calibrated(fold: PredictedFold) -> Intervals:
    spread = fold.predictor.spread_mm
    return fold.predicted, {k: f * spread for k, f in fold.predictor.inflation.items()}


def _gaussian(fold: PredictedFold) -> Intervals:
    choice = (fold.predictor.n_modes, fold.predictor.noise_mm)
    return _balls(posterior_of(fold.model, fold.holdout.given, choice))


def _biased(fold: PredictedFold, *, bias: SmoothBias) -> Intervals:
    short = fold.model.truncate(min(fold.predictor.n_modes, fold.model.n_modes))
    wide = with_smooth_bias(short, bias, alignment=fold.holdout.group)
    return _balls(wide.condition(fold.holdout.given, noise_mm=fold.predictor.noise_mm))


def _balls(after: ShapeModel) -> Intervals:
    """Radii of balls by the mean SD per axis: chi with 3 degrees of freedom."""
    sd = np.sqrt((after.landmark_sd**2).mean(axis=1))
    return after.mean, {level: float(chi(3).ppf(level)) * sd for level in LEVELS}


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
    holdout: Fold,
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


COLUMNS = {
    "prediction_error.csv": {
        "level, side": "of the root",
        "stretch": "begin, trace, ganglion, or all of what was measured",
        "n": "subjects left out in turn, of everything",
        "error_mm": "root mean square distance of prediction and truth",
        "baseline_mm": "the same for the mean shape put onto sac and cord",
        "gain_mm, gain_low_mm, gain_high_mm": "baseline minus error, mean over subjects, 95 % "
        "bootstrap interval over subjects",
        "better": "yes or no where the interval is on one side of 0, else unclear",
    },
    "prediction_coverage.csv": {
        "interval": "how it was made: calibrated, gaussian, or gaussian with the smooth bias that "
        "smooth_bias.csv chose (on the same subjects: not nested)",
        "nominal": "share it should hold",
        "coverage, coverage_low, coverage_high": "share held: mean, least and most over subjects",
        "radius_mm": "mean radius of the balls",
        "error_mm": "root mean square error of the prediction it stands about",
        "n": "subjects left out in turn, of everything",
    },
    "smooth_bias.csv": {
        "bias": "standard deviation in mm on the walls and on the roots, and its length",
        "error_mm": "root mean square error of the prediction",
        "coverage_50, coverage_80, coverage_95": "share that Gaussian balls of that level hold",
        "log_density": "mean log density of the truth, per mm³: pays for error and width alike",
        "n": "subjects left out in turn; modes and noise were chosen on all of them",
        "chosen": "the bias of the largest log density",
    },
}


def write_prediction_tables(atlas: Atlas, out: Path) -> list[Path]:
    """Write ``out/prediction/``: roots from sac and cord, every subject left out of everything."""
    folds = list(prediction_folds(atlas.alignment, ("dura", "cord")))
    biases = bias_table(atlas.alignment)
    chosen = BIASES[str(biases.loc[biases["chosen"], "bias"].iloc[0])]
    tables = {
        "prediction_error.csv": error_table(folds),
        "prediction_coverage.csv": coverage_table(folds, bias=chosen),
        "smooth_bias.csv": biases,
    }
    lines = ["# Prediction of the roots from dura and cord", ""]
    for name, columns in COLUMNS.items():
        lines += describe_columns(name, columns)
    return write_table_folder(atlas, tables, out / "prediction", "\n".join(lines) + "\n")
