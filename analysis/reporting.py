"""Run the notebooks of ``reports/`` on an atlas, and write each as one self-contained page."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from atlas.errors import AtlasError
from atlas.output.files import write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.progress import Stage, quiet
from atlas.store import Atlas, load_atlas
from atlas.surroundings import own_environment
from atlas.text.json_text import json_text
from atlas.text.pages import static_page
from atlas.text.plain_text import html_text

if TYPE_CHECKING:
    from nbformat import NotebookNode

INDEX = "index.html"
PARAMETERS = "# Parameters"
TEMPLATE = "nbconvert/templates/basic/conf.json"
# A cell that bootstraps or samples takes a minute on a slow machine; one that hangs, for ever.
CELL_TIMEOUT_S = 600
INSTALL = "pip install 'lumbosacral-atlas[reports]'"
# What outputs and text may hold on a page; anything else is shown as text.
KEPT_TAGS = frozenset(
    {
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "code",
        "dd",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    }
)
KEPT_ATTRIBUTES = {
    "*": ("class", "id", "title"),
    "a": ("href",),
    "img": ("src", "alt", "width", "height"),
    "td": ("colspan", "rowspan"),
    "th": ("colspan", "rowspan", "scope"),
}
_EMBEDDED = re.compile(r"<(style|script)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
STYLE = Path(__file__).with_name("report_page.css").read_text("utf-8")
_CODE_SWITCH = (
    '<label class="code-switch"><input type="checkbox" id="show-code"> show the code</label>\n'
)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*")
_LINK = re.compile(r"(?:https?://|#)", re.IGNORECASE)


class ReportError(AtlasError):
    """A report that cannot be made; the text names the notebook and the cell."""


def find_notebooks() -> dict[str, Path]:
    """The notebooks by name: those of the installed package, or of the checkout.

    Raises
    ------
    ReportError
        Neither is there.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "notebooks", here.parent / "reports"):
        found = {p.stem: p for p in sorted(folder.glob("*.ipynb"))}
        if found:
            return found
    raise ReportError(f"{here / 'notebooks'}: expected notebooks, got none; install again")


def write_reports(
    model: str | Path,
    out: str | Path | Claim,
    *,
    only: Iterable[str] = (),
    stage: Stage = quiet,
) -> None:
    """Run notebooks on an atlas and write them with outputs, as pages, and an index.

    Parameters
    ----------
    model : path
        As :func:`atlas.load_atlas` takes it.
    out : path
        A new folder, or that of earlier reports, which is replaced when all is done:
        ``NAME.ipynb``, ``NAME.html`` (self-contained), ``index.html`` and ``reports.json``,
        which says what they were made from.
    only : iterable of str
        Names of notebooks; all by default.
    stage : callable
        Called with the name of each as it begins.

    Raises
    ------
    ReportError
        An unknown name, a cell that fails, or the packages that run notebooks are not there.
    """
    claim = claim_folder(out, command="report", inputs=(model,))
    atlas = load_atlas(model)
    notebooks = _chosen(find_notebooks(), tuple(only))
    with new_folder(claim) as folder:
        titles = {}
        for name, path in notebooks.items():
            stage(f"running {name}")
            done = run_notebook(path, {"MODEL": str(model)})
            titles[name] = _title(done, name)
            write_file(folder / f"{name}.ipynb", _as_json(done))
            write_file(folder / f"{name}.html", notebook_page(done, titles[name]))
        document = {"reports": titles, "atlas": dict(atlas.provenance)}
        write_file(folder / "reports.json", json_text(document))
        write_file(folder / INDEX, _index(atlas, titles))


def _chosen(known: Mapping[str, Path], only: tuple[str, ...]) -> dict[str, Path]:
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise ReportError(f"reports: expected names of {sorted(known)}, got {unknown}")
    return {name: path for name, path in known.items() if not only or name in only}


def run_notebook(path: Path, parameters: Mapping[str, Any]) -> NotebookNode:
    """A notebook after it was run, with outputs.

    Parameters
    ----------
    path : Path
        Its first code cell begins with ``# Parameters`` and assigns them.
    parameters : mapping of str to JSON-like value
        Take the place of those in the notebook.

    Returns
    -------
    NotebookNode

    Raises
    ------
    ReportError
        The notebook has no such parameter, or a cell fails.
    """
    nbformat, client = _packages()
    notebook = nbformat.read(path, as_version=4)
    _set_parameters(notebook, path.stem, parameters)
    with _own_kernel() as (kernel, environment):
        runner = client.NotebookClient(
            notebook, timeout=CELL_TIMEOUT_S, allow_errors=True, km=kernel
        )
        # What a kernel warns of is not for the reader of a command's errors.
        runner.execute(env=environment, cleanup_kc=True, stderr=subprocess.DEVNULL)
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                raise ReportError(
                    f"notebook {path.stem}, cell {number} "
                    f"({cell.source.strip().splitlines()[0]!r}): "
                    f"{output['ename']}: {output['evalue']}"
                )
    _forget_the_run(notebook)
    return notebook


