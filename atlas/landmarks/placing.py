"""From annotated subjects to fixed-length landmarks, each measured, bridged or missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from atlas.arrays import let_go, read_only
from atlas.data.dataset import Dataset
from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.bridging import combined_roughness, subject_hidden_error
from atlas.landmarks.fitting_curves import (
    FittedSubject,
    MissingCordError,
    fit_subject,
    subject_anatomy,
)
from atlas.landmarks.scheme import Anatomy, Block, LandmarkScheme, Status, block_name
from atlas.threads import one_thread

__all__ = [
    "Anatomy",
    "Block",
    "Extent",
    "LandmarkScheme",
    "LandmarkSet",
    "PlacedSubject",
    "Status",
    "place_landmarks",
    "place_subject",
    "scheme_with_extents",
    "subject_anatomy",
]


# Subjects whose landmarks are checked together.
CHECKED_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class LandmarkSet:
    """Landmarks of a group, in each subject's own frame.

    Parameters
    ----------
    subject_ids : tuple of str
    scheme : LandmarkScheme
        With the depths that were used.
    points : (S, L, 3) float
        LPS mm; NaN where missing.
    status : (S, L) int
        :class:`Status` of each.
    bridge_sd : (S, L) float, optional
        How uncertain bridged landmarks are, SD per axis across the root, mm; 0 for measured ones.
        See :func:`atlas.landmarks.bridging.combined_roughness`.  Zero everywhere by default.
    """

    subject_ids: tuple[str, ...]
    scheme: LandmarkScheme
    points: np.ndarray
    status: np.ndarray
    bridge_sd: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.subject_ids), self.scheme.size)
        object.__setattr__(self, "points", read_only(self.points, (*shape, 3), "points"))
        object.__setattr__(self, "status", read_only(self.status, shape, "status", dtype=np.uint8))
        spread = np.zeros(shape) if self.bridge_sd is None else self.bridge_sd
        object.__setattr__(self, "bridge_sd", read_only(spread, shape, "bridge_sd"))
        # Some at a time: of a group on disk no more than these come into memory.
        for i in range(0, len(self.points), CHECKED_AT_ONCE):
            part = slice(i, i + CHECKED_AT_ONCE)
            missing = self.status[part] == Status.MISSING
            x, y, z = np.moveaxis(self.points[part], 2, 0)
            # A sum is NaN where any of them is, found in a seventh of the time.
            if (np.isnan(x + y + z) != missing).any():
                raise ValueError("points: expected NaN exactly where status is missing")
            let_go(self.points)
            let_go(self.status)

    def anatomy(self, index: int) -> Anatomy:
        """One subject as named structures, in its own frame."""
        return self.scheme.anatomy(self.points[index], status=self.status[index])


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a subject was seen: all that a group's shared depths need of it.

    Parameters
    ----------
    dura_mm : float
        Length of the sac along its centreline, from the first to the last contour.
    conus_depth_mm : float
        Depth of the last cord contour along the sac; NaN without a cord.
    cord_mm : float
        Length of the cord along its centreline; NaN without a cord.
    subject_id : str
        For an error about it.
    """

    dura_mm: float
    conus_depth_mm: float = np.nan
    cord_mm: float = np.nan
    subject_id: str = ""

    @classmethod
    def of(cls, fitted: FittedSubject) -> Extent:
        """The extent of a subject."""
        dura, name = fitted.dura.length_mm, fitted.subject.id
        if fitted.drawn_cord is None:
            return cls(dura, subject_id=name)
        return cls(dura, fitted.conus_depth_mm, fitted.drawn_cord.length_mm, name)


class PlacedSubject(NamedTuple):
    """Landmarks of one subject, in its own frame.

    Parameters
    ----------
    points : (L, 3) float
        LPS mm; NaN where missing.
    status : (L,) uint8
        :class:`Status` of each.
    bridge_sd : (L,) float
        How uncertain bridged landmarks are, SD per axis across the root, mm; 0 for measured ones.
    """

    points: np.ndarray
    status: np.ndarray
    bridge_sd: np.ndarray


