"""Fields of an HDF5 file that anybody may have written: what is expected there, or one clear error.

Only data of the file itself is read: no link to another place or file, no virtual or external
data.  Shapes are compared before anything is allocated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from atlas.arrays import freeze
from atlas.hdf5.heaps import torn_heap
from atlas.text.json_values import JsonError, parse_json, value_as

if TYPE_CHECKING:
    import h5py

# Holds the digest of all that is read of a group; see :meth:`Fields.digest`.
DIGEST = "content_sha256"
# Of an array that lies in one piece and is larger, a digest takes rows only: a file of a group of
# thousands opens at once.
SAMPLED_BYTES = 64 << 20
SAMPLED_ROWS = 64
# Deflate packs no more than this into a byte; beyond the size below an array that claims more
# is refused before it is allocated.
MOST_PACKED = 1100
LARGE_BYTES = 64 << 20

# Kinds of numbers other programs write.
NUMBERS, INTEGERS = "fiu", "iu"

Value = TypeVar("Value", bool, int, float, str)
Shape = tuple[int | None, ...]
Words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


class FieldError(ValueError):
    """A field that is not there or not what it must be; says which, expected and got."""


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """A group of an open file, and what has been read of it so far.

    Parameters
    ----------
    group : h5py.Group
    path : str
        Within what is read; empty for the group that holds everything.
    name : str
        How an error names the group.
    seen : dict of str to str
        A line for each field that was read, by its path; shared with the groups within.
    safe : set of str
        Files whose texts can be read, for the same.
    """

    group: h5py.Group
    path: str = ""
    name: str = ""
    seen: dict[str, str] = field(default_factory=dict)
    safe: set[str] = field(default_factory=set)

    def __contains__(self, name: str) -> bool:
        with _asked(self._named(name)):
            return _holds(self.group, name)

    def names(self) -> list[str]:
        """Names of what stands in the group, sorted."""
        with _asked(self.name):
            return sorted(self.group)

    def within(self, name: str, *, apart: bool = False) -> Fields:
        """A group of this one; ``apart``: as the group that holds everything that is read."""
        found = self._own(name)
        _refuse_unless(_kind(found) == "group", self._named(name), "a group", _kind(found))
        if apart:
            return Fields(found, name=self._named(name), safe=self.safe)
        self._note(name, "group")
        return Fields(found, self._at(name), self._named(name), self.seen, self.safe)

    def array(
        self,
        name: str,
        shape: Shape,
        dtype: Any,
        *,
        mapped: int | None = None,
        rows: slice | None = None,
    ) -> np.ndarray:
        """The values of a data set.

        Parameters
        ----------
        name : str
        shape : tuple of int or None
            None where any length will do.
        dtype : data-type or str
            The very one: no other precision, no other order of bytes.  :data:`NUMBERS` and
            :data:`INTEGERS`: whatever the other program used.
        mapped : int, optional
            From so many bytes on, an array that lies in one piece is the file itself.
        rows : slice, optional
            Read of it; all by default.

        Returns
        -------
        ndarray
            Read-only.

        Raises
        ------
        FieldError
            Another kind, type or shape, or data that is not there whole.
        """
        dataset, place = self.checked(name, shape, dtype), self._named(name)
        with _asked(place):
            found, got = dataset.dtype, dataset.shape
            if rows is not None:
                return freeze(np.asarray(dataset[rows]))
            offset = dataset.id.get_offset() if _is_on_disk(dataset) else None
            if mapped is not None and offset is not None and dataset.nbytes >= max(mapped, 1):
                array: np.ndarray = np.memmap(
                    dataset.file.filename, found, mode="r", offset=offset, shape=got
                )
            else:
                array = freeze(np.asarray(dataset[()]))
            self._note(name, _array_line(dataset, array))
        return array

    def checked(self, name: str, shape: Shape, dtype: Any) -> h5py.Dataset:
        """A data set of a shape and type, whole; nothing of it is read."""
        dataset, place = self._dataset(name), self._named(name)
        with _asked(place):
            found, got = dataset.dtype, dataset.shape
            kinds = isinstance(dtype, str)
            fits = found.kind in dtype if kinds else found == np.dtype(dtype)
            _refuse_unless(
                fits and _fits(got, shape),
                place,
                f"{'numbers' if kinds else np.dtype(dtype)} of shape {_shape_text(shape)}",
                f"{found} of shape {got}",
            )
            _refuse_partial(dataset, place)
        return dataset

    def same(self, name: str, other: str) -> bool:
        """Whether a data set is another one under a second name; then it counts as read."""
        one = self._dataset(name)
        with _asked(self._named(name)):
            if one != self._dataset(other):
                return False
        self._note(name, self.seen[self._at(other)])
        return True

    def text(self, name: str) -> str:
        """One text, UTF-8."""
        import h5py

        dataset, place = self._dataset(name), self._named(name)
        with _asked(place):
            kind = h5py.check_string_dtype(dataset.dtype)
            _refuse_unless(
                kind is not None and dataset.shape in ((), (1,)),
                place,
                "a text",
                _described(dataset),
            )
            _refuse_partial(dataset, place)
            self._refuse_torn_texts()
            content = dataset[()] if dataset.shape == () else dataset[0]
            content = content if isinstance(content, bytes) else bytes(content)
            text = content.decode("utf-8")
        self._note(name, f"text {hashlib.sha256(content).hexdigest()}")
        return text

    def json(self, name: str, hint: Any, *, optional: tuple[str, ...] = ()) -> Any:
        """A text that is JSON of a type; see :func:`atlas.text.json_values.value_as`."""
        text, place = self.text(name), self._named(name)
        try:
            document = parse_json(text)
        except JsonError as error:
            raise FieldError(f"{place}: {error}") from None
        try:
            return value_as(hint, document, place, optional=optional)
        except JsonError as error:
            raise FieldError(str(error)) from None

    def attribute(self, name: str, kind: type[Value]) -> Value:
        """A single value beside a group."""
        place = f"{self.name}@{name}"
        with _asked(place):
            _refuse_unless(name in self.group.attrs, place, Words[kind], "none")
            self._refuse_torn_texts()
            value = _attribute_value(self.group, name)
        _refuse_unless(
            type(value) is kind,
            place,
            Words[kind],
            repr(value) if value is not None else "something else",
        )
        self.seen[f"{self.path}@{name}"] = f"{kind.__name__} {value!r}"
        return value

    def attributes_if_there(self, names: Iterable[str], kind: type[Value]) -> None:
        """Read single values that other programs may leave out, so that a digest holds them."""
        with _asked(self.name):
            there = set(self.group.attrs)
        for name in there & set(names):
            self.attribute(name, kind)

    def finish(self) -> bool:
        """Refuse what was not asked for, and content that is not what was written.

        Returns
        -------
        bool
            Whether a digest stands there; files of 0.1.0 have none.

        Raises
        ------
        FieldError
            There is more than was read, or the digest that stands beside it is of something else.
        """
        self._refuse_more()
        return self.is_sealed()

    def is_sealed(self) -> bool:
        """Whether a digest stands beside the group; refuses one of other content."""
        with _asked(f"{self.name}@{DIGEST}"):
            if DIGEST not in self.group.attrs:
                return False
            self._refuse_torn_texts()
            told = _attribute_value(self.group, DIGEST)
        if told != self.digest():
            raise FieldError(
                f"{self.name}: expected what was written there, got something else (its "
                f"{DIGEST} differs): the file was damaged or changed"
            )
        return True

    def digest(self) -> str:
        """SHA-256 over path, type, shape and bytes of all fields read so far.

        Of an array in one piece beyond :data:`SAMPLED_BYTES`, :data:`SAMPLED_ROWS` rows count,
        spread evenly, first and last included.
        """
        lines = "".join(f"{path}\t{line}\n" for path, line in sorted(self.seen.items()))
        return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()

    def _refuse_more(self) -> None:
        read: dict[str, set[str]] = {"": set()}
        for path, line in self.seen.items():
            if line == "group":
                read.setdefault(path, set())
        for path in self.seen:
            owner, _, name = path.rpartition("@" if "@" in path else "/")
            read[owner].add("@" + name if "@" in path else name)
        for path, names in read.items():
            with _asked(self.name):
                group = self.group[path] if path else self.group
                there = set(group) | {f"@{name}" for name in group.attrs}
            more = sorted(there - names - {f"@{DIGEST}"} if not path else there - names)
            place = "/".join(part for part in (self.name, path) if part)
            if more:
                raise FieldError(f"{place}: expected nothing else there, got {more[0][:60]!r} too")

    def _refuse_torn_texts(self) -> None:
        """Refuse a file whose heaps of texts HDF5 would never come to the end of."""
        file = self.group.file
        if file.filename in self.safe or file.mode != "r":
            return
        place = torn_heap(file)
        if place is not None:
            raise FieldError(f"expected texts at byte {place}, got a part of them")
        self.safe.add(file.filename)

    def _own(self, name: str) -> Any:
        """What stands under a name in this very file."""
        import h5py

        place = self._named(name)
        with _asked(place):
            _refuse_unless(_holds(self.group, name), place, "it there", "none")
            link = self.group.get(name, getlink=True)
            _refuse_unless(
                isinstance(link, h5py.HardLink), place, "data of this file", "a link to elsewhere"
            )
            return self.group[name]

    def _dataset(self, name: str) -> Any:
        found, place = self._own(name), self._named(name)
        _refuse_unless(_kind(found) == "data set", place, "a data set", _kind(found))
        with _asked(place):
            plan = found.id.get_create_plist()
            elsewhere = found.is_virtual or plan.get_external_count() > 0
            _refuse_unless(not elsewhere, place, "data of this file", "data that lies elsewhere")
        return found

    def _note(self, name: str, line: str) -> None:
        self.seen[self._at(name)] = line

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def _named(self, name: str) -> str:
        return f"{self.name}/{name}" if self.name else name


@contextmanager
def opened(path: Path) -> Iterator[Fields]:
    """The root of a file, to be read.

    Raises
    ------
    FieldError
        Not HDF5, or damaged so that it cannot be opened.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
    except Exception as error:  # of any kind, in a damaged file
        raise FieldError(f"expected HDF5, got {_line(error)}") from None
    try:
        yield Fields(file)
    finally:
        with _asked("its end"):
            file.close()


