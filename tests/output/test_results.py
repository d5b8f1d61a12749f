"""The one rule of output, command by command: only a command's own result is ever replaced.

Every command is held against every kind of place.  Where it refuses, and where it writes, every
byte that is not its own is there afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import phantom_images
import pytest
import specimens
from typer.testing import CliRunner

from atlas import compare as comparing
from atlas.build import build
from atlas.cli import app
from atlas.output.files import OutputError
from atlas.output.results import (
    LIST,
    Claim,
    claim_file,
    claim_folder,
    new_folder,
    signature,
    write_result_file,
    written_by,
)
from atlas.store import Settings

SMALL = Settings(root=6, dura=(5, 8), cord=(5, 6))
HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory):
    """All that the commands read: a dataset with an image, its atlas, meshes of others."""
    place = tmp_path_factory.mktemp("kitchen")
    dataset = specimens.make_dataset(5, length_mm=140, conus_mm=100, spacing_mm=4)
    specimens.write_dataset(place / "data/markers", dataset)
    shape, affine = phantom_images.box_around(dataset.subjects[0])
    image = place / "data/rawdata/sub-01/anat/sub-01_CISS.nii.gz"
    phantom_images.write_image(image, np.ones(shape, np.int16), affine)
    build(place / "data", place / "built", SMALL)
    return place


# --- the rule, place by place ---


def bytes_of(place):
    """Every file below a place by name, links as what they say."""
    return {
        p.relative_to(place).as_posix(): str(p.readlink()) if p.is_symlink() else p.read_bytes()
        for p in sorted(place.rglob("*"))
        if p.is_symlink() or p.is_file()
    }


def write(path, text="new", **more):
    with new_folder(claim_folder(path, command="mesh", **more)) as place:
        (place / "deep").mkdir()
        (place / "deep" / "a.stl").write_text(text)
        (place / "provenance.json").write_text(text)
    return path


def test_a_result_says_its_command_and_every_file(tmp_path):
    document = json.loads((write(tmp_path / "out") / LIST).read_text())
    assert document["command"] == "mesh"
    assert document["files"] == [LIST, "deep/a.stl", "provenance.json"]
    assert document["software"]["name"] == "lumbosacral-atlas"


@pytest.mark.parametrize("given", ["out", "out/deep", ".", "link", "link/deep", "out/deep/a.stl"])
def test_a_place_that_is_holds_or_lies_in_an_input_is_refused(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "out")
    Path("link").symlink_to("out")
    before = bytes_of(tmp_path)
    for force in (False, True):
        with pytest.raises(OutputError, match="expected a place apart from all that is read"):
            claim_folder("out", command="mesh", inputs=(None, given), force=force)
        with pytest.raises(OutputError, match="expected a place apart from all that is read"):
            claim_folder("link", command="mesh", inputs=(given,), force=force)
    assert bytes_of(tmp_path) == before


def test_a_hard_link_to_an_input_is_the_input(tmp_path):
    (tmp_path / "model.h5").write_text("model")
    os.link(tmp_path / "model.h5", tmp_path / "other.html")
    with pytest.raises(OutputError, match="is what is read"):
        claim_file(
            tmp_path / "other.html", command="view", suffix=".html", inputs=(tmp_path / "model.h5",)
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"command": "mesh"}',
        "{" * 3000,
        "\x00",
        '{"command": 1, "files": [], "software": {"name": "lumbosacral-atlas"}}',
        '{"command": "mesh", "files": ["../x"], "software": {"name": "other"}}',
    ],
)
def test_a_list_that_is_not_ours_makes_no_result(tmp_path, text):
    out = write(tmp_path / "out")
    (out / LIST).write_text(text)
    before = bytes_of(tmp_path)
    with pytest.raises(OutputError, match="got something else"):
        write(out)
    assert bytes_of(tmp_path) == before


def test_a_list_that_names_files_elsewhere_removes_none(tmp_path):
    (tmp_path / "thesis").write_text("years")
    out = write(tmp_path / "out", "old")
    document = json.loads((out / LIST).read_text())
    document["files"] += ["../thesis", str(tmp_path / "thesis"), "deep/../../thesis"]
    (out / LIST).write_text(json.dumps(document))
    write(out)
    assert (tmp_path / "thesis").read_text() == "years"
    assert (out / "provenance.json").read_text() == "new"


def test_a_link_in_the_place_of_a_file_of_ours_is_somebody_elses(tmp_path):
    out = write(tmp_path / "out")
    (tmp_path / "bigdisk").mkdir()
    (out / "deep").rename(tmp_path / "bigdisk" / "deep")
    (out / "deep").symlink_to(tmp_path / "bigdisk" / "deep")
    before = bytes_of(tmp_path)
    with pytest.raises(OutputError, match="expected no file of others where the result has one"):
        write(out)
    assert bytes_of(tmp_path) == before


def test_a_link_is_written_through_and_one_that_leads_nowhere_too(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    (tmp_path / "new").symlink_to("disk/not-yet")
    for name, there in (("link", "disk"), ("new", "disk/not-yet")):
        write(tmp_path / name, force=True)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / there / "provenance.json").read_text() == "new"


def test_force_writes_into_a_folder_of_others_and_leaves_what_it_does_not_write(tmp_path):
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    (out / "deep" / "a.stl").write_text("mine")
    (out / "deep" / "b.stl").write_text("mine")
    write(out, force=True)
    found = bytes_of(out)
    assert found["deep/a.stl"] == b"new"
    assert found["deep/b.stl"] == b"mine"


def test_a_file_of_ours_is_told_by_what_it_says_of_itself(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(f'<html><meta name="generator" content="{signature("view")}">')
    assert written_by(page) == "view"
    for text in ("<html>", "", "lumbosacral-atlas view"):
        page.write_text(text)
        assert written_by(page) is None
    for name in ("a.npz", "a.h5", "a.png", "a.txt", "none.html"):
        if not name.startswith("none"):
            (tmp_path / name).write_text("mine")
        assert written_by(tmp_path / name) is None


def test_another_suffix_is_refused_even_with_force(tmp_path):
    for force in (False, True):
        with pytest.raises(OutputError, match=r"expected a name that ends in \.html"):
            claim_file(tmp_path / "a.h5", command="view", suffix=".html", force=force)


def test_a_claim_is_handed_through(tmp_path):
    claim = Claim(tmp_path / "page.html", "view")
    assert claim_file(claim, command="check", suffix=".png") is claim
    assert write_result_file(claim, "text") == tmp_path / "page.html"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("name", ["a\nb", "ü µ", "[x]*?", "-o", "a" * 200])
def test_any_name_is_a_place(tmp_path, name):
    write(tmp_path / name, "old")
    write(tmp_path / name, "new")
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["\0", "a" * 300])
def test_a_name_that_cannot_be_is_refused_in_one_line(tmp_path, name):
    with pytest.raises((OutputError, OSError)):
        write(tmp_path / name)


# --- results of 0.1.0, which had no lists ---


def without_list(place):
    for path in place.rglob(LIST):
        path.unlink()


@pytest.mark.slow
def test_a_build_of_0_1_0_is_recognised_and_what_others_put_there_stays(kitchen, tmp_path):
    out = tmp_path / "out"
    build(kitchen / "data", out, SMALL)
    without_list(out)
    mine = {"notes.txt", "tables/mine.csv", "meshes/mean/mine.stl", "evaluation/kept.csv"}
    for name in mine:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    (out / "meshes/mode9_plus2sd").mkdir()
    (out / "meshes/mode9_plus2sd/dura.stl").write_text("of an old build with more modes")
    build(kitchen / "data", out, SMALL)
    assert {name for name in mine if (out / name).read_text() == "mine"} == mine
    assert not (out / "meshes/mode9_plus2sd").exists()
    with pytest.raises(OutputError, match="got a result of `atlas build`"):
        write(out)


# --- every command, every kind of place ---

SHEET = ["--slices", "15"]
# Command: its arguments, and the name that its output has; a folder where there is no suffix.
COMMANDS = {
    "build": (["build", "{data}"], "out"),
    "evaluate": (["evaluate", "{built}"], "out"),
    "tables": (["tables", "{data}", "--no-figures", "--format", "csv"], "out"),
    "mesh": (["mesh", "{built}"], "out"),
    "sample": (
        [
            "sample",
            "{built}",
            "-n",
            "1",
            "--formats",
            "none",
            "--workers",
            "1",
            "--invalid",
            "unchecked",
        ],
        "out",
    ),
    "predict": (["predict", "{built}", "{data}/markers/sub-01"], "out"),
    "report": (["report", "{built}", "--only", "population_atlas"], "out"),
    "compare": (["compare", "{data}", "{models}"], "out"),
    "export csv": (["export", "{built}", "--to", "csv"], "out"),
    "export slicermorph": (["export", "{built}", "--to", "slicermorph"], "out"),
    "export npz": (["export", "{built}", "--to", "npz"], "out.npz"),
    "export statismo": (["export", "{built}", "--to", "statismo"], "out.h5"),
    "view": (["view", "{built}"], "out.html"),
    "check": (["check", "{data}"], "out.html"),
    "overlay file": (["overlay", "{data}", "sub-01", *SHEET], "out.png"),
    "overlay folder": (["overlay", "{data}", "sub-01", *SHEET], "out"),
    "demo": (["demo"], "out"),
}
# Commands that take seconds or minutes to write: refusals cost nothing and are tried by default.
SLOW = {"build", "check", "evaluate", "tables", "report", "demo", "compare", "predict"}
QUICK = sorted(set(COMMANDS) - SLOW)


@pytest.fixture
def here(kitchen, tmp_path, monkeypatch):
    """A copy of the kitchen, so that a command which does harm does it there."""
    place = tmp_path / "kitchen"
    shutil.copytree(kitchen, place)
    (place / "models").mkdir()
    monkeypatch.setattr(comparing, "POINTS", 50)
    monkeypatch.setattr(comparing, "EDGE_MM", 4.0)
    return place


def run(here, name, out, *more):
    arguments, _ = COMMANDS[name]
    places = {key: here / key for key in ("data", "built", "models")}
    option = {"check": ["--report"], "demo": []}.get(name, ["-o"])
    filled = [a.format(**places) for a in arguments]
    return CliRunner().invoke(app, [*filled, *option, str(out), *more])


def refused(here, name, out, *more):
    """Run a command at a place that it must refuse: one line, exit code 2, no byte changed."""
    before = bytes_of(here.parent)
    result = run(here, name, out, *more)
    assert result.exit_code == 2, result.output
    assert result.output.count("atlas: ") == 1
    assert "Traceback" not in result.output
    assert bytes_of(here.parent) == before
    return result.output


def read_by(name):
    return [a.replace("{", "").replace("}", "") for a in COMMANDS[name][0] if a.startswith("{")]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"demo"}))
@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_never_written_to(here, name, force):
    suffix = Path(COMMANDS[name][1]).suffix
    more = ["--force"] if force else []
    (here / "link").symlink_to(here, target_is_directory=True)
    for source in read_by(name):
        inside = refused(here, name, here / source / f"new{suffix}", *more)
        assert "which is read" in inside
        assert "which is read" in refused(here, name, here / "link" / source / f"n{suffix}", *more)
        if not suffix:
            assert "is what is read" in refused(here, name, here / source, *more)
            assert "which is read" in refused(here, name, here, *more)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_what_is_somebody_elses_is_refused(here, name):
    out = here.parent / COMMANDS[name][1]
    if out.suffix:
        out.write_text("mine")
        assert "got another file" in refused(here, name, out)
        out.unlink()
        out.mkdir()
        assert "got a folder" in refused(here, name, out)
        if name != "overlay file":  # any other name is a folder to it
            assert "expected a name that ends in" in refused(here, name, out.with_suffix(".txt"))
        assert "no such folder" in refused(here, name, here.parent / "none" / out.name)
        return
    out.write_text("mine")
    assert "got a file" in refused(here, name, out, "--force")
    out.unlink()
    out.mkdir()
    (out / "thesis.txt").write_text("years")
    assert "got something else" in refused(here, name, out)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(n for n in COMMANDS if not Path(COMMANDS[n][1]).suffix))
def test_the_result_of_another_command_is_refused(here, name):
    out, other = here.parent / "out", "mesh" if name != "mesh" else "export"
    with new_folder(claim_folder(out, command=other)) as place:
        (place / "a.csv").write_text("other")
    assert f"got a result of `atlas {other}`" in refused(here, name, out)


def writes(here, name):
    """Write twice with things of others around, and once through a link."""
    if name == "compare":
        (here / "models/sub-01_Dura.stl").write_bytes(mesh_of_a_dura(here))
    out = here.parent / COMMANDS[name][1]
    assert run(here, name, out).exit_code in (0, 1)
    if out.is_dir():
        (out / "mine").mkdir()
        (out / "mine" / "notes.txt").write_text("mine")
        (out / "notes.txt").write_text("mine")
    (here.parent / "beside.txt").write_text("mine")
    before = bytes_of(here.parent)
    done = run(here, name, out)
    assert done.exit_code in (0, 1), done.output
    assert "Traceback" not in done.output
    after = bytes_of(here.parent)
    assert after.keys() == before.keys()
    own = set(json.loads((out / LIST).read_text())["files"]) if out.is_dir() else {""}
    ours = {f"{out.name}/{name}".rstrip("/") for name in own}
    assert {n: v for n, v in after.items() if n not in ours} == {
        n: v for n, v in before.items() if n not in ours
    }
    assert ours <= after.keys()
    link = here.parent / f"link{out.suffix}"
    link.symlink_to(out.name)
    assert run(here, name, link).exit_code in (0, 1)
    assert link.is_symlink()
    assert bytes_of(here.parent).keys() == {*after, link.name}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_only_its_own_result_is_replaced(here, name):
    writes(here, name)


def forced(here, name):
    """Write with --force over a file of others, or into their folder; the rest of it stays."""
    out = here.parent / COMMANDS[name][1]
    if name == "compare":
        (here / "models/sub-01_Dura.stl").write_bytes(mesh_of_a_dura(here))
    if out.suffix:
        out.write_text("mine")
    else:
        (out / "mine").mkdir(parents=True)
        (out / "mine/thesis.txt").write_text("years")
        (out / LIST).write_text("mine")
    assert run(here, name, out).exit_code == 2
    done = run(here, name, out, "--force")
    assert done.exit_code in (0, 1), done.output
    if out.suffix:
        assert out.read_bytes() != b"mine"
        assert written_by(out) == name.split()[0]
    else:
        assert (out / "mine/thesis.txt").read_text() == "years"
        assert json.loads((out / LIST).read_text())["command"] == name.split()[0]


def mesh_of_a_dura(here):
    return (here / "built/meshes/mean/dura.stl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_force_writes_where_it_was_refused(here, name):
    forced(here, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_force_writes_where_it_was_refused_by_the_slow_ones(here, name):
    forced(here, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_only_its_own_result_is_replaced_by_the_slow_ones(here, name):
    writes(here, name)


def test_every_command_that_writes_is_held_against_the_rule():
    writing = {
        command.callback.__name__
        for command in app.registered_commands
        if {"out", "report"} & set(command.callback.__annotations__)
    }
    assert writing == {name.split()[0] for name in COMMANDS}
