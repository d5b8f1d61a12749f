"""Archives that would harm are refused by the member's name, before a byte is written."""

from __future__ import annotations

import io
import re
import stat
import struct
import warnings
import zipfile
import zlib

import pytest
from figshare_server import zip_bytes

from atlas.data.remote.extraction import ArchiveError, Limits, Written, extract, safe_members

NAME = "markers/sub-01/sub-01_dura_1.json"


def archive_of(*members, compression=zipfile.ZIP_DEFLATED):
    """An archive as a reader sees it; members are (name or ZipInfo, content)."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", compression) as archive:
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of doubled names
        for member in members:
            archive.writestr(*member)
    return zipfile.ZipFile(out)


def special(name, kind):
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


def refused(*members, **limits):
    with archive_of(*members) as archive, pytest.raises(ArchiveError) as caught:
        safe_members(archive, place="markers.zip", limits=Limits(**limits))
    return str(caught.value)


def test_files_are_written_with_their_size_and_checksum(tmp_path):
    said = []
    with archive_of(("a/b/c.txt", b"abc"), ("empty", b""), ("a/", b"")) as archive:
        members = safe_members(archive, place="x.zip")
        written = extract(archive, members, tmp_path, place="x.zip", progress=said.append)
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"abc"
    assert written == {"a/b/c.txt": Written(3, zlib.crc32(b"abc")), "empty": Written(0, 0)}
    assert said == [3]


def test_members_can_be_written_under_another_name(tmp_path):
    with archive_of(("x/markers/a.json", b"{}")) as archive:
        (info,) = safe_members(archive, place="x.zip").values()
        extract(archive, {"markers/a.json": info}, tmp_path, place="x.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["markers"]


def test_what_file_managers_leave_is_left_out():
    litter = ["__MACOSX/markers/._a.json", "markers/.DS_Store", "markers/._b.json", "Thumbs.db"]
    with archive_of((NAME, b"{}"), *((name, b"x") for name in litter)) as archive:
        assert list(safe_members(archive, place="x.zip")) == [NAME]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../evil.json", "leads outside"),
        ("markers/../../evil.json", "leads outside"),
        ("markers\\..\\..\\evil.json", "leads outside"),
        ("/etc/passwd", "is an absolute path"),
        ("C:/evil.json", "is an absolute path"),
        ("\\\\server\\evil.json", "is an absolute path"),
        ("markers\\evil.json", "has characters no file name may have"),
        ("markers/a\nb.json", "has characters no file name may have"),
        ("markers/a\x00b.json", "has characters no file name may have"),
        ("markers/a:stream", "has characters no file name may have"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name, problem):
    info = zipfile.ZipInfo("placeholder")
    info.filename = info.orig_filename = name
    if "\x00" in name:
        # zipfile will not write it; an archive can hold it all the same.
        info.filename = name.replace("\x00", "0")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, b"{}")
    if "\x00" in name:
        out = io.BytesIO(out.getvalue().replace(info.filename.encode(), name.encode()))
    with zipfile.ZipFile(out) as archive, pytest.raises(ArchiveError) as caught:
        safe_members(archive, place="markers.zip")
    assert str(caught.value) == (
        f"markers.zip: refused: its member {name!r} {problem}; nothing is unpacked from it"
    )


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (stat.S_IFLNK, "is a link"),
        (stat.S_IFIFO, "is a device or a pipe"),
        (stat.S_IFCHR, "is a device or a pipe"),
        (stat.S_IFBLK, "is a device or a pipe"),
        (stat.S_IFSOCK, "is a device or a pipe"),
    ],
)
def test_what_is_no_file_is_refused(kind, problem):
    text = refused((NAME, b"{}"), (special("markers/bad", kind), b"/etc/passwd"))
    assert f"'markers/bad' {problem}" in text


def test_regular_files_and_folders_with_a_mode_are_taken():
    members = ((special("a", stat.S_IFREG), b"1"), (special("f/", stat.S_IFDIR), b""))
    with archive_of(*members) as archive:
        assert list(safe_members(archive, place="x.zip")) == ["a"]


def test_a_bomb_is_refused_by_its_growth_and_its_size():
    text = refused(("markers/bomb.json", b"0" * 3_000_000))
    assert re.search(
        r"'markers/bomb.json' would grow from \d+ to 3000000 bytes, more than 200", text
    )
    text = refused(("markers/large.json", bytes(range(256)) * 4), member_bytes=1000)
    assert "'markers/large.json' would take 1024 bytes, more than 1000" in text
    text = refused(("a", b"x" * 600), ("b", b"x" * 600), total_bytes=1000)
    assert text == "markers.zip: refused: it would take 1200 bytes, more than 1000"
    text = refused(("a", b""), ("b", b""), ("c", b""), members=2)
    assert text == "markers.zip: expected at most 2 members, got 3"


def test_small_files_may_grow_much():
    with archive_of(("zeros.json", b"0" * 500_000)) as archive:
        assert len(safe_members(archive, place="x.zip")) == 1


def test_doubled_names_and_collisions_are_refused():
    assert "'a.json' is there twice" in refused(("a.json", b"1"), ("a.json", b"2"))
    text = refused(("m/a.json", b"1"), ("m/A.json", b"2"))
    assert "'m/A.json' differs from m/a.json by case or accents only" in text
    text = refused(("Sub/a.json", b"1"), ("sub/b.json", b"2"))
    assert "'sub/b.json' differs from Sub by case" in text
    text = refused(("caf\u00e9", b"1"), ("cafe\u0301", b"2"))
    assert "differs from café by case or accents only" in text
    text = refused(("a", b"1"), ("a/b", b"2"))
    assert "'a/b' needs a folder where the file a is" in text


def test_a_locked_member_and_an_unknown_method_are_refused():
    def patched(offset, value):
        content = bytearray(zip_bytes({"a.json": b"{}" * 50}))
        place = content.index(b"PK\x01\x02") + offset
        content[place : place + 2] = struct.pack("<H", value)
        with zipfile.ZipFile(io.BytesIO(content)) as archive, pytest.raises(ArchiveError) as caught:
            safe_members(archive, place="x.zip")
        return str(caught.value)

    assert "'a.json' is locked with a password" in patched(8, 1)
    assert "'a.json' is packed by an unknown method (93)" in patched(10, 93)


def test_overlapping_members_are_refused():
    content = bytearray(zip_bytes({"a": b"x" * 100, "b": b"y" * 100}))
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    content[second + 42 : second + 46] = struct.pack("<I", 5)
    inside = pytest.raises(ArchiveError, match="'b' lies inside the bytes of another member")
    with zipfile.ZipFile(io.BytesIO(content)) as archive, inside:
        safe_members(archive, place="x.zip")


@pytest.mark.parametrize("announced", [40, 60])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path, announced):
    content = bytearray(zip_bytes({"a.json": b"x" * 50}))
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = struct.pack("<I", announced)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = safe_members(archive, place="x.zip")
        with pytest.raises(
            ArchiveError, match=r"x.zip: refused: its member 'a.json' (is dam|holds)"
        ):
            extract(archive, members, tmp_path, place="x.zip")


@pytest.mark.parametrize("place", [0, 30, 38, 60])
def test_a_damaged_member_is_refused(tmp_path, place):
    content = bytearray(zip_bytes({"a.json": bytes(range(100))}))
    content[place] ^= 0xFF
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = safe_members(archive, place="x.zip")
        with pytest.raises(ArchiveError, match=r"x.zip: refused: its member 'a.json' is damaged"):
            extract(archive, members, tmp_path, place="x.zip")


def test_nothing_is_ever_written_over(tmp_path):
    (tmp_path / "a").write_text("mine")
    with archive_of(("a", b"theirs")) as archive:
        members = safe_members(archive, place="x.zip")
        with pytest.raises(FileExistsError):
            extract(archive, members, tmp_path, place="x.zip")
    assert (tmp_path / "a").read_text() == "mine"