def seal(group: h5py.Group) -> None:
    """Write the digest of a group beside it, as :meth:`Fields.finish` compares it.

    Parameters
    ----------
    group : h5py.Group
        Finished; of texts, arrays and plain attributes.
    """
    fields = Fields(group)
    _read_all(fields)
    group.attrs[DIGEST] = fields.digest()


def _read_all(fields: Fields) -> None:
    for name in fields.group.attrs:
        if name != DIGEST:
            fields.attribute(name, type(_attribute_value(fields.group, name)))
    for name, member in fields.group.items():
        if _kind(member) == "group":
            _read_all(fields.within(name))
        elif member.dtype.kind == "O":
            fields.text(name)
        else:
            fields.array(name, member.shape, member.dtype, mapped=SAMPLED_BYTES)


@contextmanager
def _asked(place: str) -> Iterator[None]:
    """Whatever HDF5 says to a question about a place, as one error that names it."""
    try:
        yield
    except FieldError:
        raise
    except Exception as error:  # of any kind, in a damaged file
        raise FieldError(f"{place}: expected what can be read, got {_line(error)}") from None


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _refuse_unless(holds: bool, place: str, expected: str, got: object) -> None:
    if not holds:
        raise FieldError(f"{place}: expected {expected}, got {str(got)[:120]}")


