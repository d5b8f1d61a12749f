"""Our surfaces of annotated subjects against meshes somebody else made of the same subjects."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from atlas.data.dataset import read_dataset
from atlas.data.layout import subject_id
from atlas.data.subject import Subject
from atlas.errors import AtlasError
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.landmarks.scheme import Anatomy, Status, block_name
from atlas.mesh.surfaces.named_surfaces import Mesh, surfaces
from atlas.mesh.surfaces.proximity import distance_to_surface, points_on_surface
from atlas.output.files import write_file
from atlas.output.results import Claim, claim_folder, new_folder
from atlas.progress import Stage, quiet
from atlas.text.plain_text import csv_text, escape_markdown, markdown_code

STL = re.compile(r"(?P<subject>sub[-_]?[A-Za-z0-9]+?)_?(?P<what>cord|dura|nerveroots?)\.stl$", re.I)
STRUCTURES = {"cord": "cord", "dura": "dura", "nerv": "roots"}
POINTS = 20_000
EDGE_MM = 1.0
# Of a person, in the frame of an image.
FARTHEST_MM = 1e5
TABLE = "comparison.csv"
STATISTICS = ("mean", "rms", "p95", "max")
COLUMNS = {
    "subject": "subject id",
    "structure": "dura; cord; roots (all 14, from the first traced point to the ganglion); "
    "roots_traced (ours without the bridged stretch to the ganglion, which no image shows)",
    "n_points": "points spread evenly by area over each surface, from which distances are taken",
    "ours_to_theirs_mean_mm, …_rms_mm, …_p95_mm, …_max_mm": "distance of points of our surface "
    "from the nearest triangle of theirs: mean, root mean square, 95th percentile, largest; mm",
    "theirs_to_ours_mean_mm, …": "the same from their surface to ours",
    "volume_ours_mm3": "enclosed by our surface; roots are summed, of an ASSUMED radius of 0.5 mm",
    "volume_theirs_mm3": "enclosed by their surface; empty where it is not closed",
}


class CompareError(AtlasError):
    """Meshes that cannot be compared; the text names the file."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Distances both ways and volumes of one structure of one subject.

    Parameters
    ----------
    subject, structure : str
    n_points : int
        On each surface.
    ours_to_theirs_mm, theirs_to_ours_mm : (4,) float
        Mean, root mean square, 95th percentile and largest, mm.
    volume_ours_mm3, volume_theirs_mm3 : float
        NaN where a surface is not closed.
    """

    subject: str
    structure: str
    n_points: int
    ours_to_theirs_mm: np.ndarray
    theirs_to_ours_mm: np.ndarray
    volume_ours_mm3: float
    volume_theirs_mm3: float


def compare_dataset(
    path: str | Path,
    models: str | Path,
    out: str | Path | Claim,
    *,
    force: bool = False,
    stage: Stage = quiet,
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """Compare every subject there are meshes of, and write the table.

    Parameters
    ----------
    path : path
        Annotations, as :func:`atlas.data.dataset.read_dataset` takes them.
    models : path
        Folder that holds ``sub-XX_{Cord,Dura,Nerveroots}.stl``, LPS mm, at any depth.
    out : path
        Folder of ``comparison.csv`` and ``README.md``; an earlier one is replaced.
    force : bool
        As :func:`atlas.output.results.claim_folder` takes it.
    stage : callable
        Called with what is being done.

    Returns
    -------
    tuple of Comparison
    tuple of str
        What could not be compared, and why.

    Raises
    ------
    CompareError
        No mesh of any subject, or one that cannot be read.
    AtlasError
        The dataset cannot be used, or the folder cannot be written.
    """
    claim = claim_folder(out, command="compare", inputs=(path, models), force=force)
    dataset = read_dataset(path)
    files = find_meshes(models)
    ids = {s.id for s in dataset.subjects}
    if not ids & {subject for subject, _ in files}:
        raise CompareError(
            f"{models}: expected meshes like sub-01_Cord.stl of {', '.join(sorted(ids))}, got "
            f"{len(files)} of others; check the folder"
        )
    found: list[Comparison] = []
    lost: list[str] = []
    for subject in dataset.subjects:
        stage(f"comparing {subject.id}")
        named = {what: file for (owner, what), file in files.items() if owner == subject.id}
        lost += [f"{subject.id} {w}: no mesh" for w in STRUCTURES.values() if w not in named]
        try:
            ours = subject_surfaces(subject)
        except AtlasError as error:
            lost.append(f"{subject.id}: {error}")
            continue
        found += compare_subject(subject.id, ours, named)
    with new_folder(claim) as folder:
        write_file(folder / TABLE, comparison_csv(found))
        write_file(folder / "README.md", _readme(found, lost, dataset.notice))
    return tuple(found), tuple(lost)


def find_meshes(folder: str | Path) -> dict[tuple[str, str], Path]:
    """Meshes of a folder by subject and structure: ``dura``, ``cord``, ``roots``."""
    found = {}
    for file in sorted(Path(folder).rglob("*")):
        match = STL.match(file.name)
        if match:
            what = STRUCTURES[match["what"].lower()[:4]]
            found[subject_id(match["subject"]), what] = file
    return found


def read_mesh(path: Path) -> Mesh:
    """One STL, text or binary, with equal corners merged; CompareError if it cannot be read."""
    from trimesh import load_mesh

    try:
        _refuse_torn(path.read_bytes())
        with _quiet_trimesh():
            loaded = load_mesh(path, file_type="stl", process=False)
            farthest = float(np.abs(loaded.vertices).max())
            if farthest <= FARTHEST_MM:
                loaded.merge_vertices()
        mesh = Mesh(loaded.vertices, loaded.faces)
    except Exception as error:  # any of trimesh's, which are of every kind
        raise CompareError(f"{path}: expected an STL, got {error}; fetch it again") from None
    if not farthest <= FARTHEST_MM:
        raise CompareError(
            f"{path}: expected corners within {FARTHEST_MM:g} mm, got one at {farthest:g}; check "
            "its unit, or fetch it again"
        )
    if not mesh.area_mm2 > 0:
        raise CompareError(f"{path}: expected a surface, got no triangle with an area")
    return mesh


@contextmanager
def _quiet_trimesh() -> Iterator[None]:
    """Without tracebacks that trimesh logs on its way from one way of reading to the next."""
    log = logging.getLogger("trimesh.util")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _refuse_torn(content: bytes) -> None:
    """Refuse an STL of which a part is missing: what reads it would take the rest for all."""
    count = int.from_bytes(content[80:84], "little")
    if len(content) == 84 + 50 * count and count:
        return
    text = content.lower().split()
    facets, corners = text.count(b"facet"), text.count(b"vertex")
    whole = text.count(b"endfacet") == facets > 0 and corners == 3 * facets
    if not (text[:1] == [b"solid"] and b"endsolid" in text and whole):
        raise CompareError(
            f"{len(content)} bytes, which are neither the {count} triangles its header says nor a "
            "text of whole facets"
        )


def compare_subject(
    subject: str, ours: Mapping[str, Mesh], files: Mapping[str, Path]
) -> list[Comparison]:
    """Compare surfaces, by :func:`subject_surfaces`, with those in files by structure."""
    found = []
    for name, mesh in ours.items():
        file = files.get(name.removesuffix("_traced"))
        if file is not None:
            theirs = read_mesh(file)
            found.append(
                compare_meshes(mesh, theirs, subject=subject, structure=name, count=POINTS)
            )
    return found


def compare_meshes(
    ours: Mesh, theirs: Mesh, *, subject: str, structure: str, count: int
) -> Comparison:
    """Distances both ways and volumes of two surfaces of one frame."""
    there = distance_to_surface(points_on_surface(ours, count), theirs)
    back = distance_to_surface(points_on_surface(theirs, count), ours)
    volumes = [m.volume_mm3 if _is_closed(m) else np.nan for m in (ours, theirs)]
    return Comparison(subject, structure, count, _statistics(there), _statistics(back), *volumes)


def comparison_csv(comparisons: Iterable[Comparison]) -> str:
    """The table as text: one row a subject and structure, columns as ``COLUMNS`` says."""
    ways = ("ours_to_theirs", "theirs_to_ours")
    columns = [f"{way}_{name}_mm" for way in ways for name in STATISTICS]
    volumes = ("volume_ours_mm3", "volume_theirs_mm3")
    rows: list[list[object]] = [["subject", "structure", "n_points", *columns, *volumes]]
    for c in comparisons:
        both = [*c.ours_to_theirs_mm, *c.theirs_to_ours_mm]
        enclosed = ["" if np.isnan(v := getattr(c, name)) else f"{v:.1f}" for name in volumes]
        rows.append([c.subject, c.structure, c.n_points, *(f"{d:.4f}" for d in both), *enclosed])
    return csv_text(rows)


def subject_surfaces(subject: Subject) -> dict[str, Mesh]:
    """Surfaces of a subject, as annotated and smoothed: dura, cord, roots whole and as traced.

    Raises
    ------
    AtlasError
        A root bends more tightly than it is thick.
    """
    anatomy = subject_anatomy(subject)
    whole = surfaces(anatomy, edge_mm=EDGE_MM)
    traced = surfaces(_without_bridges(anatomy), edge_mm=EDGE_MM)
    return {
        "dura": whole["dura"],
        "cord": whole["cord"],
        "roots": _joined(m for name, m in whole.items() if name.startswith("root/")),
        "roots_traced": _joined(m for name, m in traced.items() if name.startswith("root/")),
    }


def _without_bridges(anatomy: Anatomy) -> Anatomy:
    """The anatomy with its roots as far as they were traced: what the images show of them."""
    assert anatomy.status is not None
    status, roots = dict(anatomy.status), {}
    for key, points in anatomy.roots.items():
        states = status[block_name(key)]
        # The ganglion at the end is measured too; the trace ends where the bridge begins.
        bridged = np.flatnonzero(states == Status.BRIDGED)
        end = bridged[0] if len(bridged) else len(points)
        roots[key], status[block_name(key)] = points[:end], states[:end]
    return replace(anatomy, roots=roots, status=status)


def _joined(meshes: Iterable[Mesh]) -> Mesh:
    parts = list(meshes)
    starts = np.cumsum([0, *(len(m.vertices) for m in parts)])[:-1]
    faces = [m.faces + start for m, start in zip(parts, starts, strict=True)]
    return Mesh(np.concatenate([m.vertices for m in parts]), np.concatenate(faces))


def _is_closed(mesh: Mesh) -> bool:
    """Whether each edge is run through as often one way as the other."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    way = np.where(edges[:, 0] < edges[:, 1], 1, -1)
    _, which = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    return not np.bincount(which.ravel(), way).any()


def _statistics(distance: np.ndarray) -> np.ndarray:
    rms = np.sqrt((distance**2).mean())
    return np.array([distance.mean(), rms, np.percentile(distance, 95), distance.max()])


def _readme(found: list[Comparison], lost: list[str], notice: str) -> str:
    lines = ["# Our surfaces against theirs", ""]
    lines += [
        f"Subjects: n = {len({c.subject for c in found})}. {escape_markdown(notice)}".rstrip(),
        "",
    ]
    lines += ["| column | says |", "|---|---|", *(f"| `{k}` | {v} |" for k, v in COLUMNS.items())]
    lines += ["", *(f"- not compared: {markdown_code(line)}" for line in lost)]
    return "\n".join(lines).rstrip() + "\n"
