"""A build by passes over blocks gives the atlas of a build in memory."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import specimens
from many_blocks import assert_same_model

from atlas.build import build
from atlas.data.dataset import DatasetError
from atlas.large import landmarking
from atlas.large.building import LargeGroupError, build_large_atlas
from atlas.large.memory import Budget
from atlas.large.resources import Resources
from atlas.large.subject_folders import SubjectFolder, list_subjects
from atlas.large.workers import Alone, WorkersError
from atlas.output.files import OutputError
from atlas.store import MAPPED_BYTES, Settings, load_atlas

SMALL = Settings(root=8, dura=(12, 12), cord=(10, 8), variance_held=0.99)
# Too little for the cohort below, once a subject is said to need this much.
TIGHT = Resources(max_memory="320MiB")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    dataset = specimens.make_dataset(6, length_mm=140, conus_mm=100)
    place = specimens.write_dataset(tmp_path_factory.mktemp("cohort") / "markers", dataset)
    # One root is not there in one subject.
    for file in (place / "sub-03").glob("*L2_R*"):
        file.unlink()
    return place


def by_passes(cohort, out, settings=SMALL):
    """A build that is made to believe that nothing fits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Budget, "holds", lambda self, subjects, scheme: False)
        patch.setattr(Budget, "block", lambda self, scheme: 2)
        patch.setattr(landmarking, "TASK_SUBJECTS", 4)
        return build(cohort, out, settings, resources=TIGHT)


