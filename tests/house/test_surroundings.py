"""Settings that a user made for other programs do not reach into a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import specimens

from atlas.surroundings import FOREIGN, main_is_guarded, own_environment

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, "-m", "atlas"]
CLEAN = {k: v for k, v in os.environ.items() if k not in FOREIGN} | {
    "PYTHONPATH": str(ROOT),
    "OPENBLAS_NUM_THREADS": "1",
}
FOREIGN_SETTINGS = """
text.usetex: True
savefig.bbox: tight
savefig.transparent: True
axes.grid: True
font.size: 20
backend: module://not.there
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    place = tmp_path_factory.mktemp("cohort") / "markers"
    return specimens.write_dataset(place, specimens.make_dataset(3))


@pytest.fixture(scope="module")
def model(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "atlas"
    done = command("build", cohort, "-o", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """An atlas of subjects enough to predict another from."""
    place = tmp_path_factory.mktemp("larger")
    cohort = specimens.write_dataset(place / "markers", specimens.make_dataset(6, seed=3))
    done = command("build", cohort, "-o", place / "atlas")
    assert done.returncode == 0, done.stderr
    return place / "atlas"


def command(*arguments, environment=(), drop=(), cwd=None, before=None):
    told = {k: v for k, v in (CLEAN | dict(environment)).items() if k not in drop}
    return subprocess.run(
        [*RUN, *map(str, arguments)], capture_output=True, env=told, cwd=cwd, preexec_fn=before,
        timeout=120, check=False,
    )  # fmt: skip


def pictures(folder):
    return {p.name: p.read_bytes() for p in sorted((folder / "figures").glob("*.png"))}


def assert_sound(done, code=0):
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr


# --- streams ---


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp932", "cp1252", "ascii:strict"])
def test_a_stream_of_any_encoding_takes_what_is_shown(encoding, model):
    done = command("show", model, environment={"PYTHONIOENCODING": encoding})
    assert_sound(done)
    assert b"modes of variation" in done.stdout
    done = command("check", model / "no – where", environment={"PYTHONIOENCODING": encoding})
    assert_sound(done, 2)
    assert done.stderr.startswith(b"atlas: ")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["gbk"])
def test_every_command_ends_well_on_a_stream_of_any_encoding(
    encoding, cohort, model, larger, tmp_path
):
    told = {"PYTHONIOENCODING": encoding}
    out = tmp_path / "out–put"
    commands = [
        ("--help",),
        ("build", "--help"),
        ("check", cohort),
        ("build", cohort, "-o", out),
        ("predict", larger, cohort / "sub-01", "-o", tmp_path / "prediction"),
        ("mesh", model, "-o", tmp_path / "mesh"),
        ("sample", model, "-n", "2", "-o", tmp_path / "samples"),
        ("export", model, "--to", "csv", "-o", tmp_path / "csv"),
        ("demo", tmp_path / "demo"),
    ]
    for arguments in commands:
        done = command(*arguments, environment=told)
        assert b"Traceback" not in done.stderr, (arguments, done.stderr)
        assert done.returncode == 0, (arguments, done.stderr)


# --- settings of other programs ---


@pytest.mark.slow
def test_figures_have_the_same_bytes_whatever_the_users_settings(cohort, model, tmp_path):
    (tmp_path / "matplotlibrc").write_text(FOREIGN_SETTINGS)
    told = {
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "MPLCONFIGDIR": str(tmp_path),
        "MPLBACKEND": "module://not.there",
        "PYTHONWARNINGS": "error",
    }
    # matplotlib looks into the current folder first.
    done = command("build", cohort, "-o", "out", environment=told, cwd=tmp_path)
    assert_sound(done)
    assert pictures(tmp_path / "out") == pictures(model)
    plain = {p.name: p.read_bytes() for p in tables_of(model, tmp_path / "plain")}
    foreign = tables_of(model, tmp_path / "foreign", environment=told, cwd=tmp_path)
    assert {p.name: p.read_bytes() for p in foreign} == plain


def tables_of(model, out, **options):
    done = command("tables", model, "-o", out, "--format", "csv", **options)
    assert_sound(done)
    return sorted((out / "figures").iterdir())


EVERYTHING = {
    "PYTHONWARNINGS": "error",
    "MPLBACKEND": "no such backend",
    "HOME": "/nonexistent",
    "XDG_CONFIG_HOME": "/proc",
    "XDG_CACHE_HOME": "/proc",
    "TERM": "dumb",
    "COLUMNS": "0",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
}


@pytest.mark.slow
def test_a_build_in_surroundings_of_all_kinds_ends_well(cohort, model, tmp_path):
    done = command("build", cohort, "-o", tmp_path / "out", environment=EVERYTHING)
    assert_sound(done)
    assert done.stderr == b""
    assert pictures(tmp_path / "out") == pictures(model)


@pytest.mark.slow
@pytest.mark.parametrize(
    "told",
    [
        {"PYTHONWARNINGS": "error", "MPLBACKEND": "no such backend", "LC_ALL": "tr_TR.UTF-8"},
        {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/proc", "XDG_CACHE_HOME": "/proc"},
        {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "0", "LINES": "0", "PYTHONDEVMODE": "1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "40"},
    ],
    ids=lambda told: " ".join(f"{k}={v}" for k, v in told.items())[:60],
)
def test_a_build_ends_well_and_draws_the_same(told, cohort, model, tmp_path):
    done = command("build", cohort, "-o", tmp_path / "out", environment=told)
    assert_sound(done)
    assert pictures(tmp_path / "out") == pictures(model)


@pytest.mark.slow
def test_a_build_needs_no_home(cohort, model, tmp_path):
    drop = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "USER", "LOGNAME")
    done = command("build", cohort, "-o", tmp_path / "out", drop=drop)
    assert_sound(done)
    assert pictures(tmp_path / "out") == pictures(model)


@pytest.mark.slow
def test_a_report_takes_nothing_of_the_users_jupyter(model, tmp_path):
    home = tmp_path / "home"
    start = home / ".ipython" / "profile_default" / "startup"
    start.mkdir(parents=True)
    (start / "00.py").write_text("raise SystemExit('the user')\nprint('from the user')")
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["/bin/false"], "language": "python"}')
    theirs = home / ".local" / "share" / "jupyter" / "nbconvert" / "templates" / "basic"
    theirs.mkdir(parents=True)
    (theirs / "index.html.j2").write_text("from the user")
    told = {
        "HOME": str(home),
        "MPLBACKEND": "module://not.there",
        "PYTHONWARNINGS": "error",
    }
    report = ("report", model, "--only", "population_atlas", "-o")
    assert_sound(command(*report, tmp_path / "one", environment=told))
    assert_sound(command(*report, tmp_path / "two", environment={"HOME": "/nonexistent"}))
    one, two = ((tmp_path / n / "population_atlas.html").read_text() for n in ("one", "two"))
    assert one == two
    assert "the user" not in one


# --- folders ---


def test_a_current_folder_that_is_gone_is_one_line(tmp_path):
    place = tmp_path / "gone"
    place.mkdir()
    done = command("check", ".", cwd=place, before=place.rmdir)
    assert_sound(done, 2)
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"atlas: current folder: expected one that is there")


