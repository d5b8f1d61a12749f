"""Fetching: which members are wanted, how they are put in place, and all of it against a site."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
import zlib

import numpy as np
import pytest
import specimens
from figshare_server import impatient, serve, zip_bytes

from atlas.data.dataset import read_dataset, survey_dataset
from atlas.data.remote import fetching
from atlas.data.remote.catalogue import CATALOGUE, DERIVED, DESCRIPTION, RAW, README
from atlas.data.remote.extraction import ArchiveError, Limits, Written
from atlas.data.remote.fetching import (
    check_found,
    check_free,
    fetch,
    install,
    members,
    refuse_foreign,
    remove_if_empty,
    selected,
)
from atlas.data.remote.figshare import RemoteFile
from atlas.data.remote.manifest import Record
from atlas.data.remote.retry import FetchError
from atlas.output.files import OutputError

MARKERS_ITEM, PARTICIPANTS = CATALOGUE[:2]
FILE = RemoteFile(1, "markers.zip", 1, "http://x", "0" * 32)
PATHS = [
    "rawdata/participants.tsv",
    "rawdata/sub-01/anat/a.nii.gz",
    "rawdata/sub-02/participants.tsv",
]


def placed(*names):
    with zipfile.ZipFile(io.BytesIO(zip_bytes(dict.fromkeys(names, b"")))) as archive:
        return list(members(archive, MARKERS_ITEM, FILE, Limits()))


@pytest.mark.parametrize(
    "name",
    ["markers/sub-01/a.json", "derivatives/markers/sub-01/a.json", "sub-01/a.json"],
)
def test_whatever_stands_above_files_go_below_the_items_folder(name):
    assert placed(name) == ["markers/sub-01/a.json"]


def test_two_members_of_one_place_are_refused():
    with pytest.raises(ArchiveError, match=r"two members would become markers/a.json"):
        placed("a.json", "markers/a.json")


def test_a_choice_is_by_subject_or_one_member_or_all():
    assert list(selected(PATHS, PARTICIPANTS, frozenset())) == PATHS[:1]
    assert list(selected(PATHS, MARKERS_ITEM, frozenset())) == PATHS
    assert list(selected(PATHS, MARKERS_ITEM, {"sub-02"})) == PATHS[2:]


def test_a_choice_without_anything_is_refused_by_what_it_lacks():
    check_found(selected(PATHS, MARKERS_ITEM, {"sub-01"}), MARKERS_ITEM, {"sub-01"})
    chosen = selected(PATHS, MARKERS_ITEM, {"sub-01", "sub-09"})
    with pytest.raises(FetchError, match=r"^markers.zip: expected sub-09 in it, got none"):
        check_found(chosen, MARKERS_ITEM, {"sub-01", "sub-09"})
    with pytest.raises(FetchError, match=r"expected participants.tsv in it, got none"):
        check_found({}, PARTICIPANTS, frozenset())


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


TABLE = "participant_id\tage\tsex\nsub-01\t23\tF\nsub-02\t24\tM\n"
SUBJECTS = [specimens.make_small_subject(f"sub-{i:02d}") for i in (1, 2)]
SEQUENCES = ("CISS", "DESS", "T2TSE")


def markers_zip():
    files = {}
    for subject in SUBJECTS:
        for name, content in specimens.subject_files(subject).items():
            files[f"markers/{subject.id}/{name}"] = content
    return zip_bytes(files)


def rawdata_zip():
    rng = np.random.default_rng(0)
    files = {
        f"rawdata/{s.id}/anat/{s.id}_{name}.nii.gz": rng.bytes(60_000)
        for s in SUBJECTS
        for name in SEQUENCES
    }
    return zip_bytes({**files, "rawdata/participants.tsv": TABLE.encode()})


MARKERS, RAWDATA = markers_zip(), rawdata_zip()


@pytest.fixture
def site(monkeypatch):
    with serve() as site:
        site.publish(DERIVED, "markers.zip", MARKERS)
        site.publish(DERIVED, "anatqc.zip", zip_bytes({"anatqc/sub-01.csv": b"q"}))
        site.publish(DERIVED, "inter-annotators variability.xlsx", b"sheet")
        models = {f"model/sub-0{i}/sub-0{i}_Cord.stl": b"solid" for i in (1, 2)}
        site.publish(DERIVED, "model.zip", zip_bytes(models))
        site.publish(RAW, "rawdata.zip", RAWDATA)
        site.publish(DESCRIPTION, "dataset_description.json", b"{}")
        site.publish(README, "README", b"read me")
        monkeypatch.setenv("ATLAS_FIGSHARE_URL", site.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        # The images here are small; the real ones are read in parts.
        monkeypatch.setattr(fetching, "SMALL_BYTES", 200_000)
        assert len(MARKERS) < 200_000 < len(RAWDATA)
        yield site


def get(folder, what="markers,participants", subjects="", **options):
    options = {"patience": impatient(), **options}
    return fetch(folder, what=what.split(","), subjects=subjects.split(","), **options)


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "fetched.json"
    }


def asked_of(site, name):
    (number,) = {f["id"] for files in site.articles.values() for f in files if f["name"] == name}
    return [asked for path, asked in site.requests if path == f"/storage/{number}"]


def test_the_fetched_folder_is_a_dataset_with_its_covariates(site, tmp_path):
    markers, participants = get(tmp_path / "data")
    assert (markers.item.what, len(markers.files), markers.reused) == ("markers", 160, False)
    assert list(participants.files) == ["rawdata/participants.tsv"]
    for place in ("data", "data/markers"):
        dataset = read_dataset(tmp_path / place)
        assert [s.id for s in dataset.subjects] == ["sub-01", "sub-02"]
        assert dataset.covariates["age"] == (23.0, 24.0)
        assert not dataset.findings
    assert not (tmp_path / "data/.fetching").exists()


def test_files_are_those_of_the_archive(site, tmp_path):
    get(tmp_path, "markers")
    with zipfile.ZipFile(tmp_path.parent / "m.zip", "w"):
        pass
    shutil.rmtree(tmp_path / "markers" / "sub-02")
    expected = {f"markers/sub-01/{n}": c for n, c in specimens.subject_files(SUBJECTS[0]).items()}
    assert contents(tmp_path) == expected


def test_the_participants_cost_little_of_the_archive_that_holds_them(site, tmp_path):
    get(tmp_path, "participants")
    assert contents(tmp_path) == {"rawdata/participants.tsv": TABLE.encode()}
    ranges = asked_of(site, "rawdata.zip")
    assert all(asked.startswith("bytes=") for asked in ranges) and len(ranges) <= 3
    manifest = json.loads((tmp_path / "fetched.json").read_text())["fetched"]["rawdata.zip"]
    assert manifest["verified_by"] == "CRC-32 of each member"
    assert not manifest["complete"]


def test_the_manifest_says_where_from_when_and_under_which_licence(site, tmp_path):
    get(tmp_path, "markers")
    entry = json.loads((tmp_path / "fetched.json").read_text())["fetched"]["markers.zip"]
    listed = site.articles[DERIVED][0]
    assert entry["md5"] == listed["computed_md5"]
    assert entry["url"] == listed["download_url"]
    assert (entry["licence"], entry["version"], entry["complete"]) == ("CC BY 4.0", 1, True)
    assert entry["date"].endswith("+00:00")
    assert "10.1038/s41597-024-03919-4" in entry["cite"]
    assert entry["verified_by"] == "MD5"
    assert len(entry["files"]) == 160


def test_nothing_is_fetched_twice_and_what_is_there_needs_no_connection(site, tmp_path):
    get(tmp_path)
    before = len(site.requests)
    results = get(tmp_path)
    assert [r.reused for r in results] == [True, True]
    assert get(tmp_path, "markers", "sub-02")[0].reused
    assert len(site.requests) == before


def test_one_subjects_images_come_out_of_the_archive_in_parts(site, tmp_path):
    get(tmp_path, "participants")
    (images,) = get(tmp_path, "images", "sub-02")
    assert sorted(images.files) == [
        f"rawdata/sub-02/anat/sub-02_{name}.nii.gz" for name in SEQUENCES
    ]
    assert "" not in asked_of(site, "rawdata.zip")
    before = len(site.requests)
    assert get(tmp_path, "images,participants", "sub02")[1].reused
    assert len(site.requests) == before


def test_the_rest_of_the_images_joins_what_is_there(site, tmp_path):
    get(tmp_path, "participants")
    get(tmp_path, "images", "sub-02")
    stamp = (tmp_path / "rawdata/sub-02").stat().st_mtime_ns
    get(tmp_path, "images")
    assert len(contents(tmp_path)) == 7
    assert (tmp_path / "rawdata/sub-02").stat().st_mtime_ns == stamp
    assert get(tmp_path, "images")[0].reused
    assert get(tmp_path, "participants")[0].reused


def test_a_small_archive_is_fetched_whole_for_one_subject(site, tmp_path):
    get(tmp_path, "markers", "sub-02")
    assert [p.name for p in (tmp_path / "markers").iterdir()] == ["sub-02"]
    assert asked_of(site, "markers.zip") == [""]
    assert read_dataset(tmp_path).subjects[0].id == "sub-02"


def test_everything_is_fetched_in_the_published_layout(site, tmp_path):
    results = get(tmp_path, "all")
    assert {r.place.name for r in results} == {
        *("markers", "rawdata", "model", "anatqc", "README", "dataset_description.json"),
        "inter-annotators variability.xlsx",
    }
    assert (tmp_path / "README").read_bytes() == b"read me"
    assert (tmp_path / "anatqc/sub-01.csv").read_bytes() == b"q"
    assert survey_dataset(tmp_path).covariates["sex"] == ("F", "M")
    assert all(r.reused for r in get(tmp_path, "all"))


def test_a_server_without_ranges_is_said_with_the_way_out(site, tmp_path):
    site.fail(f"/storage/{site.articles[RAW][0]['id']}", ("whole",))
    with pytest.raises(
        FetchError, match=r"sends only all of it; participants cannot be read out of"
    ):
        get(tmp_path)
    # What came before is there and whole.
    assert len(read_dataset(tmp_path).subjects) == 2


def test_a_small_archive_of_a_server_without_ranges_is_fetched_whole(site, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "SMALL_BYTES", 1 << 30)
    site.fail(f"/storage/{site.articles[RAW][0]['id']}", ("whole",))
    get(tmp_path, "participants")
    assert contents(tmp_path) == {"rawdata/participants.tsv": TABLE.encode()}


def test_a_broken_transfer_goes_on_in_the_next_call(site, tmp_path):
    path = f"/storage/{site.articles[DERIVED][0]['id']}"
    site.fail(path, ("truncate", 5000), ("status", 404))
    with pytest.raises(FetchError, match="got status 404"):
        get(tmp_path, "markers")
    assert [p.name for p in tmp_path.iterdir()] == [".fetching"]
    get(tmp_path, "markers")
    assert asked_of(site, "markers.zip") == ["", "bytes=5000-", "bytes=5000-"]
    assert not (tmp_path / ".fetching").exists()


def test_a_subject_that_is_not_published_is_said(site, tmp_path):
    with pytest.raises(
        FetchError, match=r"markers.zip: expected sub-09 in it, got none; check the"
    ):
        get(tmp_path, "markers", "sub-09")
    assert not (tmp_path / "markers").exists()
    get(tmp_path, "markers")
    with pytest.raises(FetchError, match="expected sub-09 in it"):
        get(tmp_path, "markers", "sub-09")


def test_annotations_that_were_edited_are_never_written_over(site, tmp_path):
    get(tmp_path, "markers")
    edited = tmp_path / "markers/sub-01/sub-01_dura_1.json"
    edited.write_text("mine")
    with pytest.raises(
        OutputError, match=r"sub-01: 1 of 80 files changed or missing .*dura_1.json"
    ):
        get(tmp_path, "markers")
    assert edited.read_text() == "mine"
    assert get(tmp_path, "markers", "sub-02")[0].reused


def test_a_subject_that_was_removed_comes_back(site, tmp_path):
    get(tmp_path, "markers")
    shutil.rmtree(tmp_path / "markers/sub-01")
    assert not get(tmp_path, "markers")[0].reused
    assert len(read_dataset(tmp_path).subjects) == 2


def test_what_is_not_from_here_is_in_the_way_and_stays(site, tmp_path):
    (tmp_path / "markers").mkdir()
    (tmp_path / "markers/mine").write_text("mine")
    with pytest.raises(OutputError, match=r"markers: expected nothing there or what was fetched"):
        get(tmp_path, "markers")
    assert contents(tmp_path) == {"markers/mine": b"mine"}
    assert site.requests == []


def test_another_version_is_not_mixed_with_what_is_there(site, tmp_path):
    get(tmp_path, "markers", "sub-01")
    site.publish(DERIVED, "markers.zip", MARKERS[:-1] + b"\x01")
    with pytest.raises(
        FetchError, match=r"markers: fetched from a file of MD5 \w+, figshare now has"
    ):
        get(tmp_path, "markers")


def test_an_archive_that_would_harm_leaves_nothing(site, tmp_path):
    content = zip_bytes({"markers/sub-01/a.json": b"{}", "markers/../../evil": b"x"})
    site.publish(DERIVED, "markers.zip", content)
    with pytest.raises(ArchiveError, match=r"its member 'markers/../../evil' leads outside"):
        get(tmp_path / "data", "markers")
    assert not (tmp_path / "data/markers").exists()
    assert not (tmp_path / "evil").exists()


def test_limits_hold_for_what_is_fetched(site, tmp_path):
    with pytest.raises(ArchiveError, match=r"more than 10; nothing is unpacked"):
        get(tmp_path, "markers", limits=Limits(member_bytes=10))


def test_what_is_no_archive_is_said(site, tmp_path):
    site.publish(DERIVED, "markers.zip", b"solid")
    with pytest.raises(ArchiveError, match=r"markers.zip: expected a zip archive, got one damaged"):
        get(tmp_path, "markers")


def test_what_a_killed_call_left_is_no_dataset_and_is_cleared(site, tmp_path):
    get(tmp_path, "markers")
    left = tmp_path / ".fetching/unpacking-x/markers"
    specimens.write_subject(left, SUBJECTS[0])
    assert not read_dataset(tmp_path).findings
    get(tmp_path)
    assert not (tmp_path / ".fetching").exists()


@pytest.mark.parametrize("moved", [False, True])
def test_a_call_killed_about_the_move_is_made_good_by_the_next(site, tmp_path, monkeypatch, moved):
    def killed(*places):
        if moved:
            install(*places)
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "install", killed)
    with pytest.raises(KeyboardInterrupt):
        get(tmp_path, "markers")
    assert (tmp_path / "markers").exists() == moved
    monkeypatch.undo()
    monkeypatch.setenv("ATLAS_FIGSHARE_URL", site.url)
    get(tmp_path, "markers")
    assert len(read_dataset(tmp_path).subjects) == 2
    assert asked_of(site, "markers.zip") == [""]


def test_a_place_that_cannot_be_written_is_said_plainly(site, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/data: cannot be written \(Not a directory\)"):
        get(tmp_path / "file/data", "markers")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_place_is_said_plainly(site, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"cannot be written \(Permission denied\)"):
        get(tmp_path / "data", "markers")


def test_a_failed_first_call_leaves_no_folder(site, tmp_path):
    site.fail(f"/v2/articles/{DERIVED}", ("status", 404))
    with pytest.raises(FetchError, match="got status 404"):
        get(tmp_path / "data", "markers")
    assert not (tmp_path / "data").exists()
