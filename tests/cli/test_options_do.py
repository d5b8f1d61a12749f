"""Every option of every command changes what it says it changes.

A row an option: what the command is given without and with it, and what must then differ.  An
option without a row fails :func:`test_every_option_has_a_row`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import specimens
import typer
from typer.testing import CliRunner

from atlas.build import build_atlas
from atlas.cli import app
from atlas.store import Atlas, Settings, load_atlas, save_atlas

SMALL = Settings(root=8, dura=(12, 12), cord=(10, 8))
HEIGHTS = [160.0, 165.0, 172.0, 158.0, 181.0, 177.0, 169.0, 174.0]


@dataclass(frozen=True)
class Place:
    """Where a command is run, and what it is run on."""

    data: Path
    doubtful: Path
    short: Path
    model: Path
    noisy: Path
    here: Path
    handed: dict[str, Any] = field(default_factory=dict)

    def run(self, command: str, words: tuple[object, ...], codes: tuple[int, ...]) -> str:
        """The output of a command that ends as it should."""
        said = [str(word).format(p=self) for word in words]
        done = CliRunner().invoke(app, [command, *said] if command != "main" else said)
        assert done.exit_code in codes, (done.output, done.exception)
        return done.output


# What a row looks at: the folder of the result and what was printed.
Seen = Callable[[Place, str], Any]


@dataclass(frozen=True)
class Row:
    """An option: its command, words without it, words it adds, and what must then differ."""

    command: str
    option: str
    without: tuple[object, ...]
    added: tuple[object, ...]
    seen: Seen
    slow: bool = False
    codes: tuple[int, ...] = (0, 1)
    whole: bool = False

    @property
    def given(self) -> tuple[object, ...]:
        """All words with the option."""
        return self.added if self.whole else (*self.without, *self.added)


def built(look: Callable[[Atlas], Any]) -> Seen:
    return lambda place, _: look(load_atlas(place.here / "out"))


def handed(name: str) -> Seen:
    """What the command handed on to the function that does the work."""
    return lambda place, _: place.handed[name]


def files(place: Place, _: str) -> list[str]:
    out = place.here / "out"
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())


def content(name: str) -> Seen:
    return lambda place, _: (place.here / "out" / name).read_bytes()


def document(name: str, key: str) -> Seen:
    return lambda place, _: json.loads((place.here / "out" / name).read_text("utf-8"))[key]


def drawn(place: Place, _: str) -> list[list[str]]:
    """Scores and poses of a cohort, as written."""
    with (place.here / "out" / "samples.csv").open(encoding="utf-8") as file:
        return list(csv.reader(file))


def printed(_: Place, said: str) -> str:
    return said


BUILD = ("{p.short}", "-o", "{p.here}/out")
MESH = ("{p.model}", "-o", "{p.here}/out")
MODE = (*MESH, "--mode", "1")
SCORES = (*MESH, "--sample", "{p.here}/scores.csv")
SAMPLE = ("{p.model}", "-o", "{p.here}/out", "-n", "4", "--formats", "none", "--workers", "1")
UNCHECKED = (*SAMPLE, "--invalid", "unchecked")
MESHED = ("{p.model}", "-o", "{p.here}/out", "-n", "1", "--workers", "1")
OVERLAY = ("{p.data}", "sub-01", "-o", "{p.here}/out")
PREDICT = ("{p.model}", "{p.data}/sub-01", "-o", "{p.here}/out")
VIEW = ("{p.model}", "-o", "{p.here}/out/page.html")
STL = "dura.stl"
# Commands that take a second or more, twice a row.
LONG = ("build", "check", "mesh", "predict", "sample")


def build_row(option: str, *added: object, look: Callable[[Atlas], Any], slow: bool = False) -> Row:
    return Row("build", option, BUILD, added, built(look), slow)


def mesh_row(option: str, *added: object, seen: Seen, without: tuple[object, ...] = MESH) -> Row:
    return Row("mesh", option, without, added, seen)


def sample_row(
    option: str, *added: object, seen: Seen = drawn, without: tuple[object, ...] = SAMPLE
) -> Row:
    return Row("sample", option, without, added, seen)


ROWS = [
    Row("main", "--version", ("show", "{p.model}"), ("--version",), printed, whole=True),
    Row("build", "--out", BUILD, ("-o", "{p.here}/other"), files),
    build_row("--origin", "--origin", "conus", look=lambda a: a.model.scheme.origin),
    build_row("--anchor", "--anchor", "centroid", look=lambda a: a.alignment.anchor),
    build_row("--rotation", "--rotation", "none", look=lambda a: a.alignment.rotation.tobytes()),
    build_row("--scale", "--scale", "unit", look=lambda a: a.alignment.scale.tobytes()),
    build_row("--weights", "--weights", "area", look=lambda a: a.alignment.weights.tobytes()),
    build_row(
        "--extent", "--extent", "full", look=lambda a: a.model.scheme.block("dura").extent_mm
    ),
    build_row("--bridged", "--bridged", "missing", look=lambda a: a.model.noise > 0),
    build_row("--slide", "--slide", "procrustes", look=lambda a: a.model.mean.tobytes(), slow=True),
    build_row("--exclude", "--exclude", "sub-02", look=lambda a: a.alignment.landmarks.subject_ids),
    build_row("--variance", "--variance", "0.5", look=lambda a: a.model.n_modes),
    Row(
        "build",
        "--max-memory",
        (*BUILD, "--max-memory", "64GiB"),
        ("--max-memory", "1GiB"),
        built(lambda a: a.settings.variance_held),
    ),
    build_row("--workers", "--workers", "2", look=lambda a: a.settings.variance_held, slow=True),
    Row("build", "--scheduler", BUILD, ("--scheduler", "tcp://x:1"), handed("scheduler")),
    Row("check", "--json", ("{p.short}",), ("--json",), lambda p, said: said.startswith("{")),
    Row(
        "check",
        "--strict",
        ("{p.doubtful}",),
        ("--strict",),
        lambda p, said: " 0 errors" in f" {said}" or "\n0 errors" in said,
        codes=(1, 2),
    ),
    Row("check", "--report", ("{p.short}",), ("--report", "{p.here}/out/page.html"), files),
    Row(
        "compare",
        "--out",
        ("{p.data}", "{p.data}", "-o", "{p.here}/out"),
        ("-o", "{p.here}/other"),
        handed("out"),
    ),
    Row("demo", "--seed", ("{p.here}/out",), ("--seed", "5"), handed("seed")),
    Row("evaluate", "--out", MESH, ("-o", "{p.here}/other"), handed("out")),
    Row("evaluate", "--dataset", MESH, ("--dataset", "{p.data}"), handed("dataset")),
    Row("export", "--to", (*MESH, "--to", "csv"), ("--to", "slicermorph"), files),
    Row("export", "--out", (*MESH, "--to", "csv"), ("-o", "{p.here}/other"), files),
    Row("fetch", "--what", ("{p.here}/out",), ("--what", "images"), handed("what")),
    Row("fetch", "--subjects", ("{p.here}/out",), ("--subjects", "sub-03"), handed("subjects")),
    mesh_row("--out", "-o", "{p.here}/other", seen=files),
    # The default, in so many words, and so against a mode, with which it cannot be given.
    Row(
        "mesh",
        "--mean",
        MODE,
        (*MESH, "--mean"),
        document("provenance.json", "shape"),
        whole=True,
    ),
    mesh_row("--mode", "--mode", "2", seen=content(STL)),
    mesh_row("--sd", "--sd", "1", seen=content(STL), without=MODE),
    mesh_row("--subject", "--subject", "sub-02", seen=content(STL)),
    mesh_row("--sample", "--sample", "{p.here}/scores.csv", "--row", "1", seen=content(STL)),
    mesh_row("--row", "--row", "2", seen=content(STL), without=(*SCORES, "--row", "1")),
    mesh_row("--formats", "--formats", "ply,csv", seen=files),
    mesh_row("--edge", "--edge", "4", seen=content(STL)),
    mesh_row("--root-radius", "--root-radius", "0.8", seen=content("root_L4_left.stl")),
    mesh_row(
        "--voxel",
        *("--voxel", "2"),
        seen=content("mean_labels.nii.gz"),
        without=(*MESH, "--edge", "4", "--formats", "nii", "--voxel", "1"),
    ),
    replace(
        mesh_row("--solids", "--solids", seen=files, without=(*MESH, "--edge", "4")), slow=True
    ),
    Row("mesh", "--tetrahedra", MESH, ("--tetrahedra",), handed("tetrahedra")),
    Row("overlay", "--out", OVERLAY, ("-o", "{p.here}/other"), handed("out")),
    Row("overlay", "--images", OVERLAY, ("--images", "{p.here}"), handed("images")),
    Row("overlay", "--every", OVERLAY, ("--every", "3"), handed("every")),
    Row("overlay", "--slices", OVERLAY, ("--slices", "3,5"), handed("slices")),
    Row("overlay", "--margin-mm", OVERLAY, ("--margin-mm", "2"), handed("margin_mm")),
    Row("predict", "--out", PREDICT, ("-o", "{p.here}/other"), files),
    Row("predict", "--given", PREDICT, ("--given", "dura"), content("roots.csv")),
    Row("report", "--out", MESH, ("-o", "{p.here}/other"), handed("out")),
    Row("report", "--only", MESH, ("--only", "model_evaluation"), handed("only")),
    sample_row("--out", "-o", "{p.here}/other", seen=files),
    sample_row("--number", "--number", "6"),
    sample_row("--seed", "--seed", "7"),
    sample_row("--design", "--design", "antithetic"),
    sample_row("--method", "--method", "bootstrap"),
    sample_row("--coverage", "--coverage", "0.05"),
    sample_row("--truncate-sd", "--truncate-sd", "0.1"),
    sample_row("--modes", "--modes", "1"),
    sample_row("--noise", "--noise", without=("{p.noisy}", *UNCHECKED[1:])),
    sample_row("--invalid", "--invalid", "unchecked", seen=content("plan.json")),
    sample_row("--given", "--given", "begin_below_apex_mm L1 left = 25 ± 5", without=UNCHECKED),
    sample_row("--covariate", "--covariate", "height=185"),
    sample_row("--seen", "--seen", "{p.data}/sub-01"),
    sample_row("--vary", "--vary", "cord"),
    sample_row("--symmetric", "--symmetric"),
    sample_row("--rotation", "--rotation", "20"),
    sample_row("--translation", "--translation", "20"),
    sample_row("--formats", "--formats", "ply", seen=files),
    sample_row("--edge", "--edge", "5", seen=document("plan.json", "edge_mm"), without=MESHED),
    Row("sample", "--workers", SAMPLE, ("--workers", "3"), handed("workers")),
    Row("tables", "--out", MESH, ("-o", "{p.here}/other"), handed("out")),
    Row("tables", "--format", MESH, ("--format", "latex"), handed("formats")),
    Row("tables", "--figures", MESH, ("--no-figures",), handed("figures")),
    Row("view", "--out", VIEW, ("-o", "{p.here}/other.html"), files),
    Row(
        "view", "--open", ("{p.model}", "-o", "{p.here}/out/page.html"), ("--open",), handed("open")
    ),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Annotations, the same with a warning, and a model of eight people of known height."""
    folder = tmp_path_factory.mktemp("made")
    group = specimens.make_dataset(8, conus_mm=110)
    atlas = build_atlas(group, SMALL)
    known = dict(atlas.provenance) | {"covariates": {"height": HEIGHTS}}
    save_atlas(replace(atlas, provenance=known), folder / "model.h5")
    some = replace(group, subjects=group.subjects[:4])
    specimens.write_dataset(folder / "data", some)
    specimens.write_dataset(folder / "doubtful", some)
    next((folder / "doubtful").glob("sub-01/*ganglions_L3_L*")).unlink()
    # Quick to read and to build from.
    short = specimens.make_dataset(4, length_mm=140.0, conus_mm=100.0, spacing_mm=4.0)
    specimens.write_dataset(folder / "short", short)
    save_atlas(replace(atlas, model=atlas.model.truncate(2)), folder / "noisy.h5")
    return folder


