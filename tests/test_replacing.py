"""A folder takes its place in one step, and what killed processes left goes away."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atlas import replacing
from atlas.files import new_folder
from atlas.replacing import LOCK, NEW, OLD, clear_abandoned, exchange, holder, put_in_place

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
    with new_folder(out, proof="proof") as place:
        (place / "proof").write_text("new")
    assert (out / "proof").read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]


def test_killed_between_two_renames_the_old_one_is_put_back(tmp_path):
    out = tmp_path / "out"
    abandoned(out, part=OLD)
    clear_abandoned(out)
    assert (out / "proof").read_text() == OLD
    assert list(tmp_path.iterdir()) == [out]


def test_an_old_one_never_replaces_a_result_that_is_there(tmp_path):
    out = result(tmp_path / "out", "newer")
    abandoned(out, part=OLD)
    clear_abandoned(out)
    assert (out / "proof").read_text() == "newer"
    assert list(tmp_path.iterdir()) == [out]


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    out = result(tmp_path / "out")
    abandoned(out)
    abandoned(out, suffix="efgh5678")
    with new_folder(out, proof="proof") as place:
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
        "import os, pathlib, signal; from atlas.replacing import holder\n"
        f"with holder(pathlib.Path({str(out)!r})):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    clear_abandoned(out)
    assert list(tmp_path.iterdir()) == []


def test_names_with_the_characters_of_patterns_are_names(tmp_path):
    out = tmp_path / "a[b]*?"
    (tmp_path / ".axx-abcd1234").mkdir()
    with new_folder(out, proof="proof") as place:
        (place / "proof").write_text("new")
        assert place.parent.name.startswith(".a_b___-")
    assert (out / "proof").is_file()


def test_the_first_result_takes_an_empty_place(tmp_path):
    out = tmp_path / "out"
    with holder(out) as place:
        result(place / NEW, "new")
        put_in_place(place, out)
    assert (out / "proof").read_text() == "new"
