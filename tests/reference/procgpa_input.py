"""Writes ``procgpa_input.csv``: landmarks of eight analytic subjects, each in a pose of its own.

``PYTHONPATH=tests python tests/reference/procgpa_input.py``.  The file is kept, so that
the reference does not move when the specimens or the way landmarks are placed do.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import specimens
from scipy.spatial.transform import Rotation

from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme

SCHEME = LandmarkScheme.standard(root=2, dura=(2, 6), cord=(2, 6))
POSE_DEGREES, POSE_MM = 40.0, 60.0


def write_input(path: Path, *, subjects: int = 8, seed: int = 11) -> None:
    """Write subject, landmark, x, y, z (mm) with every digit a double holds."""
    landmarks = place_landmarks(specimens.make_dataset(subjects, seed=seed, noise_mm=0.3), SCHEME)
    rng = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(np.radians(rng.uniform(-1, 1, (subjects, 3)) * POSE_DEGREES))
    shift = rng.uniform(-1, 1, (subjects, 1, 3)) * POSE_MM
    posed = landmarks.points @ np.swapaxes(turns.as_matrix(), 1, 2) + shift
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subject", "landmark", "x", "y", "z"])
        for subject, points in zip(landmarks.subject_ids, posed, strict=True):
            for name, point in zip(SCHEME.names, points, strict=True):
                writer.writerow([subject, name, *(f"{v:.17g}" for v in point)])


if __name__ == "__main__":
    write_input(Path(__file__).with_suffix(".csv"))
