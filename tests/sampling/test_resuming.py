"""A cohort of samples gone on with: what is damaged is made again, to the same bytes, nothing else.

What stands in the folder beside it stays, and two runs at once are one too many.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import specimens

from atlas.build import build_atlas
from atlas.errors import MachineError
from atlas.output.files import OutputError
from atlas.output.replacing import locks, sole_holder
from atlas.output.results import LIST, claim_folder
from atlas.sampling import cohort as module
from atlas.sampling.cohort import write_cohort
from atlas.sampling.making import CohortOptions, Maker
from atlas.sampling.recipe import Recipe
from atlas.store import Settings, save_atlas

OPTIONS = CohortOptions(edge_mm=4.0)
RECIPE = Recipe(n=4, seed=4)
SECOND = "sub-0002"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("model") / "model.h5"
    dataset = specimens.make_dataset(5)
    return save_atlas(build_atlas(dataset, Settings(root=16, dura=(16, 16), cord=(16, 12))), place)


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "cohort"
    write_cohort(model, RECIPE, out, OPTIONS)
    return out


@pytest.fixture
def cohort(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "cohort"))


@pytest.fixture
def made(monkeypatch) -> list[int]:
    """Samples that are made from now on, from 1."""
    found: list[int] = []
    make = Maker.make

    def remembered(self, first, last):
        found.extend(range(first + 1, last + 1))
        make(self, first, last)

    monkeypatch.setattr(Maker, "make", remembered)
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def one_of(cohort: Path, pattern: str) -> Path:
    return sorted(cohort.glob(pattern))[0]


def lost(pattern):
    return lambda cohort: one_of(cohort, pattern).unlink()


def written(pattern, content):
    return lambda cohort: one_of(cohort, pattern).write_bytes(content)


def changed_byte(pattern):
    def change(cohort):
        path = one_of(cohort, pattern)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    return change


def record_changed(**values):
    def change(cohort):
        path = cohort / "records" / f"{SECOND}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def of_version_one(cohort):
    """As 0.1.0 wrote records: without digests."""
    path = cohort / "records" / f"{SECOND}.json"
    document = json.loads(path.read_text())
    for name in ("plan", "files", "sha256"):
        del document[name]
    path.write_text(json.dumps(document) + "\n")


def of_another_sample(cohort):
    shutil.copy(cohort / "records" / "sub-0001.json", cohort / "records" / f"{SECOND}.json")


def a_folder_lost(name):
    return lambda cohort: shutil.rmtree(cohort / name / SECOND)


DAMAGE = {
    "a marker file is empty": written(f"markers/{SECOND}/*dura*.json", b""),
    "a marker file is another": written(f"markers/{SECOND}/*cord*.json", b"broken"),
    "a byte of a marker file": changed_byte(f"markers/{SECOND}/*root*.json"),
    "a byte of a mesh": changed_byte(f"meshes/{SECOND}/*.stl"),
    "a mesh is lost": lost(f"meshes/{SECOND}/*.stl"),
    "all meshes are lost": a_folder_lost("meshes"),
    "all markers are lost": a_folder_lost("markers"),
    "no record": lost(f"records/{SECOND}.json"),
    "an empty record": written(f"records/{SECOND}.json", b""),
    "a record of nothing": written(f"records/{SECOND}.json", b"{}"),
    "a record that is a list": written(f"records/{SECOND}.json", b"[1, 2]"),
    "a record that is a number": written(f"records/{SECOND}.json", b"NaN"),
    "a record of another encoding": written(f"records/{SECOND}.json", b"\xff\xfe{\x00"),
    "a record of many brackets": written(f"records/{SECOND}.json", b"[" * 100_000),
    "a torn record": lambda c: os.truncate(c / "records" / f"{SECOND}.json", 300),
    "a number of a record": record_changed(attempts=77),
    "a record without files": record_changed(files={}),
    "files of a record elsewhere": record_changed(files={"../../secret": "0" * 64}),
    "the record of another sample": of_another_sample,
    "a record of another plan": record_changed(plan="0" * 64),
    "a record of version 0.1.0": of_version_one,
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_sample_and_no_other_is_made_again(damage, model, whole, cohort, made):
    damage(cohort)
    write_cohort(model, RECIPE, cohort, OPTIONS)
    assert made == [2]
    assert files_of(cohort) == files_of(whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "samples.csv", LIST, "plan.json"])
def test_a_table_that_is_damaged_or_lost_is_written_again(name, model, whole, cohort, made):
    (cohort / name).unlink()
    if name == "README.md":
        (cohort / name).write_text("torn")
    write_cohort(model, RECIPE, cohort, OPTIONS, force=name == LIST)
    assert made == []
    assert files_of(cohort) == files_of(whole)


def test_what_is_there_and_whole_is_not_made_again(model, whole, cohort, made):
    write_cohort(model, RECIPE, cohort, OPTIONS)
    assert made == []
    assert files_of(cohort) == files_of(whole)


def test_files_of_others_beside_a_sample_that_is_made_again_stay(model, whole, cohort):
    others = {
        f"markers/{SECOND}/notes.txt": b"mine",
        f"meshes/{SECOND}/mine/cut.stl": b"mine too",
        "records/why.md": b"because",
        "paper.tex": b"\\documentclass{article}",
    }
    for name, content in others.items():
        (cohort / name).parent.mkdir(exist_ok=True)
        (cohort / name).write_bytes(content)
    (cohort / "records" / f"{SECOND}.json").write_text("{}")
    write_cohort(model, RECIPE, cohort, OPTIONS)
    assert files_of(cohort) == files_of(whole) | others


def test_the_list_names_every_file_and_nothing_else(whole, cohort, model):
    listed = json.loads((whole / LIST).read_text())
    assert listed["command"] == "sample"
    assert listed["files"] == sorted(files_of(whole))
    (cohort / "mine.txt").write_text("mine")
    write_cohort(model, RECIPE, cohort, OPTIONS)
    assert json.loads((cohort / LIST).read_text())["files"] == listed["files"]


def test_a_folder_that_holds_another_thing_at_the_name_of_a_file_is_said(model, cohort):
    mesh = one_of(cohort, f"meshes/{SECOND}/*.stl")
    mesh.unlink()
    mesh.mkdir()
    (mesh / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="got something else at it or above it; move it away"):
        write_cohort(model, RECIPE, cohort, OPTIONS)
    assert (mesh / "mine.txt").read_text() == "mine"


def test_a_cohort_under_way_is_known_as_one(model, tmp_path, monkeypatch):
    out = tmp_path / "out"
    seen = []

    def look(self, first, last):
        seen.append(claim_folder(out, command="sample").own)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Maker, "make", look)
    with pytest.raises(MachineError, match="finished samples are kept"):
        write_cohort(model, RECIPE, out, OPTIONS)
    assert seen == [{LIST, "plan.json"}]
    assert sorted(files_of(out)) == [LIST, "plan.json"]


@pytest.mark.skipif(locks is None, reason="POSIX locks")
def test_two_runs_into_one_folder_are_one_too_many(model, whole, cohort):
    with (
        sole_holder(cohort),
        pytest.raises(OutputError, match="expected nobody at work there, got an `atlas sample`"),
    ):
        write_cohort(model, RECIPE, cohort, OPTIONS)
    assert files_of(cohort) == files_of(whole)


@pytest.mark.skipif(locks is None, reason="POSIX locks")
def test_what_killed_runs_left_is_cleared(model, whole, cohort):
    left = cohort / ".atlas-result-the_only"
    left.mkdir()
    (left / "under-way").touch()
    (left / "sub-0003").mkdir()
    # Of version 0.1.0.
    (cohort / ".unfinished" / "sub-0003").mkdir(parents=True)
    (cohort / ".atlas-abcdef12.csv").write_text("half")
    (cohort / "records" / ".atlas-12_4567x.json").write_text("half")
    (cohort / ".atlas-notes.txt").write_text("mine")
    write_cohort(model, RECIPE, cohort, OPTIONS)
    assert files_of(cohort) == files_of(whole) | {".atlas-notes.txt": b"mine"}
    assert [p.name for p in cohort.glob(".*")] == [".atlas-notes.txt"]


@pytest.mark.skipif(locks is None, reason="POSIX locks")
def test_a_run_killed_before_it_wrote_anything_is_no_obstacle(model, whole, tmp_path):
    out = tmp_path / "out"
    (out / ".atlas-result-the_only").mkdir(parents=True)
    write_cohort(model, RECIPE, out, OPTIONS)
    assert files_of(out) == files_of(whole)


def test_a_folder_it_cannot_begin_in_is_not_left_behind(model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_open_cohort", full)
    with pytest.raises(MachineError, match="No space left"):
        write_cohort(model, RECIPE, tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out").exists()
