"""Plain columns are the table that pandas would make of them, without pandas."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from analysis.columns import as_frame, below, of_rows, places, repeated, texts


def test_rows_become_the_columns_that_pandas_finds():
    rows = [{"anchor": "conus", "n": 4, "sd_mm": 1.5}, {"anchor": "apex", "n": 5, "remark": "few"}]
    columns = of_rows(rows)
    pd.testing.assert_frame_equal(as_frame(columns), pd.DataFrame(rows))
    assert columns["n"].dtype == int


def test_no_rows_have_no_columns():
    assert of_rows([]) == {}


def test_tables_stand_one_below_the_other():
    first = {"level": texts(["L1", "L2"]), "n": np.array([1, 2])}
    second = {"level": repeated("S1", 1), "n": np.array([3])}
    got = below([first, second])
    assert got["level"].tolist() == ["L1", "L2", "S1"]
    assert got["n"].tolist() == [1, 2, 3]
    with pytest.raises(KeyError, match="n"):
        below([first, {"level": texts(["S1"])}])


@pytest.mark.parametrize("values", [["b", "a", "b"], [("L1", "left"), ("L1", "right")], []])
def test_places_are_those_of_pandas(values):
    codes, found = places(values)
    index = pd.Index(values, tupleize_cols=False, dtype=object)
    expected, known = pd.factorize(index)
    assert codes.tolist() == expected.tolist()
    assert found == known.tolist()


WITHOUT_PANDAS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import specimens
from analysis.products import write_tables
from atlas.build import build_atlas
dataset = specimens.make_dataset(4)
write_tables(build_atlas(dataset), dataset, Path(sys.argv[2]))
heavy = {"pandas", "pyarrow", "scipy.stats", "matplotlib", "statsmodels"}
sys.exit(f"loaded: {heavy & set(sys.modules)}" if heavy & set(sys.modules) else 0)
"""


def test_the_tables_of_a_build_are_written_without_pandas(tmp_path, request):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PANDAS, str(request.path.parent), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tables" / "segment_variability.csv").is_file()
