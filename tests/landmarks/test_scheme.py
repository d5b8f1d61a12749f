"""Names, partners and shapes of the landmark scheme."""

import numpy as np
import pytest

from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.landmarks.scheme import Anatomy, Block, LandmarkScheme, Status

SMALL = LandmarkScheme.standard(root=5, dura=(4, 8), cord=(3, 6))


def test_standard_scheme_has_the_2688_landmarks_of_the_design():
    scheme = LandmarkScheme.standard()
    assert scheme.size == 40 * 32 + 40 * 24 + 14 * 32 == len(scheme.names) == len(scheme.mirror)


def test_names_are_unique_and_say_structure_level_side_and_place():
    names = SMALL.names
    assert len(set(names)) == SMALL.size
    assert names[SMALL.span("dura")][8 * 3 + 7] == "dura/3/7"
    assert names[SMALL.span("root/L5/left")][4] == "root/L5/left/4"


def test_mirror_is_an_involution_that_swaps_sides_and_keeps_the_midline():
    mirror, names = SMALL.mirror, np.array(SMALL.names)
    np.testing.assert_array_equal(mirror[mirror], np.arange(SMALL.size))
    for name, partner in zip(names, names[mirror], strict=True):
        if name.startswith("root"):
            assert partner == name.replace(
                *(("left", "right") if "left" in name else ("right", "left"))
            )
    assert names[mirror[names == "dura/2/0"]] == "dura/2/0"
    assert names[mirror[names == "dura/2/4"]] == "dura/2/4"
    assert names[mirror[names == "dura/2/1"]] == "dura/2/7"


def test_anatomy_cuts_points_into_structures_and_the_ganglion_ends_the_root():
    points = np.arange(SMALL.size * 3.0).reshape(-1, 3)
    status = np.zeros(SMALL.size, dtype=int)
    anatomy = SMALL.anatomy(points, status=status)
    assert anatomy.dura.shape == (4, 8, 3)
    assert anatomy.cord.shape == (3, 6, 3)
    assert set(anatomy.roots) == set(ROOT_KEYS) == set(anatomy.ganglia)
    np.testing.assert_array_equal(anatomy.dura[2, 5], points[2 * 8 + 5])
    key = RootKey("S2", "right")
    np.testing.assert_array_equal(anatomy.ganglia[key], points[-1])
    np.testing.assert_array_equal(anatomy.roots[key], points[-5:])
    assert anatomy.status["cord"].shape == (3, 6)
    assert SMALL.anatomy(points).status == {}


def test_anatomy_is_read_only_and_a_copy():
    points = np.zeros((SMALL.size, 3))
    anatomy = SMALL.anatomy(points)
    points[:] = 1
    assert (anatomy.dura == 0).all()
    with pytest.raises(ValueError, match="read-only"):
        anatomy.dura[0] = 1
    with pytest.raises(TypeError):
        anatomy.roots[RootKey("L1", "left")] = 0


def test_moved_anatomy_is_the_anatomy_of_moved_points():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(SMALL.size, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = SMALL.anatomy(points).moved(turn, np.array([1.0, 2, 3]))
    direct = SMALL.anatomy(points @ turn.T + [1, 2, 3])
    np.testing.assert_allclose(moved.dura, direct.dura)
    np.testing.assert_allclose(moved.roots[RootKey("L2", "left")], direct.roots["L2", "left"])
    np.testing.assert_allclose(moved.ganglia[RootKey("L2", "left")], direct.ganglia["L2", "left"])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: LandmarkScheme.standard(origin="top"), "origin: expected one of"),
        (lambda: LandmarkScheme.standard(root=1), r"root/L1/left.*at least 2"),
        (lambda: LandmarkScheme.standard(dura=(40, 3)), r"\['dura'\].*6 points a ring"),
        (lambda: SMALL.anatomy(np.zeros((5, 3))), r"expected an array of shape \(120, 3\)"),
        (lambda: Anatomy(np.zeros((4, 3)), np.zeros((1, 1, 3)), {}, {}), r"Anatomy.dura: expected"),
    ],
)
def test_what_does_not_fit_says_expected_and_got(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_an_unknown_block_lists_those_there_are():
    with pytest.raises(KeyError, match=r"expected a block of.*'dura', 'cord'.*got 'spine'"):
        SMALL.span("spine")


def test_depths_of_a_block_span_its_extent():
    block = SMALL.with_extents({"dura": (-3.0, 6.0)}).block("dura")
    np.testing.assert_allclose(block.depths_mm, [-3, 0, 3, 6])
    assert len(Block("cord", "tube", 4, 8).depths_mm) == 0
    assert Status.MISSING == 2
