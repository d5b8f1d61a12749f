"""What scores are drawn from: the model's normal distribution, or the subjects themselves."""

from __future__ import annotations

import numpy as np

from atlas.sampling.designs import Design, SamplingError
from atlas.sampling.restrictions import Restriction

METHODS = ("parametric", "bootstrap", "kde")


def check_method(method: str, design: Design, subject_scores: np.ndarray | None) -> None:
    """Refuse a method that does not exist or does not go with the design.

    Raises
    ------
    SamplingError
    """
    if method not in METHODS:
        raise SamplingError(f"method: expected one of {METHODS}, got {method!r}")
    if method == "parametric":
        return
    if subject_scores is None:
        raise SamplingError(
            f"method {method}: expected the scores of the subjects, got none; give the atlas"
        )
    if design.name != "independent":
        raise SamplingError(
            f"method {method}: expected design 'independent', since subjects are drawn by "
            f"chance, got {design.name!r}"
        )


def kernel_width(n_subjects: int, n_modes: int) -> float:
    """Silverman's width of a normal kernel for standardised scores.

    ``(4 / (S (K + 2)))^(1 / (K + 4))``: Silverman 1986, Density Estimation, eq. 4.14.
    """
    return float((4 / (n_subjects * (n_modes + 2))) ** (1 / (n_modes + 4)))


def from_subjects(
    method: str, normal: np.ndarray, subject_scores: np.ndarray, streams: list[np.random.Generator]
) -> np.ndarray:
    """Scores drawn about the subjects.

    Parameters
    ----------
    method : {"bootstrap", "kde"}
        ``bootstrap``: a subject itself.  ``kde``: a smoothed bootstrap, a normal kernel about
        the subject, shrunk so that the variance is that of the model:
        ``(s + h e) / sqrt((S - 1) / S + h^2)`` (Silverman 1986, section 6.4.1).
    normal : (m, K) float
        Standard normal; the kernel's.
    subject_scores : (S, K) float
        In SD of the model (n - 1), mean 0.
    streams : list of Generator
        One a sample, for the choice of its subject.

    Returns
    -------
    (m, K) float
    """
    n, k = subject_scores.shape
    chosen = subject_scores[[int(stream.integers(n)) for stream in streams]]
    if method == "bootstrap":
        return chosen
    width = kernel_width(n, k)
    # Drawn with equal weight, the subjects vary by (n - 1) / n of what the model holds.
    return (chosen + width * normal) / np.sqrt((n - 1) / n + width**2)


def draw_scores(
    design: Design,
    restriction: Restriction,
    *,
    indices: np.ndarray,
    streams: list[np.random.Generator],
    method: str = "parametric",
    subject_scores: np.ndarray | None = None,
) -> np.ndarray:
    """The next scores (m, K) of some samples, from the streams that are theirs.

    Parameters
    ----------
    design : Design
        Of a kind that draws by chance.
    restriction : Restriction
        For the parametric method; scores about subjects are tested, not moved.
    indices : (m,) int
    streams : list of Generator
        ``design.stream(i)`` of each; drawing again goes on where it stopped.
    method : str
        One of :data:`METHODS`.
    subject_scores : (S, K) float, optional
    """
    normal = np.stack([stream.standard_normal(design.n_modes) for stream in streams])
    normal *= np.array([design.sign_of(int(i)) for i in indices])[:, None]
    if method == "parametric":
        return restriction.apply(normal)
    assert subject_scores is not None  # refused before
    return from_subjects(method, normal, subject_scores, streams)
