"""Every command that writes, on small inputs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import phantom_images
import specimens

from atlas.build import build_atlas
from atlas.data.dataset import read_dataset
from atlas.landmarks.fitting_curves import subject_anatomy
from atlas.mesh.formats import write_stl
from atlas.mesh.surfaces.named_surfaces import surfaces
from atlas.store import Settings, save_atlas

SETTINGS = Settings(root=16, dura=(16, 16), cord=(16, 12))


@dataclass(frozen=True, slots=True)
class Command:
    """A command with two inputs, so that an old result differs from the new one.

    Parameters
    ----------
    new, old : tuple of str
        Arguments; ``OUT`` stands for the place of the result.
    out : str
        Name of the result.
    """

    new: tuple[str, ...]
    old: tuple[str, ...]
    out: str = "out"

    def args(self, place: Path, *, old: bool = False) -> list[str]:
        """The arguments for a place."""
        return [str(place) if word == "OUT" else word for word in (self.old if old else self.new)]


def write_inputs(folder: Path) -> None:
    """Cohorts, atlases, images and meshes, ``a`` and ``b`` of each."""
    for name, seed in (("a", 1), ("b", 2)):
        dataset = specimens.make_dataset(5, length_mm=140, conus_mm=100, seed=seed)
        specimens.write_dataset(folder / name / "markers", dataset)
        read = read_dataset(folder / name)
        save_atlas(build_atlas(read, SETTINGS), folder / f"{name}.h5")
        person = specimens.make_small_subject(bend_mm=float(seed))
        data = folder / f"{name}-images"
        specimens.write_subject(data / "markers", person)
        shape, affine = phantom_images.box_around(person)
        voxels = phantom_images.painted(person, shape, affine)
        place = data / "rawdata" / "sub-01" / "anat" / "sub-01_CISS.nii.gz"
        phantom_images.write_image(place, voxels, affine)
        meshes = surfaces(subject_anatomy(read.subjects[0]))
        model = folder / f"{name}-model" / read.subjects[0].id
        model.mkdir(parents=True)
        for kind in ("dura", "cord"):
            path = model / f"{read.subjects[0].id}_{kind.title()}.stl"
            write_stl(meshes[kind], path, header="")
        one = folder / f"{name}-one"
        one.mkdir()
        shutil.copytree(folder / name / "markers" / "sub-01", one / "sub-01")


def commands(inputs: Path) -> dict[str, Command]:
    """By name; a name may hold an option that makes it another way."""

    def pair(*words: str, out: str = "out") -> Command:
        new, old = (
            tuple(w.replace("IN/x", f"{inputs}/{name}") for w in words) for name in ("a", "b")
        )
        return Command(new, old, out)

    return {
        "build": pair("build", "IN/x", "-o", "OUT"),
        "build --workers": pair("build", "IN/x", "-o", "OUT", "--workers", "2"),
        "demo": Command(("demo", "OUT", "--seed", "1"), ("demo", "OUT", "--seed", "2")),
        "evaluate": pair("evaluate", "IN/x.h5", "-o", "OUT"),
        "tables": pair("tables", "IN/x.h5", "-o", "OUT", "--no-figures"),
        "mesh": pair("mesh", "IN/x.h5", "-o", "OUT"),
        "sample": pair("sample", "IN/x.h5", "-o", "OUT", "-n", "3", "--workers", "1"),
        "predict": pair("predict", "IN/x.h5", "IN/x/markers/sub-01", "-o", "OUT"),
        "report": pair("report", "IN/x.h5", "-o", "OUT", "--only", "alignment_and_anchors"),
        "compare": pair("compare", "IN/x-one", "IN/x-model", "-o", "OUT"),
        "export csv": pair("export", "IN/x.h5", "--to", "csv", "-o", "OUT"),
        "export slicermorph": pair("export", "IN/x.h5", "--to", "slicermorph", "-o", "OUT"),
        "export npz": pair("export", "IN/x.h5", "--to", "npz", "-o", "OUT", out="out.npz"),
        "export statismo": pair("export", "IN/x.h5", "--to", "statismo", "-o", "OUT", out="out.h5"),
        "view": pair("view", "IN/x.h5", "-o", "OUT", out="out.html"),
        "overlay": pair("overlay", "IN/x-images", "sub-01", "-o", "OUT", out="out.png"),
        "overlay folder": pair("overlay", "IN/x-images", "sub-01", "-o", "OUT"),
        "check --report": pair("check", "IN/x", "--report", "OUT", out="out.html"),
    }
