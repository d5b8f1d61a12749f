from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from atlas.files import OutputError, new_file, new_folder, write_file


class DiedError(Exception):
    pass


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
    with new_folder(tmp_path / "out", proof="proof"):
        pass
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(DiedError):
        fill_and_die(new_folder(tmp_path / "out", proof="proof"), "proof")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_fails_leaves_the_last_good_one(tmp_path):
    with new_folder(tmp_path / "out", proof="proof") as place:
        (place / "proof").write_text("good")
    with pytest.raises(DiedError):
        fill_and_die(new_folder(tmp_path / "out", proof="proof"), "proof")
    assert (tmp_path / "out" / "proof").read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_earlier_result_is_replaced_whole(tmp_path):
    for names in (("proof", "old"), ("proof", "new")):
        with new_folder(tmp_path / "out", proof="proof") as place:
            for name in names:
                (place / name).write_text(name)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["new", "proof"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_and_missing_parents_are_used(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "not" / "yet" / "there"):
        with new_folder(path, proof="proof") as place:
            (place / "proof").write_text("")
        assert (path / "proof").is_file()


def test_somebody_elses_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years")
    with (
        pytest.raises(OutputError, match=r"thesis: expected nothing there, an empty folder or .*"),
        new_folder(tmp_path / "thesis", proof="proof"),
    ):
        pass
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years"


def test_a_file_at_the_place_of_a_folder_is_refused_and_kept(tmp_path):
    (tmp_path / "out").write_text("a file")
    with (
        pytest.raises(OutputError, match="got something else; choose another place"),
        new_folder(tmp_path / "out", proof="proof"),
    ):
        pass
    assert (tmp_path / "out").read_text() == "a file"


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match=r"cannot be written \(.*\); choose another place"),
        new_folder(tmp_path / "file" / "out", proof="proof"),
    ):
        pass


def test_a_relative_place_stays_where_it_was_meant(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    with new_folder(Path("out"), proof="proof") as place:
        (place / "proof").write_text("")
        monkeypatch.chdir(elsewhere)
    assert (tmp_path / "out" / "proof").is_file()


def test_a_rename_that_fails_puts_the_earlier_result_back(tmp_path, monkeypatch):
    out = tmp_path / "out"
    with new_folder(out, proof="proof") as place:
        (place / "proof").write_text("good")
    rename = Path.rename

    def refuse_the_fresh_one(self, target):
        if self.name == "new" and Path(target) == out:
            raise OSError("disk is gone")
        return rename(self, target)

    monkeypatch.setattr("atlas.replacing.exchange", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", refuse_the_fresh_one)
    with pytest.raises(OSError, match="disk is gone"), new_folder(out, proof="proof") as place:
        (place / "proof").write_text("new")
    assert (out / "proof").read_text() == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
