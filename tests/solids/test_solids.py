"""Solids share walls exactly, fill the sac, and say what was assumed or decided."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tube_shapes
from mesh_quality import mesh_quality
from scipy.spatial import cKDTree

from atlas.data.builtin.builtin_cohort import write_surrogate_cohort
from atlas.data.dataset import read_dataset
from atlas.data.subject import ROOT_KEYS
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.landmarks.placing import place_landmarks
from atlas.landmarks.scheme import block_name
from atlas.mesh.solids.complexes import pinched_edges, unpaired_edges
from atlas.mesh.solids.extension import prolonged
from atlas.mesh.solids.intersections import self_intersections
from atlas.mesh.solids.severed_pieces import pieces
from atlas.mesh.solids.solids import FINDING_COLUMNS, SolidsError, sides_of_sac, solids
from atlas.mesh.surfaces.named_surfaces import Mesh, surfaces
from atlas.mesh.surfaces.radii import radii_by_level
from atlas.model.fitting import fit_shape_model
from atlas.procrustes.alignment import align

EDGE = 1.5
INSIDE = [block_name(key) for key in ROOT_KEYS]
OUTSIDE = [name + "/outside" for name in INSIDE]


@pytest.fixture(scope="module")
def anatomy():
    return tube_shapes.cylinders()


@pytest.fixture(scope="module")
def made(anatomy):
    return solids(anatomy, edge_mm=EDGE)


@pytest.fixture(scope="module")
def wrapped(anatomy):
    return solids(
        anatomy, edge_mm=EDGE, dura_thickness_mm=0.4, outer_margin_mm=8.0, extend_sac=True
    )


@pytest.fixture(scope="module")
def cohort_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "cohort"
    write_surrogate_cohort(folder)
    return fit_shape_model(align(place_landmarks(read_dataset(folder))))


def sum_inside(regions):
    within = sides_of_sac(tuple(regions))
    return sum(mesh.volume_mm3 for name, mesh in regions.items() if within[name])


def assert_complex(regions):
    """Every region whole, every triangle of one region or shared by two, with opposite winding."""
    walls = regions.walls
    assert len(unpaired_edges(walls)) == 0
    assert len(self_intersections(walls.vertices, walls.triangles)) == 0
    for name, mesh in regions.items():
        found = mesh_quality(mesh)
        assert found.watertight, name
        assert found.winding_consistent, name
        assert found.volume_mm3 > 0, name
        assert (pieces(walls, name)[2] > 0).sum() == 1, name
    seen: dict[tuple, list] = {}
    for mesh in regions.values():
        for corners in mesh.vertices[mesh.faces]:
            points = [tuple(p) for p in corners.tolist()]
            first = points.index(min(points))
            turn = tuple(points[first:] + points[:first])
            seen.setdefault(tuple(sorted(points)), []).append(turn)
    assert {len(turns) for turns in seen.values()} == {1, 2}
    for turns in seen.values():
        assert len(turns) == len(set(turns))


@pytest.mark.slow
def test_regions_are_named(made):
    expected = ["cord", "csf", *(n for pair in zip(INSIDE, OUTSIDE, strict=True) for n in pair)]
    assert list(made) == expected


@pytest.mark.slow
def test_neighbours_share_walls_exactly(made):
    assert_complex(made)


@pytest.mark.slow
def test_a_shell_and_what_lies_around_share_walls_too(wrapped):
    assert_complex(wrapped)
    assert list(wrapped)[-2:] == ["dura", "outer"]


def test_regions_fill_the_sac(anatomy, made):
    whole = surfaces(anatomy, edge_mm=EDGE)["dura"].volume_mm3
    assert sum_inside(made) == pytest.approx(whole, rel=1e-6)


@pytest.mark.slow
def test_no_two_regions_overlap(made):
    import manifold3d

    def solid(mesh):
        points, faces = np.array(mesh.vertices), np.array(mesh.faces, dtype=np.uint64)
        return manifold3d.Manifold(manifold3d.Mesh64(points, faces))

    names = ["cord", "csf", *INSIDE[-4:], *OUTSIDE[-4:]]
    built = {name: solid(made[name]) for name in names}
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            least = min(made[a].volume_mm3, made[b].volume_mm3)
            assert abs((built[a] ^ built[b]).volume()) <= 1e-6 * least, (a, b)


def test_the_cord_keeps_its_volume(anatomy, made):
    whole = surfaces(anatomy, edge_mm=EDGE)["cord"].volume_mm3
    assert made["cord"].volume_mm3 == pytest.approx(whole, rel=1e-3)


def test_every_root_shares_a_wall_with_the_cord_and_one_with_its_own_outside(made):
    walls = made.walls
    pairs = Counter(tuple(sorted(walls.names[i] for i in s)) for s in walls.sides.tolist())
    for name in INSIDE:
        assert pairs[("cord", name)] >= 4, name
        assert pairs[(name, name + "/outside")] >= 4, name


def test_roots_leave_on_their_own_side(made):
    walls = made.walls
    for key in ROOT_KEYS:
        name = block_name(key)
        pair = sorted((walls.names.index(name), walls.names.index(name + "/outside")))
        hole = (np.sort(walls.sides, axis=1) == pair).all(axis=1)
        x = walls.vertices[walls.triangles[hole]][..., 0]
        assert (np.sign(x) == (1 if key.side == "left" else -1)).all()


@pytest.mark.slow
def test_roots_that_go_on_below_leave_through_a_hole_in_the_caudal_cut(anatomy):
    short = replace(anatomy, dura=anatomy.dura[:20])
    walls = solids(short, edge_mm=EDGE).walls
    pair = sorted(walls.names.index(n) for n in ("root/L5/left", "root/L5/left/outside"))
    rows = (np.sort(walls.sides, axis=1) == pair).all(axis=1)
    hole = walls.vertices[walls.triangles[rows]]
    np.testing.assert_allclose(hole[..., 2], short.dura[-1, 0, 2], atol=1e-6)
    a, b, c = hole.swapaxes(0, 1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert area == pytest.approx(np.pi * 0.25, rel=0.15)


@pytest.mark.slow
def test_extending_the_sac_takes_the_roots_out_through_its_wall(anatomy, wrapped):
    assert wrapped.extrapolated_mm["sac"] > 0
    assert wrapped["csf"].vertices[:, 2].min() < anatomy.dura[..., 2].min() - 10


@pytest.mark.slow
def test_what_is_assumed_and_extrapolated_is_said(made, wrapped):
    assert made.assumed_mm["L5"] == (0.5, 0.5)
    assert set(made.extrapolated_mm) == set(INSIDE)
    assert "dura" not in made.assumed_mm
    assert wrapped.assumed_mm["dura"] == 0.4
    assert wrapped.assumed_mm["outer"] == 8.0


def test_overlaps_of_roots_are_found_and_stay_with_the_earlier(made):
    rows = [row for row in made.rows() if row["kind"] == "overlap"]
    assert ("root/S2/left", "root/S1/left") in {(r["region"], r["other"]) for r in rows}
    assert all(set(row) == set(FINDING_COLUMNS) for row in made.rows())
    assert all(row["amount"] > 0 and row["unit"] == "mm³" for row in rows)


def test_a_cord_that_reaches_below_the_sac_is_cut_and_said(anatomy):
    short = replace(anatomy, dura=anatomy.dura[:30], roots={}, ganglia={})
    found = solids(short, edge_mm=EDGE)
    (cut,) = [f for f in found.findings if f.kind == "cut-off"]
    expected = short.dura[-1, 0, 2] - anatomy.cord[..., 2].min()
    assert cut.amount == pytest.approx(expected, abs=1.1)
    assert found["cord"].vertices[:, 2].min() == pytest.approx(short.dura[-1, 0, 2])


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(anatomy, made):
    again = solids(anatomy, edge_mm=EDGE)
    assert again.walls.vertices.tobytes() == made.walls.vertices.tobytes()
    assert again.walls.triangles.tobytes() == made.walls.triangles.tobytes()
    assert again.walls.sides.tobytes() == made.walls.sides.tobytes()


@pytest.mark.parametrize("name", ["dura_thickness_mm", "outer_margin_mm"])
def test_a_length_that_is_none_is_refused(anatomy, name):
    with pytest.raises(SolidsError, match=f"{name}: expected a length above 0 mm, got -1"):
        solids(anatomy, **{name: -1})


def test_an_unknown_region_is_named(made):
    with pytest.raises(KeyError, match=r"expected a region of \['cord', 'csf'"):
        made["fat"]


@pytest.mark.shared
@pytest.mark.slow
def test_solids_of_the_real_subject(real_subject):
    anatomy = subject_anatomy(real_subject)
    found = solids(anatomy)
    assert_complex(found)
    whole = surfaces(anatomy)["dura"].volume_mm3
    assert sum_inside(found) == pytest.approx(whole, rel=1e-6)
    assert len(found.walls.triangles) <= 60_000
    assert found["cord"].volume_mm3 == pytest.approx(5251, rel=5e-3)
    assert len(found) == 30


@pytest.mark.slow
@pytest.mark.parametrize("scores", [(3,), (0, -3)], ids=str)
def test_solids_of_the_built_in_cohorts_mean_and_extremes(cohort_model, scores):
    model = cohort_model
    coefficients = np.zeros(len(model.variance))
    coefficients[: len(scores)] = scores
    anatomy = model.scheme.anatomy(model.shape(coefficients))
    found = solids(anatomy)
    assert len(unpaired_edges(found.walls)) == 0
    assert not pinched_edges(found.walls)
    assert len(self_intersections(found.walls.vertices, found.walls.triangles)) == 0
    assert all((pieces(found.walls, name)[2] > 0).sum() == 1 for name in found)
    assert sum_inside(found) == pytest.approx(surfaces(anatomy)["dura"].volume_mm3, rel=1e-6)


def densely(points):
    """Points close together along straight pieces."""
    at = np.linspace(0, len(points) - 1, 20 * len(points))
    return np.stack([np.interp(at, np.arange(len(points)), c) for c in points.T], axis=1)


def assert_roots_leave_on_their_own_side(regions, anatomy):
    """Each hole nearer the root it belongs to than the same level's of the other side."""
    walls = regions.walls
    for key in ROOT_KEYS:
        name = block_name(key)
        pair = sorted((walls.names.index(name), walls.names.index(name + "/outside")))
        rows = (np.sort(walls.sides, axis=1) == pair).all(axis=1)
        assert rows.any(), name
        hole = walls.vertices[walls.triangles[rows]].reshape(-1, 3)
        apart = {
            other.side: cKDTree(densely(anatomy.roots[other])).query(hole)[0]
            for other in ROOT_KEYS
            if other.level == key.level
        }
        own = apart.pop(key.side)
        (beyond,) = apart.values()
        assert (own < beyond).all(), name
        assert own.max() < 2.5, name


