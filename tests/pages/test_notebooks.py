"""Running notebooks: parameters, errors that name the cell, pages that refer to nothing outside."""

from __future__ import annotations

import ast
import html.parser
import importlib
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import specimens
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from analysis.pages.notebooks import (
    ReportError,
    find_notebooks,
    notebook_page,
    run_notebook,
    write_reports,
)
from atlas.build import build_atlas
from atlas.store import Settings, save_atlas

# Kernels of notebooks speak of their own transport on standard error, and sockets close late.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")


def write_notebook(path: Path, *cells) -> Path:
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


class Resources(html.parser.HTMLParser):
    """What a page would load, and the scripts it holds."""

    def __init__(self, page: str):
        super().__init__()
        self.loaded, self.scripts = [], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("src", "srcset", "poster", "data") or (tag == "link" and name == "href"):
                self.loaded.append(value)


def page_of(*outputs, source: str = "1") -> str:
    cell = new_code_cell(source, outputs=list(outputs))
    return notebook_page(new_notebook(cells=[new_markdown_cell("# Title"), cell]), "A <title>")


def test_the_notebooks_of_the_checkout_are_found():
    assert list(find_notebooks()) == [
        "alignment_and_anchors",
        "model_evaluation",
        "population_atlas",
        "predict_from_partial",
        "segment_variability",
        "synthetic_anatomies",
    ]


def code_cells(path: Path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


@pytest.mark.parametrize("path", find_notebooks().values(), ids=lambda p: p.stem)
def test_notebooks_are_kept_without_outputs_and_define_nothing(path):
    for cell in code_cells(path):
        assert not cell.outputs
        assert cell.execution_count is None
        nodes = ast.walk(ast.parse(cell.source))
        assert not [n for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))]


def imported_names(notebook: Path):
    """Module and name of everything a notebook takes from the packages."""
    nodes = [node for cell in code_cells(notebook) for node in ast.walk(ast.parse(cell.source))]
    return [
        (node.module, alias.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module.startswith(("atlas", "analysis"))
        for alias in node.names
    ]


def test_what_notebooks_import_is_there():
    names = [pair for place in find_notebooks().values() for pair in imported_names(place)]
    assert len(names) > 10
    assert [n for n in names if not hasattr(importlib.import_module(n[0]), n[1])] == []


@pytest.mark.slow
def test_parameters_take_the_place_of_those_in_the_notebook(tmp_path):
    path = write_notebook(
        tmp_path / "one.ipynb",
        new_code_cell('# Parameters\nMODEL = "there"  # a folder\nN = 2'),
        new_code_cell("print(MODEL * N)"),
    )
    done = run_notebook(path, {"MODEL": "here"})
    assert done.cells[1].outputs[0].text == "herehere\n"
    assert "execution" not in done.cells[1].metadata
    assert nbformat.read(path, as_version=4).cells[0].source.endswith("N = 2")


@pytest.mark.slow
def test_a_cell_that_fails_is_named_with_its_notebook(tmp_path):
    path = write_notebook(
        tmp_path / "two.ipynb",
        new_code_cell("# Parameters\nMODEL = 1"),
        new_markdown_cell("text"),
        new_code_cell("x = 1 / 0"),
    )
    with pytest.raises(ReportError, match=r"notebook two, cell 3 \('x = 1 / 0'\): ZeroDivision"):
        run_notebook(path, {})


def test_a_parameter_that_the_notebook_does_not_have_is_refused(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", new_code_cell("# Parameters\nMODEL = 1"))
    with pytest.raises(ReportError, match=r"expected parameters of \['MODEL'\], got \['N'\]"):
        run_notebook(path, {"N": 1})
    bare = write_notebook(tmp_path / "b.ipynb", new_code_cell("MODEL = 1"))
    with pytest.raises(ReportError, match="notebook b: expected a cell that begins with"):
        run_notebook(bare, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "output",
    [
        new_output("display_data", {"text/html": "<td><script>alert(1)</script></td>"}),
        new_output("display_data", {"text/html": '<img src="x" onerror="alert(1)">'}),
        new_output("display_data", {"text/markdown": "<script>alert(1)</script>"}),
        new_output("stream", text="<script>alert(1)</script>"),
        new_output("display_data", {"application/javascript": "alert(1)"}),
    ],
    ids=["html", "handler", "markdown", "stream", "javascript"],
)
def test_nothing_in_an_output_becomes_a_script(output):
    page = page_of(output)
    assert Resources(page).scripts == 0
    assert "onerror" not in page


def test_a_name_in_angle_brackets_stays_readable():
    page = page_of(new_output("stream", text="sub-<b>"))
    assert "sub-&lt;b&gt;" in page
    assert "<title>A &lt;title&gt;</title>" in page


def test_tables_keep_their_cells_and_lose_their_styles():
    table = "<style scoped>td {color: red}</style><table><tr><th>a</th><td>1.5</td></tr></table>"
    page = page_of(new_output("display_data", {"text/html": table}))
    assert "<th>a</th><td>1.5</td>" in page
    assert "color: red" not in page


def test_an_unknown_report_is_refused_with_the_names_there_are(tmp_path):
    atlas = build_atlas(specimens.make_dataset(3), Settings(root=8, dura=(12, 12), cord=(10, 8)))
    save_atlas(atlas, tmp_path / "model.h5")
    with pytest.raises(ReportError, match=r"expected names of .*population_atlas.*got \['nope'\]"):
        write_reports(tmp_path / "model.h5", tmp_path / "out", only=["nope"])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_reports_stand_alone_and_escape_the_names_of_subjects(tmp_path):
    atlas = build_atlas(specimens.make_dataset(4), Settings(root=8, dura=(12, 12), cord=(10, 8)))
    landmarks = atlas.alignment.landmarks
    ids = ("<script>alert(1)</script>", *landmarks.subject_ids[1:])
    alignment = replace(atlas.alignment, landmarks=replace(landmarks, subject_ids=ids))
    provenance = dict(atlas.provenance) | {"notice": "<script>alert(2)</script>"}
    save_atlas(replace(atlas, alignment=alignment, provenance=provenance), tmp_path / "model.h5")
    write_reports(tmp_path / "model.h5", tmp_path / "out")
    pages = sorted((tmp_path / "out").glob("*.html"))
    assert [p.stem for p in pages] == sorted(["index", *find_notebooks()])
    for path in pages:
        resources = Resources(path.read_text("utf-8"))
        assert resources.scripts == 0
        assert all(value.startswith("data:") for value in resources.loaded)
    for name in find_notebooks():
        notebook = nbformat.read(tmp_path / "out" / f"{name}.ipynb", as_version=4)
        outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
        # As HTML: what stands in Markdown could be TeX, or a link.
        said = "".join(str(o.get("data", {}).get("text/html", "")) for o in outputs)
        # Whose numbers they are, in each of them.
        assert "alert(2)" in said
        assert "n = 4" in said
        assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]
