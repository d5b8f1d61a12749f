"""Surfaces: known volumes, closed and outward, corresponding, equivariant."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey
from atlas.mesh.surfaces import Mesh, Surfaces, surfaces
from atlas.shape.scheme import Anatomy, block_name

HEIGHT = 156.0
TUBES = ("dura", "cord")


def tube(
    rings: int, around: int, *, semi_axes: tuple[float, float], height: float = HEIGHT
) -> np.ndarray:
    """Elliptical cylinder from z = 0 down; dorsal (+y) first, then left (+x)."""
    turn = 2 * np.pi * np.arange(around) / around
    x, y = semi_axes[0] * np.sin(turn), semi_axes[1] * np.cos(turn)
    z = -np.linspace(0, height, rings)
    return np.stack(np.broadcast_arrays(x, y, z[:, None]), axis=-1)


def straight_root(key: RootKey, n: int = 32) -> np.ndarray:
    side = 1 if key.side == "left" else -1
    order = ROOT_KEYS.index(key) // 2
    begin = np.array([side * 5.5, 1.0, -20.0 - 8 * order])
    end = begin + np.array([side * (15.0 - order), -8.0, -60.0 - 20 * order])
    return np.linspace(begin, end, n)


def cylinders(*, dura: float = 9.0, cord: float = 4.0) -> Anatomy:
    roots = {key: straight_root(key) for key in ROOT_KEYS}
    return Anatomy(
        dura=tube(40, 32, semi_axes=(dura, dura)),
        cord=tube(40, 24, semi_axes=(cord, cord), height=120.0),
        roots=roots,
        ganglia={key: root[-1] for key, root in roots.items()},
    )


def irregular(seed: int = 1) -> Anatomy:
    """Curved, tapering and uneven, with bent roots: nothing about it is symmetric."""
    rng = np.random.default_rng(seed)
    plain = cylinders()
    depth = np.linspace(0, 1, 40)[:, None, None]
    bow = np.concatenate([3 * depth**2, 8 * np.sin(2 * depth), 0 * depth], axis=2)
    narrow = np.concatenate([1 - 0.4 * depth, 1 - 0.6 * depth, 1 + 0 * depth], axis=2)
    bend = np.sin(3 * np.linspace(0, 1, 32))[:, None]
    return replace(
        plain,
        dura=plain.dura + bow + rng.normal(0, 0.1, plain.dura.shape),
        cord=plain.cord * narrow + bow + rng.normal(0, 0.05, plain.cord.shape),
        roots={k: v + bend * rng.normal(0, 4, 3) for k, v in plain.roots.items()},
    )


def mirrored(anatomy: Anatomy) -> Anatomy:
    """The mirror image as an anatomy: sides exchanged, rings again from dorsal towards left."""
    flip = np.array([-1.0, 1.0, 1.0])
    rings = {name: np.roll(getattr(anatomy, name)[:, ::-1], 1, axis=1) * flip for name in TUBES}
    other = {k: RootKey(k.level, "right" if k.side == "left" else "left") for k in ROOT_KEYS}
    return replace(anatomy, **rings, roots={k: anatomy.roots[other[k]] * flip for k in ROOT_KEYS})


def polygon_area(around: int, radius: float) -> float:
    return around / 2 * radius**2 * np.sin(2 * np.pi / around)


def elongation(mesh: Mesh) -> np.ndarray:
    """Longest edge over the height above it, scaled to 1 for an equilateral triangle."""
    corners = mesh.vertices[mesh.faces]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    twice_area = np.linalg.norm(mesh.face_normals_mm2, axis=1)
    return edges.max(axis=1) ** 2 / twice_area * np.sqrt(3) / 2


def spoke(mesh: Mesh, centreline: np.ndarray, sides: int = 10) -> np.ndarray:
    """Direction from the centreline to the first side of each cross-section."""
    out = mesh.vertices[: len(centreline) * sides : sides] - centreline
    return out / np.linalg.norm(out, axis=1, keepdims=True)


# Known answers


def test_default_cylinders_hold_the_prism_of_their_polygon():
    built = surfaces(cylinders())
    # A cubic spline leaves a circle by step^4 / 384: 4e-6 with 32 landmarks, 1.2e-5 with 24.
    assert built["dura"].volume_mm3 == pytest.approx(polygon_area(64, 9) * HEIGHT, rel=5e-6)
    assert built["cord"].volume_mm3 == pytest.approx(polygon_area(48, 4) * 120, rel=1.5e-5)


def test_default_cylinders_are_within_three_per_mille_of_the_circular_volume():
    built = surfaces(cylinders())
    assert built["dura"].volume_mm3 == pytest.approx(np.pi * 81 * HEIGHT, rel=0.002)
    assert built["cord"].volume_mm3 == pytest.approx(np.pi * 16 * 120, rel=0.003)


def test_finer_cylinders_have_circular_volume_and_area_within_one_per_mille():
    built = surfaces(cylinders(), dura_refine=(2, 3), cord_refine=(2, 4))
    for name, radius, height in (("dura", 9, HEIGHT), ("cord", 4, 120)):
        mesh, circle = built[name], np.pi * radius**2
        assert mesh.volume_mm3 == pytest.approx(circle * height, rel=1e-3)
        area = 2 * np.pi * radius * height + 2 * circle
        assert mesh.area_mm2 == pytest.approx(area, rel=1e-3)


def test_elliptical_sac_has_elliptical_volume():
    anatomy = replace(cylinders(), dura=tube(40, 32, semi_axes=(10, 7.5)))
    mesh = surfaces(anatomy, dura_refine=(1, 3))["dura"]
    assert mesh.volume_mm3 == pytest.approx(np.pi * 75 * HEIGHT, rel=1e-3)


def test_straight_root_has_exactly_the_volume_of_the_round_tube():
    # The cross-section is a decagon with the area of the circle, so nothing is lost.
    built = surfaces(cylinders(), root_radius_mm=0.7)
    for key in ROOT_KEYS:
        length = np.linalg.norm(straight_root(key)[-1] - straight_root(key)[0])
        assert built[block_name(key)].volume_mm3 == pytest.approx(np.pi * 0.49 * length, rel=1e-10)


def helix(n: int = 64, *, radius: float = 6.0, rise: float = 25.0, turns: float = 2.0):
    """Descending helix and its length, curvature and torsion (left-handed seen going down)."""
    angle = np.linspace(0, 2 * np.pi * turns, n)
    drop = rise / (2 * np.pi)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), -drop * angle], axis=1)
    squared = radius**2 + drop**2
    return points, angle[-1] * np.sqrt(squared), -drop / squared


def with_helix() -> tuple[Anatomy, RootKey, np.ndarray, float, float]:
    key = RootKey("L4", "left")
    points, length, torsion = helix()
    plain = cylinders()
    return replace(plain, roots={**plain.roots, key: points}), key, points, length, torsion


def test_helical_root_has_cross_section_times_length():
    anatomy, key, _, length, _ = with_helix()
    mesh = surfaces(anatomy)[block_name(key)]
    # What is missing is that of the chords of the centreline, of order (step curvature)^2 / 24.
    assert mesh.volume_mm3 == pytest.approx(np.pi * 0.25 * length, rel=2e-3)


def test_frame_of_a_helix_turns_against_its_normal_by_the_total_torsion():
    anatomy, key, points, length, torsion = with_helix()
    mesh = surfaces(anatomy, root_refine=1)[block_name(key)]
    frame = spoke(mesh, points)
    inward = -points * [1, 1, 0] / np.linalg.norm(points[:, :2], axis=1, keepdims=True)
    tangent = np.gradient(points, axis=0)
    binormal = np.cross(tangent, inward)
    binormal /= np.linalg.norm(binormal, axis=1, keepdims=True)
    angle = np.unwrap(np.arctan2((frame * binormal).sum(axis=1), (frame * inward).sum(axis=1)))
    # The ends are left out: np.gradient is one-sided there.
    share = (len(points) - 3) / (len(points) - 1)
    assert angle[-2] - angle[1] == pytest.approx(-torsion * length * share, rel=2e-3)


def test_straight_root_is_not_twisted_and_begins_facing_dorsal():
    built = surfaces(cylinders(), root_refine=1)
    for key in ROOT_KEYS:
        frame = spoke(built[block_name(key)], straight_root(key))
        np.testing.assert_allclose(frame, np.broadcast_to(frame[0], frame.shape), atol=1e-10)
        assert frame[0] @ [0, 1, 0] > 0.9


def test_ends_are_flat():
    built = surfaces(cylinders())
    z = built["dura"].vertices[:, 2]
    inside_caps = z[157 * 64 :].reshape(2, -1)
    np.testing.assert_allclose(inside_caps[0], 0, atol=1e-12)
    np.testing.assert_allclose(inside_caps[1], -HEIGHT, atol=1e-12)


# Closed and outward


@pytest.mark.parametrize("anatomy", [cylinders(), irregular()], ids=["cylinders", "irregular"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dura_refine": (1, 1), "cord_refine": (1, 1), "root_refine": 1, "root_sides": 3},
        {"dura_refine": (2, 3), "cord_refine": (5, 1), "root_refine": 2, "root_sides": 13},
    ],
    ids=["default", "coarsest", "odd"],
)
def test_every_surface_is_one_closed_outward_sphere(anatomy, options):
    built = surfaces(anatomy, **options)
    assert list(built) == ["dura", "cord", *(block_name(key) for key in ROOT_KEYS)]
    for mesh in built.values():
        other = mesh.to_trimesh()
        assert other.is_watertight
        assert other.is_winding_consistent
        assert other.euler_number == 2
        assert other.body_count == 1
        assert mesh.volume_mm3 > 0
        assert mesh.volume_mm3 == pytest.approx(other.volume, rel=1e-6)
        assert mesh.area_mm2 == pytest.approx(other.area, rel=1e-9)
        assert len(np.unique(mesh.faces)) == len(mesh.vertices)


def test_every_normal_of_a_cylinder_points_away_from_its_middle():
    mesh = surfaces(cylinders())["dura"]
    centre = mesh.vertices[mesh.faces].mean(axis=1) - [0, 0, -HEIGHT / 2]
    assert ((mesh.face_normals_mm2 * centre).sum(axis=1) > 0).all()


def test_rings_in_the_wrong_order_are_wound_inward_and_not_repaired():
    anatomy = cylinders()
    wrong = replace(anatomy, dura=anatomy.dura * [-1, 1, 1])
    assert surfaces(wrong)["dura"].volume_mm3 == pytest.approx(
        -surfaces(anatomy)["dura"].volume_mm3
    )


def test_default_set_is_small_and_without_slivers():
    built = surfaces(cylinders())
    assert sum(len(mesh.faces) for mesh in built.values()) <= 60_000
    for name, worst in (("dura", 3), ("cord", 4)):
        assert elongation(built[name]).max() < worst
    for key in ROOT_KEYS:
        assert elongation(built[block_name(key)]).max() < 10


# Correspondence


def test_topology_depends_on_the_scheme_and_not_on_the_anatomy():
    one, other = surfaces(cylinders(dura=7)), surfaces(irregular())
    for name in one:
        np.testing.assert_array_equal(one[name].faces, other[name].faces)
        assert one[name].vertices.shape == other[name].vertices.shape


def test_landmarks_of_tubes_are_vertices_to_the_last_bit():
    anatomy = irregular()
    built = surfaces(anatomy, dura_refine=(4, 2), cord_refine=(3, 5))
    for name, along, around in (("dura", 4, 2), ("cord", 3, 5)):
        rings = getattr(anatomy, name)
        r, n = rings.shape[:2]
        index = (np.arange(r)[:, None] * along * n + np.arange(n)) * around
        np.testing.assert_array_equal(built[name].vertices[index], rings)


def test_landmarks_of_roots_are_centres_of_cross_sections():
    anatomy = irregular()
    built = surfaces(anatomy, root_refine=3, root_sides=10)
    for key, points in anatomy.roots.items():
        sections = built[block_name(key)].vertices[: 94 * 10].reshape(94, 10, 3)
        np.testing.assert_allclose(sections[::3].mean(axis=1), points, atol=1e-10)


def test_surface_of_the_mean_is_the_mean_of_surfaces():
    one, other = irregular(1), irregular(2)
    mean = replace(one, dura=(one.dura + other.dura) / 2, cord=(one.cord + other.cord) / 2)
    for name in TUBES:
        expected = (surfaces(one)[name].vertices + surfaces(other)[name].vertices) / 2
        np.testing.assert_allclose(surfaces(mean)[name].vertices, expected, atol=1e-10)


def test_rigid_motion_of_the_anatomy_moves_its_surfaces():
    rotation = Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix()
    translation = np.array([30.0, -200.0, 480.0])
    anatomy = irregular()
    built, moved = surfaces(anatomy), surfaces(anatomy.moved(rotation, translation))
    for name, mesh in built.items():
        expected = mesh.vertices @ rotation.T + translation
        np.testing.assert_allclose(moved[name].vertices, expected, atol=1e-9)


def test_mirror_image_of_an_anatomy_has_the_mirror_image_of_its_walls():
    anatomy = irregular()
    built, image = surfaces(anatomy), surfaces(mirrored(anatomy))
    for name, rings, around in (("dura", 157, 64), ("cord", 118, 48)):
        ring, place = np.mgrid[:rings, :around].reshape(2, -1)
        partner = ring * around + (-place) % around
        expected = built[name].vertices[partner] * [-1, 1, 1]
        np.testing.assert_allclose(image[name].vertices[: len(partner)], expected, atol=1e-10)
        walls = built[name].faces[: 2 * (rings - 1) * around]
        assert set(map(frozenset, partner[walls].tolist())) == set(map(frozenset, walls.tolist()))


def test_mirror_image_of_an_anatomy_has_surfaces_of_the_same_volume():
    anatomy = irregular()
    built, image = surfaces(anatomy), surfaces(mirrored(anatomy))
    for name in TUBES:
        # Not to the last digit: the caps of uneven end rings are not quite flat.
        assert image[name].volume_mm3 == pytest.approx(built[name].volume_mm3, rel=1e-6)
    for key in ROOT_KEYS:
        other = RootKey(key.level, "right" if key.side == "left" else "left")
        expected = built[block_name(other)].volume_mm3
        assert image[block_name(key)].volume_mm3 == pytest.approx(expected, rel=1e-5)


# Radius


def test_radius_by_level_is_used_and_kept():
    levels = dict.fromkeys(("L1", "L2", "L3", "L4", "L5", "S2"), 0.5) | {"S1": 1.0}
    built = surfaces(cylinders(), root_radius_mm=levels)
    plain = surfaces(cylinders())
    ratio = built["root/S1/left"].volume_mm3 / plain["root/S1/left"].volume_mm3
    assert ratio == pytest.approx(4, rel=1e-10)
    assert built["root/L5/left"].volume_mm3 == plain["root/L5/left"].volume_mm3
    assert built.root_radius_mm == levels
    assert plain.root_radius_mm == dict.fromkeys(levels, 0.5)


def test_anatomy_without_roots_has_two_surfaces():
    built = surfaces(replace(cylinders(), roots={}, ganglia={}))
    assert list(built) == ["dura", "cord"]
    assert built.root_radius_mm == {}


# Errors


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"root_radius_mm": 0.0}, r"root_radius_mm: expected radii above 0 mm, got .*'L1': 0\.0"),
        ({"root_radius_mm": float("nan")}, "expected radii above 0 mm"),
        ({"root_radius_mm": {"L1": 0.5}}, r"expected a radius for each of .*'S2'\], got \['L1'\]"),
        ({"root_radius_mm": dict.fromkeys((*LEVELS, "T9"), 0.5)}, r"got .*'S2', 'T9'\]"),
        ({"dura_refine": (0, 2)}, r"subdivisions of at least 1, got \(0, 2\), \(3, 2\), 3"),
        ({"root_sides": 2}, "root_sides: expected at least 3, got 2"),
    ],
)
def test_impossible_options_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        surfaces(cylinders(), **options)


def test_missing_rings_are_named():
    dura = cylinders().dura.copy()
    dura[38:] = np.nan
    text = (
        r"^dura: .* got 64 of 1280 missing \(rings \[38, 39\]\); place them within .* shape model$"
    )
    with pytest.raises(ValueError, match=text):
        surfaces(replace(cylinders(), dura=dura))


def test_missing_points_of_a_root_are_named():
    plain, key = cylinders(), RootKey("S1", "right")
    points = plain.roots[key].copy()
    points[2] = np.nan
    text = (
        r"^root/S1/right: .* got 1 of 32 missing \(points \[2\]\); leave the root out, or predict"
    )
    with pytest.raises(ValueError, match=text):
        surfaces(replace(plain, roots={**plain.roots, key: points}))


def test_unknown_surface_lists_those_there_are():
    with pytest.raises(KeyError, match=r"expected a surface of \['dura', .*, got 'skull'"):
        surfaces(cylinders())["skull"]


# Mesh


TETRAHEDRON = (
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]),
    np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
)


def test_tetrahedron_has_its_volume_and_area_far_from_the_origin():
    mesh = Mesh(TETRAHEDRON[0] + 1e4, TETRAHEDRON[1])
    assert mesh.volume_mm3 == pytest.approx(1 / 6, rel=1e-9)
    assert mesh.area_mm2 == pytest.approx(1.5 + np.sqrt(3) / 2, rel=1e-9)


def test_mesh_is_read_only_and_its_own():
    vertices = TETRAHEDRON[0].copy()
    mesh = Mesh(vertices, TETRAHEDRON[1])
    vertices[0] = 9
    assert mesh.vertices[0, 0] == 0
    assert mesh.faces.dtype == np.int32
    for array in (mesh.vertices, mesh.faces):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_mesh_refuses_what_cannot_be_a_surface():
    vertices, faces = TETRAHEDRON
    with pytest.raises(ValueError, match="expected finite coordinates"):
        Mesh(vertices * np.nan, faces)
    with pytest.raises(ValueError, match="indices of 4 vertices, got 1 to 4"):
        Mesh(vertices, faces + 1)
    with pytest.raises(ValueError, match=r"Mesh.faces: expected .* \(any, 3\), got \(6, 2\)"):
        Mesh(vertices, faces.reshape(6, 2))


def test_trimesh_keeps_order_and_coincident_vertices():
    vertices = np.concatenate([TETRAHEDRON[0], TETRAHEDRON[0]])
    faces = np.concatenate([TETRAHEDRON[1], TETRAHEDRON[1] + 4])
    other = Mesh(vertices, faces).to_trimesh()
    np.testing.assert_array_equal(other.vertices, vertices)
    np.testing.assert_array_equal(other.faces, faces)


def test_surfaces_keep_their_own_mapping():
    meshes = {"cord": Mesh(*TETRAHEDRON)}
    built = Surfaces(meshes, {})
    meshes.clear()
    assert len(built) == 1
    with pytest.raises(TypeError):
        built.meshes["dura"] = built["cord"]


def test_importing_surfaces_leaves_trimesh_alone():
    code = "import sys, atlas.mesh.surfaces, atlas.mesh.formats; sys.exit('trimesh' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
