"""The application itself: exit codes, errors in one line, progress, console."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from atlas.cli.terminal import as_markup, open_console, say, take_any_text
from atlas.errors import AtlasError, MachineError
from atlas.surroundings import FOREIGN, own_plotting


class Exit(IntEnum):
    """What an exit code says; one above 128 is a signal's, as shells have it."""

    DONE = 0
    FINDINGS = 1
    BAD_INPUT = 2
    FAILED = 3
    DEFECT = 70


class StoppedError(BaseException):
    """A signal asked this process to end; what is under way is taken back on the way out."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


class Application(typer.Typer):
    """The application, which says in one line why it could not finish."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, apart from the surroundings; whatever happens has its exit code."""
        take_any_text()
        leave_surroundings()
        with _signals():
            try:
                return super().__call__(*args, **kwargs)
            except StoppedError as stopped:
                name = signal.Signals(stopped.number).name
                sys.exit(_said(f"stopped by {name}: {WHOLE}", 128 + stopped.number))
            except AtlasError as error:
                sys.exit(_said(str(error), _code_of(error)))
            except MemoryError:
                sys.exit(_said(f"out of memory: {AS_IT_WAS}; give the work more", Exit.FAILED))
            except OSError as error:
                sys.exit(_said(f"{_told(error)}: {AS_IT_WAS}; {_cure(error)}", Exit.FAILED))
            except Exception:
                traceback.print_exc()
                sys.exit(_said(f"this is a defect of the program: {AS_IT_WAS}", Exit.DEFECT))


def leave_surroundings() -> None:
    """Take no settings of other programs along; end where the current folder is gone."""
    try:
        Path.cwd()
    except OSError as error:
        say(
            f"atlas: current folder: expected one that is there, got none ({error.strerror}); "
            "change into another with cd",
            err=True,
        )
        raise SystemExit(Exit.BAD_INPUT) from None
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(own_plotting())
    # Where matplotlib keeps its list of fonts is nothing to tell of.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    if sys.warnoptions:
        # Meant for the user's own programs: a warning of a library would end the command.
        sys.warnoptions.clear()
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)


app = Application(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Statistical atlas of the human lumbosacral cord, its sac and its nerve roots. "
    "Research software; not a medical device.",
)

WHOLE = "what stands at the place of the result is whole, as it was or new"
AS_IT_WAS = "what stood at the place of the result is as it was"
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Write over files of others at the place of the result; never over an input.",
    ),
]
PIPE_WIDTH = 120


@contextmanager
def plain_errors() -> Iterator[None]:
    """Bad input gets one clear message and its exit code; a defect of ours keeps its traceback."""
    try:
        yield
    except AtlasError as error:
        say(f"atlas: {error}", err=True)
        raise typer.Exit(_code_of(error)) from None


def _code_of(error: AtlasError) -> Exit:
    return Exit.FAILED if isinstance(error, MachineError) else Exit.BAD_INPUT


def _said(text: str, code: int) -> int:
    say(f"atlas: {text}", err=True)
    return int(code)


def _told(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    if error.errno == errno.ENOENT and not place and not _has_working_folder():
        return "the working folder is not there any more"
    return f"{place}{error.strerror or error}"


def _has_working_folder() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False


def _cure(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "make room and run it again"
    return "mend that, or choose another place, and run it again"


@contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT unwind the work like an error; a second one ends it at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        raise StoppedError(number)

    numbers = (signal.SIGTERM, signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # One that is ignored already, as under nohup, stays so.
    before = {n: signal.getsignal(n) for n in numbers}
    for n, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(n, stop)
    try:
        yield
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


def refuse_idle(option: str, needs: str, *, given: bool, used: bool) -> None:
    """Refuse an option that would change nothing: AtlasError says what it goes together with."""
    if given and not used:
        raise AtlasError(f"{option}: expected it together with {needs}; else it changes nothing")


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show the running stage on a terminal; stay quiet when piped."""
    if not sys.stderr.isatty():
        yield lambda _name: None
        return
    console = open_console(stderr=True)
    with console.status("") as status:

        def stage(name: str) -> None:
            status.update(f"{as_markup(name)} …")

        yield stage


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Options of every command."""
    if version:
        from atlas import __version__

        say(f"atlas {__version__}")
        raise typer.Exit(Exit.DONE)
