"""What a cut severs goes to the neighbour it shares most wall with, on its side of the sac."""

from __future__ import annotations

import pytest
from test_regions import bar, space, volumes

from atlas.mesh.solids.complexes import unpaired_edges
from atlas.mesh.solids.regions import cut
from atlas.mesh.solids.severed_pieces import pieces, without_severed_pieces

WITHIN = {"": False, "fluid": True, "a": True, "b": True, "a/outside": False, "b/outside": False}


def severed():
    """A wide bar that cuts a thin one in two: 3 mm³ on one side and 0.5 mm³ on the other."""
    wide, thin = bar("a", (4, 2, 2), (6, 8, 8)), bar("b", (1, 4.5, 4.5), (6.5, 5.5, 5.5))
    return cut(space(), [wide, thin])


def test_pieces_are_counted_by_their_volume():
    volume = pieces(severed(), "b")[2]
    assert sorted(volume.tolist()) == pytest.approx([0.5, 3.0])


def test_the_lesser_piece_goes_to_the_neighbour_with_most_wall():
    walls, (crumb,) = without_severed_pieces(severed(), WITHIN)
    assert crumb[:3] == ("detached", "b", "fluid")
    assert crumb[3] == pytest.approx(0.5)
    assert volumes(walls) == pytest.approx({"fluid": 1000 - 72 - 3, "a": 72, "b": 3})
    assert len(unpaired_edges(walls)) == 0
    assert len(pieces(walls, "b")[2]) == 1


def test_a_piece_outside_never_goes_into_the_sac():
    # A bar leaves through the top; above, two others take it but for a slice of 0.05 mm at the
    # top: with its part inside it shares 1 mm² and with each of them only 0.5.
    over = [bar("a", (3, 3, 10.05), (4.5, 6, 12)), bar("c", (4.5, 3, 10.05), (6, 6, 12))]
    walls = cut(space(), [*over, bar("b", (4, 4, 8), (5, 5, 14))])
    assert len(pieces(walls, "b/outside")[2]) == 2
    within = WITHIN | {"c": True, "c/outside": False}
    after, (crumb,) = without_severed_pieces(walls, within)
    assert crumb[1:3] in {("b/outside", "a/outside"), ("b/outside", "c/outside")}
    assert crumb[3] == pytest.approx(0.05)
    assert volumes(after)["b"] == pytest.approx(2)
