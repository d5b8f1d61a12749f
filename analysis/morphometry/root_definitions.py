"""Definitions of the measures of a root."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analysis.morphometry.definitions import FROSTELL, LIU, MENGER, Measure

SAC, CORD = ("dura",), ("cord",)
ABOUT = "0 dorsal, + left"
STRETCH = "begin to the first of dural exit, end of the trace and last ring"


def root_definitions() -> Iterator[Measure]:
    """In the order of the table."""
    for part in (_positions, _lengths, _bends, _angles, _take_off, _walls):
        yield from part()


def _of_root(name: str, text: str, how: str, *more: str, **facts: Any) -> Measure:
    return Measure(name, text, how, "root", needs=("root", *more), **facts)


def _positions() -> Iterator[Measure]:
    crossing = (
        "last crossing inside → outside of the in-slice distance to the wall, interpolated; "
        "missing if the root is inside where the rings end"
    )
    yield from _along("begin", "first point of the root", "first point of the course", "root")
    yield from _across("begin", "first point of the root", "root")
    wall = "where the root crosses the sac's wall"
    yield from _along("exit", wall, crossing, "root", uses_bridge=True)
    yield from _across("exit", wall, "root", uses_bridge=True)
    yield from _along("ganglion", "ganglion", "the marked point", "ganglion")
    yield from _across("ganglion", "ganglion", "ganglion")


def _along(place: str, says: str, how: str, need: str, **facts: Any) -> Iterator[Measure]:
    begin = place == "begin"
    side = "above" if begin else "below"
    yield Measure(
        f"{place}_below_apex_mm",
        f"{says} below the centroid of the first dura ring",
        f"(apex − point)·rostral; {how}",
        "root",
        needs=(need, "dura"),
        follows_view=True,
        source=LIU,
        **facts,
    )
    yield Measure(
        f"{place}_{side}_conus_mm",
        f"{says} {side} the centroid of the last cord ring",
        f"{'(point − conus)' if begin else '(conus − point)'}·rostral",
        "root",
        needs=(need, "dura", "cord") if place == "exit" else (need, "cord"),
        source=FROSTELL if begin else "",
        **facts,
    )


def _across(place: str, says: str, need: str, **facts: Any) -> Iterator[Measure]:
    origin, where, how = (
        ("cord", "the cord's centroid in the slice", "in the slice through the begin")
        if place == "begin"
        else (
            "axis",
            "the sac's axis line",
            "from the line along rostral through the mean centroid",
        )
    )
    for way in ("left", "dorsal"):
        yield Measure(
            f"{place}_{way}_of_{origin}_mm",
            f"{says} {way} of {where}",
            f"offset along own {way}, {how}",
            "root",
            signed=way == "left",
            needs=(need, "cord" if origin == "cord" else "dura"),
            **facts,
        )


def _lengths() -> Iterator[Measure]:
    yield _of_root(
        "length_traced_mm",
        "root along its trace, first to last traced point",
        "sum of chords; missing where the end of the trace is unknown",
        ratio=True,
        follows_view=True,
        source=LIU,
    )
    yield _of_root(
        "length_bridged_mm",
        "root from its last traced point to its ganglion",
        "length_total_mm − length_traced_mm",
        ratio=True,
        uses_bridge=True,
        follows_view=True,
    )
    yield _of_root(
        "length_total_mm",
        "root from its first point to its ganglion, the gap bridged",
        "sum of chords",
        ratio=True,
        uses_bridge=True,
    )


def _bends() -> Iterator[Measure]:
    yield _of_root(
        "tortuosity_intradural_ratio",
        "length over chord of the root inside the sac",
        f"length / chord, {STRETCH}",
        *SAC,
        ratio=True,
        follows_view=True,
    )
    yield _of_root(
        "tortuosity_total_ratio",
        "length over chord, first point to ganglion",
        "length / chord",
        ratio=True,
        uses_bridge=True,
    )
    for kind in ("mean", "largest"):
        yield _of_root(
            f"curvature_{kind}_per_mm",
            f"{kind} curvature of the root inside the sac",
            f"κ = 4·area/(a·b·c) of triangles with arms of about 4 mm, {STRETCH}",
            *SAC,
            ratio=True,
            follows_view=True,
            source=MENGER,
        )


def _angles() -> Iterator[Measure]:
    median = (
        "median of atan2(left, dorsal) over the traced points; over the stretch inside the sac "
        "where the end of the trace is unknown"
    )
    yield _of_root(
        "angle_sac_deg",
        f"root about the sac's centroid, {ABOUT}, own axes",
        median,
        *SAC,
        signed=True,
        follows_view=True,
        source=LIU,
    )
    yield _of_root(
        "angle_cord_deg",
        f"root about the cord's centroid, {ABOUT}, own axes",
        median,
        *CORD,
        signed=True,
    )
    yield _of_root(
        "angle_image_deg",
        f"root about the sac's centroid, {ABOUT}, x and y of the frame",
        "the same median of atan2(x, y) about the mean point of the ring nearest in z",
        *SAC,
        signed=True,
        follows_view=True,
        source=LIU,
    )
    for part, needs in {"sac": SAC, "cord": CORD}.items():
        yield _of_root(
            f"angle_begin_{part}_deg",
            f"begin about the {part}'s centroid, {ABOUT}, own axes",
            "atan2(left, dorsal) at the begin",
            *needs,
            signed=True,
        )


def _take_off() -> Iterator[Measure]:
    how = "vector over the first 10 mm of the root against the cord's centroids ±5 mm of the begin"
    for plane, text in {
        "": "root's first 10 mm to the cord's caudal direction",
        "_coronal": "the same seen from behind, + away from the midline",
        "_sagittal": "the same seen from the side, + dorsal",
    }.items():
        yield _of_root(f"angle_takeoff{plane}_deg", text, how, *CORD, uses_bridge=True)


def _walls() -> Iterator[Measure]:
    apart = "least distance to the outline in the slice of the point"
    yield _of_root(
        "dura_distance_begin_mm",
        "begin to the sac's wall in its slice, + inside",
        apart,
        *SAC,
        ratio=True,
    )
    yield _of_root(
        "dura_distance_least_mm",
        "least distance of the root inside the sac to its wall, + inside",
        f"{apart}; {STRETCH}, less the last 10 mm, on which the root comes to the wall",
        *SAC,
        follows_view=True,
    )
    yield _of_root(
        "cord_distance_begin_mm",
        "begin to the cord's surface in its slice, + outside",
        apart,
        *CORD,
        ratio=True,
    )
    yield _of_root(
        "cord_distance_least_mm",
        "least distance of the root inside the sac to the cord, + outside",
        f"{apart}; {STRETCH}",
        "dura",
        "cord",
    )
    yield _of_root(
        "csf_lateral_mm",
        "edge of cord to edge of sac on the root's side, at its begin",
        "gap between the outlines on the line left to right through the cord's centroid",
        "dura",
        "cord",
        ratio=True,
    )
