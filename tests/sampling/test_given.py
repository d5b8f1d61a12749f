"""Conditions on measures: reading them, and draws that fulfil them."""

from __future__ import annotations

import numpy as np
import populations
import pytest

from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align
from atlas.sampling.designs import Design, SamplingError
from atlas.sampling.drawing import Plan
from atlas.sampling.given import Given, condition_on_measures, parse_given
from atlas.sampling.restrictions import Restriction

KNOWN = [
    ("L1", "both", "csf_dorsal_mm"),
    ("L1", "left", "begin_below_apex_mm"),
    ("L1", "both", "cord_area_mm2"),
    ("all", "both", "apex_to_conus_mm"),
    ("L1", "left", "angle_sac_deg"),
]


@pytest.mark.parametrize(
    ("text", "key", "value", "sd"),
    [
        ("dorsal CSF at L1 = 2.5 mm ± 0.3", KNOWN[0], 2.5, 0.3),
        ("csf_dorsal_mm L1=2.5", KNOWN[0], 2.5, 0.0),
        ("L1/csf_dorsal_mm = 2.5 +- 0.3 mm", KNOWN[0], 2.5, 0.3),
        ("begin below apex of L1 left = 40 mm ± 2 mm", KNOWN[1], 40.0, 2.0),
        ("cord area at L1 = 55 mm²", KNOWN[2], 55.0, 0.0),
        ("apex to conus = 120", KNOWN[3], 120.0, 0.0),
        ("angle sac L1 left = −65 ° ± 5", KNOWN[4], -65.0, 5.0),
    ],
)
def test_a_condition_is_read_as_a_person_writes_it(text, key, value, sd):
    assert parse_given(text, KNOWN) == Given(key, value, sd)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dorsal CSF", "expected a measure, a level and a number"),
        ("ventral CSF at L1 = 2", "got 0 that fit"),
        ("dorsal CSF at L7 = 2", "got 0 that fit"),
        ("dorsal CSF at L1 = 2 cm", "expected csf_dorsal_mm in mm, got cm"),
        ("cord area at L1 = 50 mm", "expected cord_area_mm2 in mm2, got mm"),
    ],
)
def test_a_condition_that_says_nothing_known_is_refused(text, message):
    with pytest.raises(SamplingError, match=message):
        parse_given(text, KNOWN)


@pytest.fixture(scope="module")
def model():
    landmarks, _ = populations.posed_population(12, rank=4)
    return fit_shape_model(align(landmarks)).truncate(4)


def height(points):
    """A measure linear in the shape: a coordinate of one landmark."""
    return points[:, 50:51, 2]


def distance(points):
    """A measure that bends: the distance of two landmarks."""
    return np.linalg.norm(points[:, 20] - points[:, 110], axis=1)[:, None]


def both(points):
    return np.concatenate([height(points), distance(points)], axis=1)


def asked(model, measures, sds, *, spread=0.3):
    """Conditions so many SD from the population's mean, and their plan."""
    steps = 0.05 * np.eye(4)
    slope = (measures(model.shape(steps)) - measures(model.shape(-steps))).T / 0.1
    sd = np.linalg.norm(slope, axis=1)
    value = measures(model.mean[None])[0] + np.array(sds) * sd
    given = [
        Given(("L1", "both", f"m{i}_mm"), v, spread * s)
        for i, (v, s) in enumerate(zip(value, sd, strict=True))
    ]
    return given, slope, sd


def drawn(model, condition, n=1500):
    plan = Plan(
        model,
        Design("independent", n, 4, seed=3),
        restriction=Restriction(coverage=None),
        correction=condition,
    )
    return plan.draw()


@pytest.mark.slow
@pytest.mark.parametrize(("measures", "sds"), [(height, [1.0]), (distance, [-1.5]), (both, [1, 1])])
def test_the_draws_have_the_measure_that_was_given(model, measures, sds):
    given, _, sd = asked(model, measures, sds)
    draws = drawn(model, condition_on_measures(model, given, measures))
    values = measures(draws.points)
    for column, g, s in zip(values.T, given, sd, strict=True):
        assert column.mean() == pytest.approx(g.value, abs=4 * g.sd / np.sqrt(len(column)))
        assert column.std() == pytest.approx(0.3 * s, rel=0.08)
    assert draws.valid.all()


def test_for_a_linear_measure_it_is_the_exact_conditional_distribution(model):
    given, slope, sd = asked(model, height, [1.2], spread=0.0)
    draws = drawn(model, condition_on_measures(model, given, height))
    gain = slope.T @ np.linalg.inv(slope @ slope.T)
    mean = gain @ (np.array([given[0].value]) - height(model.mean[None])[0])
    covariance = np.eye(4) - gain @ slope
    np.testing.assert_allclose(draws.scores.mean(axis=0), mean, atol=4 / np.sqrt(1500))
    np.testing.assert_allclose(np.cov(draws.scores.T), covariance, atol=0.15)
    np.testing.assert_allclose(height(draws.points), given[0].value, atol=1e-3 * sd[0])


def test_what_no_anatomy_has_is_refused(model):
    given, _, _ = asked(model, height, [9.0])
    with pytest.raises(
        SamplingError, match=r"impossible in this population, 9\.0 SD from its mean"
    ):
        condition_on_measures(model, given, height)


def test_what_does_not_vary_is_refused(model):
    given = [Given(("L1", "both", "m_mm"), 2.0)]
    with pytest.raises(SamplingError, match=r"it is 1 in every anatomy of this atlas"):
        condition_on_measures(model, given, lambda points: np.ones((len(points), 1)))
    with pytest.raises(SamplingError, match="the mean anatomy does not have this measure"):
        condition_on_measures(model, given, lambda points: np.full((len(points), 1), np.nan))
