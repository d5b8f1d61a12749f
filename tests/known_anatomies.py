"""Anatomies with the measures their formulas give; import it as ``import known_anatomies``.

Each case is an anatomy and what it must measure: (level, side, measure) to the value.
"""

from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pandas as pd

from analysis.morphometry import measure
from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey
from atlas.landmarks.scheme import Anatomy

Case = tuple[Anatomy, dict[tuple[str, str, str], float]]

ASIDE_MM = 0.5


def series(anatomy: Anatomy) -> pd.Series:
    """Values of every measure by level, side and name."""
    return measure(anatomy).set_index(["level", "side", "measure"])["value"]


def straight() -> Anatomy:
    """Cylinders with the cord half a millimetre left of the sac's midline."""
    anatomy = cylinders.make_anatomy()
    return replace(anatomy, cord=anatomy.cord + np.array([ASIDE_MM, 0, 0]))


def straight_case() -> Case:
    """Roots, sections and volumes of upright cylinders."""
    expected = {(*key, name): v for key in ROOT_KEYS for name, v in _straight_root(key).items()}
    sections = _straight_section()
    expected |= {(v, "both", name): value for v in LEVELS for name, value in sections.items()}
    expected |= {(v, "both", "spacing_to_next_mm"): 12.0 for v in LEVELS[:-1]}
    expected |= {("all", "both", name): v for name, v in _straight_whole().items()}
    return straight(), expected


def _straight_root(key: RootKey) -> dict[str, float]:
    c = cylinders
    sac, cord = c.SAC_MM, c.CORD_MM
    sign, begin = (1 if key.side == "left" else -1), c.BEGIN_MM[key.level]
    angle, tilt = np.radians(c.ANGLE_DEG[key.level]), np.radians(c.TILT_DEG[key.level])
    x, y = sign * c.REACH_MM * np.sin(angle), c.REACH_MM * np.cos(angle)
    far = c.STEP_MM * (c.STEPS - 1)
    off = np.array([x - ASIDE_MM, y + c.CORD_OFF_MM])
    # Seen to 10 mm before the end of the trace.
    least = c.STEP_MM * (c.TRACED - 1) - 10
    spread = (c.REACH_MM + far * np.sin(tilt)) / c.REACH_MM
    own = {
        "begin_below_apex_mm": begin,
        "begin_above_conus_mm": c.CONUS_MM - begin,
        "begin_left_of_cord_mm": off[0],
        "begin_dorsal_of_cord_mm": off[1],
        "ganglion_below_apex_mm": begin + far * np.cos(tilt),
        "ganglion_below_conus_mm": begin + far * np.cos(tilt) - c.CONUS_MM,
        "ganglion_left_of_axis_mm": x * spread,
        "ganglion_dorsal_of_axis_mm": y * spread,
        "angle_sac_deg": sign * np.degrees(angle),
        "angle_image_deg": sign * np.degrees(angle),
        "angle_begin_sac_deg": sign * np.degrees(angle),
        "angle_begin_cord_deg": np.degrees(np.arctan2(*off)),
        "angle_takeoff_deg": np.degrees(tilt),
        "angle_takeoff_coronal_deg": np.degrees(np.arctan(np.tan(tilt) * np.sin(angle))),
        "angle_takeoff_sagittal_deg": np.degrees(np.arctan(np.tan(tilt) * np.cos(angle))),
        "dura_distance_begin_mm": sac - c.REACH_MM,
        "dura_distance_least_mm": sac - c.REACH_MM - least * np.sin(tilt),
        "cord_distance_begin_mm": np.hypot(*off) - cord,
        "csf_lateral_mm": np.sqrt(sac**2 - c.CORD_OFF_MM**2) - cord - sign * ASIDE_MM,
    }
    if key.level == "L1":
        own |= {
            "angle_cord_deg": np.degrees(np.arctan2(*off)),
            "cord_distance_least_mm": np.hypot(*off) - cord,
        }
    return own


def _straight_section() -> dict[str, float]:
    c = cylinders
    half, sac, cord = np.sqrt(c.CORD_MM**2 - ASIDE_MM**2), c.SAC_MM, c.CORD_MM
    return {
        "cord_area_mm2": np.pi * cord**2,
        "cord_width_mm": 2 * cord,
        "cord_depth_mm": 2 * cord,
        "cord_aspect_ratio": 1.0,
        "sac_area_mm2": np.pi * sac**2,
        "sac_width_mm": 2 * sac,
        "sac_depth_mm": 2 * sac,
        "sac_aspect_ratio": 1.0,
        "csf_dorsal_mm": sac + c.CORD_OFF_MM - half,
        "csf_ventral_mm": sac - c.CORD_OFF_MM - half,
        "cord_left_of_sac_mm": ASIDE_MM,
        "cord_dorsal_of_sac_mm": -c.CORD_OFF_MM,
    }


