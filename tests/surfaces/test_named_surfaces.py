"""Surfaces: known volumes, closed, outward, corresponding, equivariant, true to what was seen."""

import subprocess
import sys
from dataclasses import replace

import exact_intersections
import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from tube_shapes import HEIGHT, TUBES, cylinders, irregular, mirrored, straight_root, tube

from atlas.data.subject import LEVELS, ROOT_KEYS, RootKey
from atlas.errors import AtlasError
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.landmarks.scheme import Anatomy, block_name
from atlas.mesh.surfaces.bands import turns_of
from atlas.mesh.surfaces.layout import LayoutError, TubeLayout, mesh_layout
from atlas.mesh.surfaces.named_surfaces import Mesh, Surfaces, surfaces
from atlas.mesh.surfaces.splines import centreline


def partners(layout: TubeLayout) -> np.ndarray:
    """Index of the vertex that stands where the mirror image of each vertex stands."""
    last = len(layout.around) - 1
    rings = [(n, k) for k, n in enumerate(layout.around)]
    rings += [(n, k) for k, n in enumerate(layout.rostral, 1)] + [(1, 0)]
    rings += [(n, last + k) for k, n in enumerate(layout.caudal, 1)] + [(1, 0)]
    found, start = [], 0
    for count, ring in rings:
        image = -turns_of(count, ring) % 1.0
        gap = np.abs(image[:, None] - turns_of(count, ring)[None])
        found.append(start + np.minimum(gap, 1 - gap).argmin(axis=1))
        start += count
    return np.concatenate(found)


# Known answers


def test_cylindrical_sac_has_circular_volume():
    # The vertices stand off the circle so that the chords lose nothing; what is left is the cubic
    # spline, step^4 / 384.
    built = surfaces(cylinders())
    assert built["dura"].volume_mm3 == pytest.approx(np.pi * 81 * HEIGHT, rel=2e-5)


def test_cylindrical_cord_has_circular_volume_and_half_an_ellipsoid_at_its_end():
    # A half ellipsoid of radius 4 and height 1: the cap of a cord that ends wide adds no more.
    built = surfaces(cylinders())
    expected = np.pi * 16 * 120 + 2 / 3 * np.pi * 16 * 1
    assert built["cord"].volume_mm3 == pytest.approx(expected, rel=3e-4)
    assert built["cord"].vertices[:, 2].min() == pytest.approx(-121, abs=1e-9)


def test_finer_cylinders_have_circular_area():
    built = surfaces(replace(cylinders(), roots={}, ganglia={}), edge_mm=0.5)
    area = 2 * np.pi * 9 * HEIGHT + 2 * np.pi * 81
    assert built["dura"].area_mm2 == pytest.approx(area, rel=1e-3)


def test_elliptical_sac_has_elliptical_volume():
    anatomy = replace(cylinders(), dura=tube(40, 32, semi_axes=(10, 7.5)))
    assert surfaces(anatomy)["dura"].volume_mm3 == pytest.approx(np.pi * 75 * HEIGHT, rel=2e-5)


def test_straight_root_has_exactly_the_volume_of_the_round_tube():
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
    anatomy, key, _, length, torsion = with_helix()
    layout = mesh_layout(anatomy)
    mesh = surfaces(anatomy, layout=layout)[block_name(key)]
    # Every second ring is turned by half an edge: the others are compared.
    rings = mesh.vertices[: sum(layout[block_name(key)].around)].reshape(-1, 6, 3)[::2]
    line = rings.mean(axis=1)
    frame = rings[:, 0] - line
    inward = -line * [1, 1, 0] / np.linalg.norm(line[:, :2], axis=1, keepdims=True)
    tangent = np.gradient(line, axis=0)
    binormal = np.cross(tangent, inward)
    binormal /= np.linalg.norm(binormal, axis=1, keepdims=True)
    angle = np.unwrap(np.arctan2((frame * binormal).sum(axis=1), (frame * inward).sum(axis=1)))
    # The ends are left out: np.gradient is one-sided there.
    share = 2 * (len(line) - 3) / (len(layout[block_name(key)].around) - 1)
    assert angle[-2] - angle[1] == pytest.approx(-torsion * length * share, rel=5e-3)


def test_straight_root_is_not_twisted_and_begins_facing_dorsal():
    anatomy = cylinders()
    layout = mesh_layout(anatomy)
    built = surfaces(anatomy, layout=layout)
    for key in ROOT_KEYS:
        walls = built[block_name(key)].vertices[: sum(layout[block_name(key)].around)]
        rings = walls.reshape(-1, 6, 3)[::2]
        frame = rings[:, 0] - rings.mean(axis=1)
        np.testing.assert_allclose(frame, np.broadcast_to(frame[0], frame.shape), atol=1e-10)
        assert frame[0] / np.linalg.norm(frame[0]) @ [0, 1, 0] > 0.9


