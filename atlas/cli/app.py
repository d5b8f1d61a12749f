"""The application itself: exit codes, errors in one line, progress, console."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from atlas.cli.terminal import as_markup, open_console, say, take_any_text
from atlas.surroundings import FOREIGN, own_plotting


class Exit(IntEnum):
    """What an exit code says."""

    DONE = 0
    FINDINGS = 1
    BAD_INPUT = 2


class Command(typer.Typer):
    """The application, apart from the surroundings that the user called it in."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the command that was typed."""
        take_any_text()
        leave_surroundings()
        return super().__call__(*args, **options)


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


app = Command(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Statistical atlas of the human lumbosacral cord, its sac and its nerve roots. "
    "Research software; not a medical device.",
)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Bad input gets one clear message and exit code 2; a defect of ours keeps its traceback."""
    from atlas.errors import AtlasError

    try:
        yield
    except AtlasError as error:
        say(f"atlas: {error}", err=True)
        raise typer.Exit(Exit.BAD_INPUT) from None


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
