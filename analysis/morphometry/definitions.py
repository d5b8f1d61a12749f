"""Every measure of an anatomy, defined once: what it says, how it is taken, what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from atlas.landmarks.scheme import Status

Per = Literal["root", "level", "subject"]

# Columns of every table of measures to what they hold.
COLUMNS = {
    "level": "spinal level; all for a measure of the whole subject",
    "side": "left or right; both for a measure of a level or of the subject",
    "measure": "name of the measure",
    "value": "in the unit the name ends in; NaN where it cannot be measured",
    "rests_on": "measured, bridged, missing or generated",
}

# Longest first: a curvature in 1/mm also ends in `_mm`.
UNITS = {
    "_per_mm": "1/mm",
    "_ratio": "1",
    "_deg": "deg",
    "_mm2": "mm2",
    "_mm": "mm",
    "_ml": "ml",
}
SAC, CORD = ("dura",), ("cord",)
ABOUT = "0 dorsal, + left"
STRETCH = "begin to the first of dural exit, end of the trace and last ring"
FROSTELL = "Frostell et al. 2016, doi:10.3389/fneur.2016.00238"
HOLSHEIMER = "Holsheimer et al. 1994, AJNR 15:951-959, PMID 8059666"
LIU = "Liu et al. 2024, doi:10.1038/s41597-024-03919-4"
MENGER = "Menger 1930"


class RestsOn(IntEnum):
    """What a value rests on: as landmarks do, or on a shape without status, which was generated."""

    MEASURED = Status.MEASURED
    BRIDGED = Status.BRIDGED
    MISSING = Status.MISSING
    GENERATED = 3


# The same in words, each at the place of its code.
GROUNDS = tuple(kind.name.lower() for kind in RestsOn)


def grounds_of(values: np.ndarray, kinds: np.ndarray | int) -> np.ndarray:
    """Codes of :class:`RestsOn` (n,) of values (n,) of some kinds: one that is NaN is missing."""
    return np.where(np.isnan(values), RestsOn.MISSING, kinds)


@dataclass(frozen=True, slots=True)
class Measure:
    """Definition of one measure.

    Parameters
    ----------
    name : str
        Ends in its unit.
    text : str
        What it says, in a line.
    how : str
        Formula or procedure.
    per : {"root", "level", "subject"}
        What has one value of it.
    ratio : bool
        It has a zero of its own, so that a coefficient of variation means something.
    signed : bool
        Its sign flips when left and right are exchanged.
    needs : tuple of str
        Structures without which it is missing.
    uses_bridge : bool
        It may rest on the bridged stretch between trace and ganglion.
    follows_view : bool
        It changes with how much of the sac the image holds, the conus being seen.
    source : str
        Who defined it or gave numbers for it; empty for this project's own.
    """

    name: str
    text: str
    how: str
    per: Per
    ratio: bool = False
    signed: bool = False
    needs: tuple[str, ...] = ()
    uses_bridge: bool = False
    follows_view: bool = False
    source: str = ""

    @property
    def unit(self) -> str:
        """Unit, from the end of the name."""
        return unit(self.name)


def unit(measure: str) -> str:
    """Unit of a measure, from the end of its name.

    Raises
    ------
    ValueError
        The name ends in no unit.

    Examples
    --------
    >>> unit("cord_area_mm2"), unit("curvature_mean_per_mm")
    ('mm2', '1/mm')
    """
    for ending, name in UNITS.items():
        if measure.endswith(ending):
            return name
    raise ValueError(f"measure {measure!r}: expected a name that ends in one of {list(UNITS)}")


def root_definitions() -> Iterator[Measure]:
    """In the order of the table."""
    for part in (_positions, _lengths, _root_bends, _angles, _take_off, _walls):
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


def _root_bends() -> Iterator[Measure]:
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
    yield from _sac_bends()


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


def _sac_bends() -> Iterator[Measure]:
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


# Every measure by its name, in the order of the table.
MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        m.name: m
        for definitions in (root_definitions, level_definitions, subject_definitions)
        for m in definitions()
    }
)
# Measures whose sign flips when left and right are exchanged, that on drawn contours among them.
SIGNED = frozenset({"angle_published_deg", *(name for name, m in MEASURES.items() if m.signed)})