@pytest.fixture
def watched(monkeypatch, made):
    """What does the work is left out where only what it is handed is looked at."""
    kept: dict[str, Any] = {}
    atlas = load_atlas(made / "model.h5")

    def keep(result: Any = ()) -> Callable[..., Any]:
        def kept_from(*words: Any, **named: Any) -> Any:
            kept.update(named)
            kept["words"] = words
            return result

        return kept_from

    def patch(where: str, result: Any = ()) -> None:
        monkeypatch.setattr(where, keep(result))

    return SimpleNamespace(kept=kept, atlas=atlas, patch=patch)


def leave_out_the_work(row: Row, watched: Any, monkeypatch: Any) -> None:
    """Replace what takes long, or reaches out of this machine, by what writes down its words."""
    if row.command == "build" and row.option != "--scheduler":
        monkeypatch.setattr("atlas.build.registered", lambda _: ())
        monkeypatch.setattr("atlas.build.write_meshes", lambda *_: None)
        monkeypatch.setattr("atlas.large.memory.ANNOTATION_BYTES", 1 << 30)
    whole = {
        ("build", "--scheduler"): ("atlas.build.build", watched.atlas),
        ("demo", "--seed"): ("atlas.build.build_demo", watched.atlas),
        ("mesh", "--tetrahedra"): ("atlas.mesh_files.write_shape", ()),
        ("view", "--open"): ("webbrowser.open", True),
    }
    place = whole.get((row.command, row.option))
    if place is not None:
        watched.patch(*place)
    alone = {
        "compare": ("atlas.compare.compare_dataset", ((), ())),
        "evaluate": ("analysis.evaluation.folder.write_evaluation_folder", None),
        "fetch": ("atlas.data.remote.fetching.fetch", ()),
        "overlay": ("analysis.figures.overlays.write_overlay", ()),
        "report": ("analysis.pages.notebooks.write_reports", None),
        "tables": ("analysis.tables.write.write_tables_folder", ()),
    }
    if row.command in alone:
        watched.patch(*alone[row.command])
    if (row.command, row.option) == ("sample", "--workers"):
        watched.patch("atlas.sampling.cohort.write_cohort")
        monkeypatch.setattr("atlas.cli.sample._print_acceptance", lambda _: None)