@contextmanager
def _own_kernel() -> Iterator[tuple[Any, dict[str, str]]]:
    """A kernel of this very Python, and its environment: nothing of the user's own Jupyter."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    with TemporaryDirectory(prefix="atlas-") as name:
        kernel = AsyncKernelManager(
            kernel_name="python3",
            # A kernel of that name that the user installed may be another Python.
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            connection_file=str(Path(name) / "kernel.json"),
        )
        # No profile that runs at the start, and a home folder need not be there.
        yield kernel, own_environment() | {"IPYTHONDIR": name, **_font_cache(name)}


def _font_cache(folder: str) -> dict[str, str]:
    """Where matplotlib keeps its list of fonts, if it has no place of its own."""
    from matplotlib import get_cachedir

    return {"MPLCONFIGDIR": str(get_cachedir() or folder)}


def _packages() -> tuple[Any, Any]:
    try:
        import ipykernel  # noqa: F401  (the notebooks run in it)
        import nbclient
        import nbconvert  # noqa: F401  (the pages are made with it)
        import nbformat
    except ImportError as error:
        raise ReportError(
            f"reports: expected {error.name}, which is not there; {INSTALL}"
        ) from None
    return nbformat, nbclient


def _set_parameters(notebook: NotebookNode, name: str, parameters: Mapping[str, Any]) -> None:
    cell = next((c for c in notebook.cells if c.source.startswith(PARAMETERS)), None)
    if cell is None:
        raise ReportError(f"notebook {name}: expected a cell that begins with {PARAMETERS!r}")
    known = {
        target.id
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise ReportError(f"notebook {name}: expected parameters of {sorted(known)}, got {unknown}")
    lines = [f"{key} = {value!r}" for key, value in parameters.items()]
    kept = [
        ast.unparse(node)
        for node in ast.parse(cell.source).body
        if not (isinstance(node, ast.Assign) and _assigns(node, parameters))
    ]
    cell.source = "\n".join([PARAMETERS, *lines, *kept])


def _assigns(node: ast.Assign, names: Mapping[str, Any]) -> bool:
    return any(isinstance(t, ast.Name) and t.id in names for t in node.targets)


def _forget_the_run(notebook: NotebookNode) -> None:
    """Drop when each cell ran: the same atlas gives the same report."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)


def notebook_page(notebook: NotebookNode, title: str) -> str:
    """A run notebook as one HTML page without any reference to elsewhere.

    Text that came from data is escaped by what made it; scripts, styles and pictures from
    elsewhere in outputs are removed, and the page forbids them.
    """
    from pygments.formatters import HtmlFormatter

    exporter = _exporter()
    exporter.register_filter("clean_html", _clean)
    body, _ = exporter.from_notebook_node(notebook)
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    return static_page(title=title, style=f"{STYLE}{colours}\n", body=_CODE_SWITCH + body)


def _exporter() -> Any:
    """What makes HTML of a notebook, by the templates it came with and none of the user's."""
    from nbconvert import HTMLExporter

    places = [file.locate() for file in files("nbconvert") or () if file.match(TEMPLATE)]

    class Exporter(HTMLExporter):  # type: ignore[misc]
        def get_prefix_root_dirs(self) -> list[str]:
            found = [str(Path(str(place)).parents[3]) for place in places]
            return found or list(super().get_prefix_root_dirs())

    return Exporter(
        template_name="basic",
        template_data_paths=[],
        sanitize_html=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )


def _clean(text: str) -> str:
    """HTML with harmless tags only; what else looks like a tag is shown as text."""
    import bleach

    # Styles that a table brings along are ours to give; their text would stand on the page.
    text = _EMBEDDED.sub("", text)
    return bleach.clean(
        text, tags=KEPT_TAGS, attributes=_is_kept, protocols=("http", "https", "data")
    )


def _is_kept(tag: str, name: str, value: str) -> bool:
    """Whether an attribute is harmless: pictures are in the page, links wait for a click."""
    if name not in (*KEPT_ATTRIBUTES["*"], *KEPT_ATTRIBUTES.get(tag, ())):
        return False
    if name == "src":
        return bool(_PICTURE.fullmatch(value))
    return name != "href" or bool(_LINK.match(value))


def _as_json(notebook: NotebookNode) -> str:
    import nbformat

    return nbformat.writes(notebook) + "\n"


def _title(notebook: NotebookNode, name: str) -> str:
    """The first heading of a notebook, or its name."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return str(cell.source.splitlines()[0][2:])
    return name.replace("_", " ")


def _index(atlas: Atlas, titles: Mapping[str, str]) -> str:
    origin = atlas.provenance
    rows = "\n".join(
        f'<li><a href="{html_text(name)}.html">{html_text(title)}</a> '
        f'(<a href="{html_text(name)}.ipynb">notebook</a>)</li>'
        for name, title in titles.items()
    )
    cohort = html_text(origin.get("notice") or "annotated images")
    body = (
        f"<h1>Reports of the lumbosacral atlas</h1>\n<p>n = {atlas.model.n_subjects} subjects; "
        f"anchor: {html_text(origin['anchor'])}. Cohort: {cohort}.</p>\n<ul>\n{rows}\n</ul>\n"
        f"<p>{html_text(origin['attribution'])}</p>\n<p>{html_text(origin['disclaimer'])}</p>"
    )
    return static_page(title="Reports of the lumbosacral atlas", style=STYLE, body=body)
