"""Files that this package or another program wrote, damaged at random, and how each is taken.

Import it as ``import damaged_results``, or run it: ``python tests/damaged_results.py model 10000``
damages one kind of file so often and prints how many were read to the same meaning, read to
another that its letters say, or refused by an error that names the file; anything else, a death
of the process and a hang included, is a fault, told with its number.  A number always gives
the same damage.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import struct
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from damage import damaged
from damaged_hdf5 import structure_damaged

LONGEST_S = 20
MEMORY = 6 << 30
# Damages made by one process; it is a new one after a death.
RUN = 250


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    ``read`` gives the meaning of a file as plain values and arrays; ``damage`` changes the file
    in place; ``sure`` says that nothing but the same meaning may be read.
    """

    name: str
    path: Path
    read: Callable[[Path], Any]
    damage: Callable[[Path, np.random.Generator], None]
    sure: bool = False


def same(one: Any, other: Any) -> bool:
    """Whether two meanings are equal to the bit."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and (np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes())
        )
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return type(one) is type(other) and bool(one == other or (one != one and other != other))


def outcome(kind: Kind, expected: Any, number: int, folder: Path) -> str:
    """How one damaged file is taken: same, other, refused, or what went wrong."""
    from atlas.errors import AtlasError

    place = folder / ("damaged" + "".join(kind.path.suffixes))
    shutil.copyfile(kind.path, place)
    kind.damage(place, np.random.default_rng([7, number]))
    signal.alarm(LONGEST_S)
    try:
        found = kind.read(place)
    except AtlasError as error:
        return "refused" if place.name in str(error) else f"no name: {error}"
    except MemoryError:
        return "fault: MemoryError"
    except Exception as error:
        return f"fault: {type(error).__name__}: {str(error)[:100]}"
    finally:
        signal.alarm(0)
    if same(found, expected):
        return "same"
    return "fault: another meaning" if kind.sure else "other"


def run(kind: Kind, count: int, *, first: int = 0) -> tuple[Counter[str], list[str]]:
    """Damage a file so often; the outcomes by number, and a line for each fault."""
    expected, counts, faults = kind.read(kind.path), Counter[str](), []
    number = first
    while number < first + count:
        lines = _in_a_process(kind, expected, number, min(first + count, number + RUN))
        for line in lines:
            word = line if line in ("same", "other", "refused") else "fault"
            counts[word] += 1
            if word == "fault":
                faults.append(f"{kind.name} {number}: {line}")
            number += 1
    return counts, faults


def _in_a_process(kind: Kind, expected: Any, begin: int, end: int) -> list[str]:
    """Outcomes of some damages by a process of their own; the last is its death, if it died."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        # Whatever happens ends here: what called this belongs to the parent.
        try:
            os.close(read)
            _write_outcomes(kind, expected, range(begin, end), write)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, errors="replace") as lines:
        found = lines.read().splitlines()
    _, status = os.waitpid(child, 0)
    if len(found) < end - begin:
        found.append(f"died: {status}")
    return found


