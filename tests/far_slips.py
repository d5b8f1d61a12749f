"""Contours, points and files far from where they belong: drawn at random on sound subjects.

Import it as ``import far_slips``.  A draw names a structure, how much of it is changed, and the
change: moved by 40 to 1,000 mm in any direction, in another unit, RAS for LPS, or with one axis
negated.  Each must end in an error; a warning would let a build take it for anatomy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from atlas.data.subject import ROOT_KEYS, Subject

Change = Callable[[np.ndarray], np.ndarray]
UNITS = {"cm": 0.1, "m": 1e-3, "µm": 1e3, "inches": 1 / 25.4, "tenfold": 10.0}
STRUCTURES = ("dura", "cord", "root", "ganglion")
# One file; some; the highest or lowest contour; all of the structure; one point of one file.
PARTS = {
    "dura": ("one", "several", "top", "bottom", "all", "point"),
    "cord": ("one", "several", "top", "bottom", "all", "point"),
    "root": ("one", "several", "all", "point"),
    "ganglion": ("one", "several", "all"),
}
# Across the stack, as along it a structure may come to lie where another one belongs.
AMOUNTS_MM = ((40, 60), (60, 150), (150, 400), (400, 1000))


def turned(subject: Subject, degrees: tuple[float, float, float]) -> Subject:
    """The subject turned about x, y and z, about the middle of its highest dura contour."""
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    centre = subject.dura[0].mean(axis=0)
    return everywhere(subject, lambda points: (points - centre) @ turn.T + centre)


def everywhere(subject: Subject, change: Change) -> Subject:
    return replace(
        subject,
        dura=tuple(change(c) for c in subject.dura),
        cord=tuple(change(c) for c in subject.cord),
        roots={k: change(p) for k, p in subject.roots.items()},
        ganglia={k: change(p) for k, p in subject.ganglia.items()},
    )


def moved(rng: np.random.Generator, direction: str) -> tuple[str, Change]:
    low, high = AMOUNTS_MM[int(rng.integers(len(AMOUNTS_MM)))]
    mm = rng.uniform(low, high)
    along = {"up": [0, 0, 1], "down": [0, 0, -1]}.get(direction)
    away = np.array(along, float) if along else rng.normal(size=3) * [1, 1, direction == "any"]
    shift = mm * away / np.linalg.norm(away)
    return f"{direction} {low}-{high} mm", lambda points: points + shift


def scaled(rng: np.random.Generator) -> tuple[str, Change]:
    unit = list(UNITS)[int(rng.integers(len(UNITS)))]
    return unit, lambda points: points * UNITS[unit]


def negated(rng: np.random.Generator) -> tuple[str, Change]:
    signs, name = [((-1, -1, 1), "RAS"), ((1, -1, 1), "y"), ((1, 1, -1), "z")][int(rng.integers(3))]
    return f"{name} negated", lambda points: points * np.array(signs, float)


def draw(subject: Subject, rng: np.random.Generator) -> tuple[str, str, str, Subject]:
    """Structure, part, change and the changed subject, contours from the top as a reader gives."""
    structure = STRUCTURES[int(rng.integers(4))]
    part = PARTS[structure][int(rng.integers(len(PARTS[structure])))]
    kinds = ("aside", "aside", "any", "up", "down", "unit", "frame")
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind == "unit":
        name, change = scaled(rng)
    elif kind == "frame":
        name, change = negated(rng)
    else:
        name, change = moved(rng, kind)
    return structure, part, name, changed(subject, structure, part, change, rng)


def changed(
    subject: Subject, structure: str, part: str, change: Change, rng: np.random.Generator
) -> Subject:
    """The subject with a part of a structure changed."""
    kind = {"root": "roots", "ganglion": "ganglia"}.get(structure, structure)
    places = getattr(subject, kind)
    keys = list(range(len(places))) if structure in ("dura", "cord") else list(ROOT_KEYS)
    chosen = _chosen(keys, part, rng)
    if structure in ("dura", "cord"):
        contours = [
            _altered(c, part, change, rng) if i in chosen else c for i, c in enumerate(places)
        ]
        return replace(subject, **{kind: tuple(sorted(contours, key=lambda c: -c[:, 2].mean()))})
    new = {k: _altered(p, part, change, rng) if k in chosen else p for k, p in places.items()}
    if structure == "root":
        new = {k: p[np.argsort(-p[:, 2], kind="stable")] for k, p in new.items()}
    return replace(subject, **{kind: new})


def _chosen(keys: list, part: str, rng: np.random.Generator) -> set:
    if part in ("top", "bottom"):
        return {keys[0 if part == "top" else -1]}
    if part == "all":
        return set(keys)
    count = 1
    if part == "several":
        count = int(rng.integers(2, max(len(keys) // 3, 3)))
        if rng.random() < 0.5:
            first = int(rng.integers(len(keys) - count))
            return set(keys[first : first + count])
    return {keys[i] for i in rng.choice(len(keys), count, replace=False)}


def _altered(points: np.ndarray, part: str, change: Change, rng: np.random.Generator) -> np.ndarray:
    if part != "point":
        return change(points)
    points = points.copy()
    i = int(rng.integers(len(points)))
    points[i] = change(points[i])
    return points