def sac_wall_of(regions):
    """Whether each triangle between a root and its outside lies off the sac's flat ends."""
    walls, at = regions.walls, {}
    ends = regions["csf"].vertices
    for key in ROOT_KEYS:
        name = block_name(key)
        pair = sorted((walls.names.index(name), walls.names.index(name + "/outside")))
        rows = (np.sort(walls.sides, axis=1) == pair).all(axis=1)
        at[name] = walls.vertices[walls.triangles[rows]][..., 2].min() > ends[:, 2].min() + 1e-3
    return at


@pytest.mark.shared
@pytest.mark.slow
def test_roots_of_the_real_subject_leave_on_their_own_side(real_subject):
    anatomy = subject_anatomy(real_subject)
    assert_roots_leave_on_their_own_side(solids(anatomy), anatomy)


@pytest.mark.shared
@pytest.mark.slow
def test_the_real_subject_with_its_sac_extended_and_wrapped(real_subject):
    anatomy = subject_anatomy(real_subject)
    assert_wrapped(anatomy)


@pytest.mark.slow
def test_the_mean_with_its_sac_extended_and_wrapped(cohort_model):
    anatomy = cohort_model.scheme.anatomy(cohort_model.mean)
    assert_roots_leave_on_their_own_side(solids(anatomy), anatomy)
    assert_wrapped(anatomy)


