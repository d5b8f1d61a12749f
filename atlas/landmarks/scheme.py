"""Which landmarks there are: names, blocks, partners, and any shape as an anatomy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from atlas.arrays import read_only
from atlas.data.subject import ROOT_KEYS, RootKey
from atlas.errors import AtlasError
from atlas.text.display import summary_html
from atlas.text.json_values import value_as

ORIGINS = ("dura-apex", "conus")
EXTENTS = ("common", "full")
# Of one structure in a file: names are made of them all.
MOST_LANDMARKS = 1_000_000


class SchemeError(AtlasError):
    """A landmark scheme that cannot be; the text says expected and got."""


class Status(IntEnum):
    """What a landmark rests on."""

    MEASURED = 0
    BRIDGED = 1
    MISSING = 2


@dataclass(frozen=True, slots=True)
class Block:
    """Landmarks of one structure.

    Parameters
    ----------
    name : str
        ``dura``, ``cord`` or ``root/<level>/<side>``.
    kind : {"tube", "curve"}
    levels : int
        Rings of a tube, points of a curve, rostral to caudal.
    around : int
        Points a ring, from the dorsal midline towards the left; 1 for a curve.
    extent_mm : tuple of float or None
        Depth of the first and the last ring along the sac from the scheme's origin; None where
        a structure runs from its own beginning to its own end.
    """

    name: str
    kind: Literal["tube", "curve"]
    levels: int
    around: int = 1
    extent_mm: tuple[float, float] | None = None

    @property
    def size(self) -> int:
        """Number of landmarks."""
        return self.levels * self.around

    @property
    def depths_mm(self) -> np.ndarray:
        """Depth of each ring along the sac, (levels,) mm; empty without an extent."""
        return np.linspace(*self.extent_mm, self.levels) if self.extent_mm else np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Any shape as named structures, mm.

    Parameters
    ----------
    dura, cord : (rings, around, 3) float
        Rostral to caudal; point 0 of a ring is the dorsal midline, the order runs to the left.
    roots : mapping of (level, side) to (n, 3) float
        From the first traced point to the ganglion.
    ganglia : mapping of (level, side) to (3,) float
    status : mapping of block name to int array
        :class:`Status` of each landmark, shaped like its structure; empty for shapes that are
        generated and not seen, such as a mean or a sample.
    """

    dura: np.ndarray
    cord: np.ndarray
    roots: Mapping[RootKey, np.ndarray]
    ganglia: Mapping[RootKey, np.ndarray]
    status: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("dura", "cord"):
            array = read_only(getattr(self, name), (None, None, 3), f"Anatomy.{name}")
            object.__setattr__(self, name, array)
        for name, shape in (("roots", (None, 3)), ("ganglia", (3,))):
            given = getattr(self, name)
            arrays = {
                RootKey(*k): read_only(v, shape, f"Anatomy.{name}[{k}]") for k, v in given.items()
            }
            object.__setattr__(self, name, MappingProxyType(arrays))
        status = {
            k: read_only(v, np.shape(v), f"Anatomy.status[{k}]", dtype=np.uint8)
            for k, v in self.status.items()
        }
        object.__setattr__(self, "status", MappingProxyType(status))

    def _repr_html_(self) -> str:
        states = [np.asarray(s) for s in self.status.values()]
        rests = "generated, no part of it traced"
        if states:
            counts = np.bincount(np.concatenate([s.ravel() for s in states]), minlength=3)
            rests = ", ".join(f"{counts[s]} {s.name.lower()}" for s in Status)
        facts = {
            "dura": f"{self.dura.shape[0]} rings of {self.dura.shape[1]} points",
            "cord": f"{self.cord.shape[0]} rings of {self.cord.shape[1]} points",
            "roots": ", ".join(f"{k.level} {k.side}" for k in self.roots) or "none",
            "ganglia": len(self.ganglia),
            "points": rests,
            "frame": "LPS, mm",
        }
        return summary_html("Anatomy", facts)

    def moved(self, rotation: np.ndarray, translation: np.ndarray) -> Anatomy:
        """The anatomy after ``x -> rotation @ x + translation``."""
        return replace(
            self,
            dura=self.dura @ rotation.T + translation,
            cord=self.cord @ rotation.T + translation,
            roots={k: v @ rotation.T + translation for k, v in self.roots.items()},
            ganglia={k: v @ rotation.T + translation for k, v in self.ganglia.items()},
        )


