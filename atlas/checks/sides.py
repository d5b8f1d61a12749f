"""Left, dorsal and rostral of a subject from its own anatomy, and sides that are swapped.

In whatever pose a person comes, three things fix its axes.  *Rostral* is the normal of the slices,
upwards through the stack.  The *line* of left and right is the one along which the partners of a
level lie apart, whichever is called left; without pairs, the one across which the sac is widest.
*Which end of it is left* follows from dorsal, as left, dorsal and rostral are right-handed: dorsal
is where roots and cord lie in the sac, as in people who lie on their back.  No name of a side is
used for that, so that swapped names show at any turn.  A mirror image and swapped names are the
same thing by these marks, and are said as one.

Where neither roots nor cord stand off the sac's middle, the image decides (LPS: +x is left), and
turned by more than 60 degrees the names of most pairs do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from atlas.curves.contour_stack import ContourStack, at_heights
from atlas.data.subject import LEVELS, Finding, Place, RootKey, Subject

if TYPE_CHECKING:
    from atlas.checks.profile import Profile

# Of a subject's pairs; fewer are slips of single levels, each with its place.
WHOLE = 0.5
# Roots S2 run near the midline: a pair this near to each other says nothing by itself.
TOGETHER_MM = 1.5
# Dorsal of the sac's middle lie the roots by 2.8 to 4.3 mm, the cord by -0.6 to 2.5 mm (means of 14
# people of the built-in cohort, 14 warped copies of sub-03 and sub-03 of Liu et al. 2024): the cord
# is asked only where there are no roots.
DORSAL_MM = 1.0
# Of the median: contours of such sizes make the normal of the slices.
ALIKE = 2.0
# Of the median size: a point that far out of its contour's plane is no measure of the normal.
BENT = 0.5
# Pairs that lie apart in another direction than the others, degrees, or so much farther.
ASKEW_DEG, FAR_APART = 30.0, 3.0
# Cosine of the angle between left and +x, under which the image does not tell the sides.
TURNED = 0.5


def own_axes(subject: Subject) -> np.ndarray:
    """Columns (3, 3): left, dorsal and rostral of a subject from its own anatomy.

    Parameters
    ----------
    subject : Subject
        In any pose; some contours, roots or ganglia may be anywhere.

    Returns
    -------
    (3, 3) float
        Orthonormal, right-handed.
    """
    rostral = rostral_of(subject.dura or subject.cord)
    apart = _pairs_apart(subject)
    across = apart - np.outer(apart @ rostral, rostral)
    line = _common_line(across)
    if line is None:
        line = _widest(subject.dura or subject.cord, rostral)
    offset = _dorsal_offset(subject, rostral, np.cross(rostral, line))
    if offset:
        turn = np.sign(offset)
    elif abs(line[0]) > TURNED:
        turn = np.sign(line[0])
    else:
        turn = 1.0 if np.median(across @ line if len(across) else 1.0) >= 0 else -1.0
    left = line * turn
    return np.stack([left, np.cross(rostral, left), rostral], axis=1)


def rostral_of(contours: Sequence[np.ndarray]) -> np.ndarray:
    """Unit normal (3,) of a stack of slices, pointing rostral.

    Parameters
    ----------
    contours : sequence of (n_i, 3) float
        Rostral to caudal.

    Returns
    -------
    (3,) float
        As :func:`atlas.data.subject.stack_axis`, of the contours alone that are of like size and
        flat as the others: one point far off does not tilt it.
    """
    if not contours:
        return np.array([0.0, 0.0, 1.0])
    stack = ContourStack.of(contours)
    means = stack.means
    centred = stack.points - stack.spread(means)
    size = np.sqrt(stack.total((centred**2).sum(axis=1)) / stack.count)
    usual = np.median(size)
    used = (size > usual / ALIKE) & (size < usual * ALIKE)
    normal = _least_direction(centred[stack.spread(used)])
    bent = stack.greatest(np.abs(centred @ normal))
    flat = (
        used & (bent <= max(3 * float(np.median(bent[used])), BENT * usual)) if used.any() else used
    )
    if flat.any() and (flat != used).any():
        normal = _least_direction(centred[stack.spread(flat)])
    half = max(len(means) // 2, 1)
    down = np.median(means[:half], axis=0) - np.median(means[-half:], axis=0)
    return normal if normal @ down >= 0 else -normal


def _least_direction(centred: np.ndarray) -> np.ndarray:
    """Unit vector (3,) along which points (n, 3) spread least; z where they do not spread."""
    scatter = centred.T @ centred
    if not len(centred) or not np.isfinite(scatter).all() or not scatter.any():
        return np.array([0.0, 0.0, 1.0])
    return np.asarray(np.linalg.eigh(scatter)[1][:, 0])


def _pairs_apart(subject: Subject) -> np.ndarray:
    """Left minus right (p, 3), mm, of the middles of every pair of roots and of ganglia."""
    apart = [
        _middle(places[left]) - _middle(places[right]) for _, places, left, right in _pairs(subject)
    ]
    return np.array(apart) if apart else np.zeros((0, 3))


def _pairs(subject: Subject) -> list[tuple[Place, dict[RootKey, np.ndarray], RootKey, RootKey]]:
    """Place, points, and keys of left and right, of every pair there is."""
    return [
        (Place(kind, level), places, RootKey(level, "left"), RootKey(level, "right"))
        for kind, places in (("roots", dict(subject.roots)), ("ganglia", dict(subject.ganglia)))
        for level in LEVELS
        if RootKey(level, "left") in places and RootKey(level, "right") in places
    ]


def _middle(points: np.ndarray) -> np.ndarray:
    return np.asarray(np.atleast_2d(points).mean(axis=0))


def _common_line(across: np.ndarray) -> np.ndarray | None:
    """Unit vector (3,), of either sign, along which most of vectors (p, 3) lie; None of none.

    Long ones count more; those askew to the others or far longer do not count.
    """
    length = np.linalg.norm(across, axis=1)
    usual = float(np.median(length[length > 0])) if (length > 0).any() else 0.0
    used = (length > 0) & (length <= FAR_APART * usual)
    if not used.any():
        return None
    line = _main_direction(across[used])
    aligned = np.abs(across @ line) >= np.cos(np.radians(ASKEW_DEG)) * length
    if (used & aligned).any():
        line = _main_direction(across[used & aligned])
    return line


def _main_direction(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.eigh(vectors.T @ vectors)[1][:, 2])


def _widest(contours: Sequence[np.ndarray], rostral: np.ndarray) -> np.ndarray:
    """Unit vector (3,) square to rostral across which contours are widest."""
    start = np.eye(3)[int(np.abs(rostral).argmin())]
    if contours:
        stack = ContourStack.of(contours)
        centred = stack.points - stack.spread(stack.means)
        scatter = centred.T @ centred
        if np.isfinite(scatter).all() and scatter.any():
            start = np.linalg.eigh(scatter)[1][:, 2]
    line = start - (start @ rostral) * rostral
    size = float(np.linalg.norm(line))
    return line / size if size > 1e-6 else _square_to(rostral)


def _square_to(rostral: np.ndarray) -> np.ndarray:
    line = np.cross(rostral, np.eye(3)[int(np.abs(rostral).argmin())])
    return np.asarray(line / np.linalg.norm(line))


def _dorsal_offset(subject: Subject, rostral: np.ndarray, across: np.ndarray) -> float:
    """How far roots, or the cord, lie along ``across`` from the sac's middle, mm; 0 if unclear."""
    if not subject.dura:
        return 0.0
    means = ContourStack.of(subject.dura).means
    at = means @ rostral

    def off(points: np.ndarray) -> float:
        middle = at_heights(at, means @ across, points @ rostral)
        return float(np.median(points @ across - middle))

    if subject.roots:
        levels = dict.fromkeys(key.level for key in subject.roots)
        offsets = [
            float(
                np.mean([off(points) for key, points in subject.roots.items() if key[0] == level])
            )
            for level in levels
        ]
    elif subject.cord:
        offsets = [off(ContourStack.of(subject.cord).means)]
    else:
        return 0.0
    offset = float(np.median(offsets))
    return offset if abs(offset) >= DORSAL_MM else 0.0


