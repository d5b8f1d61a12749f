"""An anatomy to a tidy table of measures, each defined in :data:`MEASURES`.

Every measure but one is intrinsic: it is taken along axes found from the anatomy itself, so that
moving the anatomy changes nothing.  The exception, ``angle_image_deg``, is the published definition
and belongs to the frame the anatomy is given in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from analysis.morphometry.axes import axes_of
from analysis.morphometry.courses import Courses, Intradural, length_measures
from analysis.morphometry.definitions import COLUMNS, GROUNDS, MEASURES, Per, RestsOn, grounds_of
from analysis.morphometry.directions import (
    OUTWARD,
    TAKE_OFF_MM,
    angle_measures,
    take_off_measures,
)
from analysis.morphometry.extents import extent_measures
from analysis.morphometry.sections import lateral_csf, section_measures
from analysis.morphometry.slices import Stack, slice_axes
from analysis.morphometry.walls import depth_inside, wall_measures
from atlas.data.subject import LEVELS, ROOT_KEYS
from atlas.landmarks.scheme import Anatomy


def measure(anatomy: Anatomy) -> pd.DataFrame:
    """Every measure of one anatomy, tidy.

    Parameters
    ----------
    anatomy : Anatomy
        mm, in any frame; rings and roots may be missing (NaN) or absent.

    Returns
    -------
    DataFrame
        One row a level, side and measure: ``level, side, measure, value, rests_on``.  Measures of a
        level have the side ``both``, those of the subject the level ``all`` as well.  What cannot
        be measured has the value NaN.  ``rests_on`` is ``measured``, ``bridged`` (something it is
        computed from stands in a gap between trace and ganglion), ``missing`` (the value is NaN) or
        ``generated`` (the shape has no status, such as a mean or a sample).

    Raises
    ------
    ValueError
        Fewer than two whole dura rings.
    """
    names, values, grounds = values_and_grounds(anatomy)
    table = pd.DataFrame(names, columns=list(COLUMNS)[:3])
    return table.assign(value=values, rests_on=np.array(GROUNDS)[grounds])


def measure_group(anatomies: Mapping[str, Anatomy]) -> pd.DataFrame:
    """The tables of :func:`measure` of a group, one below the other, after a ``subject`` column."""
    if not anatomies:
        raise ValueError("anatomies: expected at least one, got none")
    tables = pd.concat({name: measure(a) for name, a in anatomies.items()}, names=["subject"])
    return tables.reset_index("subject").reset_index(drop=True)


def named_values(anatomy: Anatomy) -> dict[tuple[str, str, str], float]:
    """Level, side and measure to the value of :func:`measure`; the same keys for every anatomy."""
    return dict(zip(row_names(), _measured(anatomy)[0].tolist(), strict=True))


def values_and_grounds(
    anatomy: Anatomy,
) -> tuple[tuple[tuple[str, str, str], ...], np.ndarray, np.ndarray]:
    """Every measure of one anatomy as arrays: what large builds collect.

    Parameters
    ----------
    anatomy : Anatomy
        mm, in any frame.

    Returns
    -------
    names : tuple of (level, side, measure)
        The same for every anatomy.
    values : (R,) float
        In the unit that ends a measure's name; NaN where it cannot be measured.
    grounds : (R,) uint8
        Codes of :class:`~analysis.morphometry.definitions.RestsOn`.
    """
    values, bridged = _measured(anatomy)
    kinds = np.where(bridged, RestsOn.BRIDGED, RestsOn.MEASURED)
    grounds = grounds_of(values, kinds if anatomy.status else RestsOn.GENERATED)
    return row_names(), values, grounds.astype(np.uint8)


@lru_cache
def row_names() -> tuple[tuple[str, str, str], ...]:
    """Level, side and measure of each row of :func:`measure`; the same for every anatomy."""
    rows = [(*key, name) for key in ROOT_KEYS for name in _names("root")]
    rows += [(level, "both", name) for level in LEVELS for name in _names("level")]
    return *rows, *(("all", "both", name) for name in _names("subject"))


def _measured(anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """Values (rows,) of every measure, and which rest on bridged points."""
    courses = Courses.of(anatomy)
    axes = axes_of(anatomy.dura, courses)
    plane = slice_axes(anatomy, axes[:, 0])
    dura, cord = Stack.of(anatomy.dura, plane), Stack.of(anatomy.cord, plane)
    local = courses.points @ plane
    down = -local[..., 2]
    flat = local[..., :2].reshape(-1, 2)
    inside = depth_inside(dura, flat, down.ravel()).reshape(down.shape)
    in_cord = depth_inside(cord, flat, down.ravel()).reshape(down.shape)
    stretch = Intradural.of(courses, inside)
    beside = cord.between(cord.centres, down[:, 0])
    roots = _positions(courses, stretch.exits, beside, dura=dura, cord=cord, axes=axes)
    roots |= length_measures(courses, stretch)
    roots |= angle_measures(courses, stretch, dura, cord, rings=anatomy.dura, axes=axes, down=down)
    roots |= take_off_measures(courses, cord, axes, down)
    roots |= wall_measures(courses, stretch, inside, in_cord)
    roots["csf_lateral_mm"] = lateral_csf(dura, cord, down[:, 0], OUTWARD)
    levels = _levels(down[:, 0], roots["begin_below_apex_mm"], dura, cord)
    subject = extent_measures(dura, cord, axes)
    values = np.concatenate(
        [
            np.stack([roots[m] for m in _names("root")], axis=1).ravel(),
            np.stack([levels[m] for m in _names("level")], axis=1).ravel(),
            [subject[m] for m in _names("subject")],
        ]
    )
    bridged = np.zeros(len(values), dtype=bool)
    grounds = _bridged(courses, stretch.exit_bridged)
    bridged[: len(ROOT_KEYS) * len(_names("root"))] = grounds.ravel()
    return values, bridged


def _positions(
    courses: Courses,
    exits: np.ndarray,
    beside: np.ndarray,
    *,
    dura: Stack,
    cord: Stack,
    axes: np.ndarray,
) -> dict[str, np.ndarray]:
    apex, conus, rostral = dura.centres[0], cord.centres[-1], axes[:, 2]
    on_axis = np.nanmean(dura.centres, axis=0)
    origins = {"begin": beside, "exit": on_axis, "ganglion": on_axis}
    places = {"begin": courses.begins, "exit": exits, "ganglion": courses.ganglia}
    result = {}
    for name, points in places.items():
        side, sign = ("above", -1) if name == "begin" else ("below", 1)
        of = "cord" if name == "begin" else "axis"
        result[f"{name}_below_apex_mm"] = (apex - points) @ rostral
        result[f"{name}_{side}_conus_mm"] = sign * ((conus - points) @ rostral)
        offsets = (points - origins[name]) @ axes
        result[f"{name}_left_of_{of}_mm"] = offsets[:, 0]
        result[f"{name}_dorsal_of_{of}_mm"] = offsets[:, 1]
    return result


def _levels(
    down: np.ndarray, begins: np.ndarray, dura: Stack, cord: Stack
) -> dict[str, np.ndarray]:
    """Measures (7,) in the slice midway between the left and the right begin."""
    result = section_measures(dura, cord, _mean_of_sides(down))
    depths = _mean_of_sides(begins)
    return result | {"spacing_to_next_mm": np.append(np.diff(depths), np.nan)}


def _mean_of_sides(values: np.ndarray) -> np.ndarray:
    """Mean (7,) of left and right, or of the side there is."""
    pairs = values.reshape(-1, 2)
    seen = ~np.isnan(pairs)
    total = np.where(seen, pairs, 0.0).sum(axis=1)
    return np.where(seen.any(axis=1), total / np.maximum(seen.sum(axis=1), 1), np.nan)


def _bridged(courses: Courses, exits: np.ndarray) -> np.ndarray:
    """Whether each measure of each root (14, measures) rests on bridged points."""
    any_gap = courses.bridged.any(axis=1)
    near = (courses.bridged & (courses.lengths <= TAKE_OFF_MM)).any(axis=1)
    grounds = {"length": any_gap, "tortuosity": any_gap, "angle": near, "exit": exits}
    none = np.zeros(len(ROOT_KEYS), dtype=bool)
    columns = [
        grounds[m.split("_", maxsplit=1)[0]] if MEASURES[m].uses_bridge else none
        for m in _names("root")
    ]
    return np.stack(columns, axis=1)


@lru_cache
def _names(per: Per) -> tuple[str, ...]:
    return tuple(name for name, m in MEASURES.items() if m.per == per)
