"""Sliding semilandmarks: spacing along curves and surfaces that the group agrees on.

Landmarks at equal spacing say where a curve runs, not which of its points correspond.  Sliding
lets those that are not anatomical points move along the subject's own curve or surface until the
map from the mean onto the subject bends least, or until they lie nearest to the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from atlas.arrays import read_only
from atlas.data.dataset import Dataset
from atlas.landmarks.bridging import bridge_roughness
from atlas.landmarks.fitting_curves import fit_subject
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import Status
from atlas.procrustes.alignment import Alignment, align
from atlas.procrustes.bending import BendingEnergy
from atlas.procrustes.semilandmarks import Semilandmarks, SlidingError

# A round that lowers the criterion by less than this share of it has settled.  Where the subjects'
# curves run alongside each other the group can drift along them for ever at no cost, so the
# criterion is asked, not the landmarks.
SETTLED = 0.05
# What moves by less than this moves by rounding.
STILL_MM = 1e-6
# How often a step that does not lower the criterion is halved before the subject stays.
HALVINGS = 12


class Criterion(Protocol):
    """What sliding makes small: a function of a subject's landmarks (n, 3), aligned."""

    def value(self, points: np.ndarray) -> float:
        """How far the points are from the mean."""
        ...

    def step(self, points: np.ndarray, tangents: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Change of parameters (n, p) that makes the value least, to first order of the points."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ProcrustesDistance:
    """Squared distance of landmarks to the mean, and the step that lowers it.

    Parameters
    ----------
    reference : (n, 3) float
    """

    reference: np.ndarray

    def value(self, points: np.ndarray) -> float:
        """Sum of squared distances, mm²."""
        return float(((points - self.reference) ** 2).sum())

    def step(self, points: np.ndarray, tangents: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Each landmark by itself to the foot of the perpendicular from its mean, (n, p)."""
        along = tangents * free[..., None]
        metric = along @ np.swapaxes(along, 1, 2)
        # A parameter that is not free has no tangent left; 1 makes its equation 0 = 0.
        rows, places = np.nonzero(~free)
        metric[rows, places, places] = 1.0
        offset = along @ (self.reference - points)[..., None]
        return np.linalg.solve(metric, offset)[..., 0]


CRITERIA: dict[str, Callable[[np.ndarray], Criterion]] = {
    "bending": BendingEnergy.of,
    "procrustes": ProcrustesDistance,
}


@dataclass(frozen=True, slots=True, eq=False)
class Sliding:
    """Landmarks after sliding, and how it went.

    Parameters
    ----------
    landmarks : LandmarkSet
        On the same curves and surfaces; status and uncertainty of bridges follow the new places.
    criterion : str
    energy : (R, 2) float
        The criterion summed over subjects before and after each round, against the mean of that
        round: mm for ``bending``, mm² for ``procrustes``.  The second is never above the first;
        one round's does not compare with the next one's, whose mean is another.
    shift_mm : (R,) float
        How far the landmarks that slide went in each round, root mean square.
    converged : bool
        Whether the last round lowered the criterion by less than ``SETTLED`` of it.
    """

    landmarks: LandmarkSet
    criterion: str
    energy: np.ndarray
    shift_mm: np.ndarray
    converged: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "energy", read_only(self.energy, (None, 2), "energy"))
        rounds = (len(self.energy),)
        object.__setattr__(self, "shift_mm", read_only(self.shift_mm, rounds, "shift_mm"))

    @property
    def n_rounds(self) -> int:
        """Number of rounds R."""
        return len(self.energy)


def slide_landmarks(
    dataset: Dataset,
    landmarks: LandmarkSet,
    *,
    criterion: str = "bending",
    rounds: int = 5,
    anchor: str | None = None,
    rotation: str = "full",
    scale: str = "none",
    weights: str = "landmark",
) -> Sliding:
    """Slide the semilandmarks of a group along the subjects' own curves and surfaces.

    What is an anatomical point stays: where a trace begins, the ganglion, the conus, the dorsal
    point of the apex.  The other landmarks of a root slide along it, those of sac and cord along
    and around; rings that bound the extent slide around only.

    Parameters
    ----------
    dataset : Dataset
    landmarks : LandmarkSet
        Of this dataset, on its curves and surfaces: as placed, or as slid before.
    criterion : {"bending", "procrustes"}
        Bending energy of the thin-plate spline from the mean, or squared distance to it.
    rounds : int
        At the most, of aligning, averaging and sliding; it ends sooner where nothing moves.
    anchor, rotation, scale, weights
        As for :func:`atlas.procrustes.alignment.align`.

    Returns
    -------
    Sliding

    Raises
    ------
    SlidingError
        An unknown criterion, no round, subjects of another dataset, landmarks off their curves.
    AlignmentError
        As for :func:`atlas.procrustes.alignment.align`.

    Notes
    -----
    Gunz & Mitteroecker 2013, doi:10.4404/hystrix-24.1-6292.  There a landmark moves along a tangent
    and is projected back; here the parameters of the curve or surface change, so it never leaves.
    Each step is that of Gauss and Newton, cut so that neighbours keep their order and halved until
    it lowers the criterion.
    """
    if criterion not in CRITERIA:
        raise SlidingError(f"criterion: expected one of {tuple(CRITERIA)}, got {criterion!r}")
    if rounds < 1:
        raise SlidingError(f"rounds: expected at least 1, got {rounds}")
    carriers, roughness = _carriers(dataset, landmarks)
    energy: list[np.ndarray] = []
    shifts: list[float] = []
    settled = False
    while len(energy) < rounds and not settled:
        aligned = align(landmarks, anchor=anchor, rotation=rotation, scale=scale, weights=weights)
        landmarks, (before, after), shift = _slide_once(
            carriers, aligned, CRITERIA[criterion], roughness
        )
        energy.append(np.array([before, after]))
        shifts.append(shift)
        settled = shift < STILL_MM or bool(before - after < SETTLED * before)
    return Sliding(landmarks, criterion, np.array(energy), np.array(shifts), settled)


def _carriers(dataset: Dataset, landmarks: LandmarkSet) -> tuple[list[Semilandmarks], float]:
    """What each subject's landmarks slide on, and how rough the bridges of roots are."""
    ids = tuple(subject.id for subject in dataset.subjects)
    if ids != landmarks.subject_ids:
        raise SlidingError(
            f"landmarks: expected those of the dataset's subjects {', '.join(ids)}, got "
            f"{', '.join(landmarks.subject_ids)}"
        )
    scheme = landmarks.scheme
    around = {f"{name}_around": scheme.block(name).around for name in ("dura", "cord")}
    fitted = [fit_subject(subject, **around) for subject in dataset.subjects]
    carriers = [Semilandmarks.of(subject, scheme) for subject in fitted]
    # Landmarks that came without uncertainty keep having none.
    known = landmarks.bridge_sd is not None and landmarks.bridge_sd.any()
    roots = [root for subject in fitted for root in subject.roots.values()]
    return carriers, bridge_roughness(roots) if known else 0.0


def _slide_once(
    carriers: list[Semilandmarks],
    aligned: Alignment,
    criterion_of: Callable[[np.ndarray], Criterion],
    roughness: float,
) -> tuple[LandmarkSet, np.ndarray, float]:
    """One round against the mean: new landmarks, criterion before and after, RMS shift in mm."""
    placed = aligned.landmarks
    points, status = placed.points.copy(), placed.status.copy()
    spread = np.zeros(status.shape)
    criteria: dict[bytes, Criterion] = {}
    energy, squared = np.zeros(2), []
    for i, subject in enumerate(carriers):
        present = placed.status[i] != Status.MISSING
        # Subjects that have the same landmarks share the matrix of the mean.
        key = present.tobytes()
        criteria[key] = criteria.get(key) or criterion_of(aligned.mean[present])
        motion = _Motion(aligned.rotation[i], float(aligned.scale[i]), aligned.translation[i])
        points[i], parameters, change = _slide_subject(
            subject, placed.points[i], present, criteria[key], motion
        )
        energy += change
        located = ~np.isnan(parameters[:, 0])
        status[i][located] = subject.status(parameters)[located]
        spread[i] = subject.bridge_sd(parameters, roughness)
        moved = subject.free(present).any(axis=1)
        squared.append(((points[i] - placed.points[i])[moved] ** 2).sum(axis=1))
    slid = replace(placed, points=points, status=status, bridge_sd=spread)
    return slid, energy, float(np.sqrt(np.concatenate(squared).mean()))


@dataclass(frozen=True, slots=True, eq=False)
class _Motion:
    """A subject's motion into the frame of the mean."""

    rotation: np.ndarray
    scale: float
    translation: np.ndarray

    def points(self, points: np.ndarray) -> np.ndarray:
        return self.directions(points) + self.translation

    def directions(self, vectors: np.ndarray) -> np.ndarray:
        return self.scale * vectors @ self.rotation.T


def _slide_subject(
    subject: Semilandmarks,
    placed: np.ndarray,
    present: np.ndarray,
    criterion: Criterion,
    motion: _Motion,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (L, 3), their parameters (L, 2), and the criterion before and after, (2,)."""
    free = subject.free(present)
    slides = np.asarray(free.any(axis=1))
    parameters = subject.locate(placed)
    tangents = np.zeros((len(free), 2, 3))
    tangents[slides] = motion.directions(subject.tangents(parameters)[slides])
    seen = motion.points(placed[present])
    step = np.zeros(free.shape)
    step[present] = criterion.step(seen, tangents[present], free[present])
    step = subject.limited(parameters, step)
    before = criterion.value(seen)
    for _ in range(HALVINGS):
        moved = np.where(slides[:, None], subject.points(parameters + step), placed)
        after = criterion.value(motion.points(moved[present]))
        if after < before:
            return moved, parameters + step, np.array([before, after])
        step = step / 2
    return placed, parameters, np.array([before, before])
