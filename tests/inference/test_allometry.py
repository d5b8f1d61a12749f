"""Form, shape, size and covariates."""

import numpy as np
import populations
import pytest

from analysis.inference.allometry import (
    covariate_columns,
    responses,
    shape_covariates,
)
from atlas.procrustes.alignment import align
from atlas.procrustes.similarity import centroid_size


@pytest.fixture(scope="module")
def alignment():
    return align(populations.posed_population(7)[0])


def test_shapes_all_have_the_mean_centroid_size(alignment):
    points, sizes = responses(alignment)
    weights = np.tile(alignment.weights, (7, 1))
    left = centroid_size(points["shape"], weights)
    assert left == pytest.approx(np.full(7, sizes.mean()))
    assert centroid_size(points["form"], weights) == pytest.approx(sizes)


def test_every_covariate_has_a_row_even_those_that_cannot_be_tested(alignment):
    table = shape_covariates(
        alignment,
        {"age": [22.0, 23, 24, 22, 25, None, 23], "site": ["a"] * 7, "code": list("abcdefg")},
    )
    notes = table[table["response"] == "shape"].set_index("term")["note"]
    assert notes["site"] == "the same in every subject: nothing to test"
    assert notes["code"] == "7 groups among 7 subjects: not tested"
    assert notes["age"] == "1 subjects without a value are left out"
    assert table.set_index("term").loc["age", "n"].tolist() == [6, 6]


def test_no_covariates_leave_size(alignment):
    assert set(shape_covariates(alignment, {})["term"]) == {"log centroid size"}


def test_groups_make_one_column_fewer():
    columns, known, problem = covariate_columns(["m", "f", None, "f", "m"])
    assert not problem and known.tolist() == [True, True, False, True, True]
    assert columns.ravel().tolist() == [0, 1, 0, 1, 0]
