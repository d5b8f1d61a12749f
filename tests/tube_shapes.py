"""Cylinders, crooked tubes and tapering cords as anatomies, for tests of surfaces.

Import it as ``from tube_shapes import cylinders``.  Frame LPS mm, the sac's axis on z, top at 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.landmarks.scheme import Anatomy

HEIGHT = 156.0
TUBES = ("dura", "cord")


def tube(
    rings: int, around: int, *, semi_axes: tuple[float, float], height: float = HEIGHT
) -> np.ndarray:
    """Elliptical cylinder from z = 0 down; dorsal (+y) first, then left (+x)."""
    turn = 2 * np.pi * np.arange(around) / around
    x, y = semi_axes[0] * np.sin(turn), semi_axes[1] * np.cos(turn)
    z = -np.linspace(0, height, rings)
    return np.stack(np.broadcast_arrays(x, y, z[:, None]), axis=-1)


def straight_root(key: RootKey, n: int = 32) -> np.ndarray:
    side = 1 if key.side == "left" else -1
    order = ROOT_KEYS.index(key) // 2
    begin = np.array([side * 5.5, 1.0, -20.0 - 8 * order])
    end = begin + np.array([side * (15.0 - order), -8.0, -60.0 - 20 * order])
    return np.linspace(begin, end, n)


def cylinders(*, dura: float = 9.0, cord: float = 4.0) -> Anatomy:
    roots = {key: straight_root(key) for key in ROOT_KEYS}
    return Anatomy(
        dura=tube(40, 32, semi_axes=(dura, dura)),
        cord=tube(40, 24, semi_axes=(cord, cord), height=120.0),
        roots=roots,
        ganglia={key: root[-1] for key, root in roots.items()},
    )


def irregular(seed: int = 1) -> Anatomy:
    """Curved, tapering and uneven, with bent roots: nothing about it is symmetric."""
    rng = np.random.default_rng(seed)
    plain = cylinders()
    depth = np.linspace(0, 1, 40)[:, None, None]
    bow = np.concatenate([3 * depth**2, 8 * np.sin(2 * depth), 0 * depth], axis=2)
    narrow = np.concatenate([1 - 0.4 * depth, 1 - 0.6 * depth, 1 + 0 * depth], axis=2)
    bend = np.sin(3 * np.linspace(0, 1, 32))[:, None]
    return replace(
        plain,
        dura=plain.dura + bow + rng.normal(0, 0.1, plain.dura.shape),
        cord=plain.cord * narrow + bow + rng.normal(0, 0.05, plain.cord.shape),
        roots={k: v + bend * rng.normal(0, 4, 3) for k, v in plain.roots.items()},
    )


def mirrored(anatomy: Anatomy) -> Anatomy:
    """The mirror image as an anatomy: sides exchanged, rings again from dorsal towards left."""
    flip = np.array([-1.0, 1.0, 1.0])
    rings = {name: np.roll(getattr(anatomy, name)[:, ::-1], 1, axis=1) * flip for name in TUBES}
    other = {k: RootKey(k.level, "right" if k.side == "left" else "left") for k in ROOT_KEYS}
    return replace(anatomy, **rings, roots={k: anatomy.roots[other[k]] * flip for k in ROOT_KEYS})


def tapering(tip_mm: float = 0.6):
    """A cord of radius 4 that narrows to a tip over its lower third."""
    plain = cylinders()
    depth = np.linspace(0, 1, 40)[:, None, None]
    narrow = np.clip((1 - depth) / 0.35, 0, 1) * (1 - tip_mm / 4) + tip_mm / 4
    scale = np.concatenate([narrow, narrow, np.ones_like(narrow)], axis=2)
    return replace(plain, cord=plain.cord * scale)
