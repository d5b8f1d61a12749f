"""The stack of slices: missing, between the others, twice, copied."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import numpy as np

from atlas.checks.profile import Profile, Sections
from atlas.curves.contour_stack import nearest
from atlas.data.subject import Finding, Place, Severity

# Of a slice.  Contours are planar and evenly spaced to 0.002 mm in sub-03 of Liu et al. 2024 and in
# warped copies of it; a tenth (0.2 mm) is far from that and from the next slice.
OFF_SLICE = 0.1
# A contour's middle or radius off those of the slices beside it: more than any is off
# between its neighbours in the same subjects.
UNLIKE_MM = 0.8
# Two contours are one drawn twice if no point differs by more, mm.
COPIED_MM = 1e-3
# Of neighbouring contours: where more are alike, the stack is a formula and not an annotation.
COPIED_SHARE = 0.2
# Contours that the phase of a grid is taken from at most.
CANDIDATES = 200


def slice_findings(profile: Profile, excused: Collection[Place] = ()) -> list[Finding]:
    """What is wrong with the order of slices of the dura and the cord.

    Returns
    -------
    list of Finding
        ``doubled-contour`` (errors); ``contour-off-slice`` (warnings; errors of contours unlike
        the two slices between which they stand); ``missing-slice``, ``copied-contour``,
        ``stacks-off-grid`` (warnings).
    """
    findings = []
    for stack in profile.stacks:
        used = stack.without(excused)
        if len(used) >= 4:
            findings += _grid_findings(profile, stack, used)
            findings += _copied(profile, stack)
    return findings + _between_stacks(profile)


def slice_grid(
    heights: np.ndarray, spacing: float, of: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Number of each contour's slice, and how far it stands from it.

    Parameters
    ----------
    heights : (n,) float
        That make the grid.
    spacing : float
        mm, more than 0.
    of : (m,) float, optional
        Heights that are held against the grid, where these are others.

    Returns
    -------
    slices : (n,) or (m,) int
        From the top down, from 0 on.
    offsets : (n,) or (m,) float
        mm
    """
    steps = (heights.max() - heights) / spacing
    # The phase that most contours share; then the spacing that fits these.
    best = _commonest(steps - np.floor(steps))
    slices = np.round(steps - steps[best])
    near = np.abs(steps - steps[best] - slices) < OFF_SLICE
    slope, start = -spacing, heights[best]
    if near.sum() > 2:
        slope, start = np.polyfit(slices[near], heights[near], 1)
    of = heights if of is None else of
    slices = np.round((of - start) / slope)
    return (slices - slices.min(initial=np.inf)).astype(int), of - (start + slope * slices)