def _write_outcomes(kind: Kind, expected: Any, numbers: range, write: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            line = outcome(kind, expected, number, Path(folder)).replace("\n", " ")
            os.write(write, (line + "\n").encode("utf-8", "backslashreplace"))


# --- damages


def flipped(path: Path, rng: np.random.Generator, *, within: slice = slice(None)) -> None:
    """One byte another one."""
    content = bytearray(path.read_bytes())
    places = range(len(content))[within]
    place = places[rng.integers(len(places))]
    content[place] ^= int(rng.integers(1, 256))
    path.write_bytes(content)


def cut(path: Path, rng: np.random.Generator) -> None:
    """The end missing, or zeros or noise within."""
    content = path.read_bytes()
    place, other = sorted(int(v) for v in rng.integers(0, len(content) + 1, 2))
    new = (
        content[:place],
        content[:place] + content[other:],
        content[:place] + bytes(min(other - place, 4096)) + content[place + 4096 :],
        content[:place] + rng.bytes(64) + content[place + 64 :],
    )[rng.integers(4)]
    path.write_bytes(new)


def text_damaged(path: Path, rng: np.random.Generator) -> None:
    """As marker files are: in bytes, tokens or structure."""
    path.write_bytes(damaged(path.read_bytes(), rng))


def either(*damages: tuple[float, Callable[..., None]]) -> Callable[..., None]:
    """Damages in shares that add up to 1."""

    def damage(path: Path, rng: np.random.Generator) -> None:
        chosen = rng.choice(len(damages), p=[share for share, _ in damages])
        damages[chosen][1](path, rng)

    return damage


def header_damaged(path: Path, rng: np.random.Generator) -> None:
    """Fields of a NIfTI header, in a file that may be compressed."""
    import gzip

    packed = path.suffix == ".gz"
    content = bytearray(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    values = (0, 1, 2, -1, 255, 32767, -32768, 1e30, -1e30, np.nan, np.inf, 0.5, 352, 3.4e38)
    for _ in range(rng.integers(1, 3)):
        value = values[rng.integers(len(values))]
        if rng.integers(2):
            place = int(rng.integers(0, 174)) * 2
            whole = int(value) if np.isfinite(value) else 7
            struct.pack_into("<h", content, place, (whole + 32768) % 65536 - 32768)
        elif rng.integers(2):
            struct.pack_into("<f", content, int(rng.integers(0, 87)) * 4, value)
        else:
            content[int(rng.integers(0, 352))] = int(rng.integers(256))
    if not rng.integers(8):
        content = content[: int(rng.integers(len(content)))]
    path.write_bytes(gzip.compress(bytes(content), 1) if packed else bytes(content))


# --- kinds


def atlas_meaning(path: Path) -> Any:
    """All that an atlas holds."""
    from atlas.store import load_atlas

    found = load_atlas(path)
    return [
        _plain(found.model),
        _plain(found.alignment),
        _plain(found.settings),
        dict(found.provenance),
    ]


def _plain(value: Any) -> Any:
    names = getattr(value, "__dataclass_fields__", None)
    if names is None:
        return list(map(_plain, value)) if isinstance(value, tuple) else value
    return {name: _plain(getattr(value, name)) for name in names}


def _statismo_meaning(path: Path) -> Any:
    from atlas.exchange.statismo_reader import read_catalog, read_statismo

    return [read_catalog(path), _plain(read_statismo(path)), _plain(read_statismo(path, "/dura"))]


def _landmark_meaning(path: Path) -> Any:
    from atlas.large.landmark_file import LandmarkFile

    file = LandmarkFile.open(path)
    return [file.whole, _plain(file.read(slice(None)))]


def _record_meaning(path: Path) -> Any:
    from atlas.errors import AtlasError
    from atlas.sampling.records import Record
    from atlas.text.json_values import parse_json

    try:
        return _plain(Record.of(parse_json(path.read_text("utf-8"))))
    except ValueError as error:
        raise AtlasError(f"{path.name}: {error}") from None


def _scores_meaning(path: Path) -> Any:
    from atlas.shape_choice import read_scores

    return read_scores(path)


def _image_meaning(path: Path) -> Any:
    from atlas.data.images import open_image

    image = open_image(path)
    return [
        image.shape,
        image.to_lps,
        [image.slice(k) for k in range(min(3, image.shape[image.slice_axis]))],
    ]


def _mesh_meaning(path: Path) -> Any:
    from atlas.compare import read_mesh

    return _plain(read_mesh(path))


def _sidecar_meaning(path: Path) -> Any:
    """Fields that are told; a sidecar that says nothing is one that is refused by name."""
    from atlas.data.images import image_parameters
    from atlas.errors import AtlasError

    root = path.parent / "set"
    place = root / "rawdata/sub-01/anat/sub-01_CISS.nii.gz"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    shutil.copyfile(path, place.with_name("sub-01_CISS.json"))
    found = image_parameters(root, ("sub-01",))
    # Must stay what JSON holds, and what UTF-8 holds.
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    if "unreadable" in found:
        assert list(found["unreadable"]) == ["rawdata/sub-01/anat/sub-01_CISS.json"]
        raise AtlasError(f"{path.name} stands for sub-01_CISS.json: {found['unreadable']}")
    return found


def make_kinds(folder: Path) -> dict[str, Kind]:
    """Whole files of every kind, small ones, and how they are read and damaged."""
    files = Whole(folder)
    within = structure_damaged(files.other_model, ("/atlas",))
    around = ("/model", "/representer", "/version", "/dura", "/catalog")
    beside = structure_damaged(files.other_model, around)
    placed = structure_damaged(files.other_landmarks)
    field = either((0.05, flipped), (0.05, cut), (0.9, within))
    header = either((0.1, flipped), (0.1, cut), (0.8, header_damaged))
    text = either((0.3, flipped), (0.3, cut), (0.4, text_damaged))
    kinds = [
        Kind("model", files.model, atlas_meaning, field, sure=True),
        Kind("model-bytes", files.model, atlas_meaning, flipped, sure=True),
        Kind("model-0.1.0", files.old_model, atlas_meaning, field),
        Kind("model-gaps", files.gappy_model, atlas_meaning, field, sure=True),
        Kind("statismo", files.model, _statismo_meaning, either((0.1, flipped), (0.9, beside))),
        Kind(
            "landmarks",
            files.landmarks,
            _landmark_meaning,
            either((0.1, flipped), (0.1, cut), (0.8, placed)),
        ),
        Kind("record", files.record, _record_meaning, text_damaged),
        Kind("scores-csv", files.scores_csv, _scores_meaning, text_damaged),
        Kind("scores-json", files.scores_json, _scores_meaning, text_damaged),
        Kind("image", files.image, _image_meaning, header),
        Kind("image-gz", files.packed_image, _image_meaning, header),
        Kind("sidecar", files.sidecar, _sidecar_meaning, text_damaged),
        Kind("stl", files.stl, _mesh_meaning, text),
        Kind("stl-text", files.text_stl, _mesh_meaning, text),
    ]
    return {kind.name: kind for kind in kinds}


class Whole:
    """One whole file of every kind."""

    def __init__(self, folder: Path) -> None:
        import phantom_images
        import trimesh
        from populations import posed_population, with_gaps

        from atlas.large.landmark_file import save_landmarks
        from atlas.sampling.records import Record

        plain, _ = posed_population(7)
        other, _ = posed_population(7, seed=9)
        gappy = with_gaps(plain, 0.1)
        self.model = self._atlas(folder / "model.h5", plain)
        self.other_model = self._atlas(folder / "other.h5", other)
        self.gappy_model = self._atlas(folder / "gappy.h5", gappy)
        self.old_model = Path(shutil.copyfile(self.model, folder / "old.h5"))
        with h5py.File(self.old_model, "r+") as file:
            del file["atlas"].attrs["content_sha256"]
        self.landmarks = Path(save_landmarks(gappy, folder / "landmarks.h5").path)
        self.other_landmarks = Path(save_landmarks(other, folder / "theirs.h5").path)
        record = Record(
            index=3,
            accepted=False,
            attempts=4,
            broken={"roots-apart": 3},
            broken_now=("roots-apart",),
            repaired_mm=0.5,
            scores=(0.25, -1.5),
            turn_deg=(1.0, 2.0, 3.0),
            shift_mm=(0.0, 0.5, 1.0),
            measures={"L1/left/angle_deg": 61.5, "b": np.nan},
        )
        self.record = folder / "sub-0004.json"
        self.record.write_text(json.dumps(record.document()))
        self.scores_csv = folder / "scores.csv"
        self.scores_csv.write_text(
            "id,score_1_sd,score_2_sd,note\nsub-1,0.5,-1.25,a\nsub-2,1e-3,2,b\n"
        )
        self.scores_json = folder / "scores.json"
        self.scores_json.write_text('{"scores": [[0.5, -1.25], [0.001, 2]], "by": "me"}')
        voxels = np.arange(120, dtype=np.int16).reshape(6, 5, 4)
        affine = phantom_images.tilted_affine((1, 1, 2), (0, 0, 0))
        self.image, self.packed_image = (
            phantom_images.write_image(folder / f"image{s}", voxels, affine)
            for s in (".nii", ".nii.gz")
        )
        self.sidecar = folder / "sidecar.json"
        self.sidecar.write_text(
            json.dumps({"Manufacturer": "UIH", "EchoTime": 0.0023, "FlipAngle": 50})
        )
        box = trimesh.creation.box((10, 20, 30))
        self.stl, self.text_stl = folder / "box.stl", folder / "text.stl"
        self.stl.write_bytes(trimesh.exchange.stl.export_stl(box))
        self.text_stl.write_text(trimesh.exchange.stl.export_stl_ascii(box))

    @staticmethod
    def _atlas(path: Path, landmarks: Any) -> Path:
        from atlas.model.fitting import fit_shape_model
        from atlas.procrustes.alignment import align
        from atlas.store import Atlas, Settings, save_atlas

        blocks = {b.name: b for b in landmarks.scheme.blocks}
        settings = Settings(
            root=blocks["root/L1/left"].levels,
            dura=(blocks["dura"].levels, blocks["dura"].around),
            cord=(blocks["cord"].levels, blocks["cord"].around),
        )
        alignment = align(landmarks)
        ids = list(landmarks.subject_ids)
        told = {
            "subjects": ids,
            "notice": "made",
            "seed": None,
            "covariates": {"age": [1.5] * len(ids)},
        }
        return save_atlas(Atlas(fit_shape_model(alignment), alignment, settings, told), path)


def main() -> None:
    """Damage one kind of file, or all, and print the outcomes."""
    wanted, count = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        kinds = make_kinds(Path(folder))
        for name in kinds if wanted == "all" else wanted.split(","):
            counts = Counter[str]()
            for first in range(0, count, RUN):
                found, faults = run(kinds[name], min(RUN, count - first), first=first)
                counts += found
                print(f"{name} {counts.total()}: {dict(sorted(counts.items()))}", flush=True)
                if faults:
                    print(*faults, sep="\n", flush=True)


if __name__ == "__main__":
    main()
