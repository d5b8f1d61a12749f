"""Object symmetry: what the shapes of a group share with their mirror images, and what not.

A shape that is its own mirror image, pair by pair of landmarks, has object symmetry (Klingenberg,
Barluenga & Meyer 2002, doi:10.1111/j.0014-3820.2002.tb00117.x).  Superimposed with its relabelled
mirror image it is the sum of a symmetric and an asymmetric part; the mean of the asymmetric
parts is directional asymmetry, what a subject has beyond it is fluctuating asymmetry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from atlas.arrays import read_only
from atlas.components.blocks import MemoryGroup
from atlas.curves.transforms import best_axial_rotation, best_rotation, cross_covariance
from atlas.landmarks.scheme import LandmarkScheme, Status
from atlas.model.shape_model import left_half
from atlas.procrustes.alignment import Alignment
from atlas.procrustes.canonical_frame import canonical_axes
from atlas.procrustes.generalised import MAXIMUM_ITERATIONS, TOLERANCE
from atlas.procrustes.handedness import refuse_wrong_handed
from atlas.procrustes.similarity import AlignmentError, anchor_weights

# In the canonical frame x is left: the mirror is the plane x = 0 through the anchor.
MIRROR = np.array([-1.0, 1.0, 1.0])
COLUMNS = np.dtype(
    [
        ("structure", "U16"),
        ("n_subjects", np.int64),
        ("directional_mm", float),
        ("lateral_mm", float),
        ("dorsal_mm", float),
        ("rostral_mm", float),
        ("fluctuating_mm", float),
        ("chance_mm", float),
        ("p", float),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Symmetry:
    """Shapes of a group as symmetric, directional and fluctuating parts.

    ``points = symmetric + directional + fluctuating``, the aligned shapes turned onto the
    symmetric mean.  All parts are in mm; NaN where a landmark or its partner is missing.

    Parameters
    ----------
    alignment : Alignment
        The symmetric part as a group of its own: its landmarks are the symmetrised specimens, not
        the annotated ones, so that its motions are identities.  ``fit_shape_model`` of it is the
        symmetric model.
    directional : (L, 3) float
        Mean half difference of the shapes from their mirror images.
    fluctuating : (S, L, 3) float
        Each subject's half difference beyond the directional one; mean zero over the subjects.
    rotation : (S, 3, 3) float
        The turns, det +1, from the frame of the alignment that was decomposed to that of the
        symmetric mean.
    """

    alignment: Alignment
    directional: np.ndarray
    fluctuating: np.ndarray
    rotation: np.ndarray

    def __post_init__(self) -> None:
        s, n, _ = self.alignment.points.shape
        shapes = {"directional": (n, 3), "fluctuating": (s, n, 3), "rotation": (s, 3, 3)}
        for name, shape in shapes.items():
            object.__setattr__(self, name, read_only(getattr(self, name), shape, name))

    @property
    def scheme(self) -> LandmarkScheme:
        """The landmarks and their partners."""
        return self.alignment.landmarks.scheme

    @property
    def symmetric(self) -> np.ndarray:
        """Symmetric part of each subject, (S, L, 3) mm."""
        return self.alignment.points

    @property
    def mean(self) -> np.ndarray:
        """The symmetric mean shape, (L, 3) mm; missing landmarks at their expected places."""
        return self.alignment.mean

    @property
    def points(self) -> np.ndarray:
        """The shapes themselves, turned onto the symmetric mean, (S, L, 3) mm."""
        return self.symmetric + self.directional + self.fluctuating

    @property
    def sums_of_squares(self) -> dict[str, float]:
        """Sums of squares about the symmetric mean, mm².

        Returns
        -------
        dict
            ``symmetric``, ``directional``, ``fluctuating`` and ``total``, of which the first three
            are the parts: they are orthogonal, so that they add exactly.  In the weights of the
            alignment.
        """
        weights = self.alignment.weights
        present = ~np.isnan(self.symmetric[..., 0])
        parts = {
            "symmetric": self.symmetric - self.mean,
            "directional": np.where(present[..., None], self.directional, np.nan),
            "fluctuating": self.fluctuating,
            "total": self.points - self.mean,
        }
        return {k: float((weights * np.nansum(v**2, axis=2)).sum()) for k, v in parts.items()}


def reflect(points: np.ndarray, scheme: LandmarkScheme) -> np.ndarray:
    """Mirror image of shapes at the plane x = 0, each landmark with its partner's name.

    Parameters
    ----------
    points : (..., L, 3) float
        In the canonical frame.
    scheme : LandmarkScheme

    Returns
    -------
    (..., L, 3) float
        ``(-x, y, z)`` of landmark ``scheme.mirror[l]`` in the place of landmark l.

    Examples
    --------
    >>> scheme = LandmarkScheme.standard(root=2, dura=(2, 6), cord=(2, 6))
    >>> points = np.random.default_rng(0).normal(size=(scheme.size, 3))
    >>> bool((reflect(reflect(points, scheme), scheme) == points).all())
    True
    """
    return np.asarray(points, dtype=float)[..., scheme.mirror, :] * MIRROR


def decompose(alignment: Alignment) -> Symmetry:
    """Split aligned shapes into their symmetric and asymmetric parts.

    Parameters
    ----------
    alignment : Alignment
        Of at least two subjects, about an anchor on the midline.

    Returns
    -------
    Symmetry

    Raises
    ------
    AlignmentError
        Fewer than two subjects, an anchor that lies to one side, a pair of landmarks that no
        subject has whole, or a subject that is mirrored or has left and right swapped.

    Notes
    -----
    With F the reflection with relabelling, the shapes ``X_i`` and their mirror images ``F X_i`` are
    superimposed together: ``sum_i |R_i X_i - M|^2 + |R'_i F X_i - M|^2`` is least over proper
    rotations about the anchor and the mean M.  F maps a solution to a solution, so the best M is
    its own mirror image, and ``R'_i F X_i = F R_i X_i``: the subjects need only be turned onto the
    symmetric mean, by turns with ``M = mean_i (Y_i + F Y_i) / 2``, ``Y_i = R_i X_i``.  Then

        ``symmetric_i = (Y_i + F Y_i) / 2``, ``asymmetric_i = (Y_i - F Y_i) / 2``

    lie in the eigenspaces +1 and -1 of F, an orthogonal involution, and so at right angles.
    Rotations have the freedom they had in the alignment; scales are kept.  A pair counts only
    where both partners are present.
    """
    scheme = alignment.landmarks.scheme
    _refuse_too_few(alignment)
    _refuse_lopsided_anchor(alignment)
    refuse_wrong_handed(MemoryGroup(alignment.landmarks))
    present = ~np.isnan(alignment.points).any(axis=2)
    paired = present & present[:, scheme.mirror]
    _refuse_broken_pairs(paired, scheme)
    weights = (alignment.weights + alignment.weights[scheme.mirror]) / 2

    turns, rounds, change = _onto_symmetric_mean(alignment, paired, weights)
    points = alignment.points @ np.swapaxes(turns, 1, 2)
    asymmetric = (points - reflect(points, scheme)) / 2
    directional = _mean(asymmetric, paired)
    group = replace(
        _symmetrised(alignment, turns, paired),
        weights=weights,
        n_iterations=rounds,
        converged=change <= TOLERANCE,
    )
    return Symmetry(group, directional, asymmetric - directional, turns)


def _onto_symmetric_mean(
    alignment: Alignment, paired: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, int, float]:
    """Rotations (S, 3, 3) into the canonical frame of the symmetric mean, rounds, last change."""
    scheme = alignment.landmarks.scheme
    points = np.where(paired[..., None], alignment.points, 0.0)
    turns = np.tile(np.eye(3), (len(points), 1, 1))
    mean = _symmetric_mean(points, paired, scheme)
    change, rounds = np.inf, 0
    while change > TOLERANCE and rounds < MAXIMUM_ITERATIONS:
        fixed = np.broadcast_to(mean, points.shape)
        covariance = cross_covariance(points, fixed, paired * weights)
        turns = _rotations(covariance, alignment.rotations)
        updated = _symmetric_mean(points @ np.swapaxes(turns, 1, 2), paired, scheme)
        change = float(np.linalg.norm(updated - mean) / np.linalg.norm(updated))
        mean, rounds = updated, rounds + 1
    if alignment.rotations == "full":
        turns = canonical_axes(mean, scheme).T @ turns
    return turns, rounds, change


def _rotations(covariance: np.ndarray, rotations: str) -> np.ndarray:
    if rotations == "none":
        return np.tile(np.eye(3), (len(covariance), 1, 1))
    return best_rotation(covariance) if rotations == "full" else best_axial_rotation(covariance)


def _symmetric_mean(points: np.ndarray, paired: np.ndarray, scheme: LandmarkScheme) -> np.ndarray:
    mean = _mean(points, paired)
    return (mean + reflect(mean, scheme)) / 2


def _mean(points: np.ndarray, paired: np.ndarray) -> np.ndarray:
    """Mean (L, 3) over the subjects that have both partners."""
    return np.where(paired[..., None], points, 0.0).sum(axis=0) / paired.sum(axis=0)[:, None]


def _symmetrised(alignment: Alignment, turns: np.ndarray, paired: np.ndarray) -> Alignment:
    """The symmetric parts as specimens of their own, with what they rest on."""
    landmarks, scheme = alignment.landmarks, alignment.landmarks.scheme
    turned = alignment.completed @ np.swapaxes(turns, 1, 2)
    completed = (turned + reflect(turned, scheme)) / 2
    points = np.where(paired[..., None], completed, np.nan)
    # A pair is as well known as the worse of its partners; its bridges err independently.
    status = np.maximum(landmarks.status, landmarks.status[:, scheme.mirror])
    spread = landmarks.bridge_sd * alignment.scale[:, None]
    count = len(points)
    return replace(
        alignment,
        landmarks=replace(
            landmarks,
            points=points,
            status=np.where(paired, status, Status.MISSING),
            bridge_sd=np.hypot(spread, spread[:, scheme.mirror]) / 2,
        ),
        points=points,
        completed=completed,
        mean=completed.mean(axis=0),
        rotation=np.tile(np.eye(3), (count, 1, 1)),
        scale=np.ones(count),
        translation=np.zeros((count, 3)),
    )


def _refuse_too_few(alignment: Alignment) -> None:
    count = len(alignment.landmarks.subject_ids)
    if count < 2:
        raise AlignmentError(
            "expected at least 2 subjects to tell directional from fluctuating asymmetry, got "
            f"{count}"
        )


def _refuse_lopsided_anchor(alignment: Alignment) -> None:
    scheme = alignment.landmarks.scheme
    weights = anchor_weights(scheme, alignment.anchor)
    if not np.allclose(weights, weights[scheme.mirror], atol=1e-12):
        raise AlignmentError(
            f"anchor {alignment.anchor}: expected an anchor that is its own mirror image "
            "(dura-apex, conus, centroid, a ring, or both roots of a level: root/L1), got one on "
            "one side; align about such an anchor first"
        )


def _refuse_broken_pairs(paired: np.ndarray, scheme: LandmarkScheme) -> None:
    lost = np.flatnonzero(~paired.any(axis=0))
    if len(lost):
        raise AlignmentError(
            "expected every landmark together with its partner on the other side in at least one "
            f"subject, got none for {len(lost)} ({scheme.names[lost[0]]} to "
            f"{scheme.names[lost[-1]]}); leave the structure out of the scheme"
        )


def structure_asymmetry(
    symmetry: Symmetry, *, permutations: int = 9999, seed: int = 0
) -> np.ndarray:
    """Directional and fluctuating asymmetry of each structure.

    The asymmetry of a landmark is its place minus the mirror image of its partner's: left
    minus mirrored right, twice the half differences that :class:`Symmetry` holds.  A landmark on
    the midline is its own partner.

    Parameters
    ----------
    symmetry : Symmetry
    permutations : int
        How many patterns of signs are drawn; all of them are taken where there are no more.
    seed : int
        Of the draw.

    Returns
    -------
    structured array
        A row for each structure (``dura``, ``cord``, ``root/<level>`` with both sides, ``all``):

        * ``n_subjects``: with at least one whole pair in the structure;
        * ``directional_mm``: root mean square over landmarks of the mean asymmetry;
        * ``lateral_mm``, ``dorsal_mm``, ``rostral_mm``: mean over the left half of the mean
          asymmetry: + where left lies farther to the left, to dorsal or to rostral than right;
        * ``fluctuating_mm``: SD (n - 1) over subjects of the asymmetry about its mean, root mean
          square over landmarks;
        * ``chance_mm``: root mean square standard error of the mean asymmetry: what
          ``directional_mm`` would be about, were there none;
        * ``p``: of no directional asymmetry, each structure by itself.

    Notes
    -----
    Without directional asymmetry a subject is as likely as its mirror image, so each subject's
    asymmetry may take either sign.  The statistic is ``sum_l |mean_i s_i a_il|^2`` over
    the landmarks of the structure, s_i = ±1; landmarks of one subject keep together, so their
    dependence does not matter.  p counts the patterns of signs, the observed one among them,
    whose statistic is as large.
    """
    differences = 2 * (symmetry.directional + symmetry.fluctuating)
    signs = sign_patterns(len(differences), permutations, np.random.default_rng(seed))
    left = left_half(symmetry.scheme)
    rows = [
        (name, *_measures(differences[:, mask], left[mask], signs))
        for name, mask in structures(symmetry.scheme).items()
    ]
    return np.array(rows, dtype=COLUMNS)


def structures(scheme: LandmarkScheme) -> dict[str, np.ndarray]:
    """Masks (L,) of the tubes, of the levels with the roots of both sides, and of all."""
    masks: dict[str, np.ndarray] = {}
    for block in scheme.blocks:
        name = block.name if block.kind == "tube" else block.name.rsplit("/", 1)[0]
        mask = masks.setdefault(name, np.zeros(scheme.size, dtype=bool))
        mask[scheme.span(block.name)] = True
    return masks | {"all": np.ones(scheme.size, dtype=bool)}


def sign_patterns(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Patterns (P, n) of ±1, the observed one first; a pattern and its opposite are one.

    Examples
    --------
    >>> sign_patterns(3, 9999, np.random.default_rng(0)).astype(int).tolist()
    [[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, -1, -1]]
    """
    if 2 ** (n - 1) <= most + 1:
        bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1, -1, -1) & 1
        return 1.0 - 2.0 * bits
    drawn = rng.choice([-1.0, 1.0], size=(most, n))
    return np.concatenate([np.ones((1, n)), drawn])


