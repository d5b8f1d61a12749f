"""The one rule of output: what a command may write to, and what of it is replaced.

A folder that a command wrote holds ``atlas-result.json``: the command, and every file it wrote.
Only a result of the same command is replaced, and of it only those files; all else stays where it
is.  A single file is replaced only if it says of itself that the same command wrote it.  A place
that is an input, holds one or lies in one is refused, whatever is forced.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from atlas.output.files import OutputError, new_file, write_file
from atlas.output.old_results import SOFTWARE, old_page, old_result
from atlas.output.replacing import (
    CANNOT,
    NEW,
    InTheWayError,
    clear_abandoned,
    files_of,
    holder,
    must_be_inside,
    put_in_place,
    sole_holder,
)

LIST = "atlas-result.json"
# Names of files that are said, of many in the way.
MOST_NAMES = 3
# A list is some kilobytes, of a cohort of thousands some megabytes.
MOST_LIST_BYTES = 256 << 20
ANOTHER_PLACE = "choose another place"
# What says of a place that it is not to be written; all else is the machine's.
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)

StrPath = str | Path


@dataclass(frozen=True, slots=True)
class Claim:
    """A place that was found free, or to hold an earlier result of the same command.

    Parameters
    ----------
    path : Path
        Absolute, links followed.
    command : str
        That writes: ``build``, ``export``, …
    own : frozenset of str
        Files of the earlier result, with ``/`` between folders; for a folder.
    force : bool
        Whether files of others may be written over.
    """

    path: Path
    command: str
    own: frozenset[str] = field(default_factory=frozenset)
    force: bool = False


def claim_folder(
    out: StrPath | Claim,
    *,
    command: str,
    inputs: Sequence[StrPath | None] = (),
    force: bool = False,
) -> Claim:
    """Find whether a command may write a folder at a place, before it begins to work.

    Parameters
    ----------
    out : path or Claim
        A claim is handed through: the place was looked at already.
    command : str
    inputs : sequence of path
        All that the command reads.
    force : bool
        Take a folder that holds something else; what is written replaces files of the same name,
        all others stay.

    Returns
    -------
    Claim

    Raises
    ------
    OutputError
        The place is an input, holds one or lies in one; is a file; holds something else than an
        earlier result of the command; or cannot be written.
    """
    if isinstance(out, Claim):
        return out
    path = real_place(out)
    _refuse_inputs(out, path, inputs)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{out}: expected a place for a folder, got a file; {ANOTHER_PLACE}")
    _refuse_unwritable(out, path)
    if not path.is_dir():
        return Claim(path, command, force=force)
    clear_abandoned(path)
    maker, own = _held(path)
    if maker == command:
        return Claim(path, command, own, force)
    if force or not any(path.iterdir()):
        return Claim(path, command, force=force)
    got = f"a result of `atlas {maker}`" if maker else "something else"
    raise OutputError(
        f"{out}: expected nothing there, an empty folder or an earlier result of `atlas {command}` "
        f"(with its {LIST}), got {got}; {ANOTHER_PLACE}, or --force to write into it: files of "
        "the same name are replaced, all others stay"
    )


@contextmanager
def new_folder(claim: Claim, *, adding: bool = False) -> Iterator[Path]:
    """A folder under way that takes its place if the block succeeds.

    Parameters
    ----------
    claim : Claim
        Of :func:`claim_folder`.
    adding : bool
        Whether files of the earlier result that are not written anew stay, as its own.

    Yields
    ------
    Path
        The folder to write into; what is in it when the block ends is the result.

    Raises
    ------
    OutputError
        The place cannot be written, or others' files are in the way of new ones.
    """
    path = claim.path
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            clear_abandoned(path)
            place = stack.enter_context(holder(path, inside=must_be_inside(path)))
            (place / NEW).mkdir()
        except OSError as error:
            raise _unwritable(path, error) from None
        with _named(path):
            yield place / NEW
        written = {LIST, *files_of(place / NEW)}
        write_list(place / NEW, claim.command, written | claim.own if adding else written)
        own = claim.own & written if adding else claim.own
        try:
            put_in_place(place, path, own=own, force=claim.force)
        except InTheWayError as error:
            raise OutputError(_in_the_way(path, error.names)) from None


@contextmanager
def growing_folder(claim: Claim) -> Iterator[Path]:
    """A folder that a command fills bit by bit, and may go on with; nobody else meanwhile.

    Parameters
    ----------
    claim : Claim
        Of :func:`claim_folder`.

    Yields
    ------
    Path
        A folder inside, for what is under way; :func:`move_into` takes it to its place.

    Raises
    ------
    OutputError
        Another process is at work there, or the place cannot be written.
    """
    path = claim.path
    is_new = not path.exists()
    with ExitStack() as stack:
        if is_new:
            stack.callback(_remove_if_empty, path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            clear_abandoned(path)
            work = stack.enter_context(sole_holder(path))
        except BlockingIOError:
            raise OutputError(
                f"{path}: expected nobody at work there, got an `atlas {claim.command}` that is "
                f"under way; wait for it, or {ANOTHER_PLACE}"
            ) from None
        except OSError as error:
            raise _unwritable(path, error) from None
        yield work


def move_into(work: Path, folder: Path, names: Iterable[str]) -> None:
    """Move files, each in one step, and make the folders they lie in.

    Parameters
    ----------
    work, folder : Path
        From where, and to where.
    names : iterable of str
        With ``/`` between folders, in this order.

    Raises
    ------
    OutputError
        Something else has the name of a file, or of a folder.
    """
    for name in names:
        place = folder / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _replace(work / name, place)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            raise OutputError(
                f"{place}: expected a file of the result or nothing, got something else at it or "
                "above it; move it away, and run it again"
            ) from None


def _replace(source: Path, place: Path) -> None:
    try:
        source.replace(place)
    except OSError as error:
        # A folder within the result may be a link to another disk.
        if error.errno not in CANNOT:
            raise
        with new_file(place) as beside:
            shutil.copyfile(source, beside)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """An error of writing says where, which that of a full disk does not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _unwritable(path: Path, error: OSError) -> OSError | OutputError:
    if error.errno in REFUSALS:
        return OutputError(f"{path}: cannot be written ({error}); {ANOTHER_PLACE}")
    return error


