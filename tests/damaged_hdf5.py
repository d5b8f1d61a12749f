"""Fields of HDF5 files damaged at random: removed, retyped, reshaped, filled, linked or swapped.

Import it as ``import damaged_hdf5``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from damage import damaged

OTHER_TYPES = ("f4", ">f8", "i8", "u1", "c16", "S8", "bool")


def structure_damaged(other: Path, groups: tuple[str, ...] = ("/",)) -> Callable[..., None]:
    """Damages of one field of an HDF5 file; ``other`` gives fields of another file."""

    def damage(path: Path, rng: np.random.Generator) -> None:
        with h5py.File(path, "r+") as file:
            base = file[groups[rng.integers(len(groups))]]
            names = [base.name.rstrip("/")] if base.name != "/" else []
            base.visit(lambda n: names.append(f"{base.name.rstrip('/')}/{n}"))
            name = names[rng.integers(len(names))]
            if len(file[name].attrs) and rng.integers(2):
                _attribute_damaged(file[name], rng)
            else:
                _field_damaged(file, name, other, rng)

    return damage


def _attribute_damaged(owner: Any, rng: np.random.Generator) -> None:
    names = sorted(owner.attrs)
    name = names[rng.integers(len(names))]
    numbers = (np.nan, np.inf, -1, -1.5, 0, 2**62, 1e308, True, [1, 2], np.zeros(0))
    texts = ("full", "", "x" * 50_000, "\u2028", np.bytes_(b"\xff\xfe"))
    odd = (h5py.Empty("f8"), np.zeros((), "V3"), np.array(1, "c16"))
    values: tuple[Any, ...] = (*numbers, *texts, *odd)
    if not rng.integers(4):
        del owner.attrs[name]
    elif not rng.integers(8):
        owner.attrs["more"] = 1
    else:
        owner.attrs[name] = values[rng.integers(len(values))]


def _field_damaged(file: h5py.File, name: str, other: Path, rng: np.random.Generator) -> None:
    held = file[name]
    array = held[()] if isinstance(held, h5py.Dataset) else None
    if isinstance(array, np.generic):
        array = np.asarray(array)
    ways = (*PLACES, *(NUMBERS if isinstance(array, np.ndarray) else TEXTS if array else ()))
    way = ways[rng.integers(len(ways))]
    if way is _swapped:
        way(file, name, other)
        return
    if way not in (_more, _doubled):
        del file[name]
    if isinstance(array, np.ndarray) and way in NUMBERS:
        file[name] = way(array, rng)
    elif way in TEXTS:
        file[name] = way(array.decode("utf-8"), rng)
    else:
        way(file, name, rng)


def _removed(file, name, rng):
    pass


def _group(file, name, rng):
    file.create_group(name)


def _scalar(file, name, rng):
    file[name] = (5, "hello", np.nan, "[" * 100_000, '{"a": 1}', True)[rng.integers(6)]


def _empty(file, name, rng):
    file[name] = h5py.Empty(("f8", "S5", "i4")[rng.integers(3)])


def _link(file, name, rng):
    names: list[str] = []
    file.visit(names.append)
    if rng.integers(2):
        targets = (name, "/", "/nowhere", f"/{names[rng.integers(len(names))]}")
        file[name] = h5py.SoftLink(targets[rng.integers(4)])
    else:
        target = (file.filename, "/nowhere.h5", "/dev/zero")[rng.integers(3)]
        file[name] = h5py.ExternalLink(target, (name, "/", "/x")[rng.integers(3)])


def _hard_link(file, name, rng):
    names: list[str] = ["/"]
    file.visit(names.append)
    file[name] = file[names[rng.integers(len(names))]]


def _virtual(file, name, rng):
    layout = h5py.VirtualLayout(shape=(14, 20), dtype="f8")
    layout[:] = h5py.VirtualSource(str(file.filename), "x", shape=(14, 20))
    file.create_virtual_dataset(name, layout)


def _external(file, name, rng):
    file.create_dataset(name, (14, 3), "f8", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])


def _huge(file, name, rng):
    shape = ((10**6, 2688, 3), (2**40,), (10**5, 10**5), (14, 10**9, 3))[rng.integers(4)]
    chunks = tuple(min(n, 64) for n in shape) if rng.integers(2) else None
    if chunks is None:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
        space = h5py.h5s.create_simple(shape)
        h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F64LE, space, plan)
    else:
        file.create_dataset(name, shape, "f8", chunks=chunks)


def _odd_type(file, name, rng):
    kinds = (
        np.dtype([("a", "f8"), ("b", "i4")]), h5py.ref_dtype, h5py.vlen_dtype(np.float64),
        h5py.enum_dtype({"a": 1}, "u1"), h5py.opaque_dtype("M8[s]"), np.dtype("V5"), np.dtype("S9"),
        np.dtype(("f8", (3,))),
    )  # fmt: skip
    file.create_dataset(name, (14,) if rng.integers(2) else (), kinds[rng.integers(len(kinds))])


def _named_type(file, name, rng):
    file[name] = np.dtype("f8")


def _no_filter(file, name, rng):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((2, 3))
    plan.set_filter(32_000 + int(rng.integers(30)), h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((14, 3))
    data = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F64LE, space, plan)
    data.write_direct_chunk((0, 0), b"x" * 48, 0)


def _more(file, name, rng):
    owner = file[name] if isinstance(file[name], h5py.Group) else file[name].parent
    owner["more"] = np.zeros(3) if rng.integers(2) else "more"


def _doubled(file, name, rng):
    file[name].attrs["more"] = 1.0


def _swapped(file, name, other):
    with h5py.File(other) as theirs:
        if name in theirs:
            del file[name]
            theirs.copy(name, file, name)


def _retyped(array, rng):
    kind = OTHER_TYPES[rng.integers(len(OTHER_TYPES))]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.nan_to_num(array.astype("c16")).astype(kind)


def _reshaped(array, rng):
    values = np.asarray(array)
    options = [
        values.reshape(-1),
        values[None],
        values[..., None],
        values[:1] if values.ndim else values,
    ]
    options += (
        [values[:-1], values[..., :-1], values.T, np.concatenate([values] * 2), values[:0]]
        if values.ndim
        else []
    )
    return options[rng.integers(len(options))]


def _numbered(array, rng):
    if array.dtype.kind not in "fiu":
        return array
    values = np.array(array, order="C")
    flat = values.reshape(-1)
    if not len(flat):
        return values
    value = (np.nan, np.inf, -np.inf, 1e300, -1.0, 0.0, -0.0, 1e9, 2.0, 255.0, 1e-320)[
        rng.integers(11)
    ]
    if values.dtype.kind != "f":
        value = abs(int(value)) % 256 if abs(value) < 1e10 else 3
    where = (slice(None), int(rng.integers(len(flat))), slice(0, 3))[rng.integers(3)]
    with np.errstate(all="ignore"):
        flat[where] = value
    return values


def _reordered(array, rng):
    values = np.array(array)
    if values.ndim and len(values) > 1:
        return (
            values[::-1],
            np.roll(values, 1, axis=0),
            -values if values.dtype.kind == "f" else values[::-1],
            values * values.dtype.type(2),
        )[rng.integers(4)]
    return values + values.dtype.type(1) if values.dtype.kind in "fiu" else values


def _nudged(array, rng):
    """One number a little other."""
    if array.dtype.kind != "f" or not array.size:
        return array
    values = np.array(array, order="C")
    values.reshape(-1)[int(rng.integers(values.size))] *= 1 + 10.0 ** -rng.integers(1, 9)
    return values


def _text_changed(text, rng):
    return damaged(text.encode(), rng).decode("utf-8", "replace").replace("\x00", "")


def _text_bytes(text, rng):
    return np.bytes_(text.encode()[: int(rng.integers(1, 60_000))] + b"\xff")


PLACES = (
    _removed, _group, _scalar, _empty, _link, _hard_link, _virtual, _external, _huge, _odd_type,
    _named_type, _no_filter, _more, _doubled, _swapped, _swapped,
)  # fmt: skip
NUMBERS = (_retyped, _reshaped, _numbered, _numbered, _numbered, _reordered, _nudged)
TEXTS = (_text_changed, _text_changed, _text_changed, _text_bytes)