def test_ends_of_the_sac_and_top_of_the_cord_are_flat_cuts():
    built = surfaces(cylinders())
    for name, z in (("dura", 0.0), ("dura", -HEIGHT), ("cord", 0.0)):
        mesh = built[name]
        flat = (np.abs(mesh.vertices[mesh.faces][..., 2] - z) < 1e-9).all(axis=1)
        area = np.linalg.norm(mesh.face_normals_mm2[flat], axis=1).sum() / 2
        assert area == pytest.approx(np.pi * (81 if name == "dura" else 16), rel=0.02)


def test_roots_end_at_their_ganglia():
    anatomy = irregular()
    layout = mesh_layout(anatomy)
    built = surfaces(anatomy, layout=layout)
    for key, points in anatomy.roots.items():
        centres = built[block_name(key)].vertices
        n_wall, n_cap = sum(layout[block_name(key)].around), 1
        np.testing.assert_array_equal(centres[n_wall], points[0])
        np.testing.assert_array_equal(centres[n_wall + n_cap], points[-1])


def test_root_tapers_from_begin_to_ganglion():
    levels = dict.fromkeys(LEVELS, 0.5) | {"S1": (0.5, 1.5)}
    built = surfaces(cylinders(), root_radius_mm=levels)
    key = RootKey("S1", "left")
    length = np.linalg.norm(straight_root(key)[-1] - straight_root(key)[0])
    cone = np.pi * length * (0.25 + 0.75 + 2.25) / 3
    assert built[block_name(key)].volume_mm3 == pytest.approx(cone, rel=2e-3)
    assert built.root_radius_mm["S1"] == (0.5, 1.5)


# Closed and outward


@pytest.mark.slow
@pytest.mark.parametrize("anatomy", [cylinders(), irregular()], ids=["cylinders", "irregular"])
@pytest.mark.parametrize("options", [{}, {"edge_mm": 3.0}, {"edge_mm": 0.77}])
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


# Correspondence


def test_topology_depends_on_the_layout_and_not_on_the_anatomy():
    layout = mesh_layout(cylinders())
    one, other = surfaces(cylinders(dura=7), layout=layout), surfaces(irregular(), layout=layout)
    for name in one:
        np.testing.assert_array_equal(one[name].faces, other[name].faces)
        assert one[name].vertices.shape == other[name].vertices.shape


def test_layout_of_an_anatomy_itself_is_the_default():
    anatomy = irregular()
    built = surfaces(anatomy)
    again = surfaces(anatomy, layout=mesh_layout(anatomy, edge_mm=1.0))
    for name in built:
        np.testing.assert_array_equal(built[name].vertices, again[name].vertices)
        np.testing.assert_array_equal(built[name].faces, again[name].faces)


def test_surface_of_the_mean_is_the_mean_of_surfaces():
    one, other = irregular(1), irregular(2)
    mean = replace(one, dura=(one.dura + other.dura) / 2, cord=(one.cord + other.cord) / 2)
    layout = mesh_layout(mean)
    built = [surfaces(anatomy, layout=layout) for anatomy in (mean, one, other)]
    for name in TUBES:
        whole, first, second = (meshes[name].vertices for meshes in built)
        np.testing.assert_allclose(whole, (first + second) / 2, atol=1e-10)


def test_rigid_motion_of_the_anatomy_moves_its_surfaces():
    rotation = Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix()
    translation = np.array([30.0, -200.0, 480.0])
    anatomy = irregular()
    built, moved = surfaces(anatomy), surfaces(anatomy.moved(rotation, translation))
    for name, mesh in built.items():
        expected = mesh.vertices @ rotation.T + translation
        np.testing.assert_allclose(moved[name].vertices, expected, atol=1e-9)


@pytest.mark.slow
def test_mirror_image_of_an_anatomy_has_the_mirror_image_of_its_mesh():
    anatomy = irregular()
    layout = mesh_layout(anatomy)
    built = surfaces(anatomy, layout=layout)
    image = surfaces(mirrored(anatomy), layout=layout)
    for name in TUBES:
        partner = partners(layout[name])
        expected = built[name].vertices[partner] * [-1, 1, 1]
        np.testing.assert_allclose(image[name].vertices, expected, atol=1e-10)
        faces = built[name].faces
        assert set(map(frozenset, partner[faces].tolist())) == set(map(frozenset, faces.tolist()))


