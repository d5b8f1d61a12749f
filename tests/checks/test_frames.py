"""Units and axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens
from annotator_slips import mapped

from atlas.checks import find_implausible
from atlas.checks.frames import frame_findings, single_file_findings
from atlas.checks.profile import Profile
from atlas.data.dataset import survey_dataset
from atlas.data.subject import Place, RootKey

# In a scanner a subject does not lie about the origin.
SOUND = mapped(specimens.make_subject(), np.eye(3), [5.0, 53.0, -351.6])
KEY = RootKey("L4", "left")


def test_a_sound_subject_has_no_finding():
    assert frame_findings(Profile.of(SOUND)) == []
    assert single_file_findings(Profile.of(SOUND)) == ([], set())


@pytest.mark.parametrize(
    ("factor", "unit", "cure"),
    [(1e-3, "metres", "1000"), (0.1, "centimetres", "10"), (1e3, "µm", "0.001")],
)
def test_another_unit_is_named_with_its_factor(factor, unit, cure):
    (finding,) = frame_findings(Profile.of(mapped(SOUND, np.eye(3) * factor)))
    assert finding.rule == "wrong-unit"
    assert f"look like {unit} declared as mm: multiply by {cure}" in finding.message


def test_negated_x_and_y_are_ras_and_not_swapped_sides():
    (finding,) = frame_findings(Profile.of(mapped(SOUND, np.diag([-1.0, -1, 1]))))
    assert finding.rule == "ras-not-lps"


def test_negated_z_is_upside_down():
    (finding,) = frame_findings(Profile.of(mapped(SOUND, np.diag([1.0, 1, -1]))))
    assert finding.rule == "upside-down"


def test_exchanged_stacks_are_named():
    (finding,) = frame_findings(Profile.of(replace(SOUND, dura=SOUND.cord, cord=SOUND.dura)))
    assert finding.rule == "exchanged-stacks"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda p: p * [-1, -1, 1], "ras-not-lps"),
        (lambda p: p * 1e-3, "wrong-unit"),
        (lambda p: np.add(p, [0, 300.0, 0]), "misplaced-file"),
    ],
)
def test_one_root_in_another_frame_is_named(change, rule):
    bad = replace(SOUND, roots={**SOUND.roots, KEY: change(SOUND.roots[KEY])})
    findings, places = single_file_findings(Profile.of(bad))
    assert [(f.rule, f.place) for f in findings] == [(rule, "root L4 left")]
    assert places == {Place("root", *KEY)}


def test_files_in_metres_are_read_and_named(tmp_path):
    metres = replace(mapped(SOUND, np.eye(3) * 1e-3), id="sub-01")
    specimens.write_subject(tmp_path, metres)
    dataset = survey_dataset(tmp_path)
    assert [f.rule for f in dataset.findings if f.severity == 2] == []
    assert [f.rule for f in find_implausible(dataset)] == ["wrong-unit"]