def _measures(differences: np.ndarray, left: np.ndarray, signs: np.ndarray) -> tuple[float, ...]:
    """The columns of one structure from its asymmetry (S, l, 3)."""
    present = ~np.isnan(differences[..., 0])
    count = present.sum(axis=0)
    filled = np.where(present[..., None], differences, 0.0)
    mean = filled.sum(axis=0) / count[:, None]
    squares = (np.where(present[..., None], differences - mean, 0.0) ** 2).sum(axis=(0, 2))
    degrees = np.maximum(count - 1, 1)
    return (
        int(present.any(axis=1).sum()),
        _root_mean(np.sum(mean**2, axis=1)),
        *mean[left].mean(axis=0),
        float(np.sqrt(squares.sum() / degrees.sum())),
        _root_mean(squares / degrees / count),
        _sign_flip_p(filled / count[:, None], signs),
    )


def _root_mean(squares: np.ndarray) -> float:
    return float(np.sqrt(squares.mean()))


def _sign_flip_p(shares: np.ndarray, signs: np.ndarray) -> float:
    """Share of sign patterns whose squared sum of ``shares`` (S, l, 3) is as large as observed."""
    flat = shares.reshape(len(shares), -1)
    gram = flat @ flat.T
    statistic = np.einsum("ps,ps->p", signs @ gram, signs)
    return float((statistic >= statistic[0] * (1 - 1e-9)).mean())