def _holds(group: h5py.Group, name: str) -> bool:
    """Whether a name stands in a group, wherever it leads."""
    there: bool = group.id.links.exists(name.encode())
    return there


def _kind(found: Any) -> str:
    import h5py

    for kind, word in ((h5py.Group, "group"), (h5py.Dataset, "data set")):
        if isinstance(found, kind):
            return word
    return type(found).__name__


def _described(dataset: h5py.Dataset) -> str:
    return f"{dataset.dtype} of shape {dataset.shape}"


def _fits(got: tuple[int, ...] | None, shape: Shape) -> bool:
    return (
        got is not None
        and len(got) == len(shape)
        and all(want in (None, n) for want, n in zip(shape, got, strict=True))
    )


def _shape_text(shape: Shape) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"


def _refuse_partial(dataset: h5py.Dataset, place: str) -> None:
    """Refuse data of which the file holds no or only a part, before memory is taken for it."""
    declared, held = dataset.nbytes, dataset.id.get_storage_size()
    offset = dataset.id.get_offset()
    whole = held > 0 or declared == 0
    if offset is not None and _is_on_disk(dataset):
        size = Path(dataset.file.filename).stat().st_size
        whole = whole and held >= declared and offset + declared <= size
    chunks = dataset.chunks
    if chunks is not None:
        needed = prod(-(-n // c) for n, c in zip(dataset.shape, chunks, strict=True))
        piece = prod(chunks) * dataset.dtype.itemsize
        whole = whole and dataset.id.get_num_chunks() == needed
        whole = whole and piece <= max(declared, LARGE_BYTES)
    if declared > LARGE_BYTES:
        whole = whole and declared <= MOST_PACKED * held
    _refuse_unless(whole, place, f"{declared} bytes of data", f"{held} stored, not all of them")


def _is_on_disk(dataset: h5py.Dataset) -> bool:
    """Whether there is a file of that name: one that is being made may be in memory alone."""
    return bool(dataset.file.driver != "core")


def _array_line(dataset: h5py.Dataset, array: np.ndarray) -> str:
    sampled = dataset.chunks is None and array.nbytes > SAMPLED_BYTES
    rows = np.unique(np.linspace(0, len(array) - 1, SAMPLED_ROWS).astype(int)) if sampled else ()
    content = array[rows] if sampled else array
    found = hashlib.sha256(np.ascontiguousarray(content).tobytes()).hexdigest()
    return f"{array.dtype.str} {array.shape} {found}"


def _attribute_value(group: h5py.Group, name: str) -> Any:
    """The Python value of a single text, number or truth value; None for anything else."""
    import h5py

    held = group.attrs.get_id(name)
    kind = held.dtype
    text = h5py.check_string_dtype(kind)
    if held.shape not in ((), (1,)) or (text is None and kind.kind not in "biuf"):
        return None
    value = group.attrs[name] if held.shape == () else group.attrs[name][0]
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    if isinstance(value, str):
        value.encode("utf-8")
        return value
    # Narrow and wide numbers are the same number; of another kind is another meaning.
    return value.item() if kind.itemsize <= 8 else None


def attributes(fields: Fields, kinds: Mapping[str, type[Value]]) -> dict[str, Any]:
    """Single values beside a group, by name."""
    return {name: fields.attribute(name, kind) for name, kind in kinds.items()}
