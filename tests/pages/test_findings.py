"""The page of a check: one section a structure, a picture each, every text escaped."""

from __future__ import annotations

import re

import annotator_slips
import numpy as np
import pytest
import specimens
from typer.testing import CliRunner

from analysis.pages.findings import draw_finding, write_check_report
from atlas.checks import find_implausible
from atlas.checks.rules import COLUMNS, MEANINGS, Meaning
from atlas.cli import app
from atlas.data.dataset import Dataset
from atlas.data.subject import Finding, Place, Severity

SOUND = specimens.make_subject(rng=np.random.default_rng(1), noise_mm=0.1)


@pytest.fixture(scope="module")
def slipped():
    return annotator_slips.SLIPS["contour_moved_sideways"](
        (SOUND,), np.random.default_rng(2)
    ).subjects


def test_every_finding_is_on_the_page_with_a_picture(slipped, tmp_path):
    findings = find_implausible(Dataset("cohort", slipped))
    page = tmp_path / "page.html"
    write_check_report(Dataset("cohort", slipped), findings, page)
    text = page.read_text()
    assert "contour-out-of-line" in text
    assert text.count("<section") == text.count("data:image/png;base64,") == 1
    assert MEANINGS["contour-out-of-line"].do in text


def test_the_page_needs_nothing_from_elsewhere(slipped, tmp_path):
    page = tmp_path / "page.html"
    write_check_report(Dataset("c", slipped), find_implausible(Dataset("c", slipped)), page)
    assert re.findall(r"(?:src|href)=\"(?!data:)", page.read_text()) == []


def test_text_of_files_is_never_markup(tmp_path):
    bad = Finding(Severity.ERROR, "<i>rule", "<b>sub", "<script>x</script>", "<img src=x>")
    write_check_report(Dataset("<u>root", ()), (bad,), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    for tag in ("<i>", "<b>", "<script>", "<img src=x>", "<u>"):
        assert tag not in text
    assert "&lt;script&gt;x&lt;/script&gt;" in text


def test_a_clean_dataset_says_so(tmp_path):
    write_check_report(Dataset("c", (SOUND,)), (), tmp_path / "page.html")
    assert "Nothing was found." in (tmp_path / "page.html").read_text()


def test_the_picture_shows_the_contour_in_its_slice(slipped):
    (finding,) = find_implausible(Dataset("c", slipped))
    front, across = draw_finding(slipped[0], [finding]).axes
    assert across.get_title() == f"Slice at z {finding.at.z_mm:.1f} mm, thin: beside it"
    assert front.get_xlabel() == "x, mm (+ left)"
    loud = [line for line in across.lines if line.get_color() == "#b3261e"]
    contour = getattr(slipped[0], finding.at.structure)[finding.at.index]
    np.testing.assert_allclose(loud[0].get_xydata(), contour[:, :2])


@pytest.mark.parametrize(
    ("place", "drawn"),
    [
        (Place(), 0),
        ("a-file.json", 0),
        (Place("root", "L3", "left", 5, -50.0), 1),
        (Place("ganglion", "S2", "right"), 1),
        (Place("roots", "L3", other_level="L4"), 4),
        (Place("roots", "L3", "left", other_level="L4"), 2),
        (Place("ganglia", "L3"), 2),
        (Place("ganglia"), 0),
        (Place("dura", z_mm=-3.0, until_mm=-9.0), 0),
    ],
)
def test_every_kind_of_place_can_be_drawn(place, drawn):
    finding = Finding(Severity.WARNING, "x", "sub-01", place, "")
    front, _ = draw_finding(SOUND, [finding]).axes
    # The last line is the height.
    assert sum(line.get_color() == "#b3261e" for line in front.lines) - 1 == drawn


def test_points_of_one_root_share_a_picture(tmp_path):
    points = [Place("root", "L3", "left", i, float(-i)) for i in range(3)]
    findings = tuple(Finding(Severity.WARNING, "inside-cord", SOUND.id, at, "x") for at in points)
    write_check_report(Dataset("c", (SOUND,)), findings, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count("<section") == 1


# --- the command ---


@pytest.mark.slow
def test_strict_takes_warnings_for_errors_and_the_report_is_written(tmp_path, slipped):
    specimens.write_subject(tmp_path / "markers", slipped[0])
    run = CliRunner().invoke
    page = tmp_path / "page.html"
    assert run(app, ["check", str(tmp_path / "markers")]).exit_code == 1
    strict = run(app, ["check", str(tmp_path / "markers"), "--strict", "--report", str(page)])
    assert strict.exit_code == 2
    assert "error    contour-out-of-line" in strict.output
    assert "contour-out-of-line" in page.read_text()


def test_a_report_in_no_folder_is_refused_in_one_line(tmp_path, slipped):
    specimens.write_subject(tmp_path / "markers", slipped[0])
    page = tmp_path / "nowhere" / "page.html"
    result = CliRunner().invoke(app, ["check", str(tmp_path / "markers"), "--report", str(page)])
    assert result.exit_code == 2
    assert "expected a file in a folder that is there, got no such folder" in result.output


# --- the manual ---


def test_the_manual_lists_every_name_as_the_code_has_it():
    from pathlib import Path

    manual = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
    for name, meaning in MEANINGS.items():
        assert f"| `{name}` | {meaning.severity} | {meaning.says} | {meaning.do} |" in manual
    assert set(COLUMNS) == {"name", *Meaning._fields}
