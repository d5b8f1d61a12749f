"""Damaged files of ours and of others: the same meaning, or an error that names the file."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import h5py
import numpy as np
import pytest
from damaged_results import atlas_meaning, make_kinds, run, same

from atlas.data.subject import Finding, Severity
from atlas.exchange.statismo_reader import read_statismo
from atlas.hdf5 import heaps as hdf5_heaps
from atlas.hdf5.fields import DIGEST, seal
from atlas.large.landmark_file import LandmarkFile, LandmarkFileError
from atlas.provenance import Inputs, provenance
from atlas.shape_choice import ShapeChoiceError, read_scores
from atlas.store import AtlasFileError, load_atlas, save_atlas

KINDS = (
    *("model", "model-bytes", "model-0.1.0", "model-gaps", "statismo", "landmarks"),
    *("record", "scores-csv", "scores-json", "image", "image-gz", "sidecar"),
    *("stl", "stl-text"),
)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    return make_kinds(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def changed(kinds, tmp_path):
    """A copy of a whole file, changed; of a model without its digest, as 0.1.0 wrote them."""

    def change(name, how):
        path = tmp_path / kinds[name].path.name
        path.write_bytes(kinds[name].path.read_bytes())
        with h5py.File(path, "r+") as file:
            how(file)
        return path

    return change


def put(name, value):
    """Another value in the place of a field; a function of the value, or a value."""

    def change(file):
        new = value(file[name][()]) if callable(value) else value
        del file[name]
        file[name] = new

    return change


def attribute(group, name, value):
    return lambda file: file[group].attrs.__setitem__(name, value)


def one(where, value):
    """One number another one."""

    def change(values):
        values[where] = value
        return values

    return change


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_damage_is_told_by_the_name_of_the_file(kinds, name):
    # Of HDF5 each takes a twentieth of a second.
    counts, faults = run(kinds[name], 8 if ".h5" in kinds[name].path.suffixes else 30)
    assert faults == []
    # Damage that leaves nothing to refuse would prove nothing.
    assert counts["refused"] >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_much_damage_is_told_by_the_name_of_the_file(kinds, name):
    assert run(kinds[name], 400, first=100_000)[1] == []


IMPOSSIBLE = {
    "atlas/landmarks/status: expected uint8": put("atlas/landmarks/status", "hello"),
    "NaN exactly where status is missing": put("atlas/landmarks/status", one((0, 0), 2)),
    "atlas/landmarks/status: expected .*, got 7": put("atlas/landmarks/status", one((0, 0), 7)),
    "atlas/landmarks/bridge_sd: expected 0 or": put("atlas/landmarks/bridge_sd", one((0, 0), -1)),
    "atlas/landmarks/points: expected numbers of": put(
        "atlas/landmarks/points", one((0, 0, 0), np.inf)
    ),
    "atlas/landmarks/subject_ids: expected every subject once": put(
        "atlas/landmarks/subject_ids", lambda t: t.replace(b"sub-01", b"sub-02")
    ),
    "atlas/alignment/rotation: expected proper": put("atlas/alignment/rotation", lambda r: -r),
    "atlas/alignment/rotation: expected float64": put(
        "atlas/alignment/rotation", lambda r: r.astype("f4")
    ),
    "atlas/alignment/scale: expected positive": put("atlas/alignment/scale", one(0, -1.0)),
    "atlas/alignment/weights: expected positive": put("atlas/alignment/weights", one(0, -1.0)),
    "atlas/alignment/weights: expected weights of mean 1": put(
        "atlas/alignment/weights", lambda w: w / 2
    ),
    "atlas/alignment/points: expected its landmarks after": put(
        "atlas/alignment/points", lambda p: p[::-1]
    ),
    "atlas/alignment/completed: expected the points": put(
        "atlas/alignment/completed", lambda p: p + 1
    ),
    "atlas/alignment/mean: expected the mean": put("atlas/alignment/mean", lambda m: m + 1),
    "atlas/alignment@rotations: expected one of": attribute("atlas/alignment", "rotations", "x"),
    "atlas/alignment@converged: expected true": attribute("atlas/alignment", "converged", 1.0),
    "anchor: expected dura-apex": attribute("atlas/alignment", "anchor", "moon"),
    "atlas/settings: expected what the alignment says": attribute(
        "atlas/alignment", "anchor", "conus"
    ),
    "atlas/model/modes: expected orthonormal": put("atlas/model/modes", lambda m: 2 * m),
    "atlas/model/mean: expected the mean of": put("atlas/model/mean", lambda m: m + 1),
    "variance: expected positive and falling": put("atlas/model/variance", lambda v: -v),
    "variance: expected positive and falling, got": put("atlas/model/variance", lambda v: v[::-1]),
    "atlas/model/variance: expected that of the shapes": put(
        "atlas/model/variance", lambda v: 2 * v
    ),
    "atlas/model/weights: expected those": put("atlas/model/weights", one(0, 0.5)),
    "atlas/model/noise_share: expected 0 to 1": put("atlas/model/noise_share", one(0, -1)),
    "atlas/model@noise: expected 0 or more": attribute("atlas/model", "noise", -1.0),
    "atlas/model@noise: expected a number": attribute("atlas/model", "noise", "much"),
    "atlas/model@n_subjects: expected 7, got 8": attribute("atlas/model", "n_subjects", 8),
    "atlas/model@n_subjects: expected a whole": attribute(
        "atlas/model", "n_subjects", h5py.Empty(int)
    ),
    "also 'colour'": put("atlas/settings", lambda t: t.replace(b"{", b'{"colour": 1, ', 1)),
    "atlas/settings/root: expected a whole number": put(
        "atlas/settings", lambda t: t.replace(b'"root": ', b'"root": 0.')
    ),
    "atlas/settings: expected those of the scheme": put(
        "atlas/settings", lambda t: t.replace(b'"dura": [', b'"dura": [1')
    ),
    "expected values for": put("atlas/settings", '{"a": 1}'),
    "atlas/provenance: expected JSON of at most": put("atlas/provenance", "[" * 100_000),
    "atlas/provenance: expected JSON of finite": put("atlas/provenance", '{"age": NaN}'),
    "atlas/provenance: expected every name once": put("atlas/provenance", '{"a": 1, "a": 2}'),
    "atlas/provenance: expected whole characters": put("atlas/provenance", '{"a": "\\ud800"}'),
    "atlas/provenance: expected an object": put("atlas/provenance", "[]"),
    "atlas/provenance/covariates/age: expected 7": put(
        "atlas/provenance", '{"covariates": {"age": [1]}}'
    ),
    "atlas/provenance/subjects: expected the 7": put("atlas/provenance", '{"subjects": ["x"]}'),
    "as many points as their partners": put(
        "atlas/scheme", lambda t: t.replace(b'"root/S2/left"', b'"root/S2/middle"')
    ),
    "landmark names that its scheme": put(
        "atlas/scheme",
        lambda t: (
            t.replace(b'"dura"', b'"moon"')
            .replace(b'"cord"', b'"dura"')
            .replace(b'"moon"', b'"cord"')
        ),
    ),
    "atlas: expected nothing else there, got 'more'": lambda f: f["atlas"].create_group("more"),
    "atlas/model: expected nothing else": attribute("atlas/model", "more", 1),
    "atlas/model: expected a group, got data set": put("atlas/model", 5),
    "atlas/model/mean: expected data of this file, got a link": put(
        "atlas/model/mean", h5py.SoftLink("/atlas/alignment/mean")
    ),
    "atlas/model/modes: expected data of this file": put(
        "atlas/model/modes", h5py.ExternalLink("/dev/zero", "/x")
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("message", IMPOSSIBLE)
def test_what_cannot_be_is_refused_by_the_name_of_the_field(changed, message):
    def change(file):
        del file["atlas"].attrs[DIGEST]
        IMPOSSIBLE[message](file)

    with pytest.raises(AtlasFileError, match=rf"model\.h5: expected an atlas.*{message}"):
        load_atlas(changed("model", change))


def test_any_other_number_is_told_by_the_digest(changed):
    path = changed("model", put("atlas/landmarks/bridge_sd", lambda v: v + 0.0))
    assert load_atlas(path).model.n_subjects == 7
    path = changed("model", put("atlas/model/noise_share", lambda v: v * (1 - 1e-15)))
    with pytest.raises(AtlasFileError, match="expected what was written there, got something else"):
        load_atlas(path)


def test_a_file_without_a_digest_is_read_and_gets_one_when_it_is_written(kinds):
    old, new = (atlas_meaning(kinds[name].path) for name in ("model-0.1.0", "model"))
    assert same(old, new)


def test_settings_of_the_first_files_of_the_format_are_completed(changed):
    def change(file):
        del file["atlas"].attrs[DIGEST]
        put("atlas/settings", lambda t: t.replace(b'"variance_held": null, ', b""))(file)
        assert b"variance" not in file["atlas/settings"][()]

    path = changed("model", change).with_suffix(".h5")
    assert load_atlas(path).settings.variance_held is None


def test_factors_are_there_where_landmarks_are_missing_and_nowhere_else(changed):
    def change(file):
        del file["atlas"].attrs[DIGEST], file["atlas/alignment/factors"]

    with pytest.raises(AtlasFileError, match="atlas/alignment/factors: expected them where"):
        load_atlas(changed("model-gaps", change))


def test_a_declared_size_is_refused_before_memory_is_taken(changed):
    def change(file):
        del file["atlas"].attrs[DIGEST], file["atlas/model/variance"]
        file.create_dataset("atlas/model/variance", (2**40,), "f8", chunks=(2**20,))

    with pytest.raises(AtlasFileError, match=r"atlas/model/variance: expected 8796093022208 bytes"):
        load_atlas(changed("model", change))


def test_a_group_that_is_sealed_again_is_still_held_to_what_can_be(changed):
    def change(file):
        put("atlas/alignment/rotation", lambda r: -r)(file)
        seal(file["atlas"])

    with pytest.raises(AtlasFileError, match="alignment/rotation: expected proper rotations"):
        load_atlas(changed("model", change))


def test_landmarks_of_a_group_are_held_to_what_its_file_says(changed):
    path = changed("landmarks", put("status", one((0, 0), 9)))
    with pytest.raises(LandmarkFileError, match=r"landmarks\.h5: expected landmarks .*status"):
        LandmarkFile.open(path).read(slice(0, 3))
    path = changed("landmarks", attribute("/", "whole", True))
    with pytest.raises(LandmarkFileError, match="whole: expected no landmark to be missing"):
        LandmarkFile.open(path).read(slice(0, 7))
    path = changed("landmarks", put("points", lambda p: p[:-1]))
    with pytest.raises(LandmarkFileError, match=r"points: expected float64 of shape \(7, "):
        LandmarkFile.open(path)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (put("model/pcaVariance", lambda v: -v), "model: expected what was written"),
        (put("dura/model/mean", lambda v: v[:-1]), "dura"),
        (put("model/mean", h5py.SoftLink("/dura/model/mean")), "a link to elsewhere"),
    ],
)
def test_a_part_of_our_own_that_was_changed_is_refused(changed, how, message):
    path = changed("model", how)
    with pytest.raises(ValueError, match=rf"model\.h5: .*({message}|expected 0 or more)"):
        read_statismo(path, "/dura" if message == "dura" else "/")


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("score_1,score_2\n0,5,1\n", "3 cells in row 1, 2 in the first line"),
        ("score_1,score_1_sd\n1,2\n", "columns score_1, score_1_sd"),
        ("score_1\n1_0\n", "'1_0', which is no number"),
        ("score_1\n1\x00\n", "no number"),
        ("1e9", "one of 1e\\+09 SD"),
        ('["1.5"]', "expected .* number"),
        ("[true, 1]", "expected .* number"),
        ("[" * 5000, "levels"),
    ],
)
def test_scores_that_could_be_read_in_two_ways_are_refused(tmp_path, text, got):
    path = tmp_path / "scores.txt"
    path.write_text(text)
    with pytest.raises(ShapeChoiceError, match=rf"scores\.txt: expected scores.*\({got}|{got}"):
        read_scores(path)


def test_scores_of_a_spreadsheet_may_begin_with_a_mark(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_bytes(b"\xef\xbb\xbfscore_1,score_2\r\n0.5,-1\r\n")
    np.testing.assert_array_equal(read_scores(path), [[0.5, -1]])


def test_what_json_does_not_hold_is_never_written(kinds, tmp_path):
    built = load_atlas(kinds["model"].path)
    odd = replace(built, provenance={"age": float("nan")})
    with pytest.raises(AtlasFileError, match="provenance: expected values that JSON holds"):
        save_atlas(odd, tmp_path / "odd.h5")


def test_a_provenance_holds_null_for_no_number_and_escapes_what_is_no_text():
    finding = Finding(Severity.WARNING, "x", "sub-1", "a\udcff.json", "m")
    inputs = Inputs("d\udcff", [("sub-1", "0", "")], {"age": [float("inf")]}, (), "")
    found = provenance(inputs, [finding], anchor="conus", seed=None)
    assert (found["covariates"], found["dataset"]) == ({"age": [None]}, "d\\udcff")
    assert found["findings"][0]["place"] == "a\\xff.json"
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


def test_an_atlas_put_into_the_file_of_another_is_refused(kinds, changed):
    theirs = kinds["model"].path.with_name("other.h5")

    def change(file):
        del file["atlas"]
        with h5py.File(theirs) as other:
            other.copy("atlas", file, "atlas")

    with pytest.raises(AtlasFileError, match=r"model\.h5.* got that of another atlas"):
        load_atlas(changed("model", change))


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("length", [0, 2**64 - 16])
def test_texts_that_hdf5_would_never_end_to_read_are_refused(
    kinds, tmp_path, small, length, monkeypatch
):
    path = tmp_path / "model.h5"
    content = bytearray(kinds["model-0.1.0"].path.read_bytes())
    heap = content.index(hdf5_heaps.HEAD)
    entry = struct.pack("<HHIQ", 0 if length == 0 else 1, 0, 0, length)
    content[heap + 16 : heap + 16 + len(entry)] = entry
    path.write_bytes(content)
    if not small:
        monkeypatch.setattr(hdf5_heaps, "SMALL_BYTES", 0)
    with pytest.raises(AtlasFileError, match=rf"model\.h5.* expected texts at byte {heap}"):
        load_atlas(path)
