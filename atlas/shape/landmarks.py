"""From annotated subjects to fixed-length landmarks, each measured, bridged or missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from atlas.arrays import read_only
from atlas.data.dataset import Dataset
from atlas.data.subject import ROOT_KEYS
from atlas.shape.bridging import bridge_roughness
from atlas.shape.fitting import FittedSubject, fit_subject, subject_anatomy
from atlas.shape.scheme import Anatomy, Block, LandmarkScheme, Status, block_name

__all__ = [
    "Anatomy",
    "Block",
    "LandmarkScheme",
    "LandmarkSet",
    "Status",
    "place_landmarks",
    "subject_anatomy",
]


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
        See :func:`atlas.shape.fitting.bridge_roughness`.  Zero everywhere by default.
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
        missing = self.status == Status.MISSING
        if (np.isnan(self.points).any(axis=2) != missing).any():
            raise ValueError("points: expected NaN exactly where status is missing")

    def anatomy(self, index: int) -> Anatomy:
        """One subject as named structures, in its own frame."""
        return self.scheme.anatomy(self.points[index], status=self.status[index])


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
    fitted = [
        fit_subject(s, dura_around=around["dura"], cord_around=around["cord"])
        for s in dataset.subjects
    ]
    scheme = _with_extents(scheme, fitted)
    roughness = bridge_roughness([root for f in fitted for root in f.roots.values()])
    placed = [_place(f, scheme, roughness) for f in fitted]
    return LandmarkSet(
        subject_ids=tuple(s.id for s in dataset.subjects),
        scheme=scheme,
        points=np.stack([points for points, _, _ in placed]),
        status=np.stack([status for _, status, _ in placed]),
        bridge_sd=np.stack([spread for _, _, spread in placed]),
    )


def _with_extents(scheme: LandmarkScheme, fitted: Iterable[FittedSubject]) -> LandmarkScheme:
    if scheme.block("dura").extent_mm is not None:
        return scheme
    fitted = list(fitted)
    reach = min if scheme.extent == "common" else max
    if scheme.origin == "dura-apex":
        return scheme.with_extents({"dura": (0.0, reach(f.dura.length_mm for f in fitted))})
    above = reach(f.conus_depth_mm for f in fitted)
    below = reach(f.dura.length_mm - f.conus_depth_mm for f in fitted)
    cord = reach(f.cord.length_mm for f in fitted)
    return scheme.with_extents({"dura": (-above, below), "cord": (-cord, 0.0)})


def _place(
    fitted: FittedSubject, scheme: LandmarkScheme, roughness: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (L, 3), status (L,) and uncertainty of bridges (L,) of one subject."""
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
    return points, status, spread
