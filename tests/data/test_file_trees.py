"""What holds a dataset: links followed, circles guarded, archives of every system read."""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import specimens

from atlas.data.dataset import DatasetError, survey_dataset
from atlas.data.exclusions import exclude
from atlas.data.file_trees import ArchiveTree, FolderTree
from atlas.data.subject import Severity
from atlas.large.subject_folders import list_subjects

SUBJECTS = [
    specimens.make_small_subject(f"sub-0{i}", bend_mm=float(i), spacing_mm=4.0) for i in (1, 2)
]
FILES = {f"{s.id}/{n}": c for s in SUBJECTS for n, c in specimens.subject_files(s).items()}
links = pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")


@pytest.fixture
def root(tmp_path):
    for subject in SUBJECTS:
        specimens.write_subject(tmp_path / "study" / "markers", subject)
    return tmp_path / "study"


def found(place):
    """Subjects and findings by rule, as both ways of reading a folder have them."""
    dataset = survey_dataset(place)
    if place.is_dir():
        listing = list_subjects(place)
        read = [folder.read() for folder in listing.folders]
        assert [s.id for s, _ in read if s is not None] == [s.id for s in dataset.subjects]
        said = {*listing.findings, *(f for _, findings in read for f in findings)}
        assert said == set(dataset.findings)
    return [s.id for s in dataset.subjects], {f.rule: f for f in dataset.findings}


# --- links ---


@links
def test_subjects_and_files_that_are_links_are_read(root, tmp_path):
    markers = root / "markers"
    (markers / "sub-02").rename(tmp_path / "elsewhere")
    (markers / "sub-02").symlink_to(tmp_path / "elsewhere")
    file = markers / "sub-01" / "sub-01_dura_1.json"
    file.rename(tmp_path / "annex")
    file.symlink_to(tmp_path / "annex")
    assert found(root) == (["sub-01", "sub-02"], {})
    (tmp_path / "link").symlink_to(root)
    assert found(tmp_path / "link") == (["sub-01", "sub-02"], {})


@links
@pytest.mark.parametrize("target", ["markers", "markers/sub-01", ".", "..", "../.."])
def test_a_circle_is_passed_once_and_said(root, target):
    (root / "markers" / "sub-01" / "again").symlink_to(root / target)
    ids, rules = found(root)
    assert ids == ["sub-01", "sub-02"]
    assert list(rules) == ["repeated-folder"]
    assert rules["repeated-folder"].place == "markers/sub-01/again"
    assert rules["repeated-folder"].severity is Severity.WARNING


@links
def test_links_to_each_other_end(root):
    for one, other in (("a", "b"), ("b", "a"), ("c", "c")):
        (root / one).symlink_to(root / other)
    assert found(root) == (["sub-01", "sub-02"], {})


@links
def test_one_subject_through_two_links_is_an_error_and_can_be_left_out(root):
    (root / "markers" / "sub-03").symlink_to("sub-01")
    ids, rules = found(root)
    assert ids == ["sub-01", "sub-02"]
    assert str(rules["repeated-folder"]) == (
        "sub-03/markers/sub-03: expected a folder of its own, got a link to markers/sub-01; its "
        "files are read once, as markers/sub-01: remove the link"
    )
    assert rules["repeated-folder"].severity is Severity.ERROR
    assert exclude(survey_dataset(root), ["sub-03"]).findings == ()


@links
def test_a_folder_inside_a_linked_one_is_read_once(root, tmp_path):
    (root / "markers").rename(tmp_path / "pool")
    (root / "sub-01").symlink_to(tmp_path / "pool" / "sub-01")
    (root / "markers").symlink_to(tmp_path / "pool")
    ids, rules = found(root)
    assert ids == ["sub-01", "sub-02"]
    assert list(rules) == ["repeated-folder"]


@links
def test_a_link_names_the_subject_that_it_leads_to(root, tmp_path):
    (root / "markers" / "sub-01").rename(tmp_path / "object")
    (tmp_path / "sub-01").symlink_to(tmp_path / "object")
    assert survey_dataset(tmp_path / "sub-01").subjects[0].id == "sub-01"


# --- what cannot be read ---


def unlocked() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if unlocked() else ()
SURVEY = """
import sys
from pathlib import Path
from atlas.data.dataset import DatasetError, survey_dataset
try:
    dataset = survey_dataset(sys.argv[1])
    print([s.id for s in dataset.subjects])
    for finding in dataset.findings:
        print(finding.severity.name, finding.rule, finding)
except DatasetError as error:
    print(error)
"""


