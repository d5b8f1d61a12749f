"""Asymmetry of structures: known differences in mm, permutation, missing sides."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from populations import with_points
from test_symmetry import SHIFT, SMALL, even, left_moved, noisy  # noqa: F401

from atlas.model.asymmetry import sign_patterns, structure_asymmetry, structures
from atlas.model.symmetry import decompose, reflect
from atlas.procrustes.alignment import align

LEVELS = [f"root/{level}" for level in ("L1", "L2", "L3", "L4", "L5", "S1", "S2")]
MAGNITUDES = ("directional_mm", "fluctuating_mm", "chance_mm", "p")


def table_of(landmarks, *, rotation="none", **options):
    table = structure_asymmetry(decompose(align(landmarks, rotation=rotation)), **options)
    return {row["structure"]: row for row in table}


def test_there_is_a_row_for_each_tube_each_level_and_all():
    masks = structures(SMALL)
    assert list(masks) == ["dura", "cord", *LEVELS, "all"]
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "dura": 96,
        "cord": 80,
        **dict.fromkeys(LEVELS, 18),
        "all": 302,
    }


def test_a_shift_of_all_left_roots_comes_back_in_mm(even):  # noqa: F811
    rows = table_of(left_moved(even, SHIFT))
    for level in LEVELS:
        row = rows[level]
        assert row["directional_mm"] == pytest.approx(np.linalg.norm(SHIFT), abs=1e-9)
        signed = [row["lateral_mm"], row["dorsal_mm"], row["rostral_mm"]]
        np.testing.assert_allclose(signed, SHIFT, atol=1e-9)
        assert row["fluctuating_mm"] == pytest.approx(0, abs=1e-9)
        assert row["n_subjects"] == 8
        # All eight on one side: of 2^7 patterns only the observed one is as large.
        assert row["p"] == pytest.approx(1 / 128)
    for tube in ("dura", "cord"):
        assert rows[tube]["directional_mm"] == pytest.approx(0, abs=1e-9)


def test_side_differences_of_mean_zero_come_back_as_fluctuating_mm(even):  # noqa: F811
    shifts = np.random.default_rng(4).normal(size=(8, 3))
    shifts -= shifts.mean(axis=0)
    spread = np.sqrt((shifts**2).sum() / 7)
    for level, row in table_of(left_moved(even, shifts)).items():
        if level in LEVELS:
            assert row["directional_mm"] == pytest.approx(0, abs=1e-9)
            assert row["fluctuating_mm"] == pytest.approx(spread, abs=1e-9)
            assert row["chance_mm"] == pytest.approx(spread / np.sqrt(8), abs=1e-9)
            assert row["p"] > 0.98


def test_a_shift_of_the_whole_sac_off_the_anchor_is_twice_lateral(even):  # noqa: F811
    points = even.points.copy()
    points[:, SMALL.span("cord")] += [0.5, 0.3, 0.0]
    row = table_of(with_points(even, points))["cord"]
    # A shift to dorsal is symmetric; one to the left doubles against the mirror image.
    assert row["directional_mm"] == pytest.approx(1.0, abs=1e-9)
    assert [row["lateral_mm"], row["dorsal_mm"]] == pytest.approx([1.0, 0.0], abs=1e-9)


def test_p_is_that_of_all_patterns_counted_one_by_one(noisy):  # noqa: F811
    result = decompose(align(noisy))
    differences = 2 * (result.directional + result.fluctuating)
    row = structure_asymmetry(result)[4]
    block = differences[:, structures(SMALL)["root/L3"]]
    sizes = [
        ((np.array(s)[:, None, None] * block).mean(axis=0) ** 2).sum()
        for s in product((1, -1), repeat=8)
    ]
    assert row["structure"] == "root/L3"
    assert row["p"] == pytest.approx(np.mean(np.array(sizes) >= sizes[0] * (1 - 1e-9)))
    assert row["directional_mm"] == pytest.approx(np.sqrt(sizes[0] / block.shape[1]))


def test_p_is_uniform_where_sides_differ_by_chance_only():
    rng = np.random.default_rng(2)
    signs = sign_patterns(9, 9999, rng)
    noise = rng.normal(size=(400, 9))
    sums = (noise @ signs.T) ** 2
    p = (sums >= sums[:, :1] * (1 - 1e-9)).mean(axis=1)
    for level in (0.1, 0.25, 0.5, 0.9):
        assert np.mean(p <= level) == pytest.approx(level, abs=3.5 * np.sqrt(0.25 / 400))


def test_all_patterns_are_taken_where_they_are_few_and_drawn_where_many():
    few = sign_patterns(5, 9999, np.random.default_rng(0))
    assert len({tuple(row) for row in few} | {tuple(-row) for row in few}) == 32
    many = sign_patterns(30, 99, np.random.default_rng(0))
    assert many.shape == (100, 30)
    for patterns in (few, many):
        assert (patterns[0] == 1).all()
        assert set(np.unique(patterns)) == {-1.0, 1.0}


def test_the_same_seed_gives_the_same_p(noisy):  # noqa: F811
    a, b, c = (
        structure_asymmetry(decompose(align(noisy)), permutations=50, seed=s) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert (a["p"] != c["p"]).any()
    assert (a["p"] >= 1 / 51).all()


def test_reflecting_every_subject_changes_no_size_and_turns_every_sign(noisy):  # noqa: F811
    before = structure_asymmetry(decompose(align(noisy)))
    image = with_points(noisy, reflect(noisy.points, SMALL))
    after = structure_asymmetry(decompose(align(image)))
    for name in MAGNITUDES:
        np.testing.assert_allclose(after[name], before[name], atol=1e-7)
    for name in ("lateral_mm", "dorsal_mm", "rostral_mm"):
        np.testing.assert_allclose(after[name], -before[name], atol=1e-7)


def test_subjects_without_a_whole_pair_are_not_counted(even):  # noqa: F811
    points = left_moved(even, SHIFT).points.copy()
    points[:3, SMALL.span("root/S2/right")] = np.nan
    row = table_of(with_points(even, points))["root/S2"]
    assert row["n_subjects"] == 5
    assert row["directional_mm"] == pytest.approx(np.linalg.norm(SHIFT), abs=1e-9)
    # Signs of the three that have nothing to say do not matter: 2^4 patterns of five.
    assert row["p"] == pytest.approx(1 / 16)


def test_left_roots_that_lie_lower_are_caudal(even):  # noqa: F811
    points = even.points.copy()
    points[:, SMALL.span("root/L2/left")] -= [0, 0, 2.0]
    row = table_of(with_points(even, points))["root/L2"]
    assert row["rostral_mm"] == pytest.approx(-2.0, abs=1e-9)
