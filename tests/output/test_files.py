from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from atlas.output.files import OutputError, hdf5_file, new_file, take_room, write_file
from atlas.output.results import LIST, claim_folder, new_folder


class DiedError(Exception):
    pass


def folder(path):
    return new_folder(claim_folder(path, command="test"))


def fill_and_die(manager, name=""):
    """Write half a result and fail."""
    with manager as place:
        (place / name if name else place).write_text("half")
        raise DiedError


def test_text_is_written_as_utf_8_and_bytes_as_they_are(tmp_path):
    assert write_file(tmp_path / "a.txt", "µm").read_bytes() == b"\xc2\xb5m"
    assert write_file(tmp_path / "b.bin", b"\x00\xff").read_bytes() == b"\x00\xff"


def test_a_file_that_fails_leaves_the_last_good_one_and_nothing_beside_it(tmp_path):
    path = write_file(tmp_path / "model.h5", "good")
    with pytest.raises(DiedError):
        fill_and_die(new_file(path))
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_under_way_is_not_at_its_place_yet(tmp_path):
    path = tmp_path / "model.h5"
    with new_file(path) as place:
        place.write_text("new")
        assert not path.exists()
        assert place.parent == path.parent
        assert place.suffix == path.suffix
    assert path.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_file_has_the_permissions_any_new_file_has(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    written = write_file(tmp_path / "written", "")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_folder_has_the_permissions_any_new_folder_has(tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    with folder(tmp_path / "out"):
        pass
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(DiedError):
        fill_and_die(folder(tmp_path / "out"), "proof")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_fails_leaves_the_last_good_one(tmp_path):
    with folder(tmp_path / "out") as place:
        (place / "proof").write_text("good")
    with pytest.raises(DiedError):
        fill_and_die(folder(tmp_path / "out"), "proof")
    assert (tmp_path / "out" / "proof").read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_earlier_result_is_replaced_whole(tmp_path):
    for names in (("proof", "old"), ("proof", "new")):
        with folder(tmp_path / "out") as place:
            for name in names:
                (place / name).write_text(name)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [LIST, "new", "proof"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_and_missing_parents_are_used(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "not" / "yet" / "there"):
        with folder(path) as place:
            (place / "proof").write_text("")
        assert (path / "proof").is_file()


def test_somebody_elses_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years")
    with (
        pytest.raises(OutputError, match=r"thesis: expected nothing there, an empty folder or .*"),
        folder(tmp_path / "thesis"),
    ):
        pass
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years"


def test_a_file_at_the_place_of_a_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "out").write_text("a file")
    with (
        pytest.raises(OutputError, match="expected a place for a folder, got a file"),
        folder(tmp_path / "out"),
    ):
        pass
    assert (tmp_path / "out").read_text() == "a file"


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match=r"cannot be written \(.*\); choose another place"),
        folder(tmp_path / "file" / "out"),
    ):
        pass


def test_a_relative_place_stays_where_it_was_meant(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    with folder(Path("out")) as place:
        (place / "proof").write_text("")
        monkeypatch.chdir(elsewhere)
    assert (tmp_path / "out" / "proof").is_file()


def test_a_move_that_fails_midway_is_finished_by_the_next_writer(tmp_path, monkeypatch):
    out = tmp_path / "out"
    with folder(out) as place:
        (place / "proof").write_text("good")
        (place / "stale").write_text("good")
    replace = Path.replace

    def refuse_the_second(self, target):
        if self.name == "b" and Path(target) == out / "b":
            raise OSError("disk is gone")
        return replace(self, target)

    monkeypatch.setattr("atlas.output.replacing.exchange", lambda one, other: False)
    monkeypatch.setattr(Path, "replace", refuse_the_second)

    def write_anew():
        with folder(out) as place:
            for name in ("a", "b", "proof"):
                (place / name).write_text("new")

    with pytest.raises(OSError, match="disk is gone"):
        write_anew()
    monkeypatch.undo()
    claim_folder(out, command="test")
    found = {p.name: p.read_text() for p in out.iterdir() if p.name != LIST}
    assert found == {"a": "new", "b": "new", "proof": "new"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_hdf5_that_finds_no_room_is_an_error_like_any_other(tmp_path):
    code = (
        "import resource, pathlib; from atlas.output import files\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "for size in (0, 1 << 30):\n"
        "    try:\n"
        "        with files.hdf5_file(pathlib.Path('a.h5'), size=size) as file:\n"
        "            file['a'] = [0.0] * 20000\n"
        "    except OSError as error: print(error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout.split(), done.stderr) == ([str(errno.EFBIG)] * 2, "")


def test_room_that_was_taken_is_given_back(tmp_path):
    take_room(tmp_path / "a", 1 << 20)
    assert (tmp_path / "a").stat().st_size == 0


def test_a_file_made_in_memory_is_the_file_on_disk(tmp_path):
    import h5py

    with hdf5_file(tmp_path / "a.h5") as file:
        file["x"] = [1.0, 2.0]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][:].tolist() == [1.0, 2.0]
