"""Annotations on the slices they were made on: what each picture shows, before it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from atlas.data.images import Image, ImageError
from atlas.data.subject import RootKey, Subject

Kind = Literal["dura", "cord"]
MOST_PANELS = 20
MARGIN_MM = 8.0
MOST_MARGIN_MM = 1000.0
AROUND_GANGLION_MM = 22.0
PERCENTILES = (1.0, 99.5)
# What +x, +y, +z of LPS and their opposites are called.
LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))
# Slice normal along x, y, z: which LPS direction goes to the viewer's right and which down.
RIGHT_DOWN = (((1, 1), (2, -1)), ((0, 1), (2, -1)), ((0, 1), (1, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """How slices of an image are laid on the page.

    Parameters
    ----------
    image : Image
    across, along : int
        Voxel axes that run horizontally and vertically.
    right, down : {1, -1}
        Whether their indices grow towards the viewer's right and downwards.
    letters : tuple of str
        At the left, right, top and bottom border; read off the affine.
    """

    image: Image
    across: int
    along: int
    right: int
    down: int
    letters: tuple[str, str, str, str]

    @classmethod
    def of(cls, image: Image) -> Plane:
        """Axial slices as seen from the feet, anterior above; others upright."""
        directions = image.to_lps[:3, :3] / image.voxel_mm
        normal = int(np.argmax(np.abs(directions[:, image.slice_axis])))
        (to_right, sign_right), (to_bottom, sign_down) = RIGHT_DOWN[normal]
        rest = [i for i in range(3) if i != image.slice_axis]
        across = max(rest, key=lambda i: abs(directions[to_right, i]))
        along = rest[0] if across == rest[1] else rest[1]
        right = 1 if directions[to_right, across] * sign_right > 0 else -1
        down = 1 if directions[to_bottom, along] * sign_down > 0 else -1
        ends = (
            -right * directions[:, across],
            right * directions[:, across],
            -down * directions[:, along],
            down * directions[:, along],
        )
        left_end, right_end, top, bottom = map(_letter, ends)
        return cls(image, across, along, right, down, (left_end, right_end, top, bottom))

    def flat(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """LPS mm (n, 3) to places in the slice (n, 2) mm, and slice numbers (n,), fractional."""
        voxels = self.image.to_voxels(points)
        axes = [self.across, self.along]
        return voxels[:, axes] * self.image.voxel_mm[axes], voxels[:, self.image.slice_axis]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One picture: a part of a slice, and what was annotated on it.

    Parameters
    ----------
    title : str
    plane : Plane
    number : int
        Slice, counted from 0.
    window_mm : tuple of float
        Low and high across, low and high along, in mm of the slice.
    outlines : tuple of (kind, (n, 2) float)
    points : tuple of (key, (2,) float)
        Root points of this slice.
    ganglion : (key, (2,) float, float), optional
        With its distance out of the slice, mm.
    grey : (n, m) float or None
        Along by across, the voxels of ``extent_mm``; None until read.
    extent_mm : tuple of float
        Borders of ``grey``, as the window.
    limits : (float, float)
        Grey values drawn black and white.
    """

    title: str
    plane: Plane
    number: int
    window_mm: tuple[float, float, float, float]
    outlines: tuple[tuple[Kind, np.ndarray], ...] = ()
    points: tuple[tuple[RootKey, np.ndarray], ...] = ()
    ganglion: tuple[RootKey, np.ndarray, float] | None = None
    grey: np.ndarray | None = None
    extent_mm: tuple[float, float, float, float] = (0, 0, 0, 0)
    limits: tuple[float, float] = (0, 1)


