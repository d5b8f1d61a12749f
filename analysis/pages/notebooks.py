"""Run the notebooks of ``reports/`` on an atlas, and write each as one self-contained page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from analysis.pages.page import fill_page
from atlas.errors import AtlasError
from atlas.output.files import write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.progress import Stage, quiet
from atlas.store import Atlas, load_atlas
from atlas.surroundings import own_environment
from atlas.text.json_text import json_text

if TYPE_CHECKING:
    from nbformat import NotebookNode

INDEX = "index.html"
PARAMETERS = "# Parameters"
# A cell that bootstraps or samples takes a minute on a slow machine; one that hangs, for ever.
CELL_TIMEOUT_S = 600
INSTALL = "pip install 'lumbosacral-atlas[reports]'"
# What outputs and text may hold on a page; anything else is shown as text.
KEPT_TAGS = frozenset(
    {
        *("a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "div", "dl", "dt", "em"),
        *("figcaption", "figure", "h1", "h2", "h3", "h4", "hr", "i", "img", "li", "ol", "p", "pre"),
        *("small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead"),
        *("tr", "ul"),
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
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*")
# A line of a cell that assigns a parameter.
_ASSIGNMENT = re.compile(r"^(\w+) = .*$", re.MULTILINE)
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
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "notebooks", package.parent / "reports"):
        found = {p.stem: p for p in sorted(folder.glob("*.ipynb"))}
        if found:
            return found
    raise ReportError(f"{package / 'notebooks'}: expected notebooks, got none; install again")


def write_reports(
    model: str | Path,
    out: str | Path | Claim,
    *,
    only: Iterable[str] = (),
    force: bool = False,
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
    force : bool
        As :func:`atlas.output.results.claim_folder` takes it.
    stage : callable
        Called with the name of each as it begins.

    Raises
    ------
    ReportError
        An unknown name, a cell that fails, or the packages that run notebooks are not there.
    """
    claim = claim_folder(out, command="report", inputs=(model,), force=force)
    atlas = load_atlas(model)
    notebooks = _chosen(find_notebooks(), tuple(only))
    nbformat, _ = _packages()
    with new_folder(claim) as folder:
        titles = {}
        for name, path in notebooks.items():
            stage(f"running {name}")
            done = run_notebook(path, {"MODEL": str(model)})
            titles[name] = _title(done, name)
            write_file(folder / f"{name}.ipynb", nbformat.writes(done) + "\n")
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
    for cell in notebook.cells:
        # When each cell ran: the same atlas gives the same report.
        cell.metadata.pop("execution", None)
    return notebook


@contextmanager
def _own_kernel() -> Iterator[tuple[Any, dict[str, str]]]:
    """A kernel of this very Python, and its environment: nothing of the user's own Jupyter."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from matplotlib import get_cachedir

    with TemporaryDirectory(prefix="atlas-") as name:
        kernel = AsyncKernelManager(
            kernel_name="python3",
            # A kernel of that name that the user installed may be another Python.
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            connection_file=str(Path(name) / "kernel.json"),
        )
        # No profile that runs at the start, and a home folder need not be there, for matplotlib's
        # list of fonts either.
        own = {"IPYTHONDIR": name, "MPLCONFIGDIR": str(get_cachedir() or name)}
        yield kernel, own_environment() | own


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
    known = {found[1]: found[0] for found in _ASSIGNMENT.finditer(cell.source)}
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ReportError(f"notebook {name}: expected parameters of {sorted(known)}, got {unknown}")
    for key, value in parameters.items():
        cell.source = cell.source.replace(known[key], f"{key} = {value!r}", 1)


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
    return fill_page("notebook.html", title=title, more_style=colours, html={"notebook": body})


def _exporter() -> Any:
    """What makes HTML of a notebook, by the templates it came with and none of the user's."""
    import nbconvert

    own = [folder / "share/jupyter" for folder in Path(nbconvert.__file__).parents]

    class Exporter(nbconvert.HTMLExporter):  # type: ignore[misc]
        def get_prefix_root_dirs(self) -> list[str]:
            found = [str(f) for f in own if (f / "nbconvert/templates/basic").is_dir()]
            return found[:1] or list(super().get_prefix_root_dirs())

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


def _title(notebook: NotebookNode, name: str) -> str:
    """The first heading of a notebook, or its name."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return str(cell.source.splitlines()[0][2:])
    return name.replace("_", " ")


def _index(atlas: Atlas, titles: Mapping[str, str]) -> str:
    origin = atlas.provenance
    return fill_page(
        "reports.html",
        title="Reports of the lumbosacral atlas",
        n=atlas.model.n_subjects,
        anchor=origin["anchor"],
        cohort=origin.get("notice") or "annotated images",
        reports=titles,
        attribution=origin["attribution"],
        disclaimer=origin["disclaimer"],
    )