def _straight_whole() -> dict[str, float]:
    c = cylinders
    inner, outer = np.pi * c.CORD_MM**2 * c.CONUS_MM / 1e3, np.pi * c.SAC_MM**2 / 1e3
    return {
        "apex_to_conus_mm": c.CONUS_MM,
        "cord_volume_ml": inner,
        "sac_volume_ml": outer * c.SAC_LENGTH_MM,
        "csf_volume_ml": outer * c.SAC_LENGTH_MM - inner,
        "sac_volume_apex_to_conus_ml": outer * c.CONUS_MM,
        "csf_volume_apex_to_conus_ml": outer * c.CONUS_MM - inner,
        "sac_curvature_sagittal_per_mm": 0.0,
        "sac_bend_lateral_deg": 0.0,
    }


def helix_case() -> Case:
    """Lengths and curvature of helices."""
    # Radius 6, rise 8 a radian: curvature a/(a²+b²), length sqrt(a²+b²) a radian.
    a, b, n = 6.0, 8.0, 31
    turn = 0.2 * np.arange(n)
    course = np.stack([a * np.sin(turn), a * np.cos(turn), -30 - b * turn], axis=1)
    traced, total = 0.2 * 19, 0.2 * (n - 1)
    chord = [np.hypot(2 * a * np.sin(t / 2), b * t) for t in (traced, total)]
    values = {
        "length_traced_mm": 10 * traced,
        "length_bridged_mm": 10 * (total - traced),
        "length_total_mm": 10 * total,
        "tortuosity_intradural_ratio": 10 * traced / chord[0],
        "tortuosity_total_ratio": 10 * total / chord[1],
        "curvature_mean_per_mm": 0.06,
        "curvature_largest_per_mm": 0.06,
    }
    anatomy = cylinders.with_roots(cylinders.make_anatomy(), course)
    return anatomy, {("L3", "left", name): value for name, value in values.items()}


def arc_case() -> Case:
    """Curvature and dural exit of arcs of a circle."""
    # Leaves downward from 5 mm beside the axis on an arc of 40 mm, and the sac at 9 mm.
    radius = 40.0
    turn = 2.0 / radius * np.arange(30)
    side = 5 + radius * (1 - np.cos(turn))
    course = np.stack([side, 0 * turn, -30 - radius * np.sin(turn)], axis=1)
    leaves = np.arccos(1 - 4 / radius)
    values = {
        "curvature_mean_per_mm": 1 / radius,
        "curvature_largest_per_mm": 1 / radius,
        "exit_below_apex_mm": 30 + radius * np.sin(leaves),
        "exit_below_conus_mm": 30 + radius * np.sin(leaves) - cylinders.CONUS_MM,
        "exit_left_of_axis_mm": 9.0,
        "exit_dorsal_of_axis_mm": 0.0,
    }
    anatomy = cylinders.with_roots(cylinders.make_anatomy(), course)
    return anatomy, {("L1", "left", name): value for name, value in values.items()}


def cone_case() -> Case:
    """The taper of a cord that ends in a cone."""
    # The last 40 mm of the cord shrink from 4 to 1 mm radius: 2 * 3 / 40 mm a mm.
    anatomy = cylinders.make_anatomy()
    share = np.clip((-anatomy.cord[..., 2] - 80) / 40, 0, 1)[..., None]
    centre = np.array([0, -cylinders.CORD_OFF_MM, 0]) * np.ones_like(anatomy.cord)
    centre[..., 2] = anatomy.cord[..., 2]
    # A trace of growth above makes the largest section single.
    grown = 1 - 0.75 * share - 1e-4 * (1 - np.minimum(-centre[..., 2:] / 80, 1))
    cone = replace(anatomy, cord=centre + grown * (anatomy.cord - centre))
    values = {"conus_taper_ratio": 0.15, "conus_taper_length_mm": 40.0}
    return cone, {("all", "both", name): value for name, value in values.items()}


def bent_case(axis: int) -> Case:
    """Curvature and bend of a sac whose slices slide along an arc."""
    radius, name = 400.0, ("lateral", "sagittal")[axis]
    bend = 2 * np.arcsin(cylinders.SAC_LENGTH_MM / 2 / radius)
    values = {
        f"sac_curvature_{name}_per_mm": 1 / radius,
        f"sac_bend_{name}_deg": np.degrees(bend),
        "sac_volume_ml": np.pi * cylinders.SAC_MM**2 * cylinders.SAC_LENGTH_MM / 1e3,
    }
    anatomy = cylinders.bent(cylinders.make_anatomy(), radius, axis=axis)
    return anatomy, {("all", "both", k): value for k, value in values.items()}


CASES = {
    "straight": straight_case(),
    "helix": helix_case(),
    "arc": arc_case(),
    "cone": cone_case(),
    "lordosis": bent_case(1),
    "scoliosis": bent_case(0),
}