def chain(cohort, path, settings=SMALL, **options):
    """The same without what is made from the atlas."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Budget, "block", lambda self, scheme: 2)
        patch.setattr(landmarking, "TASK_SUBJECTS", 4)
        workers = Alone(TIGHT.budget)
        listing = list_subjects(cohort)
        return build_large_atlas(listing, path / "model.h5", settings, workers, **options)


@pytest.fixture(scope="module")
def folders(cohort, tmp_path_factory):
    place = tmp_path_factory.mktemp("result")
    build(cohort, place / "memory", SMALL)
    by_passes(cohort, place / "passes")
    return place / "memory", place / "passes"


@pytest.mark.slow
def test_the_model_is_that_of_a_build_in_memory(folders):
    memory, passes = (load_atlas(folder) for folder in folders)
    assert_same_model(passes.model, memory.model)
    assert passes.settings == memory.settings
    for name in ("points", "completed", "mean", "rotation", "translation", "weights"):
        found, expected = getattr(passes.alignment, name), getattr(memory.alignment, name)
        np.testing.assert_allclose(found, expected, atol=1e-8)
    marks, expected = passes.alignment.landmarks, memory.alignment.landmarks
    assert marks.subject_ids == expected.subject_ids
    np.testing.assert_allclose(marks.points, expected.points, atol=1e-9)
    np.testing.assert_allclose(marks.bridge_sd, expected.bridge_sd, atol=1e-9)


def test_inputs_and_findings_of_the_provenance_are_the_same(folders):
    memory, passes = (json.loads((f / "provenance.json").read_text()) for f in folders)
    for name in ("inputs", "subjects", "covariates", "notice", "anchor", "settings", "software"):
        assert passes[name] == memory[name], name
    said = [{f["rule"] for f in p["findings"] if f["subject"]} for p in (memory, passes)]
    assert said[1] <= said[0]


def test_it_writes_model_meshes_tables_and_figures(folders):
    memory, passes = folders
    for name in ("meshes", "figures"):
        assert {p.name for p in (passes / name).iterdir()} == {
            p.name for p in (memory / name).iterdir()
        }
    assert {p.name for p in (passes / "tables").iterdir()} == {
        "README.md", "mean.csv", "modes.csv", "scores.csv", "segment_variability.csv",
        "subjects_measures.csv",
    }  # fmt: skip
    assert not list(passes.glob(".landmarks*"))


def test_segments_vary_as_in_the_tables_of_a_build_in_memory(folders):
    memory, passes = (pd.read_csv(f / "tables" / "segment_variability.csv") for f in folders)
    keys = ["level", "side", "measure"]
    one = memory[memory["basis"] == "all"].set_index(keys)
    other = passes[passes["basis"] == "all"].set_index(keys)
    shared = one.index.intersection(other.index)
    assert len(shared) > 300 and (other["cohort"] == one["cohort"].iloc[0]).all()
    counts = ["n", "n_measured", "n_bridged"]
    pd.testing.assert_frame_equal(other.loc[shared, counts], one.loc[shared, counts])
    for column in ("mean", "sd", "median"):
        np.testing.assert_allclose(
            other.loc[shared, column], one.loc[shared, column], rtol=1e-5, atol=1e-6
        )


def test_bridged_values_stand_apart_from_measured_ones(folders):
    table = pd.read_csv(folders[1] / "tables" / "segment_variability.csv")
    apart = table[table["basis"].isin(["measured", "bridged"])]
    assert (apart.loc[apart["basis"] == "measured", "n_bridged"] == 0).all()
    assert (apart.loc[apart["basis"] == "bridged", "n_measured"] == 0).all()


@pytest.mark.slow
def test_large_arrays_are_the_file_and_not_loaded(cohort, tmp_path, monkeypatch):
    import atlas.store

    chain(cohort, tmp_path)
    monkeypatch.setattr(atlas.store, "MAPPED_BYTES", 1)
    mapped = load_atlas(tmp_path)
    assert MAPPED_BYTES > 1
    assert isinstance(mapped.alignment.points, np.memmap)
    assert isinstance(mapped.alignment.landmarks.points, np.memmap)
    monkeypatch.undo()
    loaded = load_atlas(tmp_path)
    assert type(loaded.alignment.points) is np.ndarray
    np.testing.assert_array_equal(mapped.alignment.points, loaded.alignment.points)
    # One that came compressed, from a build in memory, is loaded whatever its size.
    with pytest.raises(ValueError, match="read-only"):
        mapped.alignment.points[0, 0, 0] = 1


@pytest.mark.slow
def test_every_subject_is_read_and_fitted_once(cohort, tmp_path, monkeypatch):
    read, fitted = [], []
    once, fit = SubjectFolder.read, landmarking.fit_subject
    monkeypatch.setattr(SubjectFolder, "read", lambda self: read.append(self.id) or once(self))
    monkeypatch.setattr(
        landmarking, "fit_subject", lambda s, **around: fitted.append(s.id) or fit(s, **around)
    )
    chain(cohort, tmp_path)
    assert read == fitted == [f"sub-0{i}" for i in range(1, 7)]


@pytest.mark.slow
def test_what_lies_beside_the_result_is_gone_when_it_is_there(cohort, tmp_path):
    seen = []

    def stage(_):
        seen.append({p.name.partition("-")[0] for p in tmp_path.rglob("*")})

    chain(cohort, tmp_path, stage=stage)
    assert {".fits", ".landmarks"} <= seen[0]
    # Fits are gone as soon as landmarks are placed.
    assert ".fits" not in seen[-1] and ".landmarks" in seen[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["model.h5"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["field_of_view", "place_subject", "scheme_with_extents"])
def test_what_lies_beside_the_result_is_gone_where_the_build_fails(
    cohort, tmp_path, monkeypatch, name
):
    calls = []
    whole = getattr(landmarking, name)

    def fails(*given):
        calls.append(name)
        if len(calls) == 5 or name == "scheme_with_extents":
            assert list(tmp_path.glob(".landmarks-*/.fits-*/*.npz"))
            raise OutputError("the disk is gone")
        return whole(*given)

    monkeypatch.setattr(landmarking, name, fails)
    with pytest.raises(OutputError, match="the disk is gone"):
        chain(cohort, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_wrong_is_said_of_all_subjects_together(cohort, tmp_path):
    broken = tmp_path / "markers"
    shutil.copytree(cohort, broken)
    for name in ("sub-02", "sub-05"):
        next((broken / name).glob("*dura*")).write_text("no json")
    shutil.copytree(broken / "sub-01", broken / "sub-07")
    with pytest.raises(DatasetError) as caught:
        by_passes(broken, tmp_path / "out")
    assert {f.subject for f in caught.value.findings if f.severity.name == "ERROR"} == {
        "sub-02",
        "sub-05",
        # The same files as sub-01, said although others of the task cannot be read.
        "sub-07",
    }
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_same_files_under_two_names_are_an_error(cohort, tmp_path):
    twice = tmp_path / "markers"
    shutil.copytree(cohort, twice)
    shutil.copytree(twice / "sub-01", twice / "sub-07")
    with pytest.raises(DatasetError, match="sub-07"):
        chain(twice, tmp_path)


def test_sliding_is_refused_with_what_to_do(cohort, tmp_path):
    settings = Settings(slide="bending", root=8, dura=(12, 12), cord=(10, 8))
    with pytest.raises(LargeGroupError, match=r"slide: expected none .*--max-memory"):
        chain(cohort, tmp_path, settings)


def test_a_group_that_fits_is_built_in_memory_and_workers_are_an_order(cohort):
    scheme = SMALL.scheme
    assert not Resources().by_passes(6, scheme)
    assert Resources(workers=2).by_passes(6, scheme)
    assert Resources(scheduler="local").by_passes(6, scheme)
    assert Resources(max_memory="1GiB").by_passes(10_000, Settings().scheme)
    with pytest.raises(WorkersError, match="workers: expected 1 or more, got 0"):
        Resources(workers=0)


@pytest.mark.slow
def test_all_modes_become_those_that_hold_nearly_everything(cohort, tmp_path):
    found = chain(cohort, tmp_path, Settings(root=8, dura=(12, 12), cord=(10, 8)))
    assert found.atlas.settings.variance_held == 0.99


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", [None, "local"])
def test_workers_build_the_same_atlas(cohort, folders, tmp_path, scheduler):
    resources = Resources(max_memory="2GiB", workers=2, scheduler=scheduler)
    built = build(cohort, tmp_path / "out", SMALL, resources=resources)
    assert_same_model(built.model, load_atlas(folders[0]).model)
