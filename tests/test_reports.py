"""The notebooks of reports/: they run, define nothing, and are kept without outputs."""

import ast
from pathlib import Path

import nbformat
import pytest
import specimens

from analysis.reporting import run_notebook
from atlas.build import build
from atlas.store import Settings

NOTEBOOKS = sorted((Path(__file__).parents[1] / "reports").glob("*.ipynb"))


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


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    specimens.write_dataset(folder / "markers", specimens.make_dataset(5))
    build(folder / "markers", folder / "out", Settings(root=16, dura=(16, 16), cord=(16, 12)))
    return folder / "out"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_run_on_an_atlas_and_say_whose_numbers_they_are(path, model):
    notebook = run_notebook(path, {"MODEL": str(model)})
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    text = "".join(str(o.get("data", {}).get("text/markdown", "")) for o in outputs)
    assert "annotated images" in text
    assert "n = 5" in text
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]