def test_mirror_image_of_an_anatomy_has_surfaces_of_the_same_volume():
    anatomy = irregular()
    built, image = surfaces(anatomy), surfaces(mirrored(anatomy))
    for name in TUBES:
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
    assert built.root_radius_mm == {level: (r, r) for level, r in levels.items()}
    assert plain.root_radius_mm == dict.fromkeys(levels, (0.5, 0.5))


def test_anatomy_without_roots_has_two_surfaces():
    built = surfaces(replace(cylinders(), roots={}, ganglia={}))
    assert list(built) == ["dura", "cord"]
    assert built.root_radius_mm == {}


# Errors


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"root_radius_mm": 0.0}, "root_radius_mm: expected radii above 0 mm, .*got 0 of L1"),
        ({"root_radius_mm": float("nan")}, "expected radii above 0 mm"),
        ({"root_radius_mm": {"L1": 0.5}}, r"expected a radius for each of .*'S2'\], got \['L1'\]"),
        ({"root_radius_mm": dict.fromkeys((*LEVELS, "T9"), 0.5)}, r"got .*'S2', 'T9'\]"),
        ({"edge_mm": 0.0}, "edge_mm: expected a length above 0 mm, got 0;"),
    ],
)
def test_impossible_options_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        surfaces(cylinders(), **options)


def test_edge_and_layout_together_are_refused():
    layout = mesh_layout(cylinders())
    with pytest.raises(LayoutError, match="edge_mm, layout: expected one of them, got both"):
        surfaces(cylinders(), layout=layout, edge_mm=1.0)


def test_structure_the_layout_lacks_is_named():
    layout = mesh_layout(replace(cylinders(), roots={}, ganglia={}))
    with pytest.raises(LayoutError, match=r"^root/L1/left: expected a structure the mesh layout"):
        surfaces(cylinders(), layout=layout)


def test_root_too_thick_for_its_bend_is_named():
    plain, key = cylinders(), RootKey("L4", "left")
    points, *_ = helix(radius=0.6, rise=1.0, turns=4)
    bent = replace(plain, roots={**plain.roots, key: points})
    text = (
        r"^root/L4/left: expected bends wider than the tube, got a bend of radius 0\.\d\d mm at \("
    )
    with pytest.raises(AtlasError, match=text):
        surfaces(bent, root_radius_mm=0.9)


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


def test_points_of_a_root_that_coincide_are_named():
    plain, key = cylinders(), RootKey("S1", "right")
    points = plain.roots[key].copy()
    points[8] = points[7]
    text = r"^root/S1/right: expected .* got 32 of which \[7\] stand where the next does"
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


@pytest.mark.slow
def test_importing_surfaces_leaves_trimesh_alone():
    code = "import sys, atlas.mesh.surfaces.named_surfaces; sys.exit('trimesh' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# True to the annotation of a real subject

# Integral over depth of the areas inside the interpolated contours, mm3.
CONTOUR_VOLUME_MM3 = {"cord": 5251, "dura": 30512}


def off_contours(subject, built, name) -> np.ndarray:
    points, mesh = np.concatenate(getattr(subject, name)), built[name]
    return exact_intersections.distances(points, mesh.vertices, mesh.faces)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


@pytest.mark.shared
@pytest.mark.parametrize("name", TUBES)
def test_without_smoothing_surfaces_pass_through_the_contours(real_subject, name):
    anatomy = replace(subject_anatomy(real_subject, smoothing=0), roots={}, ganglia={})
    assert off_contours(real_subject, surfaces(anatomy, edge_mm=0.7), name).max() < 0.10
    # At the default the corners of a few contours are cut: 8 of 3,167 points.
    off = off_contours(real_subject, surfaces(anatomy), name)
    assert rms(off) < 0.05
    assert np.mean(off > 0.10) < 0.01
    assert off.max() < 0.18


@pytest.mark.shared
@pytest.mark.parametrize("name", TUBES)
def test_smoothed_surfaces_stay_near_the_contours(real_subject, name):
    built = surfaces(replace(subject_anatomy(real_subject), roots={}, ganglia={}))
    assert rms(off_contours(real_subject, built, name)) < 0.15


@pytest.mark.shared
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_surfaces_hold_the_volume_of_the_contours(real_subject, smoothing):
    built = surfaces(subject_anatomy(real_subject, smoothing=smoothing))
    for name, volume in CONTOUR_VOLUME_MM3.items():
        assert built[name].volume_mm3 == pytest.approx(volume, rel=5e-4)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(("smoothing", "expected"), [(0.0, 0.005), (1.0, 0.3)])