def words_by_name(kept: dict[str, Any]) -> dict[str, Any]:
    """What was handed on, by the name of the option it comes from."""
    words = kept.pop("words", ())
    named = dict(kept)
    for word in words:
        if hasattr(word, "workers"):
            named["workers"] = word.workers
        if hasattr(word, "tetrahedra"):
            named["tetrahedra"] = word.tetrahedra
    if "resources" in named:
        named["scheduler"] = named["resources"].scheduler
    paths = [str(word) for word in words if isinstance(word, Path)]
    return {"out": paths, "dataset": words[1:2], "open": words} | named


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            id=f"{row.command}{row.option}",
            # A build or a cohort twice takes seconds.
            marks=[pytest.mark.slow] if row.slow or row.command in LONG else [],
        )
        for row in ROWS
    ],
)
def test_an_option_changes_what_it_says(row, made, watched, monkeypatch, tmp_path):
    leave_out_the_work(row, watched, monkeypatch)
    found = []
    for name, words in (("without", row.without), ("given", row.given)):
        here = tmp_path / name
        (here / "out").mkdir(parents=True)
        (here / "scores.csv").write_text("score_1,score_2\n2,0\n0,-2\n")
        watched.kept.clear()
        inputs = (made / name for name in ("data", "doubtful", "short", "model.h5", "noisy.h5"))
        place = Place(*inputs, here)
        said = place.run(row.command, words, row.codes)
        place.handed.update(words_by_name(watched.kept))
        found.append(_without_place(row.seen(place, said), here))
    assert found[0] != found[1], row.option


def _without_place(value: Any, here: Path) -> Any:
    """A value in which it does not matter that each run has a folder of its own."""
    if isinstance(value, list | tuple):
        return [_without_place(part, here) for part in value]
    return value.replace(str(here), "") if isinstance(value, str) else value


def test_every_option_has_a_row():
    command = typer.main.get_command(app)
    there = {("main", name) for name in _options(command)}
    for name, sub in command.commands.items():
        # What --force changes, and never does, test_results.py holds for every command.
        there |= {(name, option) for option in _options(sub) if option != "--force"}
    rows = [(row.command, row.option) for row in ROWS]
    assert sorted(rows) == sorted(there)


def _options(command: Any) -> list[str]:
    options = [p for p in command.params if p.param_type_name == "option"]
    names = [next(n for n in p.opts if n.startswith("--")) for p in options]
    return [name for name in names if name != "--help"]