def _remove_if_empty(path: Path) -> None:
    with suppress(OSError):
        path.rmdir()


def write_list(folder: Path, command: str, files: Iterable[str]) -> None:
    """Write which command made a folder, and every file of it.

    Parameters
    ----------
    folder : Path
    command : str
    files : iterable of str
        With ``/`` between folders; the list itself is added.
    """
    document = {
        "command": command,
        "software": {"name": SOFTWARE, "version": version(SOFTWARE)},
        "files": sorted({LIST, *files}),
    }
    write_file(folder / LIST, json.dumps(document, indent=2) + "\n")


def claim_file(
    out: StrPath | Claim,
    *,
    command: str,
    suffix: str,
    inputs: Sequence[StrPath | None] = (),
    force: bool = False,
) -> Claim:
    """Find whether a command may write one file at a place, before it begins to work.

    Parameters
    ----------
    out : path or Claim
        A claim is handed through.
    command : str
    suffix : str
        That its name must have: ``.html``.
    inputs : sequence of path
        All that the command reads.
    force : bool
        Write over a file that is not of this command.

    Returns
    -------
    Claim

    Raises
    ------
    OutputError
        The place is an input or lies in one, is a folder or in none, has another suffix, is
        somebody else's, or cannot be written.
    """
    if isinstance(out, Claim):
        return out
    path = real_place(out)
    _refuse_inputs(out, path, inputs)
    if path.is_dir():
        raise OutputError(f"{out}: expected the name of a file, got a folder; {ANOTHER_PLACE}")
    if Path(out).suffix.lower() != suffix:
        raise OutputError(
            f"{out}: expected a name that ends in {suffix}, which is what `atlas {command}` "
            "writes; choose another name"
        )
    if not path.parent.is_dir():
        raise OutputError(
            f"{out}: expected a file in a folder that is there, got no such folder; {ANOTHER_PLACE}"
        )
    _refuse_unwritable(out, path)
    if path.exists() and not force:
        maker = written_by(path)
        if maker != command:
            got = f"a file of `atlas {maker}`" if maker else "another file"
            raise OutputError(
                f"{out}: expected nothing there or a file that `atlas {command}` wrote, got {got}; "
                f"{ANOTHER_PLACE}, or --force to write over it"
            )
    return Claim(path, command, force=force)


@contextmanager
def new_result_file(claim: Claim) -> Iterator[Path]:
    """A place beside that of a claim, which takes it if the block succeeds.

    Parameters
    ----------
    claim : Claim
        Of :func:`claim_file`.

    Yields
    ------
    Path
        Of the same suffix.

    Raises
    ------
    OutputError
        The place cannot be written.
    """
    path = claim.path
    with ExitStack() as stack:
        try:
            clear_abandoned(path)
            place = stack.enter_context(holder(path)) / f"{NEW}{path.suffix}"
        except OSError as error:
            raise _unwritable(path, error) from None
        with _named(path):
            yield place
            place.replace(path)


