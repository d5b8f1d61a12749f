"""Residual randomisation on inner products against coordinates, vegan and all orders by hand."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.inference.procrustes_anova import gram, procrustes_anova

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture(scope="module")
def example():
    table = pd.read_csv(REFERENCE / "procrustes_anova_input.csv")
    shapes = table.filter(like="V").to_numpy().reshape(len(table), 2, 3)
    group = np.column_stack([table["group"] == g for g in "bc"]).astype(float)
    return shapes, {"age": table[["age"]].to_numpy(), "group": group}


@pytest.mark.parametrize("kind", ["sequential", "marginal"])
def test_sums_of_squares_f_and_r2_are_those_of_vegan(example, kind):
    shapes, terms = example
    wanted = pd.read_csv(REFERENCE / "procrustes_anova_output.csv")
    wanted = wanted[wanted["kind"] == kind].set_index("term")
    for term in procrustes_anova(gram(shapes, np.ones(2)), terms, kind=kind, permutations=9):
        row = wanted.loc[term.term]
        assert term.df == row["df"] and term.df_residual == wanted.loc["Residual", "df"]
        assert term.ss_mm2 == pytest.approx(row["ss"], rel=1e-9)
        assert term.r2 == pytest.approx(row["r2"], rel=1e-9)
        assert term.f == pytest.approx(row["f"], rel=1e-9)
        assert term.ss_total_mm2 == pytest.approx(wanted.loc["Total", "ss"], rel=1e-9)


def test_p_is_that_of_permuting_the_residuals_of_every_coordinate():
    rng = np.random.default_rng(3)
    y, a, b = rng.normal(size=(5, 6)), rng.normal(size=5), rng.normal(size=5)
    reduced = np.column_stack([np.ones(5), a])
    whole = np.column_stack([reduced, b])
    fitted = reduced @ np.linalg.lstsq(reduced, y, rcond=None)[0]

    def f(shapes):
        rest = [
            ((shapes - x @ np.linalg.lstsq(x, shapes, rcond=None)[0]) ** 2).sum()
            for x in (reduced, whole)
        ]
        return (rest[0] - rest[1]) / (rest[1] / 2)

    all_f = [f(fitted + (y - fitted)[list(o)]) for o in permutations(range(5))]
    term = procrustes_anova(
        gram(y.reshape(5, 2, 3), np.ones(2)), {"a": a[:, None], "b": b[:, None]}
    )[1]
    logs = np.log(all_f)
    assert term.exact and term.n_permutations == 120
    assert term.f == pytest.approx(all_f[0])
    assert term.p == pytest.approx(np.mean(np.array(all_f) >= all_f[0] - 1e-9))
    assert term.z == pytest.approx((logs[0] - logs.mean()) / logs.std())


def test_rigid_motion_of_the_group_and_order_of_subjects_change_nothing(example):
    shapes, terms = example
    turn = stats.special_ortho_group.rvs(3, random_state=4)
    order = np.random.default_rng(5).permutation(len(shapes))
    moved = procrustes_anova(gram(shapes @ turn.T + 7, np.ones(2)), terms, permutations=9)
    mixed = procrustes_anova(
        gram(shapes[order], np.ones(2)), {k: v[order] for k, v in terms.items()}, permutations=9
    )
    own = procrustes_anova(gram(shapes, np.ones(2)), terms, permutations=9)
    assert [t.f for t in moved] == pytest.approx([t.f for t in own])
    assert [t.f for t in mixed] == pytest.approx([t.f for t in own])


def test_two_runs_give_the_same_p(example):
    shapes, terms = example
    inner = gram(shapes, np.ones(2))
    one, two = (procrustes_anova(inner, terms, permutations=99, seed=6) for _ in range(2))
    assert [t.p for t in one] == [t.p for t in two]


def test_more_terms_than_subjects_are_refused():
    y = np.random.default_rng(0).normal(size=(3, 2))
    with pytest.raises(ValueError, match="residual degrees of freedom, got 3 subjects for a"):
        procrustes_anova(y @ y.T, {"a": y})


def test_a_term_the_others_contain_is_refused():
    y = np.random.default_rng(0).normal(size=(6, 2))
    with pytest.raises(ValueError, match="b says nothing beyond a"):
        procrustes_anova(y @ y.T, {"a": y[:, :1], "b": 2 * y[:, :1]})


@pytest.mark.slow
def test_p_is_uniform_where_nothing_is_explained():
    rng = np.random.default_rng(8)
    found = []
    for _ in range(400):
        y = rng.normal(size=(10, 12)) * np.linspace(3, 0.2, 12)
        terms = {"age": rng.normal(size=(10, 1)), "sex": rng.integers(0, 2, (10, 1)) * 1.0}
        terms["sex"][:2] = [[0.0], [1.0]]
        found.append(procrustes_anova(y @ y.T, terms, kind="marginal", permutations=199)[0].p)
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert stats.kstest(found, "uniform").pvalue > 0.01
