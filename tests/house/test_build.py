"""From files to a folder: everything there, reproducible, and the last good one kept."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import specimens
import trimesh

from atlas.build import build, build_atlas
from atlas.data.dataset import DatasetError, read_dataset
from atlas.data.subject import Finding, RootKey, Severity
from atlas.output.files import OutputError
from atlas.provenance import ATTRIBUTION, DISCLAIMER
from atlas.store import Settings, load_atlas, save_atlas

SMALL = Settings(root=8, dura=(12, 12), cord=(10, 8))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    dataset = specimens.make_dataset(4, length_mm=140, conus_mm=100)
    return specimens.write_dataset(folder / "markers", dataset)


@pytest.fixture(scope="module")
def result(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("result") / "out"
    stages = []
    built = build(cohort, out, SMALL, seed=5, stage=stages.append)
    return built, out, stages


def test_a_build_holds_model_meshes_tables_figures_and_provenance(result):
    _, out, stages = result
    for name in ("model.h5", "provenance.json", "meshes", "tables", "figures"):
        assert (out / name).exists(), name
    assert stages[0] == "reading annotations"
    assert {"writing tables", "writing figures"} <= set(stages)


def test_the_model_on_disk_is_the_model_in_hand(result):
    built, out, _ = result
    np.testing.assert_array_equal(load_atlas(out).model.modes, built.model.modes)


def test_meshes_are_watertight_outward_and_one_of_each_structure(result):
    _, out, _ = result
    shapes = sorted(p.name for p in (out / "meshes").iterdir())
    modes = [f"mode{k}_{way}2sd" for k in (1, 2, 3) for way in ("minus", "plus")]
    assert shapes == sorted(["mean", *modes])
    for shape in shapes:
        files = sorted((out / "meshes" / shape).glob("*.stl"))
        assert len(files) == 16
        for path in files:
            mesh = trimesh.load_mesh(path)
            assert mesh.is_watertight, path
            assert mesh.is_winding_consistent, path
            assert mesh.volume > 0, path


def test_the_mean_mesh_is_the_mean_shape_in_lps_mm(result):
    built, out, _ = result
    mesh = trimesh.load_mesh(out / "meshes" / "mean" / "root_L1_left.stl")
    root = built.model.scheme.anatomy(built.model.mean).roots["L1", "left"]
    low, high = root.min(axis=0), root.max(axis=0)
    np.testing.assert_allclose(mesh.bounds, [low, high], atol=0.6)
    assert mesh.bounds[0, 0] > 0


def test_provenance_names_inputs_versions_choices_and_attribution(result, cohort):
    _, out, _ = result
    document = json.loads((out / "provenance.json").read_text())
    assert document["subjects"] == ["sub-01", "sub-02", "sub-03", "sub-04"]
    assert all(len(entry["sha256"]) == 64 for entry in document["inputs"])
    assert len({entry["sha256"] for entry in document["inputs"]}) == 4
    assert document["anchor"] == "dura-apex"
    assert document["seed"] == 5
    assert document["dataset"] == cohort.name
    assert document["attribution"] == ATTRIBUTION
    assert document["disclaimer"] == DISCLAIMER
    assert document["settings"]["root"] == 8
    assert {"python", "numpy", "scipy"} <= set(document["versions"])


@pytest.mark.slow
def test_a_changed_input_changes_its_hash(cohort, tmp_path, result):
    before = result[0].provenance["inputs"]
    dataset = specimens.make_dataset(4, length_mm=140, conus_mm=100)
    copy = specimens.write_dataset(tmp_path / "markers", dataset)
    root = next(copy.glob("sub-02/*roots_L1_L*"))
    root.write_bytes(root.read_bytes().replace(b"L1_L-1", b"L1_L-9", 1))
    after = build_atlas(read_dataset(copy), SMALL).provenance["inputs"]
    changed = [b["id"] for a, b in zip(after, before, strict=True) if a != b]
    assert changed == ["sub-02"]


@pytest.mark.slow
def test_two_builds_have_the_same_bytes_but_for_the_stated_time(cohort, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name in ("a", "b"):
        build(cohort, tmp_path / name, SMALL)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_segment_table_has_a_row_a_level_side_and_measure_with_n(result):
    _, out, _ = result
    table = pd.read_csv(out / "tables" / "segment_variability.csv")
    assert set(table["level"]) == {"L1", "L2", "L3", "L4", "L5", "S1", "S2", "all"}
    assert not table.duplicated(["level", "side", "measure", "basis"]).any()
    assert (table.loc[table["basis"] == "all", "n"] == 4).mean() > 0.9
    assert {"mean", "sd", "cv", "min", "max", "unit"} <= set(table.columns)


@pytest.mark.slow
def test_a_failed_build_leaves_the_last_good_result(cohort, tmp_path, monkeypatch):
    out = tmp_path / "out"
    build(cohort, out, SMALL)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    monkeypatch.setattr(
        "atlas.build.write_meshes", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(OSError, match="full"):
        build(cohort, out, SMALL)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_somebody_else_is_not_replaced(cohort, tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(OutputError, match="expected nothing there, an empty folder or an earlier"):
        build(cohort, tmp_path, SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


def with_swapped_sides(dataset):
    swap = {"left": "right", "right": "left"}
    first, second, *rest = dataset.subjects
    parts = {
        kind: {RootKey(k.level, swap[k.side]): v for k, v in getattr(second, kind).items()}
        for kind in ("roots", "ganglia")
    }
    return replace(dataset, subjects=(first, replace(second, **parts), *rest))


def test_swapped_sides_are_refused_by_name():
    with pytest.raises(DatasetError, match=r"^sub-02: expected left roots and ganglia at larger x"):
        build_atlas(with_swapped_sides(specimens.make_dataset(3)))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["place_landmarks", "align", "fit_shape_model"])
def test_what_is_wrong_with_annotations_is_said_before_what_fails_because_of_it(
    stage, cohort, monkeypatch
):
    def fails(*_given, **_named):
        raise ValueError("of a later stage")

    dataset = read_dataset(cohort)
    monkeypatch.setattr(f"atlas.build.{stage}", fails)
    with pytest.raises(DatasetError, match=r"^sub-02: expected left roots and ganglia at larger x"):
        build_atlas(with_swapped_sides(dataset))
    with pytest.raises(ValueError, match="of a later stage"):
        build_atlas(dataset)


def test_files_that_cannot_be_read_are_said_together_with_what_breaks_anatomy(cohort):
    dataset = with_swapped_sides(read_dataset(cohort))
    unread = Finding(Severity.ERROR, "unreadable", "sub-09", "", "expected JSON, got nothing")
    with pytest.raises(DatasetError) as caught:
        build_atlas(replace(dataset, findings=(unread,)))
    named = {f.subject for f in caught.value.findings if f.severity is Severity.ERROR}
    assert named == {"sub-02", "sub-09"}


def test_the_notice_of_generated_subjects_reaches_the_provenance(tmp_path):
    text = "generated from published measurements, not imaging data"
    for i, subject in enumerate(specimens.make_dataset(3).subjects):
        specimens.write_subject(tmp_path, subject, description=text if i else "")
    built = build_atlas(read_dataset(tmp_path), SMALL)
    assert built.provenance["notice"] == f"2 of 3 subjects {text}"
    assert [entry["notice"] for entry in built.provenance["inputs"]] == ["", text, text]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"extent": "full", "bridged": "uncertain"},
        {"scale": "unit", "weights": "structure", "anchor": "centroid"},
        {"origin": "conus", "weights": "area", "rotation": "axial"},
        {"slide": "procrustes"},
    ],
)
def test_every_choice_builds_is_recorded_and_comes_back(options, tmp_path):
    settings = replace(SMALL, **options)
    built = build_atlas(specimens.make_dataset(5), settings)
    again = load_atlas(save_atlas(built, tmp_path / "model.h5"))
    assert again.settings == settings
    assert built.alignment.converged
    scores = again.model.scores(again.alignment.points)
    np.testing.assert_array_equal(scores, built.model.scores(built.alignment.points))
    assert np.isfinite(scores).all()