def write_result_file(claim: Claim, content: bytes | str) -> Path:
    """Write one file whole or not at all: text as UTF-8."""
    with new_result_file(claim) as place:
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return claim.path


def signature(command: str) -> str:
    """What a single file says of itself, in the place its format has for it."""
    return f"{SOFTWARE} {command}"


def written_by(path: Path) -> str | None:
    """The command that wrote a single file, as it says itself; None for any other file."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".html":
            head = _head(path)
            return _signed(head, rb'content="%s ([a-z]+)"') or old_page(head)
        if suffix == ".png":
            return _signed(_head(path), rb"tEXtSoftware\0%s ([a-z]+)")
        if suffix == ".npz":
            return _npz_maker(path)
        if suffix in (".h5", ".hdf5"):
            return _hdf5_maker(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return None


def real_place(out: StrPath) -> Path:
    """Where a path leads: absolute, links followed."""
    try:
        return Path(os.path.realpath(out))
    except (OSError, ValueError) as error:
        raise OutputError(f"{str(out)!r}: cannot be written ({error}); {ANOTHER_PLACE}") from None


def _refuse_inputs(out: StrPath, path: Path, inputs: Sequence[StrPath | None]) -> None:
    for given in inputs:
        if given is None:
            continue
        source = real_place(given)
        if path == source or _same_file(path, source):
            how = "is what is read"
        elif path in source.parents:
            how = f"holds {given}, which is read"
        elif source in path.parents:
            how = f"lies in {given}, which is read"
        else:
            continue
        raise OutputError(
            f"{out}: expected a place apart from all that is read, got one that {how}; "
            f"{ANOTHER_PLACE}"
        )


def _same_file(path: Path, source: Path) -> bool:
    """Whether two names are of one file: hard links, or a disk that knows no upper case."""
    try:
        return path.samefile(source)
    except OSError:
        return False


def _refuse_unwritable(out: StrPath, path: Path) -> None:
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() and place != path:
        raise OutputError(
            f"{out}: cannot be written ({place} is a file, not a folder); {ANOTHER_PLACE}"
        )
    if place == path and path.is_file():
        place = path.parent
    if not os.access(place, os.W_OK | os.X_OK):
        raise OutputError(
            f"{out}: cannot be written ({place} is read-only for you); {ANOTHER_PLACE}"
        )


def _held(path: Path) -> tuple[str | None, frozenset[str]]:
    """Which command wrote a folder, and its files; (None, nothing) where none did."""
    place = path / LIST
    if not place.is_file():
        return old_result(path) or (None, frozenset())
    try:
        if place.stat().st_size > MOST_LIST_BYTES:
            return None, frozenset()
        document = json.loads(place.read_bytes())
        command, files, maker = (
            document["command"],
            document["files"],
            document["software"]["name"],
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None, frozenset()
    if maker != SOFTWARE or not isinstance(command, str) or not isinstance(files, list):
        return None, frozenset()
    return command, frozenset(filter(_is_inside, files))


def _is_inside(name: object) -> bool:
    """Whether a list may name this: a file within its folder, whoever wrote the list."""
    return isinstance(name, str) and not (
        Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name
    )


def _in_the_way(path: Path, names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (
        f"{path}: expected no file of others where the result has one, got "
        f"{', '.join(names[:MOST_NAMES])}{more}; the place is as it was: move them away, "
        f"{ANOTHER_PLACE}, or --force to write over files"
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 14)


def _signed(content: bytes, pattern: bytes) -> str | None:
    found = re.search(pattern % re.escape(SOFTWARE.encode()), content)
    return found[1].decode() if found else None


def _npz_maker(path: Path) -> str | None:
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        said = json.loads(str(file["provenance"]))
    named = isinstance(said, dict) and said.get("software", {}).get("name") == SOFTWARE
    return "export" if named and said.get("format") == "npz" else None


def _hdf5_maker(path: Path) -> str | None:
    import h5py

    with h5py.File(path, "r") as file:
        if "atlas" in file:
            return "build"
        builder = file["modelinfo/modelBuilder-0/builderName"][()]
    text = builder.decode("utf-8", "replace") if isinstance(builder, bytes) else str(builder)
    return "export" if text.startswith(SOFTWARE) else None
