"""Weights of subjects by the quality of their images: offered, used by nothing on its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas.arrays import read_only
from atlas.data.dataset import Dataset
from atlas.errors import AtlasError

# Rows of a table of weights: what each column says, and its unit.
COLUMNS = {
    "subject": "subject id",
    "quality": "the covariate the weight is made from, in the unit of its table",
    "weight": "of the subject, mean 1 over the subjects; not used by alignment or model",
}


class QualityError(AtlasError):
    """A quality that no weights can be made from; the text says whose."""


@dataclass(frozen=True, slots=True, eq=False)
class QualityWeights:
    """A weight a subject.

    Parameters
    ----------
    column : str
        Covariate.
    subject_ids : tuple of str
        As in the dataset.
    quality, weights : (S,) float
        The weights have mean 1.
    """

    column: str
    subject_ids: tuple[str, ...]
    quality: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        for name in ("quality", "weights"):
            values = read_only(getattr(self, name), (len(self.subject_ids),), name)
            object.__setattr__(self, name, values)

    @property
    def effective_n(self) -> float:
        """Subjects of equal weight that would be as many: (Σw)²/Σw² (Kish 1965)."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def rows(self) -> tuple[dict[str, float | str], ...]:
        """A row a subject, with the columns of ``COLUMNS``."""
        return tuple(
            {"subject": s, "quality": float(q), "weight": float(w)}
            for s, q, w in zip(self.subject_ids, self.quality, self.weights, strict=True)
        )


def quality_weights(dataset: Dataset, column: str, *, exponent: float = 2.0) -> QualityWeights:
    """Weights of subjects by a covariate of image quality.

    Parameters
    ----------
    dataset : Dataset
    column : str
        A numeric covariate, such as ``ciss_snr_csf``; see ``dataset.covariates``.
    exponent : float
        The weight goes with quality to this power.  2 is the inverse of the variance of an edge
        located in white noise, whose SD is proportional to 1/SNR (Canny 1986,
        doi:10.1109/TPAMI.1986.4767851): as if noise were the annotator's only error, and so the
        most unequal weights that quality can justify.  0 weights all alike.

    Returns
    -------
    QualityWeights
        ``quality**exponent``, divided by its mean over the subjects.

    Raises
    ------
    QualityError
        No such column, or a subject without a number above 0 in it.
    """
    covariates = dataset.covariates
    if column not in covariates:
        known = ", ".join(sorted(covariates)) or "none"
        raise QualityError(f"{dataset.root}: expected a covariate {column!r}, got only: {known}")
    values = covariates[column]
    usable = [isinstance(v, int | float) and np.isfinite(v) and v > 0 for v in values]
    ids = tuple(s.id for s in dataset.subjects)
    lacking = [i for i, good in zip(ids, usable, strict=True) if not good]
    if lacking:
        raise QualityError(
            f"{dataset.root}: expected a number above 0 in {column} of every subject, got none for "
            f"{', '.join(lacking)}; leave them out or take another column"
        )
    quality = np.array(values, dtype=float)
    # Relative to the largest, so that no power of it leaves the range of numbers.
    weights = (quality / quality.max()) ** exponent
    return QualityWeights(column, ids, quality, weights / weights.mean())