@dataclass(frozen=True, slots=True)
class LandmarkScheme:
    """The fixed list of landmarks every subject gets.

    Parameters
    ----------
    blocks : tuple of Block
    origin : {"dura-apex", "conus"}
        Where depth along the sac is counted from.
    extent : {"common", "full"}
        Over which depths rings lie: those all subjects share, or all that any subject has, with
        rings missing where a subject has none.
    """

    blocks: tuple[Block, ...]
    origin: str = "dura-apex"
    extent: str = "common"

    def __post_init__(self) -> None:
        if self.extent not in EXTENTS:
            raise SchemeError(f"extent: expected one of {EXTENTS}, got {self.extent!r}")
        if self.origin not in ORIGINS:
            raise SchemeError(f"origin: expected one of {ORIGINS}, got {self.origin!r}")
        small = [b.name for b in self.blocks if b.levels < 2 or (b.kind == "tube" and b.around < 6)]
        if small:
            raise SchemeError(
                f"blocks {small}: expected at least 2 rings or points, and 6 points a ring"
            )

    @classmethod
    def standard(
        cls,
        *,
        origin: str = "dura-apex",
        extent: str = "common",
        root: int = 32,
        dura: tuple[int, int] = (40, 32),
        cord: tuple[int, int] = (40, 24),
    ) -> LandmarkScheme:
        """The scheme of dura, cord and 14 roots.

        Parameters
        ----------
        origin : {"dura-apex", "conus"}
        extent : {"common", "full"}
        root : int
            Landmarks a root, the last of them the ganglion.
        dura, cord : tuple of int
            Rings, and points a ring.

        Examples
        --------
        >>> LandmarkScheme.standard().size
        2688
        """
        tubes = (Block("dura", "tube", *dura), Block("cord", "tube", *cord))
        roots = tuple(Block(block_name(key), "curve", root) for key in ROOT_KEYS)
        return cls(tubes + roots, origin, extent)

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> LandmarkScheme:
        """The scheme that was written as JSON values by ``dataclasses.asdict``.

        Raises
        ------
        ValueError
            Other values, or blocks that are no structures with a partner on the other side.
        """
        scheme: LandmarkScheme = value_as(cls, document, "scheme")
        _refuse_odd_blocks(scheme.blocks)
        return scheme

    @property
    def size(self) -> int:
        """Number of landmarks L."""
        return sum(block.size for block in self.blocks)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the landmarks, (L,): ``dura/12/3``, ``root/L5/left/17``."""
        return _names(self.blocks)

    @property
    def mirror(self) -> np.ndarray:
        """Index (L,) of each landmark's partner on the other side; its own on the midline."""
        return _mirror(self.blocks)

    def block(self, name: str) -> Block:
        """The block of a name.

        Raises
        ------
        KeyError
            No such block; the text lists those there are.
        """
        for block in self.blocks:
            if block.name == name:
                return block
        raise KeyError(f"expected a block of {[b.name for b in self.blocks]}, got {name!r}")

    def span(self, name: str) -> slice:
        """Where a block's landmarks stand among the L."""
        start = 0
        for block in self.blocks:
            if block.name == name:
                return slice(start, start + block.size)
            start += block.size
        self.block(name)
        raise AssertionError

    def with_extents(self, extents: Mapping[str, tuple[float, float]]) -> LandmarkScheme:
        """The scheme with depths (first, last ring; mm) fixed for the named tubes."""
        blocks = tuple(
            replace(b, extent_mm=extents[b.name]) if b.name in extents else b for b in self.blocks
        )
        return replace(self, blocks=blocks)

    def anatomy(self, points: np.ndarray, *, status: np.ndarray | None = None) -> Anatomy:
        """Any shape as named structures.

        Parameters
        ----------
        points : (L, 3) float
            mm.
        status : (L,) int, optional
            Of a measured subject.

        Returns
        -------
        Anatomy
        """
        points = read_only(points, (self.size, 3), "points")
        parts = {
            b.name: points[self.span(b.name)].reshape(
                (b.levels, b.around, 3) if b.kind == "tube" else (b.levels, 3)
            )
            for b in self.blocks
        }
        states = {}
        if status is not None:
            states = {
                name: status[self.span(name)].reshape(part.shape[:-1])
                for name, part in parts.items()
            }
        roots = {key: parts[block_name(key)] for key in ROOT_KEYS if block_name(key) in parts}
        return Anatomy(
            dura=parts["dura"],
            cord=parts["cord"],
            roots=roots,
            ganglia={key: root[-1] for key, root in roots.items()},
            status=states,
        )


def block_name(key: RootKey) -> str:
    """The block of a root: ``root/L5/left``."""
    return f"root/{key[0]}/{key[1]}"


def _refuse_odd_blocks(blocks: tuple[Block, ...]) -> None:
    """Refuse blocks of a file that are not tubes and pairs of roots, each once."""
    kinds = {"dura": "tube", "cord": "tube"} | {block_name(key): "curve" for key in ROOT_KEYS}
    levels = {b.name: b.levels for b in blocks}
    mirrored = {"left": "right", "right": "left"}
    for b in blocks:
        stem, _, side = b.name.rpartition("/")
        partner = f"{stem}/{mirrored[side]}" if side in mirrored else b.name
        first, last = b.extent_mm or (0.0, 1.0)
        holds = (
            kinds.get(b.name) == b.kind
            and (b.kind == "tube" or (b.around == 1 and b.extent_mm is None))
            and levels.get(partner) == b.levels
            and b.size <= MOST_LANDMARKS
            and first < last
        )
        if not holds:
            raise SchemeError(
                f"scheme: expected dura and cord as tubes and roots as curves with as many points "
                f"as their partners on the other side, got {b}"
            )
    if len(levels) < len(blocks) or not {"dura", "cord"} <= set(levels):
        raise SchemeError(
            f"scheme: expected dura, cord and every other block once, got "
            f"{[b.name for b in blocks]}"
        )


@lru_cache(maxsize=64)
def _names(blocks: tuple[Block, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for b in blocks:
        if b.kind == "tube":
            names += [f"{b.name}/{i}/{j}" for i in range(b.levels) for j in range(b.around)]
        else:
            names += [f"{b.name}/{i}" for i in range(b.levels)]
    return tuple(names)


@lru_cache(maxsize=64)
def _mirror(blocks: tuple[Block, ...]) -> np.ndarray:
    starts = dict(
        zip((b.name for b in blocks), np.cumsum([0] + [b.size for b in blocks[:-1]]), strict=True)
    )
    partners = []
    for b in blocks:
        if b.kind == "tube":
            ring, place = np.divmod(np.arange(b.size), b.around)
            partners.append(starts[b.name] + ring * b.around + (-place) % b.around)
        else:
            stem, side = b.name.rsplit("/", 1)
            other = f"{stem}/{'right' if side == 'left' else 'left'}"
            partners.append(starts[other] + np.arange(b.size))
    return read_only(np.concatenate(partners), (None,), "mirror", dtype=np.intp)
