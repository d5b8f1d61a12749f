import zlib

import pytest

from atlas.data.remote.extraction import Written
from atlas.data.remote.install import check_free, install, refuse_foreign, remove_if_empty
from atlas.data.remote.manifest import Record
from atlas.output.files import OutputError

WRITTEN = {f"m/{name}/x": Written(1, zlib.crc32(b"x")) for name in ("sub-01", "sub-02")}


def unpacked(folder):
    for name in WRITTEN:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("x")
    return folder


def test_a_new_folder_appears_whole(tmp_path):
    staging = unpacked(tmp_path / "staging")
    (tmp_path / "m").mkdir()
    install(staging, tmp_path, WRITTEN)
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["sub-01", "sub-02"]
    assert list(staging.iterdir()) == []


def test_into_a_folder_that_is_there_only_what_lacks_is_moved(tmp_path):
    (tmp_path / "m/sub-01").mkdir(parents=True)
    (tmp_path / "m/sub-01/mine").write_text("mine")
    install(unpacked(tmp_path / "staging"), tmp_path, WRITTEN)
    assert [p.name for p in (tmp_path / "m/sub-01").iterdir()] == ["mine"]
    assert (tmp_path / "m/sub-02/x").read_text() == "x"


def test_what_was_not_fetched_is_in_the_way(tmp_path):
    refuse_foreign(tmp_path / "m", None)
    (tmp_path / "m/sub-01").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"m: expected nothing there or what was fetched before"):
        refuse_foreign(tmp_path / "m", None)
    with pytest.raises(OutputError, match=r"sub-01: expected nothing there or what was fetched"):
        check_free(tmp_path, WRITTEN, None)
    check_free(tmp_path, WRITTEN, Record({}, True, WRITTEN))


def test_only_an_empty_folder_is_removed(tmp_path):
    (tmp_path / "m").mkdir()
    remove_if_empty(tmp_path)
    assert (tmp_path / "m").is_dir()
    remove_if_empty(tmp_path / "m")
    remove_if_empty(tmp_path / "m")
    assert not (tmp_path / "m").exists()
