"""Analytic subjects for tests: an elliptic sac and cord with fourteen roots, known by formula.

Import it as ``import specimens``; it needs no file.  Frame of every specimen: LPS mm, the centre
of the top dura contour at the origin, slices horizontal, depth d at z = -d.  Without noise a
specimen is the mirror image of itself at x = 0.

* The sac is an ellipse of half axes ``DURA_HALF_MM`` (across, front to back) at every depth.
* The cord is an ellipse of half axes ``CORD_HALF_MM`` down to ``TAPER_MM`` above the conus, and
  from there shrinks linearly to ``CONUS_HALF_MM`` at the last slice.
* Each root keeps ``CLEARANCE_MM`` or more from the cord and the sac, one point a slice.
  It begins ``BEGIN_ABOVE_CONUS_MM`` above the conus and is traced for ``TRACED_MM`` or to the
  bottom of the image.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from atlas.data.dataset import Dataset
from atlas.data.markups import format_markups
from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey, Subject

DURA_HALF_MM = np.array([9.5, 7.25])
CORD_HALF_MM = np.array([4.5, 3.5])
CONUS_HALF_MM = np.array([0.8, 0.6])
TAPER_MM = 30.0
CLEARANCE_MM = 0.5
DURA_POINTS, CORD_POINTS = 24, 16
# Level by level, rostral to caudal; angles from dorsal, evenly spread so that no roots touch.
BEGIN_ABOVE_CONUS_MM = dict(zip(LEVELS, (76, 64, 54, 46, 40, 32, 26), strict=True))
TRACED_MM = dict(zip(LEVELS, (68, 88, 1e3, 1e3, 1e3, 1e3, 1e3), strict=True))
ANGLE_DEGREES = dict(zip(LEVELS, (85, 76, 67, 58, 49, 40, 31), strict=True))
# Left ganglia from the axis: x, y, and depth below the conus.
GANGLION_MM = dict(
    zip(
        LEVELS,
        (
            (17, -1, 4),
            (18, -3, 38),
            (18, -7, 78),
            (18, -13, 110),
            (19, -16, 142),
            (13, -6, 164),
            (13, 15, 186),
        ),
        strict=True,
    )
)


def make_subject(
    id: str = "sub-01",
    *,
    rng: np.random.Generator | None = None,
    noise_mm: float = 0.0,
    length_mm: float = 158.0,
    conus_mm: float = 114.0,
    spacing_mm: float = 2.0,
    scale: float = 1.0,
    bend_mm: float = 0.0,
    covariates: dict[str, float | str | None] | None = None,
) -> Subject:
    """One subject by formula.

    Parameters
    ----------
    id : str
    rng : Generator, optional
        Draws the noise and lets the start points of the contours wander.  None: no noise, and
        every contour begins 145 degrees to the right of dorsal.
    noise_mm : float
        SD along x and y of every contour, root and ganglion point; held to 0.15 of the contour's
        smaller half axis at the conus.  Needs ``rng``.
    length_mm : float
        Depth of the lowest slice: the field of view.  Rounded to whole slices.
    conus_mm : float
        Depth of the last cord slice.  Roots and ganglia move with it.  Rounded to whole slices.
    spacing_mm : float
        Distance of slices.
    scale : float
        Every coordinate is multiplied by it, after everything else.
    bend_mm : float
        How far the axis bows to dorsal (+y) midway between top and bottom: half a sine wave.
    covariates : dict, optional

    Returns
    -------
    Subject
        Dura and cord rostral to caudal, 14 roots, 14 ganglia.
    """
    if noise_mm and rng is None:
        raise ValueError("noise needs a generator: pass rng")
    depths = spacing_mm * np.arange(round(length_mm / spacing_mm) + 1)
    cord_depths = depths[: round(conus_mm / spacing_mm) + 1]
    dura = [
        _contour(d, DURA_HALF_MM, DURA_POINTS, depths[-1], bend_mm, rng, noise_mm) for d in depths
    ]
    cord = [
        _contour(d, h, CORD_POINTS, depths[-1], bend_mm, rng, noise_mm)
        for d, h in zip(cord_depths, cord_half_mm(cord_depths, cord_depths[-1]), strict=True)
    ]
    roots = {
        key: _jittered(_root(key, depths, cord_depths[-1], bend_mm), rng, noise_mm)
        for key in ROOT_KEYS
    }
    ganglia = {
        key: _jittered(_ganglion(key, depths[-1], cord_depths[-1], bend_mm)[None], rng, noise_mm)[0]
        for key in ROOT_KEYS
    }
    return Subject(
        id=id,
        dura=tuple(scale * c for c in dura),
        cord=tuple(scale * c for c in cord),
        roots={k: scale * p for k, p in roots.items()},
        ganglia={k: scale * p for k, p in ganglia.items()},
        covariates=covariates or {},
    )


def make_small_subject(id: str = "sub-01", **options: Any) -> Subject:
    """A short subject, quick to write and read: 31 dura and 21 cord contours."""
    return make_subject(id, **{"length_mm": 60.0, "conus_mm": 40.0, **options})


def make_dataset(
    n: int,
    *,
    seed: int = 0,
    noise_mm: float = 0.1,
    length_mm: float = 158.0,
    conus_mm: float = 114.0,
    spacing_mm: float = 2.0,
    conus_sd_mm: float = 8.0,
    bend_sd_mm: float = 4.0,
    scale_sd: float = 0.03,
) -> Dataset:
    """A group whose subjects differ by three independent factors: conus depth, bend and scale.

    Parameters
    ----------
    n : int
        Subjects ``sub-01`` … ``sub-n``.
    seed : int
        The same seed gives the same group; a subject does not depend on ``n``.
    noise_mm, length_mm, conus_mm, spacing_mm : float
        As for :func:`make_subject`; ``conus_mm`` is the mean.
    conus_sd_mm, bend_sd_mm, scale_sd : float
        Normal, clipped at two SD; 0 switches a factor off.

    Returns
    -------
    Dataset
    """
    subjects = []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        drawn = np.clip(rng.normal(size=3), -2, 2)
        subjects.append(
            make_subject(
                f"sub-{i + 1:02d}",
                rng=rng,
                noise_mm=noise_mm,
                length_mm=length_mm,
                conus_mm=conus_mm + conus_sd_mm * drawn[0],
                spacing_mm=spacing_mm,
                bend_mm=bend_sd_mm * drawn[1],
                scale=1 + scale_sd * drawn[2],
            )
        )
    return Dataset("specimens", tuple(subjects))


def cord_half_mm(depths: np.ndarray, conus_mm: float) -> np.ndarray:
    """Half axes (n, 2) of the cord at depths (n,), before scaling."""
    share = np.clip((conus_mm - np.asarray(depths)) / TAPER_MM, 0, 1)[:, None]
    return CONUS_HALF_MM + share * (CORD_HALF_MM - CONUS_HALF_MM)


def axis_points(depths: np.ndarray, length_mm: float, bend_mm: float) -> np.ndarray:
    """Points (n, 3) of the axis at depths (n,), before scaling; straight below the image."""
    depths = np.atleast_1d(np.asarray(depths, dtype=float))
    y = bend_mm * np.sin(np.pi * np.clip(depths / length_mm, 0, 1))
    return np.stack([np.zeros_like(depths), y, -depths], axis=1)


def _ellipse(half: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points (n, 2) at parametric angles from dorsal, + left."""
    return np.stack([half[..., 0] * np.sin(angle), half[..., 1] * np.cos(angle)], axis=-1)