def said_without_rights(place):
    done = subprocess.run(
        [*WITHOUT_RIGHTS, sys.executable, "-c", SURVEY, place],
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode and WITHOUT_RIGHTS and "setpriv" in done.stderr:
        pytest.skip("needs to give up the rights of root")
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs permissions")
@pytest.mark.parametrize("locked", ["markers/sub-02", "markers", "."])
@pytest.mark.parametrize("mode", [0, 0o111])
def test_a_locked_folder_is_an_error_that_names_it(root, locked, mode):
    (root / locked).chmod(mode)
    try:
        said = said_without_rights(root)
    finally:
        (root / locked).chmod(0o755)
    if locked == "markers/sub-02":
        assert said.splitlines() == [
            "['sub-01']",
            (
                "ERROR unreadable-folder sub-02/markers/sub-02: expected a folder that can be "
                "read, got Permission denied; what is in it is not used: change its permissions, "
                "or exclude or move it"
            ),
        ]
    else:
        assert "Permission denied" in said and str(root) in said and "sub-01'" not in said


def test_a_locked_subject_can_be_left_out_of_a_listing(root, monkeypatch):
    scan = os.scandir

    def locked(path):
        if Path(path).name == "sub-02":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", locked)
    ids, rules = found(root)
    assert ids == ["sub-01"] and list(rules) == ["unreadable-folder"]
    assert exclude(survey_dataset(root), ["sub-02"]).findings == ()


def test_deep_folders_are_walked_without_recursion(tmp_path):
    place = tmp_path
    for _ in range(300):
        place = place / "d"
    place.mkdir(parents=True)
    (place / "a.json").write_text("")
    assert FolderTree(tmp_path).names() == ["d/" * 300 + "a.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are not UTF-8")
def test_names_that_are_not_utf_8_are_escaped_in_all_that_is_said(root):
    # Half characters stand for the bytes 0xff, 0xfe and 0xe9.
    markers = root / "markers"
    (markers / "sub-02").rename(markers / "sub-\udcff2")
    (markers / "sub-01" / "sub-01_dura_1.json").rename(
        markers / "sub-01" / "sub-01_dura_\udcfe.json"
    )
    markers.rename(root / "mark\udce9")
    dataset = survey_dataset(root)
    said = "\n".join(
        [str(f) for f in dataset.findings] + [s.source.place for s in dataset.subjects]
    )
    said.encode()
    assert r"mark\xe9/sub-01/sub-01_dura_\xfe.json: expected a name like" in said
    assert [s.id for s in dataset.subjects] == ["sub-01", "sub-02"]


# --- archives ---


def archive(entries, *, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", compression) as made:
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of doubled names
        for name, content in entries:
            # As it is given: zipfile would change it on some systems.
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.compress_type = compression
            made.writestr(info, content)
    return bytearray(out.getvalue())


def headers(content):
    """Where the entries of an archive's directory begin."""
    return [match.start() for match in re.finditer(rb"PK\x01\x02", content)]


def packed(place, entries, **options):
    place.write_bytes(archive(entries, **options))
    return place


@pytest.mark.parametrize(
    "prefix",
    [
        "markers\\",
        "C:\\Users\\me\\markers\\",
        "D:/markers/",
        "/markers/",
        "\\\\pc\\share\\",
        "./a/",
    ],
)
def test_an_archive_of_any_system_is_read(tmp_path, prefix):
    separator = "\\" if "\\" in prefix else "/"
    entries = [(prefix + n.replace("/", separator), c) for n, c in FILES.items()]
    entries += [(f"{prefix}sub-01{separator}", b""), ("__MACOSX/sub-03/sub-03_dura_1.json", b"")]
    entries += [(f"{prefix}sub-01{separator}._sub-01_dura_1.json", b""), ("a/.DS_Store", b"")]
    assert found(packed(tmp_path / "a.zip", entries)) == (["sub-01", "sub-02"], {})


def test_mixed_separators_and_names_in_decomposed_letters_are_read(tmp_path):
    entries = [(f"Mu\u0308ller\\m/{n}", c) for n, c in FILES.items()]
    assert found(packed(tmp_path / "a.zip", entries)) == (["sub-01", "sub-02"], {})


def test_names_in_utf_8_that_are_not_declared_so_are_read(tmp_path):
    content = archive([(f"é/{n}", c) for n, c in FILES.items()])
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        offsets = [info.header_offset for info in made.infolist()]
    for offset in offsets:
        content[offset + 7] &= ~8
    for place in headers(content):
        content[place + 9] &= ~8
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        assert ArchiveTree(made).names()[0].startswith("é/sub-01/")
        ArchiveTree(made).read(ArchiveTree(made).names()[0])


@pytest.mark.parametrize(
    "name", ["../sub-01/sub-01_dura_99.json", "a\\..\\..\\sub-01_dura_99.json"]
)
def test_an_entry_that_leads_out_of_the_archive_is_an_error_and_not_read(tmp_path, name):
    entries = [*FILES.items(), (name, FILES["sub-01/sub-01_dura_1.json"])]
    ids, rules = found(packed(tmp_path / "a.zip", entries))
    assert ids == ["sub-01", "sub-02"] and list(rules) == ["odd-archive-entry"]
    assert "expected a name inside the archive, got one that leads out" in str(
        rules["odd-archive-entry"]
    )


@pytest.mark.parametrize("name", ["sub-01/sub-01_dura_1.json", "sub-01\\sub-01_dura_1.json"])
def test_two_entries_of_one_name_are_an_error(tmp_path, name):
    ids, rules = found(packed(tmp_path / "a.zip", [*FILES.items(), (name, b"{}")]))
    assert ids == ["sub-01", "sub-02"]
    assert rules["odd-archive-entry"].severity is Severity.ERROR
    assert "sub-01_dura_1.json: expected one file of this name" in str(rules["odd-archive-entry"])


def test_an_archive_in_an_archive_is_named(tmp_path):
    inner = bytes(archive(FILES.items()))
    with pytest.raises(DatasetError, match=r"got 1 files, none of them named so; unpack a/m.zip"):
        survey_dataset(packed(tmp_path / "a.zip", [("a/m.zip", inner)]))
    beside = packed(tmp_path / "b.zip", [*FILES.items(), ("sub-03.zip", inner)])
    assert "sub-03.zip: expected a folder of marker files" in str(
        found(beside)[1]["subject-without-markers"]
    )


def changed(content, offset, value, *, width=1):
    for place in headers(content):
        content[place + offset : place + offset + width] = value.to_bytes(width, "little")
    return content


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda c: changed(changed(c, 9, 8), 46, 0xFF), "name in it that is not the UTF-8"),
        (lambda c: changed(c, 6, 99), "version 9.9"),
        (lambda c: changed(c, 8, 1), "encrypted, password required; unpack it"),
        (lambda c: changed(c, 10, 97, width=2), "cannot be read: That compression method"),
        (lambda c: c[: len(c) // 2], "not a zip file"),
        (lambda c: c[:-10], "not a zip file"),
    ],
)
def test_a_damaged_archive_is_refused_in_words(tmp_path, damage, said):
    (tmp_path / "a.zip").write_bytes(damage(archive(FILES.items())))
    try:
        text = "\n".join(str(f) for f in survey_dataset(tmp_path / "a.zip").findings)
    except DatasetError as error:
        text = str(error)
    assert said in text


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_every_method_is_an_error_that_names_the_file(tmp_path, method):
    content = archive(FILES.items(), compression=method)
    for k in range(100, 140):
        content[k] ^= 0x5A
    (tmp_path / "a.zip").write_bytes(content)
    ids, rules = found(tmp_path / "a.zip")
    assert ids == ["sub-02"]
    assert "cannot be read: " in str(rules["unreadable-file"])


def test_what_expands_beyond_measure_is_refused_before_it_does(tmp_path):
    name = "sub-01/sub-01_dura_1.json"
    entries = [*(FILES | {name: b" " * (32 << 20)}).items()]
    ids, rules = found(packed(tmp_path / "a.zip", entries, compression=zipfile.ZIP_DEFLATED))
    assert ids == ["sub-02"]
    assert "expected a file that expands up to 200-fold, got" in str(rules["unreadable-file"])


def test_a_device_is_no_dataset():
    if not Path(os.devnull).is_char_device():
        pytest.skip("needs a device")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    with pytest.raises(DatasetError, match="got a pipe or a device"):
        survey_dataset(os.devnull)
