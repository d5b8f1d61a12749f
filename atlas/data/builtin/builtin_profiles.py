"""Sac and cord of a generated subject: outlines slice by slice, from published figures.

Figures of the 14 people of Liu et al. 2024 stand in ``published_cohort.csv``.  The profiles here
were measured on sub-03 of the same archive (doi:10.6084/m9.figshare.26403442.v1, CC BY 4.0).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from atlas.data.subject import LEVELS

# Straight polygons of sub-03: depth below the top plane, width left-right, depth front-back, mm.
SAC_PROFILE = np.array(
    [
        (0, 14.0, 13.1), (16, 14.2, 11.7), (32, 15.7, 12.7), (48, 15.9, 13.4), (64, 18.0, 13.9),
        (80, 18.9, 14.0), (96, 19.8, 14.8), (112, 20.6, 14.4), (128, 20.7, 14.2), (144, 20.6, 14.7),
        (158, 20.0, 12.2),
    ]
)  # fmt: skip
# The same of the cord, by distance above the conus, so that enlargement and taper move with it.
CORD_PROFILE = np.array(
    [
        (0, 1.27, 1.23), (2, 1.69, 1.50), (4, 1.73, 1.58), (8, 2.31, 2.04), (10, 2.88, 2.65),
        (18, 4.38, 3.85), (26, 6.69, 5.42), (34, 8.35, 7.08), (42, 9.42, 7.80), (50, 10.12, 7.77),
        (58, 9.77, 7.85), (66, 9.62, 7.54), (82, 8.88, 6.73), (98, 8.15, 6.81), (114, 8.08, 6.77),
        (130, 8.35, 6.62),
    ]
)  # fmt: skip
# CSF behind the cord on the midline of sub-03, by distance above the conus.
DORSAL_CSF_PROFILE = np.array(
    [(0, 3.46), (2, 3.45), (18, 2.78), (34, 1.68), (50, 0.95), (66, 0.95), (98, 1.44), (114, 1.18),
     (130, 1.79)]
)  # fmt: skip
# Centre of the sac of sub-03 against the top contour's: depth, towards the back, mm.
CURVATURE_PROFILE = np.array([(0, 0.0), (24, 1.36), (56, 1.5), (88, 0.9), (120, 0.6), (158, -1.0)])
# Body scale and place of the top plane below the T9-T10 disc of the subject they come from.
PROFILE_SCALE, PROFILE_APEX = 1.0592, 7.8

# Spread over subjects, assumed: relative (calibre of the sac, size), mm at 150 mm below the top
# plane (lordosis, lateral bend).  The figures of tools/warp_cohort.py.
CALIBRE_SD, SIZE_SD, LORDOSIS_SD, BEND_SD = 0.08, 0.035, 7.0, 2.5
# sub-03 has 1 mm behind the enlargement; Holsheimer 1994 (supine) gives 1.5-4.5 mm at T12 and
# 2.0-6.0 at T11.  From the one to the middle of the other: mean, SD, bounds of what is added, mm.
ADDED_DORSAL_CSF = (1.1, 0.8, -0.1, 3.0)
# Narrowest CSF before and beside the cord: half the least of sub-03 (3.73, 3.0 mm); behind: its
# least (0.95 mm).
LEAST_VENTRAL_CSF, LEAST_LATERAL_CSF, LEAST_DORSAL_CSF = 1.8, 1.5, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class PublishedSubject:
    """What is published of one person.

    Parameters
    ----------
    id : str
    spacing_mm : float
    n_dura, n_cord : int
        Contours.
    body_scale : float
        Size of the vertebral column against a reference.
    apex_below_t9t10_mm : float
        Top plane below the T9-T10 disc.
    disc_depth_mm : (5,) float
        Discs L1-L2 to L5-S1 below the top plane.
    begin_depth_mm : (7,) float
        First traced points of L1 to S2 below the top plane, mean of left and right.
    n_points : (7, 2) int
        Traced points by level and side.
    """

    id: str
    spacing_mm: float
    n_dura: int
    n_cord: int
    body_scale: float
    apex_below_t9t10_mm: float
    disc_depth_mm: np.ndarray
    begin_depth_mm: np.ndarray
    n_points: np.ndarray

    @property
    def depth_mm(self) -> np.ndarray:
        """Depth of the slices below the top plane, (n_dura,) mm."""
        return self.spacing_mm * np.arange(self.n_dura)


def published_cohort() -> tuple[PublishedSubject, ...]:
    """Read the 14 published subjects, in order of their ids.

    Where a point count is not known (three roots of sub-01) the root is taken to run from its
    begin to the bottom of the field of view, as that subject's other sacral root does.

    Examples
    --------
    >>> [s.n_dura for s in published_cohort()][:3]
    [72, 80, 80]
    """
    text = files("atlas.data").joinpath("published_cohort.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(_published_subject(row) for row in csv.DictReader(lines))


def _published_subject(row: dict[str, str]) -> PublishedSubject:
    spacing, n_dura = float(row["spacing_mm"]), int(row["n_dura"])
    begin = np.array([float(row[f"begin_{level.lower()}_depth_mm"]) for level in LEVELS])
    to_bottom = n_dura - np.floor(begin / spacing + 0.5).astype(int)
    counts = [
        [int(row[f"points_{level.lower()}_{side}"] or rest) for side in ("left", "right")]
        for level, rest in zip(LEVELS, to_bottom, strict=True)
    ]
    discs = [row[f"disc_{d}_depth_mm"] for d in ("l1l2", "l2l3", "l3l4", "l4l5", "l5s1")]
    return PublishedSubject(
        id=row["subject"],
        spacing_mm=spacing,
        n_dura=n_dura,
        n_cord=int(row["n_cord"]),
        body_scale=float(row["body_scale"]),
        apex_below_t9t10_mm=float(row["apex_below_t9t10_mm"]),
        disc_depth_mm=np.array(discs, dtype=float),
        begin_depth_mm=begin,
        n_points=np.array(counts),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A closed smooth outline in each of n slices: an ellipse, a little out of round.

    Parameters
    ----------
    centre : (n, 2) float
        LPS mm in the plane.
    half : (n, 2) float
        Half width and half depth, mm.
    harmonics : (n, 3) float
        Relative amplitudes of sin 2a, cos 3a and cos 4a.
    """

    centre: np.ndarray
    half: np.ndarray
    harmonics: np.ndarray

    def radius(self, angle: np.ndarray) -> np.ndarray:
        """Distance of the outline from its centre, mm.

        Parameters
        ----------
        angle : (..., n) float
            Radians from dorsal (+y), positive to the left (+x).
        """
        h = self.harmonics
        ellipse = np.hypot(np.sin(angle) / self.half[:, 0], np.cos(angle) / self.half[:, 1])
        wave = h[:, 0] * np.sin(2 * angle) + h[:, 1] * np.cos(3 * angle)
        return (1 + wave + h[:, 2] * np.cos(4 * angle)) / ellipse