def _contour(
    depth: float,
    half: np.ndarray,
    n: int,
    length_mm: float,
    bend_mm: float,
    rng: np.random.Generator | None,
    noise_mm: float,
) -> np.ndarray:
    start = -145.0 if rng is None else rng.uniform(-167, -122)
    plane = _ellipse(half, np.radians(start) - 2 * np.pi * np.arange(n) / n)
    points = np.repeat(axis_points(depth, length_mm, bend_mm), n, axis=0)
    points[:, :2] += plane
    return _jittered(points, rng, min(noise_mm, 0.15 * half.min()))


def _jittered(points: np.ndarray, rng: np.random.Generator | None, sd: float) -> np.ndarray:
    if rng is not None and sd > 0:
        points = points.copy()
        points[:, :2] += sd * np.clip(rng.normal(size=(len(points), 2)), -2.5, 2.5)
    return points


def _root(key: RootKey, depths: np.ndarray, conus_mm: float, bend_mm: float) -> np.ndarray:
    begin = max(conus_mm - BEGIN_ABOVE_CONUS_MM[key.level], 0.0)
    end = min(begin + TRACED_MM[key.level], depths[-1])
    at = depths[(depths >= begin - 1e-9) & (depths <= end + 1e-9)]
    if len(at) < 4:
        raise ValueError(f"{key}: {len(at)} points; choose a longer image or a higher conus")
    share = (((at - at[0]) / (at[-1] - at[0])) ** 2)[:, None]
    inner = cord_half_mm(at, conus_mm) + CLEARANCE_MM + 0.1
    outer = DURA_HALF_MM - CLEARANCE_MM - 0.1
    angle = np.radians(ANGLE_DEGREES[key.level]) * (1 if key.side == "left" else -1)
    points = axis_points(at, depths[-1], bend_mm)
    points[:, :2] += _ellipse((1 - share) * inner + share * outer, np.full(len(at), angle))
    return points


