"""Imports go one way: ``reports, atlas.cli → analysis → atlas``, and inside atlas to the data."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import atlas

ROOT = Path(__file__).resolve().parents[2]
# The ladder, from the bottom: a room imports from its own rung or a lower one.
LADDER = (
    {"arrays", "errors", "hdf5", "progress", "registered", "surroundings", "text", "threads"},
    {"output", "pools"},
    {"curves", "data"},
    {"landmarks"},
    {"checks", "components"},
    {"procrustes"},
    {"model"},
    {"mesh", "mesh_files", "compare", "provenance"},
    {"exchange", "store", "store_checks"},
    {"large", "shape_choice"},
    {"build"},
    {"explorer", "prediction"},
    {"sampling"},
    {"cli", "__main__"},
)
RANKS = {room: rank for rank, rooms in enumerate(LADDER) for room in rooms}
# Nothing that makes an atlas leans on what finds slips: it is called beside it.
MAY_CHECK = {"checks", "large", "build", "cli"}
# The public names of `atlas` reach every room: they are for those who stand outside.
FACADE = len(LADDER)
NETWORK = {"aiohttp", "ftplib", "http", "httpx", "requests", "socket", "urllib", "urllib3"}
MAY_OPEN_A_CONNECTION = {"atlas.data.remote.figshare"}
NAMELESS = {"utils", "helpers", "common", "misc"}
HEAVY = ("numpy", "scipy", "matplotlib", "pandas", "sklearn", "statsmodels", "trimesh", "h5py")


def imported_modules(source: str, *, module: str, is_package: bool = False) -> Iterator[str]:
    """Dotted names a module imports, anywhere in it; not those for the type checker only.

    ``from a import b`` gives ``a.b``, whether ``b`` is a module or a name in one.
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value
        waiting.extend(ast.iter_child_nodes(node))


def rank_of(name: str) -> int:
    """Rank of a dotted name of atlas; of a public name of the package itself, the facade's."""
    parts = name.split(".")
    if name == "atlas.__version__":
        return 0
    return RANKS.get(parts[1], FACADE) if len(parts) > 1 else FACADE


def broken_rules(source: str, *, module: str, is_package: bool = False) -> list[str]:
    """What a module imports against the order of the rooms, in words."""
    broken = []
    house, room = module.split(".", maxsplit=1)[0], module.split(".")[1:2]
    is_roof = module.startswith("atlas.cli")
    for name in imported_modules(source, module=module, is_package=is_package):
        top, *below = name.split(".")
        if top == "reports" or (house == "atlas" and top == "analysis" and not is_roof):
            broken.append(f"{module} imports {name}: {house} must not know {top}")
        elif house == "atlas" and top == "atlas" and rank_of(name) > rank_of(module):
            broken.append(f"{module} imports {name}: that runs backwards")
        elif house == "analysis" and name.startswith("atlas.cli"):
            broken.append(f"{module} imports {name}: the command is the roof")
        elif house == "atlas" and below[:1] == ["checks"] and not MAY_CHECK & set(room):
            broken.append(f"{module} imports {name}: checks are called beside the way")
        elif top in NETWORK and module not in MAY_OPEN_A_CONNECTION:
            broken.append(f"{module} imports {name}: only figshare opens a connection")
    return broken


def modules(*houses: str) -> list[tuple[str, Path]]:
    """Dotted name and path of every module of the houses."""
    return [
        (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path)
        for house in houses
        for path in sorted((ROOT / house).rglob("*.py"))
        # Environments of benchmarks are not ours.
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]


# --- the rule itself ---


