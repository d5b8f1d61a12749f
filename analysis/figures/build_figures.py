"""The figures of a build: what they show, apart from how they are drawn.

What is shown is small and of plain values, so that it can be drawn in another process.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas.data.subject import RootKey, Subject
from atlas.landmarks.scheme import Anatomy, LandmarkScheme
from atlas.model.shape_model import ShapeModel
from atlas.output.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from atlas.procrustes.alignment import Alignment

FIGURE_MODES = 3
# Of a model and of an anatomy, what is an array by itself.
MODEL_ARRAYS = ("mean", "modes", "variance", "weights", "noise_share")
TUBES, BY_ROOT = ("dura", "cord"), ("roots", "ganglia")


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What the figures of a build show.

    Parameters
    ----------
    model : ShapeModel
    provenance : mapping
        ``anchor`` and ``notice`` of the atlas.
    subject_id : str
    subject : Anatomy
        As annotated, in the frame of the atlas, mm.
    """

    model: ShapeModel
    provenance: Mapping[str, Any]
    subject_id: str
    subject: Anatomy


def shown(alignment: Alignment, model: ShapeModel, subject: Subject, notice: str) -> Shown:
    """What to show of a group: its model and one of its subjects, with what must be said."""
    from atlas.landmarks.placing import subject_anatomy

    index = alignment.landmarks.subject_ids.index(subject.id)
    place = alignment.rotation[index], alignment.translation[index]
    said = {"anchor": alignment.anchor, "notice": notice}
    return Shown(model, said, subject.id, subject_anatomy(subject).moved(*place))


def draw_figures(what: Shown) -> Iterator[tuple[str, bytes]]:
    """The figures of a build as PNG of 150 dpi, one after the other.

    Parameters
    ----------
    what : Shown

    Yields
    ------
    name : str
        ``population``, ``anatomy`` (the mean), ``subject``, ``scree``, and ``mode1`` to ``mode3``
        as far as there are modes.
    content : bytes
        The same in any process.
    """
    from analysis.figures.atlas_figures import png_bytes

    for name, figure in _figures(what):
        yield name, png_bytes(figure)


def write_pictures(pictures: Iterable[tuple[str, bytes]], out: Path) -> list[Path]:
    """Write pictures by name as ``out/figures/<name>.png``; returns the files."""
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    return [write_file(folder / f"{name}.png", content) for name, content in pictures]


def _figures(what: Shown) -> Iterator[tuple[str, Figure]]:
    from analysis.figures.atlas_figures import (
        HOW_TO_READ,
        anatomy_figure,
        caption,
        group_text,
        mode_figure,
        population_figure,
        scree_figure,
    )

    model, notice, text = what.model, what.provenance["notice"], caption(what)
    yield "population", population_figure(what)
    mean = model.scheme.anatomy(model.mean)
    yield "anatomy", anatomy_figure(mean, title="Mean shape", text=text, notice=notice)
    yield (
        "subject",
        anatomy_figure(
            what.subject,
            title=f"{what.subject_id} as annotated",
            text=f"One subject in the frame of the atlas. {HOW_TO_READ}",
            notice=notice,
        ),
    )
    yield "scree", scree_figure(model, text=group_text(what), notice=notice)
    for mode in range(1, min(FIGURE_MODES, model.n_modes) + 1):
        yield f"mode{mode}", mode_figure(model, mode, text=text, notice=notice)


def pack(what: Shown) -> bytes:
    """What is shown as a file of arrays (NPZ), every number in full."""
    arrays = {f"model/{name}": getattr(what.model, name) for name in MODEL_ARRAYS}
    arrays |= {name: getattr(what.subject, name) for name in TUBES}
    for kind in BY_ROOT:
        arrays |= {f"{kind}/{'/'.join(k)}": v for k, v in getattr(what.subject, kind).items()}
    arrays |= {f"status/{name}": v for name, v in what.subject.status.items()}
    facts = {
        "scheme": asdict(what.model.scheme),
        "noise": what.model.noise,
        "n_subjects": what.model.n_subjects,
        "provenance": dict(what.provenance),
        "subject_id": what.subject_id,
    }
    buffer = io.BytesIO()
    np.savez(buffer, facts=np.array(json.dumps(facts)), **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> Shown:
    """What :func:`pack` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = dict(file)
    facts = json.loads(str(arrays.pop("facts")))
    model = ShapeModel(
        scheme=LandmarkScheme.of_document(facts["scheme"]),
        noise=facts["noise"],
        n_subjects=facts["n_subjects"],
        **{name: arrays[f"model/{name}"] for name in MODEL_ARRAYS},
    )
    subject = Anatomy(
        dura=arrays["dura"],
        cord=arrays["cord"],
        roots=_by_root(arrays, "roots"),
        ganglia=_by_root(arrays, "ganglia"),
        status=_within(arrays, "status"),
    )
    return Shown(model, facts["provenance"], facts["subject_id"], subject)


def _by_root(arrays: Mapping[str, np.ndarray], kind: str) -> dict[RootKey, np.ndarray]:
    return {RootKey(*key.split("/")): values for key, values in _within(arrays, kind).items()}


def _within(arrays: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    start = f"{kind}/"
    return {name.removeprefix(start): v for name, v in arrays.items() if name.startswith(start)}
