from __future__ import annotations

import io
import os
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import specimens

from atlas.data import file_trees
from atlas.data.dataset import survey_dataset
from atlas.data.file_trees import ArchiveTree, FileTooLargeError, FolderTree
from atlas.data.layout import (
    MarkerFile,
    file_name,
    marker_files,
    root_key,
    subject_id,
)
from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey


def recognise(*names, root_name=""):
    return list(marker_files(list(names), root_name=root_name))


@pytest.mark.parametrize(
    "name",
    [
        "sub-01/sub-01_nerveroots_L3_R.json",
        "sub-01/sub-01nerverootsL3right.json",
        "sub-01/sub-01_nerveroots_L3_right.json",
        "sub-01/sub-01_nerveroots_l3_r.json",
        "sub-01/SUB-01_NerveRoots_L3_RIGHT.JSON",
        "sub-01/sub-01_nerveroot_L3R.json",
        "sub-01/sub_01_nerveroots_L3_R.mrk.json",
        "markers/sub-01/sub-01_nerveroots_L3_R.json",
        "derivatives/markers/sub-01/sub-01_nerveroots_L3_R.json",
        "sub-01_nerveroots_L3_R.json",
    ],
)
def test_a_root_is_recognised_in_every_spelling(name):
    (file,) = recognise(name)
    assert (file.name, file.subject, file.kind, file.key) == (
        name,
        "sub-01",
        "roots",
        RootKey("L3", "right"),
    )


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [
        ("sub-01_dura_3.json", "dura", None),
        ("sub-01dura3.json", "dura", None),
        ("sub-01_cord_66.json", "cord", None),
        ("sub-01cord66.json", "cord", None),
        ("sub-01_ganglions_L1_L.json", "ganglia", RootKey("L1", "left")),
        ("sub-01ganglionsL1left.json", "ganglia", RootKey("L1", "left")),
        ("sub-01_ganglion_S2_Right.json", "ganglia", RootKey("S2", "right")),
        ("sub-01_ganglia_S2_R.json", "ganglia", RootKey("S2", "right")),
    ],
)
def test_kind_level_and_side_come_from_the_name(name, kind, key):
    (file,) = recognise(name)
    assert file == MarkerFile(name, "sub-01", "sub-01", kind, key)


def test_a_dura_file_with_a_root_like_number_has_no_key():
    assert recognise("sub-01_dura_L3_R.json")[0].key is None


@pytest.mark.parametrize(
    "name",
    [
        "dataset_description.json",
        "sub-01/sub-01_CISS.json",
        "sub-01/sub-01_dura_1.json.bak",
        "sub-01/sub-01_dura_1.stl",
        "sub-01/._sub-01_dura_1.json",
        "sub-01/dura_1.json",
        "README",
    ],
)
def test_other_files_are_no_marker_files(name):
    assert recognise(name) == []


def test_the_folder_decides_whose_file_it_is_and_the_file_keeps_its_own_spelling():
    (file,) = recognise("markers/sub-14/sub_14_dura_7.json")
    assert (file.subject, file.named_subject) == ("sub-14", "sub_14")


def test_a_single_subjects_folder_names_its_files():
    (file,) = recognise("sub_14_dura_7.json", root_name="sub-14")
    assert (file.subject, file.named_subject) == ("sub-14", "sub_14")


@pytest.mark.parametrize("folder", ["subjects", "subset", "submission", "subject1"])
def test_a_folder_whose_name_begins_with_sub_is_not_a_subject(folder):
    (file,) = recognise("sub-02_dura_7.json", root_name=folder)
    assert file.subject == "sub-02"


@pytest.mark.parametrize("text", ["sub-14", "sub_14", "sub14", "SUB-14", "Sub_14"])
def test_spellings_of_a_subject_are_one_subject(text):
    assert subject_id(text) == "sub-14"


def test_a_subject_label_may_hold_letters():
    assert subject_id("sub-control07") == "sub-control07"


def test_what_is_no_subject_stays_as_it_is():
    assert subject_id("patient 7") == "patient 7"


def test_every_level_and_side_is_understood_in_both_spellings():
    for key in ROOT_KEYS:
        assert root_key(f"{key.level}_{key.side[0].upper()}") == key
        assert root_key(f"{key.level}{key.side}") == key


@pytest.mark.parametrize("text", ["L6_L", "S3_R", "T12_left", "L3", "left", "", "L3_M", "3_L"])
def test_an_unknown_level_or_side_is_none(text):
    assert root_key(text) is None