def slice_panels(
    subject: Subject,
    image: Image,
    *,
    every: int | None = None,
    slices: Sequence[int] = (),
    margin_mm: float = MARGIN_MM,
) -> list[Panel]:
    """Contours and root points on slices of the image they were drawn on, rostral to caudal.

    Parameters
    ----------
    subject : Subject
    image : Image
    every : int, optional
        Of the slices with a contour, every so-manieth; about twenty in all by default.
    slices : sequence of int
        These slices instead, counted from 0.
    margin_mm : float
        Shown around the contours.

    Returns
    -------
    list of Panel
        With grey values; one window for all.

    Raises
    ------
    ImageError
        The image does not contain the contours, its slices are not theirs, or there is no such
        choice.
    """
    if not 0 <= margin_mm <= MOST_MARGIN_MM:
        raise ImageError(f"--margin-mm: expected 0 to {MOST_MARGIN_MM:g} mm, got {margin_mm:g}")
    if every is not None and slices:
        raise ImageError("--every, --slices: expected one of them, got both")
    plane = Plane.of(image)
    check_contains(subject, image)
    outlines: dict[int, list[tuple[Kind, np.ndarray]]] = {}
    off: dict[int, float] = {}
    edge = float(image.voxel_mm[image.slice_axis])
    kinds: tuple[Kind, Kind] = ("dura", "cord")
    for kind in kinds:
        for contour in getattr(subject, kind):
            places, numbers = plane.flat(contour)
            at = round(float(numbers.mean()))
            outlines.setdefault(at, []).append((kind, places))
            off[at] = max(off.get(at, 0.0), float(np.abs(numbers - at).max()) * edge)
    everywhere = np.concatenate([p for found in outlines.values() for _, p in found])
    (low, below), (high, above) = everywhere.min(axis=0), everywhere.max(axis=0)
    window = (low - margin_mm, high + margin_mm, below - margin_mm, above + margin_mm)
    points = _points_by_slice(subject, plane)
    panels = [
        Panel(
            f"slice {n}, z {_height(image, everywhere, plane, n):.1f} mm"
            + (f"\noff the slice: {off[n]:.4f} mm" if n in off else "\nno contour"),
            plane,
            n,
            window,
            tuple(outlines.get(n, ())),
            tuple(points.get(n, ())),
        )
        for n in _chosen(image, sorted(outlines), every=every, slices=slices)
    ]
    downwards = image.to_lps[2, image.slice_axis] > 0
    return sorted(with_grey(panels), key=lambda p: -p.number if downwards else p.number)


def ganglion_panels(
    subject: Subject, image: Image, *, around_mm: float = AROUND_GANGLION_MM
) -> tuple[list[Panel], tuple[RootKey, ...]]:
    """Each ganglion on the nearest slice of an image, and those that lie outside it."""
    plane = Plane.of(image)
    edge = float(image.voxel_mm[image.slice_axis])
    panels, outside = [], []
    for key, point in subject.ganglia.items():
        if not _inside(image, point[None])[0]:
            outside.append(key)
            continue
        (place,), (fractional,) = plane.flat(point[None])
        number = min(max(round(float(fractional)), 0), image.shape[image.slice_axis] - 1)
        away = abs(float(fractional) - number) * edge
        h, v = place
        window = (h - around_mm, h + around_mm, v - around_mm, v + around_mm)
        title = f"{key.level} {key.side} ganglion, slice {number}\nout of plane: {away:.2f} mm"
        panels.append(Panel(title, plane, number, window, ganglion=(key, place, away)))
    return with_grey(panels), tuple(outside)


def with_grey(panels: Sequence[Panel]) -> list[Panel]:
    """Panels of one image with their grey values, in the order given; one window for all.

    Slices are read in ascending order, and only the parts shown are kept.
    """
    read: dict[int, tuple[np.ndarray, tuple[float, float, float, float]]] = {}
    for i in sorted(range(len(panels)), key=lambda i: panels[i].number):
        read[i] = _crop(panels[i])
    if not panels:
        return []
    values = np.concatenate([grey[np.isfinite(grey)].ravel() for grey, _ in read.values()])
    low, high = np.percentile(values, PERCENTILES) if values.size else (0.0, 1.0)
    limits = (float(low), float(high) if high > low else float(low) + 1.0)
    return [
        replace(panel, grey=read[i][0], extent_mm=read[i][1], limits=limits)
        for i, panel in enumerate(panels)
    ]