def test_roots_follow_their_trace_and_end_at_their_ganglia(real_subject, smoothing, expected):
    anatomy = subject_anatomy(real_subject, smoothing=smoothing)
    built = surfaces(anatomy)
    off = []
    for key, points in real_subject.roots.items():
        line, _ = centreline(anatomy.roots[key], 20_000)
        off.append(cKDTree(line).query(points)[0])
        gap = np.linalg.norm(built[block_name(key)].vertices - real_subject.ganglia[key], axis=1)
        assert gap.min() < 1e-6
    assert rms(np.concatenate(off)) < expected


def wall_radii(mesh: Mesh, heights: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Distance (n, 24) of the wall from an axis (n, 2) at heights (n,), direction by direction."""
    turn = np.linspace(-np.pi, np.pi, 24, endpoint=False)
    corners = mesh.vertices[mesh.faces]
    found = np.empty((len(heights), len(turn)))
    for row, (z, centre) in enumerate(zip(heights, axis, strict=True)):
        above = corners[..., 2] > z
        cut = corners[(above.any(axis=1)) & (~above.all(axis=1))]
        begin, end = cut.reshape(-1, 3), np.roll(cut, -1, axis=1).reshape(-1, 3)
        crosses = (begin[:, 2] > z) != (end[:, 2] > z)
        begin, end = begin[crosses], end[crosses]
        share = (z - begin[:, 2]) / (end[:, 2] - begin[:, 2])
        hits = (begin + share[:, None] * (end - begin))[:, :2] - centre
        angle, reach = np.arctan2(*hits.T), np.hypot(*hits.T)
        order = np.argsort(angle)
        found[row] = np.interp(turn, angle[order], reach[order], period=2 * np.pi)
    return found


def power_by_frequency(mesh: Mesh, rings: np.ndarray, length: float, step: float = 0.1):
    """Cycles a mm and the mean power of the wall's radius along depth, its slow part taken out."""
    depth = np.arange(1, length, step)
    centres = rings.mean(axis=1)
    fit = np.polynomial.Polynomial.fit
    below = centres[0, 2] - centres[:, 2]
    axis = np.stack([fit(below, centres[:, k], 8)(depth) for k in (0, 1)], axis=1)
    radii = wall_radii(mesh, centres[0, 2] - depth, axis)
    slow = [fit(depth, track, 10)(depth) for track in radii.T]
    window = np.hanning(len(depth))[:, None]
    spectrum = np.fft.rfft((radii - np.array(slow).T) * window, axis=0)
    return np.fft.rfftfreq(len(depth), step), (np.abs(spectrum) ** 2).mean(axis=1)


def peak(frequency: np.ndarray, power: np.ndarray) -> float:
    """Power at one cycle a slice of 2 mm over that on either side."""

    def band(low: float, high: float) -> float:
        return power[(frequency >= low) & (frequency <= high)].mean()

    return band(0.48, 0.52) / np.sqrt(band(0.40, 0.47) * band(0.53, 0.60))


def ridged(mesh: Mesh, rings: np.ndarray, height: float) -> Mesh:
    """The mesh with a wave of the period of the slices on its wall."""
    centres = rings.mean(axis=1)
    out = mesh.vertices - centres[cKDTree(centres).query(mesh.vertices)[1]]
    out[:, 2] = 0
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    wave = np.cos(np.pi * (centres[0, 2] - mesh.vertices[:, 2]))[:, None]
    return Mesh(mesh.vertices + height * wave * out, mesh.faces)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(("name", "length"), [("dura", 156.0), ("cord", 104.0)])
def test_there_is_no_ridge_at_the_slices(real_subject, name, length):
    power = {}
    for smoothing in (0.0, 1.0):
        anatomy = replace(subject_anatomy(real_subject, smoothing=smoothing), roots={}, ganglia={})
        rings = getattr(anatomy, name)
        frequency, power[smoothing] = power_by_frequency(surfaces(anatomy)[name], rings, length)
        assert peak(frequency, power[smoothing]) < 1.5
    slices = (frequency > 0.48) & (frequency < 0.52)
    jitter = (frequency > 0.2) & (frequency < 0.3)
    assert power[1.0][slices].sum() < power[0.0][slices].sum() / 2
    assert power[1.0][jitter].sum() < power[0.0][jitter].sum() / 100
    # A ridge of 20 micrometres would be seen.
    worse = ridged(surfaces(anatomy)[name], rings, 0.02)
    assert peak(*power_by_frequency(worse, rings, length)) > 10
