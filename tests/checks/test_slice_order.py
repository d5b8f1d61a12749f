"""The stack of slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import specimens

from atlas.checks.profile import Profile
from atlas.checks.slice_order import slice_findings, slice_grid

SOUND = specimens.make_subject(rng=np.random.default_rng(1), noise_mm=0.1)


def findings_of(**stacks):
    return slice_findings(Profile.of(replace(SOUND, **stacks)))


def test_a_sound_stack_has_no_finding():
    assert findings_of() == []


@pytest.mark.parametrize("count", [1, 3])
def test_missing_slices_are_counted_with_their_place(count):
    (finding,) = findings_of(dura=SOUND.dura[:20] + SOUND.dura[20 + count :])
    assert finding.rule == "missing-slice"
    assert finding.place == f"dura between z -38.0 and {-40.0 - 2 * count:.1f} mm"
    assert f"got {count} missing here" in finding.message


def test_a_contour_between_slices_is_named_with_the_amount():
    moved = SOUND.cord[10] + [0, 0, -0.6]
    (finding,) = findings_of(cord=(*SOUND.cord[:10], moved, *SOUND.cord[11:]))
    assert finding.rule == "contour-off-slice"
    assert "got this one 0.60 mm below its slice" in finding.message


def test_two_contours_in_a_slice_are_an_error():
    again = SOUND.dura[10] + [0.3, 0, 0]
    (finding,) = findings_of(dura=(*SOUND.dura[:10], again, *SOUND.dura[10:]))
    assert finding.rule == "doubled-contour"
    assert "got two at z -20.0 mm" in finding.message


def test_a_copy_of_the_slice_above_is_named():
    copy = SOUND.dura[9] - [0, 0, 2.0]
    (finding,) = findings_of(dura=(*SOUND.dura[:10], copy, *SOUND.dura[11:]))
    assert (finding.rule, finding.place) == ("copied-contour", "dura contour at z -20.0 mm")


def test_a_cord_of_other_slices_is_one_finding():
    (finding,) = findings_of(cord=tuple(c - [0, 0, 0.9] for c in SOUND.cord))
    assert (finding.rule, finding.place) == ("stacks-off-grid", "cord")
    assert "got cord contours 0.90 mm (median)" in finding.message


def test_the_grid_finds_spacing_and_phase_by_itself():
    heights = 7.3 - 1.8 * np.delete(np.arange(30), [4, 5])
    heights[20] += 0.5
    slices, offsets = slice_grid(heights, 1.8)
    np.testing.assert_array_equal(np.diff(slices)[:5], [1, 1, 1, 3, 1])
    np.testing.assert_allclose(offsets[20], 0.5, atol=1e-6)
    np.testing.assert_allclose(np.delete(offsets, 20), 0, atol=1e-6)


def test_other_heights_are_numbered_on_the_grid_and_do_not_make_it():
    heights = 7.3 - 1.8 * np.arange(30)
    slices, offsets = slice_grid(heights, 1.8, of=np.r_[heights[[3, 4, 7, 7]], heights[9:] - 0.3])
    np.testing.assert_array_equal(np.diff(slices[:4]), [1, 3, 0])
    np.testing.assert_allclose(offsets, [0] * 4 + [-0.3] * 21, atol=1e-9)