def check_contains(subject: Subject, image: Image) -> None:
    """Refuse an image that does not hold the contours, or whose slices cut them: ImageError."""
    contours = (*subject.dura, *subject.cord)
    points = np.concatenate(contours)
    inside = _inside(image, points)
    if not inside.all():
        voxels = image.to_voxels(points[~inside])
        over = np.maximum(-0.5 - voxels, voxels - np.array(image.shape) + 0.5) * image.voxel_mm
        raise ImageError(
            f"{image.path}: expected an image that contains the contours of {subject.id}, got "
            f"{(~inside).sum()} of {len(points)} points outside, by up to {over.max():.1f} mm; is "
            "it the image they were drawn on?"
        )
    crossed = max(np.ptp(image.to_voxels(c)[:, image.slice_axis]) for c in contours)
    if crossed > 1:
        raise ImageError(
            f"{image.path}: expected contours of {subject.id} that lie in its slices, got one "
            f"that crosses {crossed:.1f} of them; is it the image they were drawn on?"
        )


def _inside(image: Image, points: np.ndarray) -> np.ndarray:
    voxels = image.to_voxels(points)
    within = (voxels >= -0.5) & (voxels <= np.array(image.shape) - 0.5)
    return np.all(within, axis=1)


def _chosen(
    image: Image, known: Sequence[int], *, every: int | None, slices: Sequence[int]
) -> list[int]:
    if slices:
        last = image.shape[image.slice_axis] - 1
        wrong = [n for n in slices if not 0 <= n <= last]
        if wrong:
            raise ImageError(f"{image.path}: expected slices from 0 to {last}, got {wrong}")
        return sorted(set(slices))
    if every is not None and every < 1:
        raise ImageError(f"--every: expected 1 or more, got {every}")
    return list(known[:: every or -(-len(known) // MOST_PANELS)])


def _points_by_slice(subject: Subject, plane: Plane) -> dict[int, list[tuple[RootKey, np.ndarray]]]:
    found: dict[int, list[tuple[RootKey, np.ndarray]]] = {}
    for key, points in subject.roots.items():
        for place, number in zip(*plane.flat(points), strict=True):
            found.setdefault(round(float(number)), []).append((key, place))
    return found


def _height(image: Image, places: np.ndarray, plane: Plane, number: int) -> float:
    """LPS z of a slice at the middle of what is shown, mm."""
    voxel = np.empty(3)
    axes = [plane.across, plane.along]
    voxel[axes] = places.mean(axis=0) / image.voxel_mm[axes]
    voxel[image.slice_axis] = number
    return float(image.to_lps[2, :3] @ voxel + image.to_lps[2, 3])


def _crop(panel: Panel) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    plane, image = panel.plane, panel.plane.image
    grey = image.slice(panel.number)
    grey = grey if plane.along < plane.across else grey.T
    bounds, extent = [], []
    for axis, (low, high) in zip(
        (plane.across, plane.along), (panel.window_mm[:2], panel.window_mm[2:]), strict=True
    ):
        edge = image.voxel_mm[axis]
        first = max(int(np.floor(low / edge)), 0)
        last = min(int(np.ceil(high / edge)), image.shape[axis] - 1)
        bounds.append((first, last + 1))
        extent += [(first - 0.5) * edge, (last + 0.5) * edge]
    (h0, h1), (v0, v1) = bounds
    return grey[v0:v1, h0:h1].copy(), (extent[0], extent[1], extent[2], extent[3])


def _letter(direction: Iterable[float]) -> str:
    values = list(direction)
    axis = int(np.argmax(np.abs(values)))
    return LETTERS[axis][0 if values[axis] > 0 else 1]