def _ganglion(key: RootKey, length_mm: float, conus_mm: float, bend_mm: float) -> np.ndarray:
    x, y, below = GANGLION_MM[key.level]
    side = 1 if key.side == "left" else -1
    return axis_points(conus_mm + below, length_mm, bend_mm)[0] + (side * x, y, 0)


def subject_files(subject: Subject, *, description: str = "") -> dict[str, bytes]:
    """The subject's marker files by name, as in the published archive, quirks included.

    Numbers of contours are not in the order of height; L roots ascend, S roots descend.
    """
    files = {}
    for kind in ("cord", "dura"):
        contours = getattr(subject, kind)
        # Written through a fixed permutation, as the archive's numbers are in no order.
        numbers = np.random.default_rng(len(contours)).permutation(len(contours)) + 1
        for number, contour in zip(numbers, contours, strict=True):
            files[f"{subject.id}_{kind}_{number}.json"] = format_markups(
                contour, type="ClosedCurve", stem=f"CC_{number}", description=description
            )
    for kind, places in (("nerveroots", subject.roots), ("ganglions", subject.ganglia)):
        for key, points in places.items():
            rows = np.atleast_2d(points)
            name = f"{key.level}_{key.side[0].upper()}"
            files[f"{subject.id}_{kind}_{name}.json"] = format_markups(
                rows[::-1] if key.level.startswith("L") else rows,
                type="Fiducial",
                stem=name,
                description=description,
            )
    return files


def write_subject(folder: Path, subject: Subject, *, description: str = "") -> Path:
    """Write a subject into ``folder/<its id>/``; returns that folder.

    ``folder`` is ``markers/`` of the published layout; it is made if it is not there.
    """
    place = Path(folder) / subject.id
    place.mkdir(parents=True, exist_ok=True)
    for name, content in subject_files(subject, description=description).items():
        (place / name).write_bytes(content)
    return place


def write_dataset(folder: Path, dataset: Dataset) -> Path:
    """Write every subject into ``folder/<id>/``; returns the folder."""
    for subject in dataset.subjects:
        write_subject(folder, subject)
    return Path(folder)


def write_archive(path: Path, *subjects: Subject, prefix: str = "markers/") -> Path:
    """Write subjects into a zip archive under ``<prefix><id>/``; returns its path."""
    with zipfile.ZipFile(path, "w") as archive:
        for subject in subjects:
            for name, content in subject_files(subject).items():
                archive.writestr(f"{prefix}{subject.id}/{name}", content)
    return Path(path)


def markups_document(
    points: list[Any] | np.ndarray, *, type: str = "Fiducial", **declared: Any
) -> dict[str, Any]:
    """A Markups document to change by hand: one markup with only the fields given.

    Parameters
    ----------
    points : (n, 3) float, or list of dict
        Positions, or whole control points.
    type : str
    **declared
        Further fields of the markup, ``coordinateSystem`` and ``coordinateUnits`` among them.
    """
    rows = [
        p if isinstance(p, dict) else {"label": f"F-{i}", "position": [float(v) for v in p]}
        for i, p in enumerate(points, 1)
    ]
    return {"markups": [{"type": type, **declared, "controlPoints": rows}]}


def document_bytes(document: Any) -> bytes:
    """A document as the bytes of a file; writes NaN as Python does, which JSON does not know."""
    return json.dumps(document).encode()


def moved(subject, turn, shift):
    return Subject(
        id=subject.id,
        dura=tuple(c @ turn.T + shift for c in subject.dura),
        cord=tuple(c @ turn.T + shift for c in subject.cord),
        roots={k: v @ turn.T + shift for k, v in subject.roots.items()},
        ganglia={k: v @ turn.T + shift for k, v in subject.ganglia.items()},
    )
