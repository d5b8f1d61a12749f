"""Random placement of an anatomy, within stated limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from atlas.sampling.designs import SamplingError

# Ten metres: beyond, a shape is lost in the rounding of its place.
MOST_MM = 10_000.0


@dataclass(frozen=True, slots=True)
class PoseLimits:
    """How far an anatomy may be turned and moved.

    Parameters
    ----------
    rotation_deg : float
        About any axis through the origin of the frame, which is the anchor; 0 to 180.
    translation_mm : float
        In any direction.

    Raises
    ------
    SamplingError
        A limit that is negative, or a turn beyond 180 degrees.
    """

    rotation_deg: float = 0.0
    translation_mm: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.rotation_deg <= 180:
            raise SamplingError(
                f"rotation_deg: expected 0 to 180 degrees, got {self.rotation_deg:g}"
            )
        if not 0 <= self.translation_mm <= MOST_MM:
            raise SamplingError(
                f"translation_mm: expected 0 mm or more, up to {MOST_MM:g}, got "
                f"{self.translation_mm:g}"
            )

    def draw(self, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Rotation vector (3,) in degrees and translation (3,) in mm.

        Axis and direction are uniform on the sphere, angle and distance uniform up to the limit.
        """
        axes = stream.standard_normal((2, 3))
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        size = stream.random(2) * (self.rotation_deg, self.translation_mm)
        turn, shift = axes * size[:, None]
        return turn, shift


def placed(points: np.ndarray, turn_deg: np.ndarray, shift_mm: np.ndarray) -> np.ndarray:
    """Points (..., 3) turned about the origin by rotation vectors and then moved.

    Parameters
    ----------
    points : (m, L, 3) float
        mm.
    turn_deg, shift_mm : (m, 3) float

    Returns
    -------
    (m, L, 3) float
    """
    matrix = Rotation.from_rotvec(turn_deg, degrees=True).as_matrix()
    return points @ matrix.swapaxes(-1, -2) + shift_mm[:, None]
