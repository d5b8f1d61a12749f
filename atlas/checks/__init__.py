"""Does an annotation keep to anatomy?  Findings, never refusals of a little overlap.

Real annotations break anatomy a little: a root's last point lies outside the dura because it
leaves the sac there, a point grazes the cord.  Each is said with its place and amount.  What an
annotator or a script gets wrong is looked for by name, from the coarse to the fine: units and
axes (``frames``), sides (``sides``), the stack of slices (``slice_order``, ``beside``), single
contours (``outlines``), roots (``traces``, ``depths``, ``levels``), ganglia (``ganglia``), and
subjects against each other (``between_subjects``).  Thresholds stand beside the rules with the
distributions they come from.
"""

from __future__ import annotations

from atlas.checks.beside import neighbour_findings
from atlas.checks.cohort import cohort_findings
from atlas.checks.depths import ContourStack, misplaced_points
from atlas.checks.frames import frame_findings, single_file_findings
from atlas.checks.ganglia import ganglion_findings
from atlas.checks.levels import exchanged_levels, roots_of
from atlas.checks.outlines import outline_findings
from atlas.checks.profile import Profile
from atlas.checks.roots import reversed_roots, trace_findings
from atlas.checks.sides import swapped_sides
from atlas.checks.slice_order import slice_findings
from atlas.data.dataset import Dataset
from atlas.data.subject import SIDES, Finding

__all__ = [
    "ContourStack",
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
        if not any(f.rule in ("wrong-unit", "ras-not-lps") and not f.place for f in found):
            sound.append(profile)
    findings += cohort_findings(tuple(sound))
    return tuple(findings)


def subject_findings(profile: Profile) -> list[Finding]:
    """Check one subject against anatomy.

    Parameters
    ----------
    profile : Profile

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
    outlines, odd = outline_findings(profile, told)
    contours = [*slice_findings(profile, told), *outlines]
    contours += neighbour_findings(profile, told | odd)
    roots, settled = trace_findings(profile, told)
    roots = [f for f in roots if f.place not in told]
    # A root with a point far off has no begin, end or angle to go by.
    settled |= {place.split(" at ")[0] for place in told if place.startswith("root ")}
    reversals = reversed_roots(subject, profile.axes[:, 2])
    settled |= {f.place for f in reversals}
    sides = swapped_sides(subject, profile.axes)
    # Levels are told by their sides: with those wrong, both would be said of one slip.
    levels = [] if sides else exchanged_levels(profile, told | settled)
    settled |= roots_of(levels)
    ganglia = ganglion_findings(profile, told | settled)
    odd = told | {f.place for f in contours}
    points = misplaced_points(subject, told=odd | settled)
    return _once([*alone, *sides, *reversals, *contours, *roots, *points, *levels, *ganglia])


def _once(findings: list[Finding]) -> list[Finding]:
    """Without what only follows from a ganglion that is wrong by itself."""
    wrong = {f.place for f in findings if f.rule in (*OF_GANGLIA, *OF_FILES)}
    kept = []
    for finding in findings:
        noun, _, rest = finding.place.partition(" ")
        follows = finding.rule == "reversed-root" and f"ganglion {rest}" in wrong
        if finding.rule == "swapped-sides" and rest:
            singular = {"roots": "root", "ganglia": "ganglion"}[noun]
            follows = any(f"{singular} {rest} {side}" in wrong for side in SIDES)
        if not follows:
            kept.append(finding)
    return kept


OF_GANGLIA = ("exchanged-ganglia", "ganglion-above-root", "ganglion-wrong-side")
OF_FILES = ("wrong-unit", "ras-not-lps", "misplaced-file", "misplaced-root", "copied-structure")
