"""A folder takes its place in one step, and what killed processes left goes away."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atlas.output import replacing
from atlas.output.replacing import (
    INSIDE,
    LOCK,
    NEW,
    READY,
    InTheWayError,
    clear_abandoned,
    exchange,
    holder,
    put_in_place,
)
from atlas.output.results import claim_folder, new_folder

pytestmark = pytest.mark.skipif(replacing.locks is None, reason="POSIX locks")


def abandoned(path, *, part=NEW, suffix="abcd1234"):
    """What a process leaves that was killed while it wrote to ``path``."""
    place = path.parent / f".{path.name}-{suffix}"
    (place / part).mkdir(parents=True)
    (place / part / "proof").write_text(part)
    (place / LOCK).touch()
    return place


def result(path, text="old"):
    path.mkdir()
    (path / "proof").write_text(text)
    return path


def test_two_folders_change_places(tmp_path):
    one, other = result(tmp_path / "one", "one"), result(tmp_path / "other", "other")
    if not exchange(one, other):
        pytest.skip("this file system cannot exchange two names")
    assert ((one / "proof").read_text(), (other / "proof").read_text()) == ("other", "one")


def test_at_no_moment_is_there_nothing(tmp_path):
    out = result(tmp_path / "out")
    with holder(out) as place:
        if not exchange(out, result(place / NEW, "new")):
            pytest.skip("this file system cannot exchange two names")
        assert (out / "proof").read_text() == "new"
        assert (place / NEW / "proof").read_text() == "old"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_system_that_cannot_exchange_is_not_an_error_but_another_failure_is(
    tmp_path, monkeypatch, number
):
    with pytest.raises(OSError, match="No such file"):
        exchange(tmp_path / "not", tmp_path / "there")
    monkeypatch.setattr("ctypes.get_errno", lambda: number)
    assert exchange(tmp_path / "not", tmp_path / "there") is False


def test_without_exchange_the_new_one_comes_and_nothing_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing, "exchange", lambda one, other: False)
    out = result(tmp_path / "out")
    with new_folder(claim_folder(out, command="test", force=True)) as place:
        (place / "proof").write_text("new")
    assert (out / "proof").read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]


def test_killed_while_files_move_one_by_one_the_next_writer_finishes(tmp_path):
    out = result(tmp_path / "out")
    (out / "stale").write_text("old")
    (out / "notes").write_text("mine")
    place = out / f".{INSIDE}-abcd1234"
    (place / NEW / "deep").mkdir(parents=True)
    (place / NEW / "deep" / "file").write_text("new")
    (place / NEW / "proof").write_text("new")
    (place / LOCK).touch()
    (place / READY).write_text('["stale"]')
    clear_abandoned(out)
    assert {p.name: p.read_text() for p in out.rglob("*") if p.is_file()} == {
        "proof": "new",
        "file": "new",
        "notes": "mine",
    }


def test_killed_before_all_was_ready_to_move_the_old_one_stays(tmp_path):
    out = result(tmp_path / "out")
    place = out / f".{INSIDE}-abcd1234"
    (place / NEW).mkdir(parents=True)
    (place / NEW / "proof").write_text("new")
    (place / LOCK).touch()
    clear_abandoned(out)
    assert [p.name for p in out.iterdir()] == ["proof"]
    assert (out / "proof").read_text() == "old"


@pytest.mark.parametrize("exchanges", [True, False])
def test_what_is_not_our_own_stays_as_it_is(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(replacing, "exchange", lambda one, other: False)
    out = result(tmp_path / "out")
    (out / "notes" / "empty").mkdir(parents=True)
    (out / "notes" / "a.txt").write_text("mine")
    (out / "tables").mkdir()
    (out / "tables" / "ours.csv").write_text("old")
    (out / "tables" / "mine.csv").write_text("mine")
    (out / "link").symlink_to(tmp_path / "elsewhere")
    before = (out / "notes" / "a.txt").stat()
    with holder(out) as place:
        result(place / NEW, "new")
        put_in_place(place, out, own={"proof", "tables/ours.csv"})
    assert (out / "proof").read_text() == "new"
    assert not (out / "tables" / "ours.csv").exists()
    assert (out / "tables" / "mine.csv").read_text() == "mine"
    assert (out / "notes" / "empty").is_dir()
    assert (out / "link").readlink() == tmp_path / "elsewhere"
    after = (out / "notes" / "a.txt").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert not list(out.glob(".*"))


def test_files_of_others_in_the_way_are_refused_and_with_force_replaced_but_never_folders(tmp_path):
    out = tmp_path / "out"
    (out / "tables").mkdir(parents=True)
    (out / "proof").write_text("mine")
    for force, mine in ((False, "proof"), (True, "tables")):
        with holder(out) as place:
            result(place / NEW, "new")
            if force:
                (place / NEW / "tables").write_text("a file")
            with pytest.raises(InTheWayError) as caught:
                put_in_place(place, out, force=force)
        assert caught.value.names == [mine]
        assert (out / "proof").read_text() == "mine"
    with holder(out) as place:
        result(place / NEW, "new")
        put_in_place(place, out, force=True)
    assert (out / "proof").read_text() == "new"


def test_what_comes_while_the_folders_change_places_is_kept(tmp_path, monkeypatch):
    out = result(tmp_path / "out")

    def slow(one, other):
        (out / "late.txt").write_text("mine")
        return exchange(one, other)

    monkeypatch.setattr(replacing, "exchange", slow)
    with holder(out) as place:
        result(place / NEW, "new")
        put_in_place(place, out, own={"proof"})
    assert {p.name: p.read_text() for p in out.iterdir()} == {"proof": "new", "late.txt": "mine"}


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    out = result(tmp_path / "out")
    abandoned(out)
    abandoned(out, suffix="efgh5678")
    with new_folder(claim_folder(out, command="test", force=True)) as place:
        (place / "proof").write_text("new")
    assert list(tmp_path.iterdir()) == [out]


def test_what_is_somebody_elses_is_left_alone(tmp_path):
    out = tmp_path / "out"
    others = [abandoned(tmp_path / "other"), abandoned(tmp_path / "out-of-it"), tmp_path / ".out-x"]
    others[2].mkdir()
    (tmp_path / ".out-12345678").mkdir()
    (tmp_path / ".out-12345678" / "diary.txt").write_text("years")
    before = sorted(tmp_path.rglob("*"))
    clear_abandoned(out)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_writer_that_lives_keeps_its_folder(tmp_path):
    out = tmp_path / "out"
    with holder(out) as place:
        (place / NEW).mkdir()
        clear_abandoned(out)
        assert (place / NEW).is_dir()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    out = tmp_path / "out"
    code = (
        "import os, pathlib, signal; from atlas.output.replacing import holder\n"
        f"with holder(pathlib.Path({str(out)!r})):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    clear_abandoned(out)
    assert list(tmp_path.iterdir()) == []


def test_names_with_the_characters_of_patterns_are_names(tmp_path):
    out = tmp_path / "a[b]*?"
    (tmp_path / ".axx-abcd1234").mkdir()
    with new_folder(claim_folder(out, command="test", force=True)) as place:
        (place / "proof").write_text("new")
        assert place.parent.name.startswith(".a_b___-")
    assert (out / "proof").is_file()


def test_the_first_result_takes_an_empty_place(tmp_path):
    out = tmp_path / "out"
    with holder(out) as place:
        result(place / NEW, "new")
        put_in_place(place, out)
    assert (out / "proof").read_text() == "new"