def assert_wrapped(anatomy):
    """With everything on: regions conform, fill their sac, roots leave through its wall."""
    found = solids(anatomy, dura_thickness_mm=0.3, outer_margin_mm=20, extend_sac=True)
    assert_complex(found)
    assert list(found)[-2:] == ["dura", "outer"]
    longer = prolonged(
        anatomy, radii=radii_by_level(0.5, {key.level for key in ROOT_KEYS}), extend_sac=True
    )
    whole = surfaces(longer.anatomy)["dura"].volume_mm3
    assert sum_inside(found) == pytest.approx(whole, rel=1e-6)
    assert all(sac_wall_of(found).values())


@pytest.mark.shared
@pytest.mark.slow
def test_the_real_subject_has_no_thin_triangles(real_subject):
    walls = solids(subject_anatomy(real_subject)).walls
    quality = mesh_quality(Mesh(walls.vertices, walls.triangles))
    corners = walls.vertices[walls.triangles]
    edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    assert quality.angle_min_deg >= 5
    assert quality.angle_p1_deg >= 15
    assert edges.min() >= 0.02


@pytest.mark.slow
def test_thin_triangles_that_stay_are_said(anatomy, monkeypatch):
    monkeypatch.setattr("atlas.mesh.solids.solids.without_thin_triangles", lambda walls, **_: walls)
    thin = [f for f in solids(anatomy, edge_mm=EDGE).findings if f.kind == "thin"]
    assert thin
    assert all(f.amount < 5 and f.unit == "degrees" for f in thin)
    assert "keep an angle under 5°" in thin[0].message
