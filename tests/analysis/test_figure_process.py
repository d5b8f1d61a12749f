"""Figures drawn in a process beside the build: the same bytes, and nobody left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import specimens

from analysis import figure_process
from analysis.figure_process import CHILD, announced, figures_beside
from analysis.figures.build_figures import MODEL_ARRAYS, pack, shown, unpack
from analysis.products import write_figures
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import LandmarkScheme
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align
from atlas.store import Atlas, Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dataset():
    return specimens.make_dataset(4)


@pytest.fixture(scope="module")
def atlas(dataset):
    scheme = LandmarkScheme.standard(root=12, dura=(10, 12), cord=(10, 12))
    alignment = align(place_landmarks(dataset, scheme))
    provenance = {"notice": "generated, for tests", "anchor": "dura-apex"}
    return Atlas(fit_shape_model(alignment), alignment, Settings(), provenance)


@pytest.fixture(scope="module")
def drawn_here(atlas, dataset, tmp_path_factory):
    paths = write_figures(atlas, dataset, tmp_path_factory.mktemp("here"))
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture
def started(monkeypatch):
    """The processes that were started, whatever this one has loaded."""
    found, start = [], figure_process._start

    def remembered():
        found.append(start())
        return found[-1]

    monkeypatch.setattr(figure_process, "_helps", lambda: True)
    monkeypatch.setattr(figure_process, "_start", remembered)
    return found


def draw_beside(atlas, dataset, out):
    with figures_beside() as begin:
        paths = begin(atlas.alignment, atlas.model, dataset)(out)
    return {path.name: path.read_bytes() for path in paths}


def no_drawing(_what):
    raise ValueError("drawn here")
    yield


def start_child(**pipes):
    command = [sys.executable, "-P", "-c", CHILD, *(p or str(Path.cwd()) for p in sys.path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **pipes)


@pytest.mark.slow
def test_figures_have_the_same_bytes_in_either_process(
    atlas, dataset, drawn_here, started, monkeypatch, tmp_path
):
    monkeypatch.setattr(figure_process, "draw_figures", no_drawing)
    beside = draw_beside(atlas, dataset, tmp_path)
    assert list(beside) == list(drawn_here)
    assert beside == drawn_here
    assert [process.returncode for process in started] == [0]


def test_what_is_shown_comes_through_a_pipe_as_it_is(atlas, dataset):
    one = shown(atlas.alignment, atlas.model, dataset.subjects[0], dataset.notice)
    two = unpack(pack(one))
    assert two.model.scheme == one.model.scheme
    assert (two.model.noise, two.model.n_subjects) == (one.model.noise, one.model.n_subjects)
    assert (two.provenance, two.subject_id) == (one.provenance, one.subject_id)
    for name in MODEL_ARRAYS:
        np.testing.assert_array_equal(getattr(two.model, name), getattr(one.model, name))
    for name in ("dura", "cord"):
        np.testing.assert_array_equal(getattr(two.subject, name), getattr(one.subject, name))
    for name in ("roots", "ganglia", "status"):
        given, got = getattr(one.subject, name), getattr(two.subject, name)
        assert list(got) == list(given)
        assert list(map(type, got)) == list(map(type, given))
        for key, values in given.items():
            np.testing.assert_array_equal(got[key], values)


@pytest.mark.slow
@pytest.mark.parametrize(
    "child", ["raise SystemExit(3)", "print('what?')\nraise ValueError", "import os\nos.abort()"]
)
def test_where_the_process_fails_figures_are_drawn_here(
    child, atlas, dataset, drawn_here, started, monkeypatch, tmp_path
):
    monkeypatch.setattr(figure_process, "CHILD", child)
    assert draw_beside(atlas, dataset, tmp_path) == drawn_here
    assert started[0].returncode != 0


@pytest.mark.slow
def test_a_process_that_cannot_be_started_is_done_without(
    atlas, dataset, drawn_here, started, monkeypatch, tmp_path
):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert draw_beside(atlas, dataset, tmp_path) == drawn_here
    assert started == [None]


def test_what_is_wrong_with_a_figure_is_raised_here_as_it_is(
    atlas, dataset, started, monkeypatch, tmp_path
):
    monkeypatch.setattr(figure_process, "CHILD", "raise SystemExit(3)")
    monkeypatch.setattr(figure_process, "draw_figures", no_drawing)
    with pytest.raises(ValueError, match="drawn here"):
        draw_beside(atlas, dataset, tmp_path)


@pytest.mark.parametrize("asked", [False, True])
def test_a_build_that_fails_ends_the_process(asked, atlas, dataset, started):
    def fail():
        with figures_beside() as begin:
            if asked:
                begin(atlas.alignment, atlas.model, dataset)
            raise KeyError("of the build")

    with pytest.raises(KeyError, match="of the build"):
        fail()
    (process,) = started
    assert process.returncode is not None
    assert process.stdin.closed and process.stdout.closed


def test_a_process_whose_parent_is_gone_ends_by_itself(atlas, dataset):
    unasked = start_child(stdin=subprocess.DEVNULL)
    answer, _ = unasked.communicate(timeout=60)
    assert (unasked.returncode, answer) == (1, b"")
    asked = start_child(stdin=subprocess.PIPE)
    what = pack(shown(atlas.alignment, atlas.model, dataset.subjects[0], dataset.notice))
    asked.stdin.write(announced(what))
    asked.stdin.flush()
    # It draws by now, or is about to.
    asked.stdin.close()
    answer, _ = asked.stdout.read(), asked.stdout.close()
    assert (asked.wait(timeout=60), answer) == (1, b"")


@pytest.mark.slow
def test_a_package_of_our_name_in_the_working_folder_is_not_taken(
    atlas, dataset, drawn_here, started, monkeypatch, tmp_path
):
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figure_process, "draw_figures", no_drawing)
    assert draw_beside(atlas, dataset, tmp_path) == drawn_here


@pytest.mark.parametrize(
    ("cores", "executable", "loaded", "helps"),
    [
        (2, "/usr/bin/python3.11", False, True),
        (2, "C:/Python311/python.exe", False, True),
        (1, "/usr/bin/python3.11", False, False),
        (2, "/opt/Slicer", False, False),
        (2, None, False, False),
        # Its user may have changed how everything is drawn.
        (2, "/usr/bin/python3.11", True, False),
    ],
)
def test_a_process_is_started_only_where_it_helps(cores, executable, loaded, helps, monkeypatch):
    monkeypatch.setattr(figure_process, "cores", lambda: cores)
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    if loaded:
        monkeypatch.setitem(sys.modules, "matplotlib", object())
    assert figure_process._helps() is helps
