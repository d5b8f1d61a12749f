"""Synthetic cohorts on disk: read back, resumed after a kill to the same bytes, refused plainly."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import specimens
import trimesh

from analysis.morphometry import named_values
from atlas.build import build_atlas
from atlas.data.dataset import read_dataset
from atlas.errors import MachineError
from atlas.output.files import OutputError
from atlas.sampling.cohort import write_cohort
from atlas.sampling.designs import SamplingError
from atlas.sampling.making import CohortOptions
from atlas.sampling.recipe import Recipe
from atlas.store import Settings, load_atlas, save_atlas

PLAIN = CohortOptions(formats=())
MEASURED = CohortOptions(edge_mm=3.0, measure=named_values)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("model") / "model.h5"
    dataset = specimens.make_dataset(5)
    return save_atlas(build_atlas(dataset, Settings(root=16, dura=(16, 16), cord=(16, 12))), place)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


@pytest.fixture(scope="module")
def cohort(model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cohorts") / "plain"
    write_cohort(model, Recipe(n=12, seed=4), out, MEASURED)
    return out


@pytest.mark.slow
def test_a_cohort_is_read_as_a_dataset_that_says_it_is_synthetic(cohort):
    dataset = read_dataset(cohort)
    assert [s.id for s in dataset.subjects] == [f"sub-{i:04d}" for i in range(1, 13)]
    assert dataset.notice.startswith("synthetic: drawn from a statistical atlas, not imaged")
    assert all(len(s.roots) == len(s.ganglia) == 14 for s in dataset.subjects)


def test_every_mesh_is_watertight(cohort):
    folder = cohort / "meshes" / "sub-0007"
    assert len(list(folder.glob("*.stl"))) == 16
    for path in folder.glob("*.stl"):
        mesh = trimesh.load_mesh(path)
        assert mesh.is_watertight
        assert mesh.volume > 0


def test_the_table_has_a_row_a_sample_with_scores_measures_and_validity(cohort, model):
    rows = rows_of(cohort / "samples.csv")
    assert [r["id"] for r in rows] == [f"sub-{i:04d}" for i in range(1, 13)]
    assert {r["accepted"] for r in rows} == {"1"}
    assert {r["seed"] for r in rows} == {"4"}
    modes = load_atlas(model).model.n_modes
    assert f"score_{modes}_sd" in rows[0]
    assert f"score_{modes + 1}_sd" not in rows[0]
    measured = [name for name in rows[0] if name.count("/") == 2]
    assert "L1/left/angle_sac_deg" in measured
    assert len(measured) > 300
    assert float(rows[0]["L1/left/angle_sac_deg"]) > 0 > float(rows[0]["L1/right/angle_sac_deg"])
    assert all("not imaged" in r["notice"] for r in rows)


def test_what_was_rejected_is_counted(cohort):
    rows = {r["rule"]: r for r in rows_of(cohort / "acceptance.csv")}
    attempts = sum(int(r["attempts"]) for r in rows_of(cohort / "samples.csv"))
    assert int(rows["any"]["n_draws"]) == attempts
    assert int(rows["any"]["n_broken"]) == attempts - 12
    assert "roots-apart" in rows
    shift = rows_of(cohort / "shift.csv")
    assert {r["n"] for r in shift} == {"12"}


@pytest.mark.slow
def test_a_sample_does_not_depend_on_n_or_on_the_number_of_processes(model, cohort, tmp_path):
    options = replace(MEASURED, workers=2)
    write_cohort(model, Recipe(n=12, seed=4), tmp_path / "two", options)
    assert files_of(tmp_path / "two") == files_of(cohort)
    write_cohort(model, Recipe(n=3, seed=4), tmp_path / "few", MEASURED)
    few = files_of(tmp_path / "few" / "markers")
    whole = files_of(cohort / "markers")
    assert few == {name: whole[name] for name in few}


def test_nothing_unfinished_stays_and_a_second_run_changes_nothing(model, cohort):
    before = files_of(cohort)
    assert not list(cohort.rglob(".*"))
    write_cohort(model, Recipe(n=12, seed=4), cohort, MEASURED)
    assert files_of(cohort) == before


@pytest.mark.slow
def test_a_cohort_that_lost_samples_gets_the_same_ones_back(model, tmp_path):
    out = tmp_path / "cohort"
    write_cohort(model, Recipe(n=20, seed=2), out, PLAIN)
    before = files_of(out)
    for i in (3, 4, 11, 20):
        (out / "records" / f"sub-{i:04d}.json").unlink()
    shutil.rmtree(out / "markers" / "sub-0004")
    (out / "markers" / "sub-0011" / "sub-0011_dura_1.json").write_text("half a fi")
    write_cohort(model, Recipe(n=20, seed=2), out, PLAIN)
    assert files_of(out) == before


@pytest.mark.slow
def test_a_pose_moves_markers_and_leaves_measures(model, tmp_path):
    for name, options in (("still", {}), ("moved", {"rotation_deg": 30, "translation_mm": 40})):
        recipe = Recipe(n=2, seed=6, **options)
        write_cohort(model, recipe, tmp_path / name, replace(MEASURED, formats=()))
    still, moved = (rows_of(tmp_path / name / "samples.csv") for name in ("still", "moved"))
    for a, b in zip(still, moved, strict=True):
        assert {k: v for k, v in a.items() if "turn_" not in k and "shift_" not in k} == {
            k: v for k, v in b.items() if "turn_" not in k and "shift_" not in k
        }
        assert any(float(b[f"shift_{axis}_mm"]) for axis in "xyz")
    first = [
        read_dataset(tmp_path / name / "markers").subjects[0].dura[0] for name in ("still", "moved")
    ]
    assert np.linalg.norm(first[0] - first[1], axis=1).min() > 1


@pytest.mark.slow
def test_repair_moves_what_breaks_a_rule_and_says_how_far(model, tmp_path):
    made = {}
    for choice in ("keep", "repair"):
        write_cohort(model, Recipe(n=24, seed=8, invalid=choice), tmp_path / choice, PLAIN)
        made[choice] = rows_of(tmp_path / choice / "samples.csv")
    broken = [r["accepted"] == "0" for r in made["keep"]]
    assert 0 < sum(broken) < 24
    moved = [float(r["repaired_mm"]) for r in made["repair"]]
    for was_broken, far, row in zip(broken, moved, made["repair"], strict=True):
        assert (far > 0) == (was_broken and row["accepted"] == "1")
    assert max(moved) > 0
    for row in made["repair"]:
        there = (tmp_path / "repair" / "markers" / row["id"]).is_dir()
        assert there == (row["accepted"] == "1")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(n=4, n_modes=40), "modes: expected at most"),
        (Recipe(n=4, coverage=1.0), "coverage: expected a share between 0 and 1"),
        (Recipe(n=4, coverage=0.0), "coverage: expected a share between 0 and 1"),
        (Recipe(n=4, design="dice"), "design: expected one of"),
        (Recipe(n=4, given=("dorsal CSF at L1 = 60 mm",)), "impossible in this population"),
        (Recipe(n=4, given=("height = 3",)), "expected a measure of docs/measures.md"),
        (Recipe(n=4, covariates=(("height", 180.0),)), "covariates: expected some of"),
        (Recipe(n=4, vary=("spleen",)), "structure: expected one of"),
        (Recipe(n=4, method="kde", symmetric=True), "expected the whole population"),
    ],
)
def test_what_cannot_be_sampled_is_refused_and_nothing_is_written(model, recipe, message, tmp_path):
    with pytest.raises(SamplingError, match=message):
        write_cohort(model, recipe, tmp_path / "out", MEASURED)
    assert not (tmp_path / "out").exists()


def test_another_cohort_or_something_else_in_the_folder_is_left_alone(model, tmp_path):
    out = tmp_path / "out"
    write_cohort(model, Recipe(n=2, seed=1), out, PLAIN)
    before = files_of(out)
    with pytest.raises(OutputError, match="expected the same cohort begun before, got another"):
        write_cohort(model, Recipe(n=2, seed=2), out, PLAIN)
    assert files_of(out) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="got something else; choose another place"):
        write_cohort(model, Recipe(n=2, seed=2), other, PLAIN)
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_a_full_disk_is_said_plainly_and_leaves_no_half_written_sample(
    model, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    from atlas.sampling import making as module

    real, written = module.write_markers, []

    def failing(*args, **kwargs):
        real(*args, **kwargs)
        written.append(args[2])
        if len(written) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_markers", failing)
    with pytest.raises(MachineError, match=r"cannot be written \(.*No space left.*run it again"):
        write_cohort(model, Recipe(n=6, seed=1), out, PLAIN)
    assert sorted(p.name for p in (out / "markers").iterdir()) == ["sub-0001", "sub-0002"]
    assert not list(out.rglob(".*"))
    monkeypatch.setattr(module, "write_markers", real)
    write_cohort(model, Recipe(n=6, seed=1), out, PLAIN)
    write_cohort(model, Recipe(n=6, seed=1), tmp_path / "whole", PLAIN)
    assert files_of(out) == files_of(tmp_path / "whole")


@pytest.mark.slow
def test_a_cohort_killed_at_any_moment_goes_on_to_the_same_bytes(model, tmp_path):
    code = (
        "import sys\n"
        "from atlas.sampling.cohort import write_cohort\n"
        "from atlas.sampling.making import CohortOptions\n"
        "from atlas.sampling.recipe import Recipe\n"
        "if __name__ == '__main__':\n"
        "    write_cohort(sys.argv[1], Recipe(n=24, seed=9), sys.argv[2],\n"
        "                 CohortOptions(formats=('stl',), edge_mm=3.0, workers=2))\n"
    )
    script = tmp_path / "make.py"
    script.write_text(code)
    command = [sys.executable, str(script), str(model)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    whole = files_of(tmp_path / "whole")
    out, rng, kills = tmp_path / "killed", random.Random(1), 0
    while True:
        begun = subprocess.Popen([*command, str(out)], start_new_session=True)
        try:
            begun.wait(rng.uniform(1.0, 4.0) if kills < 4 else None)
            break
        except subprocess.TimeoutExpired:
            os.killpg(begun.pid, signal.SIGKILL)
            begun.wait()
            time.sleep(0.1)
            kills += 1
    assert begun.returncode == 0
    assert kills > 0
    assert files_of(out) == whole


@pytest.mark.slow
def test_an_atlas_of_samples_is_the_atlas_they_were_drawn_from(model, tmp_path):
    write_cohort(model, Recipe(n=80, seed=3, coverage=None, check=False), tmp_path / "s", PLAIN)
    atlas = load_atlas(model)
    again = build_atlas(read_dataset(tmp_path / "s"), atlas.settings)
    # Below 1 % of the variance, what reading smooths is as large as the mode.
    k = int((atlas.model.explained > 0.01).sum())
    assert k == 2
    modes = [m.modes[:k].reshape(k, -1) for m in (again.model, atlas.model)]
    assert (np.abs(np.sum(modes[0] * modes[1], axis=1)) >= 0.98).all()
    error = np.linalg.norm(again.model.mean - atlas.model.mean, axis=1)
    limit = 5 * np.linalg.norm(atlas.model.landmark_sd, axis=1) / np.sqrt(80)
    # Reading smooths what was written, beside the simulation error.
    assert (error <= limit + 0.6).all()


def test_plan_json_holds_the_recipe(cohort):
    document = json.loads((cohort / "plan.json").read_text("utf-8"))
    assert document["recipe"]["n"] == 12
    assert document["recipe"]["coverage"] == 0.99
    assert len(document["model"]["sha256"]) == 64
