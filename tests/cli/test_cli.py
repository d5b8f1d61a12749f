"""The command as a person types it: output, exit codes, no traceback."""

import json
import subprocess
import sys

import pytest
import specimens
from typer.testing import CliRunner

from atlas import __version__
from atlas.cli import app

runner = CliRunner()


def atlas(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    return specimens.write_dataset(folder / "markers", specimens.make_dataset(3))


def test_check_of_a_clean_cohort_prints_a_row_a_subject_and_exits_0(cohort):
    result = atlas("check", cohort)
    assert result.exit_code == 0, result.output
    for subject in ("sub-01", "sub-02", "sub-03"):
        assert subject in result.output
    assert "0 errors, 0 warnings" in result.output


def test_check_json_is_for_machines(cohort):
    document = json.loads(atlas("check", cohort, "--json").output)
    first = document["subjects"][0]
    assert first["id"] == "sub-01"
    assert (first["n_dura"], first["n_roots"], first["n_ganglia"]) == (80, 14, 14)
    assert first["dura_extent_mm"] == pytest.approx(first["spacing_mm"] * 79, abs=0.01)


def test_check_with_warnings_exits_1(tmp_path):
    place = specimens.write_subject(tmp_path, specimens.make_subject())
    (place / "sub-01_ganglions_L3_L.json").unlink()
    result = atlas("check", tmp_path)
    assert result.exit_code == 1
    assert "missing-ganglia" in result.output
    assert "L3 left" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("what", ["missing", "empty", "truncated", "no-cord"])
def test_bad_input_gets_a_message_and_exit_code_2(tmp_path, what):
    folder = tmp_path / "data"
    if what != "missing":
        folder.mkdir()
    if what in ("truncated", "no-cord"):
        place = specimens.write_subject(folder, specimens.make_small_subject())
        root = place / "sub-01_nerveroots_L3_L.json"
        if what == "truncated":
            root.write_bytes(root.read_bytes()[:200])
        else:
            for path in place.glob("*_cord_*"):
                path.unlink()
    for command in (("check", folder), ("build", folder, "-o", tmp_path / "out")):
        result = atlas(*command)
        assert result.exit_code == 2
        assert "expected" in result.output
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not (tmp_path / "out").exists()


def test_build_then_show_prints_the_model_in_a_screenful(cohort, tmp_path):
    built = atlas("build", cohort, "-o", tmp_path / "out", "--origin", "conus")
    assert built.exit_code == 0, built.output
    shown = atlas("show", tmp_path / "out")
    assert shown.exit_code == 0
    assert "anchor conus" in shown.output
    assert "n = 3" in shown.output
    assert len(shown.output.splitlines()) <= 24


def test_show_of_what_is_not_an_atlas_exits_2(tmp_path):
    result = atlas("show", tmp_path / "model.h5")
    assert result.exit_code == 2
    assert "expected an atlas (model.h5), got nothing there" in result.output


def test_unknown_choices_exit_2(cohort, tmp_path):
    for options in (("--anchor", "T9"), ("--rotation", "some"), ("--origin", "top")):
        result = atlas("build", cohort, "-o", tmp_path / "out", *options)
        assert result.exit_code == 2, options
        assert "expected" in result.output


def test_version():
    assert atlas("--version").output.strip() == f"atlas {__version__}"


def test_the_installed_command_runs_quietly_when_piped(cohort):
    program = [sys.executable, "-c", "from atlas.cli import app; app()", "check", str(cohort)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


@pytest.mark.shared
def test_check_of_sub_03_says_what_the_annotation_holds(shared_folder):
    result = atlas("check", shared_folder / "data" / "sub-03")
    assert result.exit_code == 1
    row = next(line for line in result.output.splitlines() if "sub-03" in line and "│" in line)
    assert row.replace("│", " ").split()[:5] == ["sub-03", "80", "66", "14", "14"]
    assert row.replace("│", " ").split()[6:9] == ["2.0", "158.0", "130.0"]
    for place, amount in (
        ("root L1 left", "0.07 mm outside the dura: the root leaves the sac here"),
        ("root L2 left", "0.37 mm outside the dura: the root leaves the sac here"),
        ("root L3 left at z -421.6", "0.22 mm inside the cord"),
        ("root L5 left at z -435.6", "0.07 mm inside the cord"),
    ):
        line = next(x for x in result.output.splitlines() if place in x)
        assert amount in line


@pytest.mark.slow
def test_demo_makes_a_cohort_and_its_atlas_and_says_what_to_open(tmp_path):
    for _ in range(2):
        result = atlas("demo", tmp_path / "demo")
        assert result.exit_code == 0, result.output
    assert "generated from published measurements, not imaging data" in result.output
    assert (tmp_path / "demo" / "atlas" / "figures" / "anatomy.png").is_file()
    assert f"Open first: {tmp_path / 'demo'}" in result.output


@pytest.mark.slow
def test_evaluate_writes_how_good_an_atlas_is(cohort, tmp_path):
    dataset = specimens.write_dataset(tmp_path / "markers", specimens.make_dataset(6))
    assert atlas("build", dataset, "-o", tmp_path / "out").exit_code == 0
    result = atlas("evaluate", tmp_path / "out", "-o", tmp_path / "how", "--dataset", dataset)
    assert result.exit_code == 0, result.output
    tables = sorted(p.name for p in (tmp_path / "how").rglob("*.csv"))
    assert {"generalisation.csv", "specificity.csv", "prediction_error.csv"} <= set(tables)
    coverage = (tmp_path / "how" / "prediction" / "prediction_coverage.csv").read_text()
    assert "calibrated" in coverage
