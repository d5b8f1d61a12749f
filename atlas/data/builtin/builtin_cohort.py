"""The built-in cohort: 14 generated subjects, written as an archive like the published one.

``read_dataset`` reads it as it reads the annotations of Liu et al. 2024, quirks included, and
finds in every file that it is generated.  Sac and cord are drawn in ``surrogate_profiles``, roots
and ganglia in ``surrogate_roots``, marked in ``surrogate_annotation``; here they are written.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from atlas.data.builtin.builtin_profiles import Canal, Outline, draw_canal, published_cohort
from atlas.data.builtin.builtin_roots import EXITING, draw_angles, draw_ganglia, draw_roots
from atlas.data.markups import format_markups
from atlas.data.subject import LEVELS, RootKey
from atlas.output.files import new_file
from atlas.output.replacing import NEW, holder, put_in_place

NOTICE = "generated from published measurements, not imaging data"
NOISE_LIMIT_MM = 0.25
README = f"""Surrogate cohort of the human lumbosacral cord
==============================================

These 14 subjects are {NOTICE}.
No person was scanned or annotated for them.  They stand in for the published archive where it
cannot be had, in its layout and with its quirks.

From what
---------
Field of view, slice spacing, number of contours, apex-to-conus distance, begin of each root's
trace, number of its points, discs: subject by subject as measured on the markers of

  Liu J, Zhang W, Zhou Y, Xu L, Chu Y-H, Jia F. Markers, QC results and generated models (2024).
  doi:10.6084/m9.figshare.26403442.v1, CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/).
  Described in Sci Data 11, 1131 (2024), doi:10.1038/s41597-024-03919-4.

and collected from github aycibatuhan/nervous-system-atlas and xyjk0511/tscs-numerical-audit.
Changed: sub-01 has no published number of points for S1 right, S2 left and S2 right; these roots
run from their begin to the bottom of the field of view.  Root angles follow the published mean
and SD of each level and side; sections, dorsal CSF and ganglia follow sub-03 of the same archive.
Dorsal CSF is widened towards Holsheimer et al. 1994 (supine).  Correlations between levels and
sides, and the spread of sections over subjects, are assumed.

What it is not
--------------
The shapes of one profile, varied: it says nothing about how real sections, curvatures or
dorsal CSF vary or go together.  Ages, sexes and body heights are not known and not invented.

