from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np
import pytest
from known_anatomies import series

from analysis.morphometry.courses import Courses, Intradural
from atlas.landmarks.scheme import Anatomy, Status

# Straight out at 45 degrees from 2.4 mm beside the axis: the wall, 9 mm off, after 6.6 steps.
STEP = np.sqrt(2)
OUTWARD = np.stack([2.4 + np.arange(20.0), np.zeros(20), -40 - np.arange(20.0)], axis=1)


def stretch_of(anatomy: Anatomy) -> Intradural:
    courses = Courses.of(anatomy)
    depth = -courses.points[..., 2]
    inside = 9 - np.hypot(courses.points[..., 0], courses.points[..., 1])
    seen = (depth >= 0) & (depth <= cylinders.SAC_LENGTH_MM)
    return Intradural.of(courses, np.where(seen, inside, np.nan))


def test_a_traced_root_that_leaves_ends_at_its_exit():
    stretch = stretch_of(cylinders.with_roots(cylinders.make_anatomy(), OUTWARD))
    np.testing.assert_allclose(stretch.exits[0], [9, 0, -46.6], atol=1e-9)
    np.testing.assert_allclose(stretch.ends[0], [9, 0, -46.6], atol=1e-9)
    np.testing.assert_allclose(stretch.lengths, 6.6 * STEP, atol=1e-9)
    assert (stretch.seen.sum(axis=1) == 7).all()
    assert not stretch.exit_bridged.any()


@pytest.mark.parametrize("traced", [5, 7])
def test_a_trace_that_ends_inside_ends_the_stretch_before_a_bridged_exit(traced):
    anatomy = cylinders.with_roots(cylinders.make_anatomy(), OUTWARD)
    own = np.full(20, Status.BRIDGED)
    own[:traced] = own[-1] = Status.MEASURED
    status = {name: own if name.startswith("root") else s for name, s in anatomy.status.items()}
    stretch = stretch_of(replace(anatomy, status=status))
    assert stretch.exit_bridged.all()
    np.testing.assert_allclose(stretch.exits[0], [9, 0, -46.6], atol=1e-9)
    np.testing.assert_allclose(stretch.ends[0], OUTWARD[traced - 1])
    np.testing.assert_allclose(stretch.lengths, (traced - 1) * STEP, atol=1e-9)


def test_a_generated_root_ends_at_its_exit_and_not_at_its_ganglion():
    traced = cylinders.with_roots(cylinders.make_anatomy(), OUTWARD)
    generated = stretch_of(replace(traced, status={}))
    np.testing.assert_allclose(generated.ends, stretch_of(traced).ends)
    np.testing.assert_allclose(generated.lengths, 6.6 * STEP, atol=1e-9)


def test_a_root_that_stays_inside_ends_at_the_last_ring():
    down = np.stack([np.full(40, 5.0), np.zeros(40), -100 - 2.0 * np.arange(40)], axis=1)
    anatomy = replace(cylinders.with_roots(cylinders.make_anatomy(), down), status={})
    stretch = stretch_of(anatomy)
    assert np.isnan(stretch.exits).all()
    np.testing.assert_allclose(stretch.ends[0], [5, 0, -160])
    np.testing.assert_allclose(stretch.lengths, 60.0)


def test_a_root_that_looks_out_and_comes_back_does_not_end_there():
    course = np.array(OUTWARD)
    course[:, 0] = [5, 5, 9.5, 5, 5, *np.linspace(5, 19, 15)]
    stretch = stretch_of(cylinders.with_roots(cylinders.make_anatomy(), course))
    assert stretch.ends[0, 0] == pytest.approx(9.0)
    assert stretch.seen[0, :5].all()


def test_a_root_that_looks_out_and_is_last_seen_inside_has_no_exit():
    course = np.array(OUTWARD)
    course[:, 0] = np.where(np.arange(20) == 2, 9.5, 5.0)
    stretch = stretch_of(cylinders.with_roots(cylinders.make_anatomy(), course))
    assert np.isnan(stretch.exits).all()
    # 13 of 20 points are traced.
    np.testing.assert_allclose(stretch.ends[0], course[12])


def test_an_absent_root_has_no_stretch():
    anatomy = cylinders.make_anatomy()
    stretch = stretch_of(replace(anatomy, roots={}, ganglia={}))
    assert not stretch.seen.any()
    assert np.isnan(stretch.ends).all()
    assert np.isnan(stretch.lengths).all()


def test_measures_inside_the_sac_are_those_of_the_trace_for_a_shape_without_status():
    # What a mean or a sample has beyond the exit must not count.
    anatomy = cylinders.make_anatomy()
    anatomy = cylinders.with_roots(anatomy, np.vstack([OUTWARD, [-9, 9, -68]]))
    subject, generated = series(anatomy), series(replace(anatomy, status={}))
    for name in (
        "dura_distance_least_mm",
        "cord_distance_least_mm",
        "curvature_mean_per_mm",
        "curvature_largest_per_mm",
        "tortuosity_intradural_ratio",
    ):
        np.testing.assert_allclose(
            generated.xs(name, level="measure"), subject.xs(name, level="measure"), atol=1e-12
        )