def place_landmarks(dataset: Dataset, scheme: LandmarkScheme | None = None) -> LandmarkSet:
    """Put a group into correspondence.

    Dura rings lie at equal depths along the sac over the extent that all subjects share (or, with
    ``extent="full"``, down to the deepest field of view, missing where a subject has none).  From
    the dura apex the cord runs from its top plane to the conus; from the conus it, too, lies at
    equal depths over the shared extent, because its top plane is the top of the image.  A root
    runs from its first traced point to its ganglion by arc length.

    Parameters
    ----------
    dataset : Dataset
    scheme : LandmarkScheme, optional
        The standard one by default.  A scheme whose tubes have an extent (that of a finished model)
        keeps it; rings beyond a subject's image are missing.

    Returns
    -------
    LandmarkSet
        In each subject's own frame; its scheme holds the depths that were used.

    Raises
    ------
    ValueError
        No subject.
    """
    if not dataset.subjects:
        raise ValueError(f"{dataset.root}: expected at least one subject, got none")
    scheme = scheme or LandmarkScheme.standard()
    around = {b.name: b.around for b in scheme.blocks if b.kind == "tube"}
    with one_thread():
        fitted = [
            fit_subject(s, dura_around=around["dura"], cord_around=around["cord"])
            for s in dataset.subjects
        ]
    scheme = scheme_with_extents(scheme, map(Extent.of, fitted))
    roughness = combined_roughness(map(subject_hidden_error, fitted))
    points, status, spread = zip(
        *(place_subject(f, scheme, roughness) for f in fitted), strict=True
    )
    return LandmarkSet(
        subject_ids=tuple(s.id for s in dataset.subjects),
        scheme=scheme,
        points=np.stack(points),
        status=np.stack(status),
        bridge_sd=np.stack(spread),
    )


def scheme_with_extents(scheme: LandmarkScheme, extents: Iterable[Extent]) -> LandmarkScheme:
    """The scheme with the depths at which a group's rings lie.

    Parameters
    ----------
    scheme : LandmarkScheme
        One whose dura has an extent, that of a finished model, is returned as it is.
    extents : iterable of Extent
        Of each subject; at least one.

    Returns
    -------
    LandmarkScheme

    Raises
    ------
    MissingCordError
        Depth is counted from the conus, and a subject has no cord.
    """
    if scheme.block("dura").extent_mm is not None:
        return scheme
    extents = list(extents)
    reach = min if scheme.extent == "common" else max
    if scheme.origin == "dura-apex":
        return scheme.with_extents({"dura": (0.0, reach(e.dura_mm for e in extents))})
    for extent in extents:
        if np.isnan(extent.cord_mm):
            raise MissingCordError.of(extent.subject_id)
    above = reach(e.conus_depth_mm for e in extents)
    below = reach(e.dura_mm - e.conus_depth_mm for e in extents)
    cord = reach(e.cord_mm for e in extents)
    return scheme.with_extents({"dura": (-above, below), "cord": (-cord, 0.0)})


def place_subject(fitted: FittedSubject, scheme: LandmarkScheme, roughness: float) -> PlacedSubject:
    """Put one subject into correspondence with its group.

    Parameters
    ----------
    fitted : FittedSubject
        With as many points a ring as the scheme has.
    scheme : LandmarkScheme
        With the group's depths: of :func:`scheme_with_extents`.
    roughness : float
        Of the group's roots: of :func:`atlas.landmarks.bridging.combined_roughness`.

    Returns
    -------
    PlacedSubject
    """
    spread = np.zeros(scheme.size)
    points = np.full((scheme.size, 3), np.nan)
    status = np.full(scheme.size, Status.MISSING, dtype=np.uint8)
    from_conus = scheme.origin == "conus"
    zero = {
        "dura": fitted.conus_depth_mm if from_conus else 0.0,
        "cord": fitted.cord.length_mm if from_conus else 0.0,
    }
    for name, tube in (("dura", fitted.dura), ("cord", fitted.drawn_cord)):
        if tube is None:
            continue
        block = scheme.block(name)
        whole = np.linspace(0, tube.length_mm, block.levels)
        depths = block.depths_mm + zero[name] if block.extent_mm else whole
        rings = tube.rings(depths).reshape(-1, 3)
        points[scheme.span(name)] = rings
        status[scheme.span(name)] = np.where(
            np.isnan(rings).any(axis=1), Status.MISSING, Status.MEASURED
        )
    for key in ROOT_KEYS:
        span = scheme.span(block_name(key))
        if key in fitted.roots:
            n = span.stop - span.start
            points[span], status[span] = fitted.roots[key].landmarks(n)
            spread[span] = fitted.roots[key].bridge_sd(n, roughness)
        elif key in fitted.subject.ganglia:
            # Without a trace the ganglion is all there is, and it has its landmark: the last.
            points[span.stop - 1] = fitted.subject.ganglia[key]
            status[span.stop - 1] = Status.MEASURED
    return PlacedSubject(points, status, spread)
