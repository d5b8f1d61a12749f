"""Left and right: of a whole subject, and of one level."""

from __future__ import annotations

import numpy as np

from atlas.data.subject import LEVELS, Finding, RootKey, Severity, Subject

# Of a subject's pairs; fewer are slips of single levels, each with its place.
WHOLE = 0.5
# Roots S2 run near the midline: a pair this near to each other says nothing by itself.
TOGETHER_MM = 1.5


def swapped_sides(subject: Subject) -> list[Finding]:
    """Levels whose left root or ganglion lies to the right of its right partner (LPS x).

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of Finding
        ``swapped-sides`` (errors): one for the whole subject where half of its pairs are swapped,
        one a pair otherwise.
    """
    across = {}
    for kind in ("roots", "ganglia"):
        places = getattr(subject, kind)
        for level in LEVELS:
            left, right = RootKey(level, "left"), RootKey(level, "right")
            if left in places and right in places:
                across[f"{kind} {level}"] = _mean_x(places[left]) - _mean_x(places[right])
    wrong = {place: mm for place, mm in across.items() if mm < 0}
    if len(wrong) < WHOLE * len(across):
        wrong = {place: mm for place, mm in wrong.items() if mm < -TOGETHER_MM}
    if not wrong:
        return []
    if len(wrong) >= WHOLE * len(across):
        listed = ", ".join(f"{place} ({mm:+.1f} mm)" for place, mm in wrong.items())
        cure = (
            "are swapped, or the files are mirrored or hold RAS coordinates that they declare LPS"
        )
        return [_swapped(subject, "", "roots and ganglia", listed, cure)]
    return [
        _swapped(subject, place, place, f"{mm:+.1f} mm", "are swapped: exchange the two files")
        for place, mm in wrong.items()
    ]


def _swapped(subject: Subject, place: str, what: str, got: str, cure: str) -> Finding:
    return Finding(
        Severity.ERROR,
        "swapped-sides",
        subject.id,
        place,
        f"expected left {what} at larger x than right ones (LPS: + is left), got {got}; left and "
        f"right {cure}",
    )


def _mean_x(points: np.ndarray) -> float:
    return float(np.atleast_2d(points)[:, 0].mean())
