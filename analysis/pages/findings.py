"""What ``atlas check`` found, as one self-contained page with pictures."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.figures.settings import own_settings
from analysis.pages.page import fill_page
from atlas.checks.rules import MEANINGS
from atlas.data.dataset import Dataset
from atlas.data.subject import Finding, Place, Severity, Subject
from atlas.output.results import Claim, claim_file, signature, write_result_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUIET, LOUD = "#b8bec6", "#b3261e"
PALE = {"dura": "#6f8fb3", "cord": "#c9a227"}
# A page of a cohort has hundreds of notes; beyond these the same root is only listed.
LISTED = 12
WIDENED = 3


def write_check_report(dataset: Dataset, findings: tuple[Finding, ...], out: Path | Claim) -> None:
    """Write findings as one HTML page, each with a picture of its place.

    Parameters
    ----------
    dataset : Dataset
    findings : tuple of Finding
        Of the dataset.  Those of one name and structure share a picture.
    out : Path or Claim
        The page; replaced whole or not at all.
    """
    claim = claim_file(out, command="check", suffix=".html", inputs=(dataset.root,))
    subjects = {s.id: s for s in dataset.subjects}
    groups: dict[tuple[str, str, Place | str], list[Finding]] = defaultdict(list)
    for finding in sorted(findings, key=lambda f: (-f.severity, f.subject, f.rule)):
        groups[finding.subject, finding.rule, _structure(finding)].append(finding)
    counts = [
        f"{s.name.lower()}s {sum(f.severity is s for f in findings)}" for s in reversed(Severity)
    ]
    rules = {f.rule for f in findings}
    page = fill_page(
        "findings.html",
        title=f"Check of {dataset.root}",
        generator=signature("check"),
        notice=dataset.notice,
        n_subjects=len(dataset.subjects),
        totals=", ".join(counts),
        sections=[_section(group, subjects) for group in groups.values()],
        meanings={rule: MEANINGS[rule] for rule in sorted(rules & set(MEANINGS))},
    )
    write_result_file(claim, page)


def _structure(finding: Finding) -> Place | str:
    """What a finding is about: of a point of a root, the root."""
    return finding.at.trace if isinstance(finding.at, Place) else finding.at


def _section(group: list[Finding], subjects: dict[str, Subject]) -> dict[str, Any]:
    """What the page says of the findings of one name and structure."""
    first = group[0]
    lines = [str(f) for f in group[:LISTED]]
    if len(group) > LISTED:
        lines.append(f"… and {len(group) - LISTED} more on this structure")
    picture = ""
    if first.subject in subjects:
        picture = base64.b64encode(_png(draw_finding(subjects[first.subject], group))).decode()
    return {
        "severity": first.severity.name.lower(),
        "rule": first.rule,
        "where": " · ".join(p for p in (first.subject, str(_structure(first))) if p)
        or "the dataset",
        "lines": lines,
        "picture": picture,
    }


@own_settings()
def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=80)
    return stream.getvalue()


@own_settings()
def draw_finding(subject: Subject, group: list[Finding]) -> Figure:
    """The subject from the front, and the slice of the finding.

    Parameters
    ----------
    subject : Subject
    group : list of Finding
        Of one structure.

    Returns
    -------
    Figure
        Left axes: x and z of all points, the structure in red.  Right axes: the slice at the
        finding's height, or at that of the structure's middle, with the slices beside it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 5.2), layout="constrained")
    front, across = figure.subplots(1, 2, width_ratios=(1, 1.5))
    place = group[0].at if isinstance(group[0].at, Place) else Place()
    chosen = _chosen(subject, place)
    height = _height(place, chosen, subject)
    _draw_front(front, subject, chosen, height)
    _draw_slice(across, subject, chosen, height)
    return figure


def _chosen(subject: Subject, place: Place) -> list[np.ndarray]:
    """Points of the structure a place names; none for the whole subject."""
    if place.structure in ("dura", "cord"):
        return [] if place.index is None else [getattr(subject, place.structure)[place.index]]
    named = subject.roots if place.structure in ("root", "roots") else subject.ganglia
    return [
        np.atleast_2d(points)
        for key, points in named.items()
        if key.level in (place.level, place.other_level) and place.side in (key.side, "")
    ]


def _height(place: Place, chosen: list[np.ndarray], subject: Subject) -> float:
    if place.z_mm is not None:
        return place.z_mm
    points = np.concatenate(chosen) if chosen else np.concatenate(subject.dura)
    return float(np.median(points[:, 2]))


def _draw_front(axes: Axes, subject: Subject, chosen: list[np.ndarray], height: float) -> None:
    for kind in ("dura", "cord"):
        stack = getattr(subject, kind)
        ends = np.array([[c[:, 0].min(), c[:, 0].max(), c[:, 2].mean()] for c in stack])
        axes.fill_betweenx(ends[:, 2], ends[:, 0], ends[:, 1], color=PALE[kind], alpha=0.25, lw=0)
    for points in subject.roots.values():
        axes.plot(points[:, 0], points[:, 2], color=QUIET, lw=1)
    for key, point in subject.ganglia.items():
        axes.plot(point[0], point[2], "o", color=QUIET, ms=4)
        _label(axes, key.level, point[0], point[2])
    for points in chosen:
        axes.plot(points[:, 0], points[:, 2], ".-", color=LOUD, lw=1.2, ms=4)
    axes.axhline(height, color=LOUD, lw=0.6, ls=":")
    axes.set(xlabel="x, mm (+ left)", ylabel="z, mm (+ rostral)", aspect=1 / WIDENED)
    axes.set_title(f"From the front, {WIDENED} times as wide")
    axes.margins(0.1)


def _label(axes: Axes, name: str, x: float, y: float) -> None:
    axes.annotate(name, (x, y), fontsize=7, xytext=(3, 3), textcoords="offset points")


def _draw_slice(axes: Axes, subject: Subject, chosen: list[np.ndarray], height: float) -> None:
    for kind in ("dura", "cord"):
        for contour in getattr(subject, kind):
            off = abs(contour[:, 2].mean() - height)
            if off <= 2.5 * max(subject.spacing_mm, 1e-9):
                closed = np.concatenate([contour, contour[:1]])
                near = off <= 0.55 * subject.spacing_mm
                axes.plot(closed[:, 0], closed[:, 1], color=PALE[kind], lw=1.6 if near else 0.5)
    for key, points in subject.roots.items():
        i = int(np.abs(points[:, 2] - height).argmin())
        if abs(points[i, 2] - height) <= 0.75 * subject.spacing_mm:
            axes.plot(*points[i, :2], "o", color=QUIET, ms=4)
            name = f"{key.level}{key.side[0].upper()}"
            _label(axes, name, points[i, 0], points[i, 1])
    for points in chosen:
        near = points[np.abs(points[:, 2] - height) <= 0.75 * max(subject.spacing_mm, 1e-9)]
        style = "o-" if len(near) > 1 else "o"
        axes.plot(near[:, 0], near[:, 1], style, color=LOUD, ms=5, lw=1.2, mfc="none")
    axes.set(
        xlabel="x, mm (+ left)",
        ylabel="y, mm (+ dorsal)",
        title=f"Slice at z {height:.1f} mm, thin: beside it",
        aspect="equal",
    )
    axes.margins(0.1)