seed {{seed}}, annotation noise {{noise}} mm in plane
"""


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """One subject as annotated; contours and roots rostral to caudal, LPS mm."""

    id: str
    dura: list[np.ndarray]
    cord: list[np.ndarray]
    roots: dict[RootKey, np.ndarray]
    ganglia: dict[RootKey, np.ndarray]


def annotate(
    rng: np.random.Generator, canal: Canal, angles: np.ndarray, noise_mm: float
) -> Annotation:
    """Mark what was drawn as an annotator would, in scanner coordinates."""
    subject = canal.subject
    counts = np.clip(np.rint(rng.normal(26, 3, subject.n_dura)), 18, 32).astype(int)
    dura = _contours(rng, canal.sac, counts, noise_mm)
    # sub-03: 7 points about the conus, 20 about the enlargement.
    counts = np.rint(5.5 + 3 * canal.cord.half[:, 0] + rng.normal(0, 1.2, subject.n_cord))
    cord = _contours(rng, canal.cord, np.clip(counts, 7, 22).astype(int), noise_mm)
    drawn = draw_roots(rng, canal, angles)
    # Isocentre as in sub-03, laid down a little differently each time.
    origin = np.array([5.0, 53.6, -351.6]) + rng.normal(0, (5, 10, 25))
    heights = origin[2] - subject.depth_mm
    traces = _trace(rng, drawn, dura, cord, noise_mm)

    def placed(plane: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        return np.column_stack([plane + origin[:2], np.broadcast_to(z, len(plane))])

    return Annotation(
        id=subject.id,
        dura=[placed(c, z) for c, z in zip(dura, heights, strict=True)],
        cord=[placed(c, z) for c, z in zip(cord, heights, strict=False)],
        roots={k: placed(p, heights[drawn[k][0]]) for k, p in traces.items()},
        ganglia={k: origin + p * (1, 1, -1) for k, p in draw_ganglia(rng, canal, drawn).items()},
    )


def _contours(
    rng: np.random.Generator, outline: Outline, counts: np.ndarray, noise_mm: float
) -> list[np.ndarray]:
    """Points about each outline, (n_i, 2): all one way round, beginning where they may."""
    most = int(counts.max())
    start = np.clip(rng.normal(-145, 12, len(counts)), -167, -122)
    step = np.arange(most)[:, None] + rng.uniform(-0.15, 0.15, (most, len(counts)))
    even = np.radians(start) - 2 * np.pi * step / counts
    # Even steps of the ellipse's own parameter keep the points about equally far apart.
    half = outline.half.T
    angle = np.arctan2(half[0] * np.sin(even), half[1] * np.cos(even))
    ring = np.stack([np.sin(angle), np.cos(angle)], -1) * outline.radius(angle)[..., None]
    # At the conus the hand is steadier: a contour is never lost in its noise.
    noise = np.minimum(noise_mm, 0.15 * outline.half.min(axis=1))[:, None]
    ring += outline.centre + noise * np.clip(rng.normal(size=ring.shape), -2.5, 2.5)
    return [ring[:n, i] for i, n in enumerate(counts)]


def _trace(
    rng: np.random.Generator,
    drawn: dict[RootKey, tuple[np.ndarray, np.ndarray]],
    dura: list[np.ndarray],
    cord: list[np.ndarray],
    noise_mm: float,
) -> dict[RootKey, np.ndarray]:
    """Root points with noise, on the right side of the contours drawn about them, (n, 2)."""
    keys = list(drawn)
    slices = np.concatenate([drawn[k][0] for k in keys])
    exact = np.concatenate([drawn[k][1] for k in keys])
    ends = np.cumsum([len(drawn[k][0]) for k in keys])
    points = exact + noise_mm * np.clip(rng.normal(size=exact.shape), -2.5, 2.5)
    held = points.copy()
    for i in np.unique(slices):
        at = slices == i
        held[at] = hold_between(points[at], cord[i] if i < len(cord) else None, dura[i])
    # Where L1 and L2 leave the sac, their last point may lie beyond the wall: 0.4 mm in sub-03.
    for k, end in zip(keys, ends, strict=True):
        i = slices[end - 1]
        if k.level in EXITING and i < len(dura) - 1:
            held[end - 1] = hold_between(points[end - 1 : end], None, dura[i], wall_mm=-0.4)[0]
    return dict(zip(keys, np.split(held, ends[:-1]), strict=True))


def hold_between(
    points: np.ndarray, cord: np.ndarray | None, dura: np.ndarray, *, wall_mm: float = 0.2
) -> np.ndarray:
    """Keep points of one slice outside the annotated cord and inside the annotated dura.

    Parameters
    ----------
    points : (n, 2) float
    cord, dura : (m, 2) float or None
        Contours of the slice as annotated.
    wall_mm : float
        Least distance inside the dura; negative lets a point out.

    Returns
    -------
    (n, 2) float
        A point nearer the cord than 0.2 mm or nearer the dura than allowed is moved along its ray.
    """
    for ring, outside in ((cord, True), (dura, False)):
        if ring is None:
            continue
        centre = ring.mean(axis=0)
        offset = points - centre
        distance = np.hypot(*offset.T)
        limit = _ring_radius(ring - centre, offset / distance[:, None]) + (
            0.2 if outside else -wall_mm
        )
        held = np.maximum(distance, limit) if outside else np.minimum(distance, limit)
        points = centre + offset * (held / distance)[:, None]
    return points


def _ring_radius(ring: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Farthest crossing of rays from the origin with a polygon about it, (n,)."""
    edge = np.roll(ring, -1, axis=0) - ring
    u = direction[:, None]
    across = u[..., 0] * edge[:, 1] - u[..., 1] * edge[:, 0]
    parallel = across == 0
    across = np.where(parallel, 1, across)
    along = (ring[:, 0] * edge[:, 1] - ring[:, 1] * edge[:, 0]) / across
    share = (ring[:, 0] * u[..., 1] - ring[:, 1] * u[..., 0]) / across
    crossed = ~parallel & (along > 0) & (share >= 0) & (share <= 1)
    return np.where(crossed, along, 0).max(axis=1)


