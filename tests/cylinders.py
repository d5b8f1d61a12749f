"""A cord in a sac by formula: two upright cylinders and fourteen straight roots.

Import it as ``import cylinders``.  Frame LPS mm, the sac's axis on z, its top at the origin.  The
cord stands ``CORD_OFF_MM`` ventral of the sac's axis and ends ``CONUS_MM`` below the top.  A root
leaves the cord at its level's depth and angle about the sac's axis, and runs straight down, tilted
``TILT_DEG`` away from the axis; its last point is the ganglion.
"""

from __future__ import annotations

import numpy as np

from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey
from atlas.landmarks.scheme import Anatomy, Status, block_name

SAC_MM, CORD_MM, CORD_OFF_MM = 9.0, 4.0, 1.0
SAC_LENGTH_MM, CONUS_MM = 160.0, 120.0
ANGLE_DEG = dict(zip(LEVELS, (80, 70, 60, 50, 40, 30, 20), strict=True))
BEGIN_MM = dict(zip(LEVELS, (31, 43, 55, 67, 79, 91, 103), strict=True))
TILT_DEG = dict(zip(LEVELS, (0, 1, 2, 3, 4, 5, 6), strict=True))
REACH_MM = 5.0
STEPS, STEP_MM, TRACED = 33, 1.25, 25


def make_anatomy(*, status: bool = True) -> Anatomy:
    """The cylinders; with status the first 25 points of each root are traced, the rest bridged."""
    dura = _tube(SAC_MM, SAC_LENGTH_MM, 0.0, 32)
    cord = _tube(CORD_MM, CONUS_MM, -CORD_OFF_MM, 24)
    roots = {key: _root(key) for key in ROOT_KEYS}
    states = {}
    if status:
        states = {"dura": np.zeros(dura.shape[:2]), "cord": np.zeros(cord.shape[:2])}
        own = np.full(STEPS, Status.BRIDGED)
        own[:TRACED] = own[-1] = Status.MEASURED
        states |= {block_name(key): own for key in ROOT_KEYS}
    return Anatomy(dura, cord, roots, {k: r[-1] for k, r in roots.items()}, states)


def mirrored(anatomy: Anatomy) -> Anatomy:
    """The mirror image at x = 0 with sides renamed and rings run the other way."""
    flip = np.array([-1.0, 1.0, 1.0])

    def other(key: RootKey) -> RootKey:
        return RootKey(key.level, "right" if key.side == "left" else "left")

    def ring(rings: np.ndarray) -> np.ndarray:
        return np.roll(rings[:, ::-1], 1, axis=1) * flip

    return Anatomy(
        ring(anatomy.dura),
        ring(anatomy.cord),
        {other(k): r * flip for k, r in anatomy.roots.items()},
        {other(k): g * flip for k, g in anatomy.ganglia.items()},
        {
            block_name(other(RootKey(*n.split("/")[1:]))) if n.startswith("root") else n: s
            for n, s in anatomy.status.items()
        },
    )


def _tube(radius: float, length: float, y: float, around: int) -> np.ndarray:
    turn = 2 * np.pi * np.arange(around) / around
    ring = np.stack([radius * np.sin(turn), radius * np.cos(turn) + y, 0 * turn], axis=1)
    depths = np.arange(0, length + 1, 2.0)
    return ring + np.array([0, 0, -1.0]) * depths[:, None, None]


def _root(key: RootKey) -> np.ndarray:
    angle = np.radians(ANGLE_DEG[key.level]) * (1 if key.side == "left" else -1)
    tilt = np.radians(TILT_DEG[key.level])
    outward = np.array([np.sin(angle), np.cos(angle), 0.0])
    direction = np.sin(tilt) * outward + np.cos(tilt) * np.array([0, 0, -1.0])
    begin = REACH_MM * outward - np.array([0, 0, BEGIN_MM[key.level]])
    return begin + STEP_MM * np.arange(STEPS)[:, None] * direction


def with_roots(anatomy: Anatomy, course: np.ndarray) -> Anatomy:
    """The anatomy with every left root the course (n, 3), every right one its mirror image.

    All but the last third of each is traced.
    """
    flip = {"left": np.ones(3), "right": np.array([-1.0, 1.0, 1.0])}
    roots = {key: course * flip[key.side] for key in ROOT_KEYS}
    own = np.full(len(course), Status.BRIDGED)
    own[: 2 * len(course) // 3] = own[-1] = Status.MEASURED
    status = dict(anatomy.status) | {block_name(key): own for key in ROOT_KEYS}
    ganglia = {key: root[-1] for key, root in roots.items()}
    return Anatomy(anatomy.dura, anatomy.cord, roots, ganglia, status)


def bent(anatomy: Anatomy, radius_mm: float, *, axis: int) -> Anatomy:
    """The anatomy whose slices slide along an arc of the given radius about half its height.

    Along axis 1 the centre of the arc lies dorsal (lordosis), along axis 0 left.
    """
    direction = np.eye(3)[axis]

    def slid(points: np.ndarray) -> np.ndarray:
        height = points[..., 2] + SAC_LENGTH_MM / 2
        return points + (radius_mm - np.sqrt(radius_mm**2 - height**2))[..., None] * direction

    return Anatomy(
        slid(anatomy.dura),
        slid(anatomy.cord),
        {k: slid(r) for k, r in anatomy.roots.items()},
        {k: slid(g) for k, g in anatomy.ganglia.items()},
        anatomy.status,
    )
