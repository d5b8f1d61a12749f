"""The notebooks of reports/: they run, define nothing, and are kept without outputs."""

import ast
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "reports").glob("*.ipynb"))


def code_cells(path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def test_there_are_notebooks():
    assert [p.stem for p in NOTEBOOKS] == [
        "alignment_and_anchors",
        "model_evaluation",
        "population_atlas",
        "predict_from_partial",
        "segment_variability",
        "synthetic_anatomies",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_kept_without_outputs_and_define_nothing(path):
    for cell in code_cells(path):
        assert not cell.outputs
        assert cell.execution_count is None
        defined = [
            n
            for n in ast.walk(ast.parse(cell.source))
            if isinstance(n, (ast.FunctionDef, ast.ClassDef))
        ]
        assert not defined
