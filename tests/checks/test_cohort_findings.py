"""Subjects against each other: the law of the distance, duplicates, copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens
from scipy import stats

from atlas.checks import Profile
from atlas.checks.cohort import cohort_findings, leave_one_out_chances
from atlas.data.subject import RootKey, Severity


def found(*subjects):
    return cohort_findings(tuple(Profile.of(s) for s in subjects))


@pytest.mark.slow
def test_chances_of_normal_rows_are_uniform():
    """The statement that makes the threshold a false alarm rate: exact at any n and k."""
    rng = np.random.default_rng(1)
    chances = [leave_one_out_chances(rng.normal(size=(14, 4)))[0] for _ in range(1500)]
    assert stats.kstest(chances, "uniform").pvalue > 0.01


def test_one_direction_is_the_two_sample_t_test():
    values = np.random.default_rng(2).normal(size=(9, 1))
    own = stats.ttest_ind(values[1:, 0], values[:1, 0]).pvalue
    assert leave_one_out_chances(values)[0] == pytest.approx(own, rel=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("n", [10, 14, 40])
def test_chances_are_the_upper_tail_of_f(k, n):
    values = np.random.default_rng(n).standard_t(2, size=(n, k))
    own = []
    for i in range(n):
        rest = np.delete(values, i, axis=0)
        away = values[i] - rest.mean(axis=0)
        spread = np.atleast_2d(np.cov(rest, rowvar=False))
        t2 = (n - 1) / n * away @ np.linalg.solve(spread, away)
        own.append(stats.f.sf(t2 * (n - 1 - k) / ((n - 2) * k), k, n - 1 - k))
    np.testing.assert_allclose(leave_one_out_chances(values), own, rtol=1e-9)


def test_chances_do_not_change_with_the_units_of_the_directions():
    rng = np.random.default_rng(3)
    values, mix = rng.normal(size=(14, 4)), rng.normal(size=(4, 4))
    np.testing.assert_allclose(
        leave_one_out_chances(values @ mix + 7), leave_one_out_chances(values), rtol=1e-6
    )


@pytest.mark.slow
def test_holm_keeps_the_false_alarm_rate_of_a_cohort():
    rng = np.random.default_rng(4)
    alarms = sum(
        leave_one_out_chances(rng.normal(size=(14, 4))).min() <= 0.01 / 14 for _ in range(4000)
    )
    # 40 expected, SD 6.3.
    assert alarms <= 60


def test_the_same_points_under_two_names_are_an_error_that_names_both():
    one = specimens.make_subject("sub-01")
    (finding,) = found(one, replace(one, id="sub-02"))
    assert (finding.severity, finding.rule) == (Severity.ERROR, "duplicate-subject")
    assert str(finding) == (
        "sub-02: expected a person of its own, got the same points as sub-01: "
        "leave one of the two out"
    )


def test_a_second_annotation_of_one_person_is_a_warning_with_the_distance():
    one = specimens.make_subject("sub-01", rng=np.random.default_rng(1), noise_mm=0.15)
    two = specimens.make_subject("sub-02", rng=np.random.default_rng(2), noise_mm=0.15)
    (finding,) = found(one, two)
    assert finding.severity is Severity.WARNING
    assert "nearly the same points (0." in finding.message


def test_a_root_copied_from_another_subject_is_said_of_both():
    one = specimens.make_subject("sub-01", rng=np.random.default_rng(1), noise_mm=0.15)
    two = specimens.make_subject(
        "sub-02", rng=np.random.default_rng(2), noise_mm=0.15, conus_mm=100, bend_mm=8, scale=1.06
    )
    key = RootKey("L4", "left")
    two = replace(two, roots={**two.roots, key: one.roots[key]})
    findings = found(one, two)
    assert [(f.rule, f.subject, f.place) for f in findings] == [
        ("file-of-another-subject", "sub-01", "root L4 left"),
        ("file-of-another-subject", "sub-02", "root L4 left"),
    ]


def test_a_trace_that_another_subject_has_under_another_name_is_said_with_both_names():
    one = specimens.make_subject("sub-01", rng=np.random.default_rng(1), noise_mm=0.15)
    two = specimens.make_subject(
        "sub-02", rng=np.random.default_rng(2), noise_mm=0.15, conus_mm=100, bend_mm=8, scale=1.06
    )
    trace = one.roots[RootKey("L4", "left")]
    findings = found(one, replace(two, roots={**two.roots, RootKey("S1", "right"): trace}))
    assert [(f.subject, f.place) for f in findings] == [
        ("sub-01", "root L4 left"),
        ("sub-02", "root S1 right"),
    ]
    assert "got those of sub-02/root S1 right exactly" in findings[0].message
    assert "got those of sub-01/root L4 left exactly" in findings[1].message


def test_a_shared_stack_is_one_finding_a_subject():
    one = specimens.make_subject("sub-01", rng=np.random.default_rng(1), noise_mm=0.15)
    two = specimens.make_subject(
        "sub-02", rng=np.random.default_rng(2), noise_mm=0.15, conus_mm=100, bend_mm=8, scale=1.06
    )
    findings = found(one, replace(two, dura=one.dura))
    assert [(f.subject, f.place) for f in findings] == [("sub-01", "dura"), ("sub-02", "dura")]


def test_a_small_cohort_has_no_outliers():
    assert [f for f in found(*specimens.make_dataset(7).subjects) if "outlier" in f.rule] == []