def write_surrogate_cohort(out: Path, *, seed: int = 1, noise_mm: float = 0.15) -> Path:
    """Write the 14 generated subjects as a marker archive.

    Parameters
    ----------
    out : Path
        A folder that is new or empty, or a new file ending in ``.zip``.
    seed : int
        Two runs with one seed write the same bytes.
    noise_mm : float
        Standard deviation of the annotation noise along each axis in the plane, 0 to 0.25 mm.

    Returns
    -------
    Path
        ``out``, holding ``markers/sub-XX/…``, ``README.md`` and ``dataset_description.json``.

    Raises
    ------
    FileExistsError
        There is something at ``out`` already.
    ValueError
        The noise is larger than the space between the structures bears.

    Examples
    --------
    >>> import tempfile
    >>> out = write_surrogate_cohort(Path(tempfile.mkdtemp()) / "surrogate")
    >>> len(list(out.glob("markers/sub-*/*.json")))
    2316
    """
    out = Path(out)
    if not 0 <= noise_mm <= NOISE_LIMIT_MM:
        raise ValueError(
            f"noise_mm: expected 0 to {NOISE_LIMIT_MM} mm, got {noise_mm}; the space between "
            "cord and dura is under 1 mm in places"
        )
    _refuse_to_overwrite(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    files = _files(seed, noise_mm)
    if out.suffix.lower() == ".zip":
        with new_file(out) as place:
            _write_archive(place, files)
    else:
        # Without a list of its files: the layout is that of the published archive, and no other.
        with holder(out.absolute()) as place:
            (place / NEW).mkdir()
            _write_folder(place / NEW, files)
            put_in_place(place, out.absolute())
    return out


def _refuse_to_overwrite(out: Path) -> None:
    if out.is_dir() and out.suffix.lower() != ".zip" and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        kind = f"a folder with {len(list(out.iterdir()))} entries" if out.is_dir() else "a file"
        raise FileExistsError(
            f"{out}: expected a new or empty place, got {kind}; remove it or give another path"
        )


def _write_folder(staged: Path, files: Iterator[tuple[str, bytes]]) -> None:
    made: set[Path] = set()
    for name, content in files:
        path = staged / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_bytes(content)


def _write_archive(staged: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(staged, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files:
            # A fixed date keeps the bytes the same from run to run.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, compresslevel=1)


def _files(seed: int, noise_mm: float) -> Iterator[tuple[str, bytes]]:
    """Every file of the cohort: name and content."""
    yield "README.md", README.format(seed=seed, noise=noise_mm).encode()
    yield "dataset_description.json", _description(seed, noise_mm)
    cohort = published_cohort()
    # One stream a subject: what is drawn for one does not depend on the others.
    shared, *streams = np.random.default_rng(seed).spawn(len(cohort) + 1)
    angles = draw_angles(shared, len(cohort))
    for subject, stream, angle in zip(cohort, streams, angles, strict=True):
        canal = draw_canal(stream, subject)
        yield from _marker_files(stream, annotate(stream, canal, angle, noise_mm))


def _description(seed: int, noise_mm: float) -> bytes:
    return orjson.dumps(
        {
            "Name": f"Surrogate lumbosacral cohort, {NOTICE}",
            "BIDSVersion": "1.9.0",
            "DatasetType": "derivative",
            "License": "CC BY 4.0",
            "Notice": NOTICE,
            "HowToAcknowledge": "Cite Liu et al. 2024, doi:10.1038/s41597-024-03919-4",
            "SourceDatasets": [{"DOI": "doi:10.6084/m9.figshare.26403442.v1"}],
            "GeneratedBy": [
                {
                    "Name": "atlas.data.builtin.builtin_cohort",
                    "Description": f"{NOTICE}; seed {seed}, noise {noise_mm} mm",
                }
            ],
        },
        option=orjson.OPT_INDENT_2,
    )


def _marker_files(rng: np.random.Generator, annotation: Annotation) -> Iterator[tuple[str, bytes]]:
    """Files of one subject, with the quirks of the published archive."""
    folder = f"markers/{annotation.id}"
    for kind, contours in (("cord", annotation.cord), ("dura", annotation.dura)):
        stem = annotation.id
        if kind == "dura" and stem == "sub-14":
            stem = "sub_14"
        # The trailing number is neither the slice nor in order of height.
        for number, i in enumerate(rng.permutation(len(contours)), 1):
            name = f"{folder}/{stem}_{kind}_{number}.json"
            yield name, _markup(contours[i], "ClosedCurve", f"CC_{number}")
    swapped = tuple(annotation.roots)[rng.integers(len(annotation.roots))]
    for key, points in annotation.roots.items():
        # In sub-03 lumbar roots ascend and sacral ones descend.
        ascending = rng.random() < (0.8 if key.level.startswith("L") else 0.2)
        order = np.arange(len(points))[:: -1 if ascending else 1].copy()
        if key == swapped:
            i = int(rng.integers(2, len(points) - 2))
            order[[i, i + 1]] = order[[i + 1, i]]
        label = f"F_{rng.integers(1, 30)}" if rng.random() < 0.1 else _label(key, 0)
        yield _structure(annotation.id, "nerveroots", key, points[order], label)
    off = int(rng.random() < 0.4)
    for key, point in annotation.ganglia.items():
        points = point[None]
        if rng.random() < 0.08:
            points = np.stack([point + rng.normal(0, 2, 3), point])
        label = f"F_{rng.integers(1, 30)}" if rng.random() < 0.1 else _label(key, off)
        yield _structure(annotation.id, "ganglions", key, points, label)


def _label(key: RootKey, off: int) -> str:
    """The label an annotator gave; ``off`` levels too high, as the ganglia of sub-03 are."""
    return f"{LEVELS[max(LEVELS.index(key.level) - off, 0)]}_{key.side[0].upper()}"


def _structure(
    subject: str, kind: str, key: RootKey, points: np.ndarray, label: str
) -> tuple[str, bytes]:
    name = f"{subject}_{kind}_{key.level}_{key.side[0].upper()}.json"
    return f"markers/{subject}/{name}", _markup(points, "Fiducial", label)


def _markup(points: np.ndarray, type: str, stem: str) -> bytes:
    return format_markups(points, type=type, stem=stem, description=NOTICE)
