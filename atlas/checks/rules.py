"""Every finding by name: how severe it is, what it says, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from atlas.data.subject import Finding, Place, Severity

COLUMNS = {
    "name": "of the finding, the same for every one of its kind",
    "severity": "note: changes nothing; warning: look at it; error: a build refuses it",
    "says": "what was found",
    "do": "what to do about it",
}


class Meaning(NamedTuple):
    """What a name means; the fields are those of :data:`COLUMNS`."""

    severity: str
    says: str
    do: str


ERROR, WARNING, NOTE = "error", "warning", "note"
MEANINGS: Mapping[str, Meaning] = MappingProxyType(
    {
        "wrong-unit": Meaning(
            ERROR,
            "sizes are those of another unit: a subject, a structure or one file",
            "declare the unit",
        ),
        "ras-not-lps": Meaning(
            ERROR, "x and y are negated: a subject, or one file", "declare RAS in the files"
        ),
        "upside-down": Meaning(ERROR, "z is negated: the cord thins upwards", "correct the files"),
        "exchanged-stacks": Meaning(
            ERROR, "the cord's contours run around the dura's", "exchange the names"
        ),
        "misplaced-file": Meaning(
            ERROR, "a file or structure far from its subject", "replace or exclude it"
        ),
        "swapped-sides": Meaning(
            ERROR, "left lies right of right: a subject, or one level", "exchange the names"
        ),
        "doubled-contour": Meaning(ERROR, "two contours in one slice", "keep one"),
        "missing-slice": Meaning(WARNING, "a slice without a contour", "trace it"),
        "contour-off-slice": Meaning(
            WARNING, "a contour between slices (an error where it is unlike both)", "trace it again"
        ),
        "copied-contour": Meaning(WARNING, "the contour of the slice above, unchanged", "trace it"),
        "stacks-off-grid": Meaning(
            WARNING, "cord and dura in different slices", "check whose the cord is"
        ),
        "contour-not-planar": Meaning(WARNING, "a point of a contour off its slice", "correct it"),
        "stray-point": Meaning(
            WARNING, "one point of a contour or root off (an error where far)", "correct it"
        ),
        "overlapping-contour": Meaning(
            WARNING, "a contour traced past its own beginning", "trace it again"
        ),
        "open-contour": Meaning(WARNING, "a contour with an arc not traced", "complete it"),
        "self-crossing-contour": Meaning(WARNING, "a contour that crosses itself", "correct it"),
        "mislabelled-contour": Meaning(
            WARNING, "a dura contour the size of the cord, or the reverse", "rename it"
        ),
        "contour-out-of-line": Meaning(
            WARNING, "a contour beside the line of its neighbours", "trace it again"
        ),
        "contour-size-jump": Meaning(
            WARNING, "a contour larger or smaller than its neighbours", "trace it again"
        ),
        "cord-outside-dura": Meaning(WARNING, "the cord leaves the dura", "correct one of the two"),
        "reversed-root": Meaning(ERROR, "points from the ganglion to the cord", "turn it round"),
        "misplaced-root": Meaning(
            WARNING, "a trace mostly outside the sac or in the cord", "trace it again or exclude it"
        ),
        "copied-structure": Meaning(
            ERROR, "one trace or ganglion under two names", "exclude or trace one again"
        ),
        "root-wrong-side": Meaning(
            ERROR, "a root beyond the midline", "trace it on its side or exclude it"
        ),
        "root-off-slice": Meaning(
            WARNING, "points, or a whole root, between slices", "check whose the file is"
        ),
        "root-points-out-of-order": Meaning(
            WARNING,
            "points not in the order of the root (a note where reading put them in order)",
            "correct it",
        ),
        "root-jump": Meaning(WARNING, "a trace that steps aside and stays there", "correct it"),
        "gap-in-root": Meaning(WARNING, "slices without a point inside a trace", "complete it"),
        "doubled-root-point": Meaning(WARNING, "two points in one slice", "keep one"),
        "outside-dura": Meaning(WARNING, "a point outside the dura", "check the tracing"),
        "inside-cord": Meaning(WARNING, "a point inside the cord", "check the tracing"),
        "dural-exit": Meaning(NOTE, "last points outside the dura", "nothing: it leaves the sac"),
        "exchanged-levels": Meaning(
            WARNING, "two roots fit better under each other's names", "exchange the files"
        ),
        "exchanged-ganglia": Meaning(
            ERROR, "ganglia not in the order of their levels", "exchange the files"
        ),
        "ganglion-wrong-side": Meaning(ERROR, "a ganglion beyond the midline", "correct it"),
        "ganglion-above-root": Meaning(
            WARNING,
            "a ganglion above the end of its root (an error from 25 mm)",
            "mark it again or exclude it",
        ),
        "ganglion-misplaced": Meaning(
            WARNING,
            "left and right at different heights (an error from 25 mm)",
            "mark it again or exclude it",
        ),
        "duplicate-subject": Meaning(
            ERROR, "two subjects with the same points (a warning where nearly)", "leave one out"
        ),
        "file-of-another-subject": Meaning(
            ERROR,
            "a file named after, or equal to one of, another subject",
            "replace or exclude it",
        ),
        "outlier-shape": Meaning(
            WARNING, "a shape unlike the others of the cohort", "check it; build without it once"
        ),
    }
)


def finding_of(
    subject: str, rule: str, place: Place, message: str, *, severity: Severity | None = None
) -> Finding:
    """A finding about a subject, as severe as its rule says unless told."""
    usual = Severity[MEANINGS[rule].severity.upper()]
    return Finding(usual if severity is None else severity, rule, subject, place, message)
