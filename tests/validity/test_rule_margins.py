from __future__ import annotations

import cylinders
import numpy as np

from atlas.mesh.validity.rule_inputs import batch_of
from atlas.mesh.validity.rule_margins import depths_in_tube, extreme, least_depths, midline


def test_depths_in_a_cylinder_are_radius_minus_distance_from_the_axis():
    dura = cylinders.make_anatomy().dura[None]
    distance = np.array([0.0, 3, 8.9, 9.2, 12])
    points = np.stack([distance, 0 * distance, np.full(5, -55.5)], axis=1)[None]
    np.testing.assert_allclose(depths_in_tube(dura, points)[0], 9 - distance, atol=0.05)


def test_beyond_the_rings_there_is_no_depth():
    points = np.array([[[0.0, 0, 1], [0, 0, 0], [0, 0, -160], [0, 0, -161]]])
    depths = depths_in_tube(cylinders.make_anatomy().dura[None], points)
    np.testing.assert_array_equal(np.isnan(depths[0]), [True, False, False, True])


def test_least_depths_has_the_least_and_every_break_of_the_full_computation():
    rng = np.random.default_rng(4)
    anatomy = cylinders.make_anatomy()
    for shift in (0.0, 3.0, 6.5):
        dura = anatomy.dura + rng.normal(scale=0.05, size=anatomy.dura.shape)
        cord = (
            anatomy.cord + np.array([shift, 0, 0]) + rng.normal(scale=0.1, size=anatomy.cord.shape)
        )
        full = depths_in_tube(dura[None], cord.reshape(1, -1, 3))[0]
        quick = least_depths(dura[None], cord[None]).ravel()
        assert np.nanmin(quick) == np.nanmin(full)
        np.testing.assert_array_equal(np.flatnonzero(quick < 0), np.flatnonzero(full < 0))
        seen = ~np.isnan(full)
        assert (quick[seen] <= full[seen] + 1e-9).all()


def test_the_midline_continues_straight_below_the_sac():
    dura = cylinders.make_anatomy().dura[None].copy()
    dura[..., 0] += -dura[..., 2] / 100
    points = np.array([[[0, 0, 10.0], [0, 0, -50], [0, 0, -300]]])
    np.testing.assert_allclose(midline(dura, points)[0], [0, 0.5, 1.6], atol=1e-12)


def test_the_greatest_of_nothing_is_missing():
    values = np.array([[1.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(extreme(values, 1), [1, np.nan])


def test_a_batch_keeps_to_its_own_frame_and_has_the_assumed_radii():
    batch = batch_of(cylinders.make_anatomy(), root_radius_mm=0.4)
    assert batch.radii.shape == (14, cylinders.STEPS)
    assert (batch.radii == 0.4).all()
    np.testing.assert_allclose(batch.dura[0, :, :, 2].mean(), 0, atol=1e-9)