def swapped_sides(profile: Profile) -> list[Finding]:
    """Levels whose left root or ganglion lies to the right of its right partner.

    Returns
    -------
    list of Finding
        ``swapped-sides`` (errors): one for the whole subject where half of its pairs are swapped,
        one a pair otherwise.
    """
    subject, left = profile.subject, profile.axes[:, 0]
    across = {
        place: float((_middle(places[one]) - _middle(places[other])) @ left)
        for place, places, one, other in _pairs(subject)
    }
    wrong = {place: mm for place, mm in across.items() if mm < 0}
    if len(wrong) < WHOLE * len(across):
        wrong = {place: mm for place, mm in wrong.items() if mm < -TOGETHER_MM}
    if not wrong:
        return []
    if len(wrong) >= WHOLE * len(across):
        listed = ", ".join(f"{place} ({mm:+.1f} mm)" for place, mm in wrong.items())
        cure = "are swapped, or the subject is a mirror image (one axis of its files is negated)"
        return [_swapped(profile, Place(), "roots and ganglia", listed, cure)]
    return [
        _swapped(profile, place, str(place), f"{mm:+.1f} mm", "are swapped: exchange the two files")
        for place, mm in wrong.items()
    ]


def _swapped(profile: Profile, place: Place, what: str, got: str, cure: str) -> Finding:
    return profile.finding(
        "swapped-sides",
        place,
        f"expected left {what} at larger x than right ones (x to the left, in axes of the subject "
        f"itself: roots and cord lie dorsal in the sac), got {got}; left and right {cure}",
    )