def _commonest(phases: np.ndarray) -> int:
    """The phase, 0 to 1, about which half of all lie nearest, round 1; of some where many."""
    n = len(phases)
    some = np.linspace(0, n - 1, min(n, CANDIDATES)).astype(int)
    apart = np.abs((phases[some, None] - phases + 0.5) % 1 - 0.5)
    return int(some[np.partition(apart, n // 2, axis=1)[:, n // 2].argmin()])


def _grid_findings(profile: Profile, stack: Sections, used: np.ndarray) -> list[Finding]:
    spacing = stack.spacing_mm
    slices, offsets = slice_grid(stack.heights[used], spacing)
    off = np.abs(offsets) > OFF_SLICE * spacing
    strangers = _strangers(stack, used, slices, off)
    findings = [
        profile.finding(
            "contour-off-slice",
            stack.place(used[j]),
            f"expected contours {spacing:.2f} mm apart, got this one {abs(offsets[j]):.2f} mm "
            f"{'above' if offsets[j] > 0 else 'below'} its slice; it was moved in height or is of "
            "another subject: trace it again",
            severity=Severity.ERROR if strangers[j] else None,
        )
        for j in np.flatnonzero(off)
    ]
    on = np.flatnonzero(~off)
    # A contour that stands elsewhere, or is wrong otherwise, explains the slice it left empty.
    others = np.delete(stack.heights, used[on]) if len(on) < len(stack.heights) else np.empty(0)
    on = on[np.argsort(slices[on], kind="stable")]
    for before, after in pairwise(on):
        step = int(slices[after] - slices[before])
        between = (others <= stack.heights[used[before]]) & (others >= stack.heights[used[after]])
        if step == 0:
            findings.append(_doubled(profile, stack, used[before], used[after]))
        elif step > 1 and not between.any():
            findings.append(_missing(profile, stack, used[before], used[after], step - 1))
    return findings


def _strangers(
    stack: Sections, used: np.ndarray, slices: np.ndarray, off: np.ndarray
) -> np.ndarray:
    """Mask of contours off the grid between two traced slices, unlike both: of another place."""
    on = np.flatnonzero(~off)
    found = np.zeros(len(used), dtype=bool)
    if len(on) < 2 or not off.any():
        return found
    on = on[np.argsort(stack.heights[used[on]])]
    heights = stack.heights[used]
    after = np.clip(np.searchsorted(heights[on], heights), 1, len(on) - 1)
    below, above = on[after - 1], on[after]
    between = off & (heights > heights[below]) & (heights < heights[above])
    between &= slices[below] - slices[above] == 1
    measures = np.column_stack([stack.centres, stack.radii])[used]
    share = (heights - heights[below]) / np.where(between, heights[above] - heights[below], 1.0)
    expected = measures[below] + share[:, None] * (measures[above] - measures[below])
    away = measures - expected
    unlike = np.hypot(away[:, 0], away[:, 1]) > UNLIKE_MM
    return np.asarray(between & (unlike | (np.abs(away[:, 2]) > UNLIKE_MM)))


def _doubled(profile: Profile, stack: Sections, i: int, j: int) -> Finding:
    return profile.finding(
        "doubled-contour",
        stack.place(j),
        f"expected one {stack.kind} contour a slice, got two at z "
        f"{stack.native_z(i):.1f} mm; keep one",
    )


def _missing(profile: Profile, stack: Sections, i: int, j: int, count: int) -> Finding:
    return profile.finding(
        "missing-slice",
        Place(stack.kind, z_mm=stack.native_z(i), until_mm=stack.native_z(j)),
        f"expected a contour every {stack.spacing_mm:.2f} mm, got {count} missing here; the gap is "
        "bridged smoothly: trace it or accept the bridge",
    )


def _copied(profile: Profile, stack: Sections) -> list[Finding]:
    outlines = stack.outlines
    pairs = [
        i
        for i in range(1, len(outlines))
        if outlines.count[i] == outlines.count[i - 1]
        and np.abs(outlines[i] - outlines[i - 1])[:, :2].max() <= COPIED_MM
    ]
    if len(pairs) > COPIED_SHARE * len(outlines):
        return []
    return [
        profile.finding(
            "copied-contour",
            stack.place(i),
            "expected a contour traced in its own slice, got every point where the slice above has "
            "it; it was copied and not adapted: trace it again",
        )
        for i in pairs
    ]


def _between_stacks(profile: Profile) -> list[Finding]:
    """Cord contours that stand between the dura's slices: both are traced on the same images."""
    dura, cord = profile.stacks
    spacing = dura.spacing_mm
    if spacing == 0 or len(cord.heights) < 4:
        return []
    apart = nearest(dura.heights, cord.heights)[1]
    within = (cord.heights <= dura.heights.max()) & (cord.heights >= dura.heights.min())
    if not within.any() or np.median(apart[within]) <= OFF_SLICE * spacing:
        return []
    return [
        profile.finding(
            "stacks-off-grid",
            Place("cord"),
            f"expected cord and dura traced in the same slices, got cord contours "
            f"{np.median(apart[within]):.2f} mm (median) from the nearest dura slice; the cord "
            "belongs to another subject or image",
        )
    ]
