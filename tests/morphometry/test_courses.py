from __future__ import annotations

from dataclasses import replace

import cylinders
import numpy as np

from analysis.morphometry.courses import Courses
from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.landmarks.scheme import Status

KEY = RootKey("L2", "right")
AT = ROOT_KEYS.index(KEY)


def test_roots_stand_in_the_order_of_their_keys_short_ones_filled_up():
    anatomy = cylinders.make_anatomy(status=False)
    roots = dict(anatomy.roots) | {KEY: anatomy.roots[KEY][:10]}
    courses = Courses.of(replace(anatomy, roots=roots))
    assert courses.points.shape == (14, cylinders.STEPS, 3)
    np.testing.assert_array_equal(courses.points[AT, :10], roots[KEY])
    assert np.isnan(courses.points[AT, 10:]).all()
    assert courses.count[AT] == 10
    np.testing.assert_array_equal(courses.begins[AT], roots[KEY][0])


def test_lengths_run_along_the_root_and_stop_at_its_first_gap():
    anatomy = cylinders.make_anatomy(status=False)
    root = np.array(anatomy.roots[KEY])
    root[20] = np.nan
    courses = Courses.of(replace(anatomy, roots=dict(anatomy.roots) | {KEY: root}))
    np.testing.assert_allclose(courses.lengths[AT, :20], 1.25 * np.arange(20), atol=1e-9)
    assert np.isnan(courses.lengths[AT, 20:]).all()


def test_the_trace_ends_where_the_status_says_and_never_at_the_ganglion():
    courses = Courses.of(cylinders.make_anatomy())
    assert courses.known.all()
    assert (courses.last_traced == cylinders.TRACED - 1).all()
    assert not courses.traced[:, -1].any()
    assert (courses.bridged.sum(axis=1) == cylinders.STEPS - cylinders.TRACED - 1).all()


def test_without_status_every_point_before_the_ganglion_counts():
    courses = Courses.of(cylinders.make_anatomy(status=False))
    assert not courses.known.any()
    assert not courses.bridged.any()
    assert (courses.last_traced == cylinders.STEPS - 2).all()


def test_a_point_marked_missing_is_not_traced():
    anatomy = cylinders.make_anatomy()
    own = np.array(anatomy.status["root/L2/right"])
    own[3] = Status.MISSING
    courses = Courses.of(replace(anatomy, status=dict(anatomy.status) | {"root/L2/right": own}))
    assert not courses.traced[AT, 3]


def test_an_anatomy_without_roots_has_courses_of_nothing():
    anatomy = cylinders.make_anatomy()
    courses = Courses.of(replace(anatomy, roots={}, ganglia={}))
    assert not courses.count.any()
    assert not courses.traced.any()
    assert np.isnan(courses.points).all()
    assert (courses.last_traced == 0).all()
