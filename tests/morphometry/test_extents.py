from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pytest
from known_anatomies import series

from analysis.morphometry.extents import extent_measures
from analysis.morphometry.slices import Stack


def tube(radii: np.ndarray, depths: np.ndarray, *, aside: float = 0.0) -> Stack:
    turn = 2 * np.pi * np.arange(48) / 48
    ring = np.stack([np.sin(turn), np.cos(turn), 0 * turn], axis=1)
    centres = np.array([aside, 0, -1.0]) * np.stack([depths**2, 0 * depths, depths], axis=1)
    return Stack.of(radii[:, None, None] * ring + centres[:, None], np.eye(3))


DEPTHS = np.arange(0, 101, 2.0)
SAC = tube(np.full(51, 9.0), DEPTHS)
CORD = tube(np.full(31, 4.0), DEPTHS[:31])


def test_volumes_are_those_of_cylinders():
    got = extent_measures(SAC, CORD, np.eye(3))
    assert got["sac_volume_ml"] == pytest.approx(np.pi * 81 * 0.1, rel=1e-3)
    assert got["cord_volume_ml"] == pytest.approx(np.pi * 16 * 0.06, rel=1e-3)
    assert got["csf_volume_ml"] == pytest.approx(np.pi * (81 * 0.1 - 16 * 0.06), rel=1e-3)
    assert got["sac_volume_apex_to_conus_ml"] == pytest.approx(np.pi * 81 * 0.06, rel=1e-3)
    assert got["csf_volume_apex_to_conus_ml"] == pytest.approx(np.pi * 65 * 0.06, rel=1e-3)
    assert got["apex_to_conus_mm"] == pytest.approx(60)


def test_the_volume_of_a_cone_is_a_third_of_its_cylinder():
    cone = tube(np.linspace(9, 0.01, 501), np.linspace(0, 100, 501))
    got = extent_measures(cone, CORD, np.eye(3))
    assert got["sac_volume_ml"] == pytest.approx(np.pi * 81 * 0.1 / 3, rel=3e-3)


def test_the_volume_to_the_conus_does_not_depend_on_how_far_the_image_reaches():
    short = tube(np.full(36, 9.0), DEPTHS[:36])
    whole, cut = (extent_measures(sac, CORD, np.eye(3)) for sac in (SAC, short))
    assert cut["sac_volume_ml"] < whole["sac_volume_ml"]
    for part in ("sac", "csf"):
        name = f"{part}_volume_apex_to_conus_ml"
        assert cut[name] == pytest.approx(whole[name])


def test_a_missing_ring_leaves_no_volume_rather_than_a_guess():
    anatomy = cylinders.make_anatomy()
    dura = np.array(anatomy.dura)
    dura[40] = np.nan
    got = series(replace(anatomy, dura=dura)).xs(("all", "both"), level=("level", "side"))
    assert np.isnan(got["sac_volume_ml"])
    assert got["cord_volume_ml"] > 0


def test_the_taper_of_a_cone_is_its_loss_of_diameter():
    radii = np.concatenate([np.full(21, 4.0), np.linspace(4, 1, 11)[1:]])
    got = extent_measures(SAC, tube(radii, DEPTHS[:31]), np.eye(3))
    assert got["conus_taper_ratio"] == pytest.approx(2 * 3 / 20, rel=1e-3)
    assert got["conus_taper_length_mm"] == pytest.approx(20)


def test_the_bends_of_a_parabola_are_those_of_its_slopes():
    # Offset depth²/1000 to the left: slope 0 at the top, 0.2 at the bottom.
    bent = extent_measures(tube(np.full(51, 9.0), DEPTHS, aside=1e-3), CORD, np.eye(3))
    assert bent["sac_bend_lateral_deg"] == pytest.approx(np.degrees(np.arctan(0.2)), abs=1e-3)
    length = np.trapezoid(np.hypot(1, 2e-3 * np.linspace(0, 100, 1001)), np.linspace(0, 100, 1001))
    assert bent["sac_curvature_lateral_per_mm"] == pytest.approx(np.arctan(0.2) / length, rel=1e-4)
    assert bent["sac_bend_sagittal_deg"] == pytest.approx(0, abs=1e-6)