def test_there_are_fourteen_roots_level_by_level():
    assert len(ROOT_KEYS) == 14
    assert tuple(k.level for k in ROOT_KEYS[::2]) == LEVELS


def test_a_folder_and_an_archive_give_the_same_names_and_bytes(tmp_path):
    contents = {"b/two.json": b"2", "a.json": b"1", "b/c/three.json": b"3"}
    folder = tmp_path / "folder"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("empty/", b"")
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            archive.writestr(name, content)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for tree in (FolderTree(folder), ArchiveTree(archive)):
            assert tree.names() == sorted(contents)
            assert {n: tree.read(n) for n in tree.names()} == contents


def test_what_a_fetch_was_cut_off_at_is_no_part_of_the_folder(tmp_path):
    (tmp_path / ".fetching" / "markers").mkdir(parents=True)
    (tmp_path / ".fetching" / "markers" / "a.json").write_text("")
    (tmp_path / "b.json").write_text("")
    assert FolderTree(tmp_path).names() == ["b.json"]


def test_an_oversized_file_is_one_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(file_trees, "MAXIMUM_BYTES", 1 << 20)
    place = specimens.write_subject(tmp_path, specimens.make_small_subject())
    with (place / "sub-01_dura_1.json").open("wb") as out:
        out.truncate((1 << 20) + 1)
    (finding,) = [f for f in survey_dataset(tmp_path).findings if f.rule == "unreadable-file"]
    assert str(finding) == (
        "sub-01/sub-01_dura_1.json: cannot be read: expected at most 1 MiB, got more; this is no "
        "file of annotations"
    )


def test_a_file_of_the_largest_size_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(file_trees, "MAXIMUM_BYTES", 10)
    (tmp_path / "a.json").write_bytes(b"0123456789")
    assert FolderTree(tmp_path).read("a.json") == b"0123456789"


@pytest.mark.parametrize("packed", [False, True])
def test_a_huge_file_costs_no_more_memory_than_the_limit(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(file_trees, "MAXIMUM_BYTES", 1 << 20)
    with (tmp_path / "a.json").open("wb") as out:
        out.truncate(30 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.json", "a.json")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        tree = ArchiveTree(archive) if packed else FolderTree(tmp_path)
        tracemalloc.start()
        with pytest.raises(FileTooLargeError, match="expected at most 1 MiB, got more"):
            tree.read("a.json")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 6 << 20


@pytest.mark.parametrize("announced", [10, 3_000_000])
def test_an_archive_member_is_held_to_the_limit_whatever_size_it_announces(monkeypatch, announced):
    monkeypatch.setattr(file_trees, "MAXIMUM_BYTES", 1 << 20)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.json", b"0" * 3_000_000)
    content = bytearray(out.getvalue())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = struct.pack("<I", announced)
    refused = pytest.raises((FileTooLargeError, zipfile.BadZipFile), match=r"at most 1 MiB|CRC")
    with zipfile.ZipFile(io.BytesIO(content)) as archive, refused:
        ArchiveTree(archive).read("bomb.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(OSError, match="expected a file, got a pipe or a device"):
        FolderTree(tmp_path).read("a.json")


@pytest.mark.parametrize("name", ["a.json", "markers/sub-01/a.json", "./markers//a.json"])
def test_the_last_part_of_a_name_is_that_of_the_file(name):
    assert file_name(name) == "a.json"


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_links_to_folders_are_not_followed_and_links_to_nowhere_are_files(tmp_path):
    (tmp_path / "sub-01" / "deep").mkdir(parents=True)
    (tmp_path / "sub-01" / "deep" / "a.json").write_text("")
    (tmp_path / "sub-02").symlink_to("sub-01")
    (tmp_path / "sub-01" / "round").symlink_to("..")
    (tmp_path / "sub-01" / "b.json").symlink_to("nowhere")
    tree = FolderTree(tmp_path)
    assert tree.names() == ["sub-01/b.json", "sub-01/deep/a.json"]
    with pytest.raises(FileNotFoundError):
        tree.read("sub-01/b.json")


def test_a_file_longer_than_it_announces_is_read_whole(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_bytes(b"0123456789")
    short = os.stat_result((stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, 4, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda path: short)
    assert FolderTree(tmp_path).read("a.json") == b"0123456789"