@dataclass(frozen=True, slots=True)
class Bend:
    """How the axis of a subject leaves that of sub-03, mm at 150 mm below the top plane."""

    backward_mm: float
    left_mm: float

    def shift(self, depth: np.ndarray) -> np.ndarray:
        """Displacement at depths (n,), (n, 2) mm to the left and to the back."""
        # A bow between the top plane and the sacrum, 300 mm below it in sub-03.
        return np.stack(
            [
                self.left_mm * np.sin(np.pi * depth / 300),
                self.backward_mm * np.sin(np.pi * depth / 300) ** 2,
            ],
            axis=-1,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Canal:
    """Sac and cord of one subject before annotation, one outline a slice; the cord to the conus."""

    subject: PublishedSubject
    sac: Outline
    cord: Outline
    bend: Bend


def draw_canal(rng: np.random.Generator, subject: PublishedSubject) -> Canal:
    """Draw sac and cord of a subject in the frame of its top plane's centre."""
    depth, n = subject.depth_mm, subject.n_cord
    size, calibre, lordosis, lateral = np.clip(rng.normal(size=4), -2, 2)
    above = (depth[n - 1] - depth[:n]) * PROFILE_SCALE / subject.body_scale
    half = _profile(above, CORD_PROFILE) / 2 * (1 + SIZE_SD * size)
    half *= 1 + 0.02 * wander(rng, depth[:n], 2)
    mean, sd, low, high = ADDED_DORSAL_CSF
    gap = _profile(above, DORSAL_CSF_PROFILE)[:, 0] + np.clip(rng.normal(mean, sd), low, high)
    gap = np.maximum(gap + 0.2 * wander(rng, depth[:n], 1)[:, 0], LEAST_DORSAL_CSF)
    sac_half = _sac_half(rng, subject, (1 + SIZE_SD * size) * (1 + CALIBRE_SD * calibre))
    room = half + np.stack([np.full(n, LEAST_LATERAL_CSF), (gap + LEAST_VENTRAL_CSF) / 2], axis=1)
    sac_half[:n] = np.maximum(sac_half[:n], room)
    bend = Bend(LORDOSIS_SD * lordosis, BEND_SD * lateral)
    centre = bend.shift(depth) + 0.25 * wander(rng, depth, 2)
    centre[:, 1] += _profile(depth, CURVATURE_PROFILE)[:, 0]
    sac = Outline(centre, sac_half, 0.01 * wander(rng, depth, 3))
    return Canal(subject, sac, _place_cord(rng, sac, half, gap, depth[:n]), bend)


def _sac_half(rng: np.random.Generator, subject: PublishedSubject, factor: float) -> np.ndarray:
    """Half width and half depth of the sac, (n, 2) mm."""
    # The sac belongs to the spine, not to the field of view: slices are matched by the T9-T10 disc.
    below = (subject.depth_mm + subject.apex_below_t9t10_mm) / subject.body_scale
    profile = _profile(below * PROFILE_SCALE - PROFILE_APEX, SAC_PROFILE)
    return profile / 2 * factor * (1 + 0.02 * wander(rng, subject.depth_mm, 2))


def _place_cord(
    rng: np.random.Generator, sac: Outline, half: np.ndarray, gap: np.ndarray, depth: np.ndarray
) -> Outline:
    """Set the cord into the sac with the given CSF behind it on the midline."""
    n = len(depth)
    cord = Outline(np.zeros((n, 2)), half, 0.008 * wander(rng, depth, 3))
    centre = sac.centre[:n].copy()
    centre[:, 0] += 0.25 * wander(rng, depth, 1)[:, 0]
    wall = sac.radius(np.zeros(len(sac.centre)))[:n]
    centre[:, 1] += wall - gap - cord.radius(np.zeros(n))
    return Outline(centre, half, cord.harmonics)


def _profile(at: np.ndarray, table: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(at, table[:, 0], column) for column in table[:, 1:].T], axis=1)


def wander(rng: np.random.Generator, depth: np.ndarray, n: int) -> np.ndarray:
    """Smooth random functions of depth with unit variance, (len(depth), n)."""
    wavelength = np.array([35.0, 60.0, 110.0])
    phase = rng.uniform(0, 2 * np.pi, (n, 3))
    amplitude = rng.rayleigh(np.sqrt(1 / 3), (n, 3))
    waves = amplitude * np.sin(2 * np.pi * depth[:, None, None] / wavelength + phase)
    return waves.sum(axis=2)
