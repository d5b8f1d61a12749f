"""Sliding semilandmarks: spacing along curves and surfaces that the group agrees on.

Landmarks at equal spacing say where a curve runs, not which of its points correspond.  Sliding
lets those that are not anatomical points move along the subject's own curve or surface until the
map from the mean onto the subject bends least, or until they lie nearest to the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve, lapack
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from atlas.arrays import read_only
from atlas.data.dataset import Dataset
from atlas.data.subject import ROOT_KEYS
from atlas.errors import AtlasError
from atlas.landmarks.bridging import bridge_roughness
from atlas.landmarks.fitting_curves import FittedSubject, fit_subject
from atlas.landmarks.placing import LandmarkSet
from atlas.landmarks.scheme import LandmarkScheme, Status, block_name
from atlas.procrustes.alignment import Alignment, align
from atlas.procrustes.sliding_surfaces import Carrier, RootCarrier, TubeCarrier

# Damping of a singular system, as a share of its diagonal: first try none, then just above
# rounding, then ten times more until Cholesky goes through.
DAMPING = (0.0, *(10.0**k for k in range(-14, -3)))
# How far a landmark stands from its curve or surface by rounding, mm.
ON_CARRIER_MM = 1e-4
# A round that lowers the criterion by less than this share of it has settled.  Where the subjects'
# curves run alongside each other the group can drift along them for ever at no cost, so the
# criterion is asked, not the landmarks.
SETTLED = 0.05
# What moves by less than this moves by rounding.
STILL_MM = 1e-6
# How often a step that does not lower the criterion is halved before the subject stays.
HALVINGS = 12


class BendingError(AtlasError):
    """A reference that no thin-plate spline leaves from; the text says expected and got."""


def bending_energy_matrix(reference: np.ndarray) -> np.ndarray:
    """The matrix whose quadratic form is the bending energy of a map of the reference.

    Parameters
    ----------
    reference : (n, 3) float
        Distinct points that do not lie in one plane, mm; n >= 5.

    Returns
    -------
    (n, n) float
        Symmetric, positive semidefinite, of rank n - 4, in 1/mm.  For a target ``y`` (n, 3) the
        energy ``sum_k y_k' L y_k``, in mm, is ``int |D^2 f|^2`` over all space of the smoothest map
        ``f`` with ``f(reference) = y``.

    Raises
    ------
    BendingError
        Too few points, points in a plane, or two at one place.

    Notes
    -----
    In three dimensions ``-|r| / (8 pi)`` solves ``Laplace^2 u = delta`` and is conditionally
    positive definite, so ``L`` is the upper left block of the inverse of ``[[K, Q], [Q', 0]]`` with
    ``K_ij = -|x_i - x_j| / (8 pi)`` and ``Q = [1, x]`` (Bookstein 1989, doi:10.1109/34.24792;
    Gunz & Mitteroecker 2013, doi:10.4404/hystrix-24.1-6292, whose ``U(r) = |r|`` differs by the
    factor).  That block is ``pinv(P K P)`` with ``P`` the projector off the affine maps; it is
    computed by Cholesky of ``P K P + s (I - P)``, which is positive definite for any ``s > 0``.

    Examples
    --------
    >>> corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.0]])
    >>> matrix = bending_energy_matrix(corners)
    >>> abs((matrix @ corners).round(12)).max()
    np.float64(0.0)
    """
    _refuse_degenerate(reference)
    n = len(reference)
    centred = reference - reference.mean(axis=0)
    affine = np.linalg.qr(np.column_stack([np.ones(n), centred]))[0]
    kernel = squareform(pdist(reference)) / (-8 * np.pi)
    _project_off(kernel, affine)
    size = np.trace(kernel) / n
    kernel += size * affine @ affine.T
    factor, failed = lapack.dpotrf(kernel, lower=True, overwrite_a=True)
    if failed:
        raise BendingError("reference: expected distinct points, got some too close to tell apart")
    lower = np.tril(lapack.dpotri(factor, lower=True, overwrite_c=True)[0])
    matrix = lower + np.tril(lower, -1).T
    matrix -= affine @ affine.T / size
    # Once more, for rounding: affine maps must cost nothing at all.
    _project_off(matrix, affine)
    return (matrix + matrix.T) / 2


@dataclass(frozen=True, slots=True, eq=False)
class BendingEnergy:
    """Bending energy of shapes against one reference, and the step that lowers it.

    Parameters
    ----------
    matrix : (n, n) float
        Of :func:`bending_energy_matrix`.
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.matrix)
        object.__setattr__(self, "matrix", read_only(self.matrix, (n, n), "matrix"))

    @classmethod
    def of(cls, reference: np.ndarray) -> BendingEnergy:
        """The energy of maps of a reference (n, 3)."""
        return cls(bending_energy_matrix(reference))

    def value(self, points: np.ndarray) -> float:
        """Energy of points (n, 3), mm; never negative."""
        return max(float(np.einsum("lk,lk->", points, self.matrix @ points)), 0.0)

    def step(self, points: np.ndarray, tangents: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Change of the free parameters that minimises the energy to first order of the points.

        Parameters
        ----------
        points : (n, 3) float
        tangents : (n, p, 3) float
            Derivative of each point by its p parameters.
        free : (n, p) bool
            Which of them may change.

        Returns
        -------
        (n, p) float
            ``t = -(U' L U)^-1 U' L x``; 0 where not free.

        Notes
        -----
        Gunz & Mitteroecker 2013, doi:10.4404/hystrix-24.1-6292, eq. 4.  ``L`` acts on x, y and z
        alike, so ``(U' L U)_ab = L_l(a)m(b) u_a.u_b`` needs no matrix of 3 n rows.  Where that is
        singular to rounding, the least share of its own diagonal that makes it definite is added.
        """
        step = np.zeros(free.shape)
        if not free.any():
            return step
        owner = np.nonzero(free)[0]
        along = tangents[free]
        force = np.einsum("ak,ak->a", along, (self.matrix @ points)[owner])
        stiffness = self.matrix[np.ix_(owner, owner)]
        stiffness *= along @ along.T
        step[free] = -_solve_definite(stiffness, force)
        return step


def _solve_definite(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of a symmetric positive semidefinite system; the matrix is used up."""
    diagonal = np.diag(matrix).copy()
    for damping in DAMPING:
        try:
            np.fill_diagonal(matrix, diagonal * (1 + damping))
            return cho_solve(cho_factor(matrix, lower=True), right)
        except np.linalg.LinAlgError:
            continue
    raise BendingError(
        "sliding directions: expected them to differ from each other, got equal ones"
    )


def _project_off(matrix: np.ndarray, basis: np.ndarray) -> None:
    """``P matrix P`` in place, with ``P = I - basis basis'``, for a symmetric matrix."""
    image = matrix @ basis
    image -= basis @ (basis.T @ image) / 2
    matrix -= image @ basis.T
    matrix -= basis @ image.T


def _refuse_degenerate(reference: np.ndarray) -> None:
    n = len(reference)
    if n < 5:
        raise BendingError(f"reference: expected at least 5 points, got {n}")
    extent = np.linalg.svd(reference - reference.mean(axis=0), compute_uv=False)
    if extent[2] <= 1e-9 * extent[0]:
        raise BendingError("reference: expected points in space, got points in a plane")
    apart = cKDTree(reference).query(reference, k=2)[0][:, 1]
    if apart.min() <= 1e-9 * extent[0] / np.sqrt(n):
        raise BendingError(
            f"reference: expected distinct points, got two at one place (row {apart.argmin()})"
        )


class SlidingError(AtlasError):
    """Landmarks that cannot slide; the text says where, expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class Semilandmarks:
    """One subject's landmarks as parameters on its own curves and surfaces.

    Parameters
    ----------
    subject_id : str
    scheme : LandmarkScheme
    carriers : dict of block name to Carrier
        A block without one has nothing that slides.
    """

    subject_id: str
    scheme: LandmarkScheme
    carriers: dict[str, Carrier]

    @classmethod
    def of(cls, fitted: FittedSubject, scheme: LandmarkScheme) -> Semilandmarks:
        """What the landmarks of a scheme stand on in one subject."""
        apex = scheme.origin == "dura-apex"
        carriers: dict[str, Carrier] = {
            "dura": TubeCarrier(fitted.dura, scheme.block("dura"), apex=apex),
            "cord": TubeCarrier(fitted.cord, scheme.block("cord"), conus=True),
        }
        for key in ROOT_KEYS:
            if key in fitted.roots:
                name = block_name(key)
                carriers[name] = RootCarrier(fitted.roots[key], scheme.block(name).levels)
        return cls(fitted.subject.id, scheme, carriers)

    def free(self, present: np.ndarray) -> np.ndarray:
        """Which parameters (L, 2) may change, of landmarks present (L,)."""
        free = np.zeros((self.scheme.size, 2), dtype=bool)
        for name, carrier in self.carriers.items():
            free[self.scheme.span(name)] = carrier.free
        return free & present[:, None]

    def locate(self, points: np.ndarray) -> np.ndarray:
        """Parameters (L, 2) of landmarks (L, 3); NaN where missing or on nothing that slides.

        Raises
        ------
        SlidingError
            A landmark that does not lie on the subject's own curve or surface.
        """
        parameters = np.full((self.scheme.size, 2), np.nan)
        for name, carrier in self.carriers.items():
            span = self.scheme.span(name)
            there = np.flatnonzero(~np.isnan(points[span]).any(axis=1)) + span.start
            parameters[there] = carrier.locate(points[there])
        apart = np.linalg.norm(self.points(parameters) - points, axis=1)
        if np.nanmax(apart, initial=0.0) > ON_CARRIER_MM:
            worst = int(np.nanargmax(apart))
            raise SlidingError(
                f"{self.subject_id}, {self.scheme.names[worst]}: expected a landmark on the "
                f"subject's own curve or surface, got one {apart[worst]:.2g} mm from it; slide "
                "landmarks as place_landmarks puts them on this dataset"
            )
        return parameters

    def points(self, parameters: np.ndarray) -> np.ndarray:
        """Landmarks (L, 3) at parameters (L, 2), mm in the subject's own frame."""
        return self._gather(parameters, "points", (3,))

    def tangents(self, parameters: np.ndarray) -> np.ndarray:
        """Derivative (L, 2, 3) of the landmarks by their parameters."""
        return self._gather(parameters, "tangents", (2, 3))

    def limited(self, parameters: np.ndarray, step: np.ndarray) -> np.ndarray:
        """A step (L, 2) as far as it keeps the order of neighbours and stays on the carriers."""
        limited = np.zeros_like(step)
        for name, carrier in self.carriers.items():
            span = self.scheme.span(name)
            limited[span] = carrier.limited(parameters[span], step[span])
        return limited

    def status(self, parameters: np.ndarray) -> np.ndarray:
        """Status (L,) at parameters."""
        status = np.where(np.isnan(parameters[:, 0]), Status.MISSING, Status.MEASURED)
        for span, root in self._roots():
            there = status[span] != Status.MISSING
            status[span][there] = root.status(parameters[span])[there]
        return status

    def bridge_sd(self, parameters: np.ndarray, roughness: float) -> np.ndarray:
        """Uncertainty (L,) of landmarks in gaps, mm; 0 elsewhere."""
        spread = np.zeros(self.scheme.size)
        for span, root in self._roots():
            spread[span] = np.nan_to_num(root.bridge_sd(parameters[span], roughness))
        return spread

    def _roots(self) -> Iterator[tuple[slice, RootCarrier]]:
        for name, carrier in self.carriers.items():
            if isinstance(carrier, RootCarrier):
                yield self.scheme.span(name), carrier

    def _gather(self, parameters: np.ndarray, what: str, shape: tuple[int, ...]) -> np.ndarray:
        gathered = np.full((self.scheme.size, *shape), np.nan)
        for name, carrier in self.carriers.items():
            span = self.scheme.span(name)
            there = np.flatnonzero(~np.isnan(parameters[span]).any(axis=1)) + span.start
            gathered[there] = getattr(carrier, what)(parameters[there])
        return gathered


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
