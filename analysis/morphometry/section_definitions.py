"""Definitions of the measures of a level, taken in a slice, and of those of the subject."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analysis.morphometry.definitions import FROSTELL, HOLSHEIMER, LIU, Measure


def level_definitions() -> Iterator[Measure]:
    """In the order of the table."""
    for part, name in {"cord": "cord", "sac": "dura"}.items():
        yield from _section(part, name)
    both = ("root", "dura", "cord")
    for side, source in {"dorsal": HOLSHEIMER, "ventral": ""}.items():
        yield Measure(
            f"csf_{side}_mm",
            f"{side} edge of cord to {side} edge of sac on the midline",
            "gap between the outlines on the line along dorsal through the sac's centroid",
            "level",
            ratio=True,
            needs=both,
            source=source,
        )
    for way in ("left", "dorsal"):
        yield Measure(
            f"cord_{way}_of_sac_mm",
            f"cord's centroid {way} of the sac's",
            "difference of area centroids in the slice",
            "level",
            signed=way == "left",
            needs=both,
        )
    yield Measure(
        "spacing_to_next_mm",
        "mean begin to the mean begin of the next level below",
        "difference of the mean of left and right begin_below_apex_mm",
        "level",
        ratio=True,
        needs=("root", "dura"),
        source=FROSTELL,
    )


def _section(part: str, name: str) -> Iterator[Measure]:
    outline = "of the periodic spline through the ring"
    for what, (text, how) in {
        "area_mm2": ("area in the slice", f"½|Σ x×y| {outline}"),
        "width_mm": ("extent left to right", f"largest less least along left {outline}"),
        "depth_mm": ("extent front to back", f"largest less least along dorsal {outline}"),
        "aspect_ratio": ("width over depth", "width / depth"),
    }.items():
        yield Measure(
            f"{part}_{what}",
            f"{part}: {text}",
            how,
            "level",
            ratio=True,
            needs=("root", name),
            source=LIU,
        )


def _of_subject(name: str, text: str, how: str, *needs: str, **facts: Any) -> Measure:
    return Measure(name, text, how, "subject", needs=needs, **facts)


def subject_definitions() -> Iterator[Measure]:
    """In the order of the table."""
    yield _of_subject(
        "apex_to_conus_mm",
        "centroid of the first dura ring to that of the last cord ring",
        "(apex − conus)·rostral",
        "dura",
        "cord",
        ratio=True,
        follows_view=True,
        source=LIU,
    )
    yield from _volumes()
    yield _of_subject(
        "conus_taper_ratio",
        "loss of equivalent diameter per mm over the cord's last 20 mm",
        "least-squares slope of 2√(area/π) against height above the tip",
        "cord",
        ratio=True,
    )
    yield _of_subject(
        "conus_taper_length_mm",
        "largest section of the cord to its tip",
        "depth of the last ring less that of the lowest ring of largest area",
        "cord",
        ratio=True,
    )
    yield from _bends()


def _volumes() -> Iterator[Measure]:
    how = "∫ area dz, trapezoids"
    parts = {"cord": ("cord",), "sac": ("dura",), "csf": ("dura", "cord")}
    for part, needs in parts.items():
        yield _of_subject(
            f"{part}_volume_ml",
            f"volume of the {part} over the extent seen",
            f"{how}; sac less cord, so that it holds the roots" if part == "csf" else how,
            *needs,
            ratio=True,
            follows_view=True,
        )
    for part in ("sac", "csf"):
        yield _of_subject(
            f"{part}_volume_apex_to_conus_ml",
            f"volume of the {part} from apex to conus",
            how,
            "dura",
            "cord",
            ratio=True,
            follows_view=True,
        )


def _bends() -> Iterator[Measure]:
    line = "a polynomial of degree 4 in height through the sac's centroids"
    for plane, sign in {"sagittal": "+ lordosis", "lateral": "+ concave to the left"}.items():
        shared: dict[str, Any] = {"signed": plane == "lateral", "follows_view": True}
        yield _of_subject(
            f"sac_curvature_{plane}_per_mm",
            f"mean curvature of the sac, {sign}",
            f"sac_bend_{plane}_deg in radians / length of the line",
            "dura",
            **shared,
        )
        yield _of_subject(
            f"sac_bend_{plane}_deg",
            f"angle between the sac's end tangents, {sign}",
            f"of {line}",
            "dura",
            **shared,
        )