@pytest.mark.parametrize(
    ("module", "source", "name"),
    [
        ("atlas.data.reader", "from atlas.mesh.surfaces import tubes", "atlas.mesh.surfaces.tubes"),
        ("atlas.data.reader", "import atlas.model", "atlas.model"),
        ("atlas.data.reader", "from atlas import model", "atlas.model"),
        ("atlas.data.reader", "from ..model import fitting", "atlas.model.fitting"),
        ("atlas.data.reader", "from atlas import build_atlas", "atlas.build_atlas"),
        ("atlas.data.reader", "import atlas", "atlas"),
        ("atlas.model.shape_model", "def f():\n    from atlas.mesh import surfaces", "atlas.mesh"),
        ("atlas.model.shape_model", "if True:\n    import atlas.store", "atlas.store"),
        ("atlas.mesh.formats", "import_module('atlas.build')", "atlas.build"),
        ("atlas.store", "from atlas.cli import app", "atlas.cli.app"),
        ("atlas.output.files", "from atlas.data import dataset", "atlas.data.dataset"),
        ("atlas.build", "try:\n    import analysis\nexcept ImportError:\n    pass", "analysis"),
        ("atlas.store", "async def f():\n    from analysis.products import x", "analysis.products"),
        ("atlas.model.fitting", "from atlas.checks import rules", "atlas.checks.rules"),
        ("analysis.products", "from atlas.cli.app import app", "atlas.cli.app.app"),
        ("analysis.figures", "import reports.style", "reports.style"),
        ("atlas.data.dataset", "from urllib.request import urlopen", "urllib.request"),
        ("analysis.tables", "import requests", "requests"),
        (
            "atlas.data.reader",
            "if TYPE_CHECKING:\n    import x\nelse:\n    import atlas.cli",
            "atlas.cli",
        ),
    ],
)
def test_an_import_that_runs_backwards_is_found(module, source, name):
    (message,) = broken_rules(source, module=module)
    assert message.startswith(f"{module} imports {name}")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("atlas.model.shape_model", "from atlas.data.subject import LEVELS"),
        ("atlas.model.shape_model", "from .curves import arc_length\nfrom ..data import subject"),
        ("atlas.data.reader", "from atlas.arrays import read_only\nfrom atlas import __version__"),
        ("atlas.build", "from atlas.store import Atlas"),
        ("atlas.cli", "def f():\n    from atlas.build import build"),
        ("atlas.cli.report", "def f():\n    from analysis.pages import notebooks"),
        ("atlas.build", "from atlas.checks import find_implausible"),
        ("atlas.data.remote.figshare", "import urllib.request"),
        ("analysis.tables", "import atlas\nfrom atlas import read_dataset"),
        (
            "atlas.data.reader",
            "if TYPE_CHECKING:\n    from atlas.model.shape_model import ShapeModel",
        ),
        ("atlas.data.reader", "if typing.TYPE_CHECKING:\n    import atlas.cli"),
        ("atlas.data.reader", "# from atlas.cli import app\nx = 'import atlas.cli'"),
    ],
)
def test_an_import_that_runs_forwards_is_let_pass(module, source):
    assert broken_rules(source, module=module) == []


def test_a_package_resolves_its_relative_imports_from_itself():
    found = imported_modules("from . import contours", module="atlas.curves", is_package=True)
    assert list(found) == ["atlas.curves.contours"]


# --- the modules ---


@pytest.mark.parametrize(
    ("module", "path"), modules("atlas", "analysis"), ids=lambda v: v if isinstance(v, str) else ""
)
def test_no_module_imports_backwards(module, path):
    source = path.read_text("utf-8")
    assert broken_rules(source, module=module, is_package=path.name == "__init__.py") == []


def test_every_module_of_atlas_has_a_rank():
    rooms = {module.split(".")[1] for module, _ in modules("atlas") if module != "atlas"}
    assert rooms <= set(RANKS)


def test_nothing_is_looked_up_that_could_be_handed_down():
    looking = [m for m, p in modules("atlas", "analysis") if "entry_points" in p.read_text("utf-8")]
    assert looking == ["atlas.registered"]


def test_no_module_is_named_after_nothing():
    names = {p.stem for _, p in modules("atlas", "analysis", "tests", "benchmarks")}
    assert names & NAMELESS == set()


@pytest.mark.parametrize("module", ["atlas", "atlas.cli"])
def test_importing_it_loads_no_numerical_package(module):
    code = (
        f"import sys, {module}\n"
        f"print(*sorted({{name.split('.')[0] for name in sys.modules}} & set({HEAVY!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == []


def test_every_public_name_is_found_and_no_other():
    assert list(atlas.__all__) == dir(atlas)
    for name in atlas.__all__:
        assert getattr(atlas, name) is not None
    with pytest.raises(AttributeError, match="module 'atlas' has no attribute 'surfaes'"):
        _ = atlas.surfaes