def test_a_process_of_ours_has_no_settings_of_others(monkeypatch):
    for name in FOREIGN:
        monkeypatch.setenv(name, "theirs")
    told = own_environment()
    assert "theirs" not in told.values()
    assert told["MPLBACKEND"] == "agg"
    assert Path(told["MATPLOTLIBRC"]).is_file()


# --- scripts ---

SCRIPT = """
import sys
from pathlib import Path
from atlas.build import build
from atlas.large.resources import Resources
from atlas.store import Settings
Path(sys.argv[3]).open("a").write("x")
settings = Settings(root=8, dura=(12, 12), cord=(10, 8))
{guard}build(sys.argv[1], sys.argv[2], settings, resources=Resources("2GiB", 2, None))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "guard", ["", "# no __name__ asked\n", "print(__name__)\n"], ids=["bare", "named", "used"]
)
def test_a_script_without_main_guard_is_told_so(guard, cohort, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(guard=guard))
    done = subprocess.run(
        [sys.executable, str(script), str(cohort), str(tmp_path / "out"), str(tmp_path / "runs")],
        capture_output=True, text=True, env=CLEAN, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("atlas.large.workers.WorkersError: workers: expected a script that")
    assert 'if __name__ == "__main__":' in last
    assert "BrokenProcessPool" not in done.stderr
    # No worker begot workers; where nothing asks for the name, none was begun.
    assert len((tmp_path / "runs").read_text()) <= (3 if "__name__" in guard else 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_script_with_main_guard_builds(cohort, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(guard='if __name__ == "__main__":\n    '))
    done = subprocess.run(
        [sys.executable, str(script), str(cohort), str(tmp_path / "out"), str(tmp_path / "runs")],
        capture_output=True, text=True, env=CLEAN, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "model.h5").is_file()


def test_what_is_typed_in_needs_no_guard(monkeypatch):
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    assert main_is_guarded()
