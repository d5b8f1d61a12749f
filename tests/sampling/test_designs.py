"""Designs: what each promises of its points, and that a sample is the same in any order."""

import numpy as np
import pytest
from scipy import stats

from atlas.sampling.designs import DESIGNS, NOISE, Design, SamplingError


def test_a_stream_depends_on_seed_sample_and_purpose_alone():
    one, other = Design("independent", 5, 3, seed=7), Design("independent", 5000, 9, seed=7)
    same = [d.stream(3).standard_normal(4) for d in (one, other)]
    np.testing.assert_array_equal(*same)
    others = [
        one.stream(4).standard_normal(4),
        one.stream(3, NOISE).standard_normal(4),
        Design("independent", 5, 3, seed=8).stream(3).standard_normal(4),
    ]
    assert all(not np.allclose(same[0], values) for values in others)


def test_a_latin_hypercube_has_one_sample_in_each_part_of_each_mode():
    scores = Design("latin-hypercube", 50, 4, seed=1).placed(0, 50)
    parts = np.floor(50 * stats.norm.cdf(scores)).astype(int)
    for mode in parts.T:
        assert sorted(mode) == list(range(50))


@pytest.mark.parametrize("name", ["latin-hypercube", "sobol", "sweep"])
def test_points_of_a_space_filling_design_are_the_same_in_parts(name):
    design = Design(name, 16, 5, seed=3)
    parts = [design.placed(a, b) for a, b in ((0, 3), (3, 4), (4, 16))]
    np.testing.assert_array_equal(np.concatenate(parts), design.placed(0, 16))


def test_sobol_points_do_not_depend_on_how_many_are_asked_for():
    few, many = (Design("sobol", n, 5, seed=3).placed(0, 8) for n in (8, 64))
    np.testing.assert_array_equal(few, many)


def test_sobol_points_estimate_a_mean_better_than_chance_does():
    design = Design("sobol", 256, 3, seed=2)
    chance = np.stack([design.stream(i).standard_normal(3) for i in range(256)])
    error = [abs((s**2).mean(axis=0) - 1).max() for s in (design.placed(0, 256), chance)]
    assert error[0] < 0.3 * error[1]


def test_a_sweep_takes_one_mode_at_a_time():
    scores = Design("sweep", 9, 2, seed=0).placed(0, 9)
    expected = [[0, 0], [-2, 0], [-1, 0], [1, 0], [2, 0], [0, -2], [0, -1], [0, 1], [0, 2]]
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dice", 4, 2, 0), "design: expected one of"),
        (("independent", 0, 2, 0), "n: expected at least 1 sample, got 0"),
        (("independent", 4, 2, -1), "seed: expected 0 or more, got -1"),
        (("antithetic", 5, 2, 0), "antithetic: expected an even number of samples, got 5"),
    ],
)
def test_a_design_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(SamplingError, match=message):
        Design(*arguments)


def test_a_sweep_of_more_places_than_there_are_is_refused():
    with pytest.raises(SamplingError, match="sweep: expected at most 9 samples of 2 modes"):
        Design("sweep", 10, 2, seed=0).placed(0, 10)


def test_every_design_says_whether_it_may_draw_again():
    again = {name for name in DESIGNS if Design(name, 4, 1, seed=0).may_redraw}
    assert again == {"independent", "antithetic"}
