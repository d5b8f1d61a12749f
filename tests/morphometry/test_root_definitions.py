from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from known_anatomies import arc_case, series, straight

from analysis.morphometry import MEASURES
from analysis.morphometry.definitions import root_definitions
from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.scheme import Anatomy, Status, block_name

ROOTS = list(root_definitions())


def of_roots(anatomy: Anatomy) -> pd.DataFrame:
    """Values of the fourteen roots, a row a root, a column a measure."""
    table = series(anatomy).unstack("measure")[[m.name for m in ROOTS]]
    return table.reindex(ROOT_KEYS)


def test_these_are_the_measures_of_a_root():
    assert [m for m in MEASURES.values() if m.per == "root"] == ROOTS


def without(anatomy: Anatomy, structure: str) -> Anatomy:
    if structure == "cord":
        return replace(anatomy, cord=np.full_like(anatomy.cord, np.nan))
    if structure == "root":
        # Only the ganglion is left.
        roots = {
            k: np.where(np.arange(len(r))[:, None] < len(r) - 1, np.nan, r)
            for k, r in anatomy.roots.items()
        }
        return replace(anatomy, roots=roots)
    return replace(anatomy, roots={}, ganglia={})


@pytest.mark.parametrize("structure", ["root", "cord", "ganglion"])
def test_a_measure_is_missing_exactly_where_what_it_needs_is(structure):
    full, bare = of_roots(arc_case()[0]), of_roots(without(arc_case()[0], structure))
    # Without the whole course nothing of a root is left.
    needs = {"root", "ganglion"} if structure == "ganglion" else {structure}
    lost = full.notna().any() & bare.isna().all()
    expected = {m.name for m in ROOTS if needs & set(m.needs)}
    assert set(lost[lost].index) == expected & set(full.columns[full.notna().any()])


def test_only_measures_that_use_the_bridge_change_when_it_moves():
    anatomy = straight()
    roots = {}
    for key, root in anatomy.roots.items():
        bridged = anatomy.status[block_name(key)] == Status.BRIDGED
        roots[key] = np.where(bridged[:, None], root + np.array([0.4, 0.3, 0.0]), root)
    moved = of_roots(replace(anatomy, roots=roots))
    changed = (abs(moved - of_roots(anatomy)) > 1e-6).any()
    expected = {m.name for m in ROOTS if m.uses_bridge and "takeoff" not in m.name}
    assert set(changed[changed].index) == expected


def test_only_measures_that_follow_the_view_change_when_the_image_is_cut():
    anatomy = straight()
    # The top 10 mm and the bottom 38 mm of the image, below the conus, and the traces there.
    rings, status = slice(5, 62), dict(anatomy.status)
    status |= {"dura": status["dura"][rings], "cord": status["cord"][5:]}
    for key, root in anatomy.roots.items():
        own = np.array(status[block_name(key)])
        own[:-1][root[:-1, 2] < -122] = Status.BRIDGED
        status[block_name(key)] = own
    cut = replace(anatomy, dura=anatomy.dura[rings], cord=anatomy.cord[5:], status=status)
    before, after = of_roots(anatomy), of_roots(cut)
    changed = (abs(after - before) > 1e-3).any()
    follows = {m.name for m in ROOTS if m.follows_view}
    assert set(changed[changed].index) <= follows
    assert {"begin_below_apex_mm", "length_traced_mm", "dura_distance_least_mm"} <= set(
        changed[changed].index
    )
