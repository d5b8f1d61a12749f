"""Does an annotation keep to anatomy?  Findings, never refusals of a little overlap.

Real annotations break anatomy a little: a root's last point lies outside the dura because it
leaves the sac there, a point grazes the cord.  Each is said with its place and amount.  What an
annotator or a script gets wrong is looked for by name, from the coarse to the fine: units and
axes (``frames``), sides (``sides``), the stack of slices (``slice_order``), contours
(``contours``), roots (``roots``, ``depths``, ``levels``), ganglia (``ganglia``), and subjects
against each other (``cohort``).  A rule measures many contours or roots at once, and looks at a
single one only to word what it found; it takes a profile, and as ``excused`` the places of which
another finding says enough.  Thresholds stand beside the rules with the
distributions they come from.
"""

from __future__ import annotations

from collections.abc import Collection

from atlas.checks.cohort import cohort_findings
from atlas.checks.contours import neighbour_findings, outline_findings
from atlas.checks.depths import misplaced_points
from atlas.checks.frames import frame_findings, single_file_findings
from atlas.checks.ganglia import ganglion_findings
from atlas.checks.levels import exchanged_levels, roots_of
from atlas.checks.profile import Profile, places_of
from atlas.checks.roots import reversed_roots, trace_findings
from atlas.checks.sides import swapped_sides
from atlas.checks.slice_order import slice_findings
from atlas.data.dataset import Dataset
from atlas.data.subject import SIDES, Finding, Place

__all__ = [
    "Profile",
    "find_implausible",
    "misplaced_points",
    "reversed_roots",
    "subject_findings",
    "swapped_sides",
]


def find_implausible(dataset: Dataset) -> tuple[Finding, ...]:
    """Check every subject of a dataset against anatomy, and the subjects against each other.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple of Finding
        By subject, then those of the cohort; the manual lists every name (``docs/findings.md``).
    """
    findings: list[Finding] = []
    sound = []
    for subject in dataset.subjects:
        profile = Profile.of(subject)
        found = subject_findings(profile)
        findings += found
        # A whole subject in another unit or frame says nothing against the others.
        if not any(f.rule in ("wrong-unit", "ras-not-lps") and f.at == Place() for f in found):
            sound.append(profile)
    findings += cohort_findings(tuple(sound))
    return tuple(findings)


def subject_findings(profile: Profile) -> list[Finding]:
    """Check one subject against anatomy.

    Returns
    -------
    list of Finding
        The coarse first.  Where units, axes or both stacks are wrong, only that is said: everything
        else would follow from it.
    """
    subject = profile.subject
    coarse = frame_findings(profile)
    if coarse:
        return coarse
    alone, told = single_file_findings(profile)
    outlines = outline_findings(profile, told)
    contours = [*slice_findings(profile, told), *outlines]
    contours += neighbour_findings(profile, told | places_of(outlines))
    roots, settled = trace_findings(profile, told)
    roots = [f for f in roots if f.at not in told]
    # A root with a point far off has no begin, end or angle to go by.
    settled |= {place.trace for place in told if place.structure == "root"}
    reversals = reversed_roots(profile)
    settled |= places_of(reversals)
    sides = swapped_sides(profile)
    # Levels are told by their sides: with those wrong, both would be said of one slip.
    levels = [] if sides else exchanged_levels(profile, told | settled)
    settled |= roots_of(places_of(levels))
    ganglia = ganglion_findings(profile, told | settled)
    points = misplaced_points(subject, told=told | places_of(contours) | settled)
    return _once([*alone, *sides, *reversals, *contours, *roots, *points, *levels, *ganglia])


def _once(findings: list[Finding]) -> list[Finding]:
    """Without what only follows from a root or ganglion that is wrong by itself."""
    wrong = places_of(f for f in findings if f.rule in (*OF_GANGLIA, *OF_FILES))
    return [f for f in findings if not any(_follows(f.rule, p, wrong) for p in places_of([f]))]


def _follows(rule: str, place: Place, wrong: Collection[Place]) -> bool:
    if rule == "swapped-sides" and place != Place():
        structure = {"roots": "root", "ganglia": "ganglion"}[place.structure]
        return any(Place(structure, place.level, side) in wrong for side in SIDES)
    return rule == "reversed-root" and Place("ganglion", place.level, place.side) in wrong


OF_GANGLIA = ("exchanged-ganglia", "ganglion-above-root", "ganglion-wrong-side")
OF_FILES = ("wrong-unit", "ras-not-lps", "misplaced-file", "misplaced-root", "copied-structure")
