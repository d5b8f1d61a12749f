"""The notebooks of reports/: they run, define nothing, and are kept without outputs."""

import ast
from pathlib import Path

import nbformat
import pytest
import specimens
from nbclient import NotebookClient

from atlas.build import build
from atlas.store import Settings

NOTEBOOKS = sorted((Path(__file__).parents[1] / "reports").glob("*.ipynb"))


def code_cells(path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def test_there_are_notebooks():
    assert [p.stem for p in NOTEBOOKS] == ["population_atlas"]


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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_run_on_an_atlas(path, tmp_path):
    specimens.write_dataset(tmp_path / "markers", specimens.make_dataset(4))
    build(tmp_path / "markers", tmp_path / "out", Settings(root=8, dura=(12, 12), cord=(10, 8)))
    notebook = nbformat.read(path, as_version=4)
    parameters = next(c for c in notebook.cells if c.source.startswith("# Parameters"))
    parameters.source = f"MODEL = {str(tmp_path / 'out')!r}"
    NotebookClient(notebook, timeout=120).execute()
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 3
