"""The application itself: exit codes, errors in one line, progress, console."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Statistical atlas of the human lumbosacral cord, its sac and its nerve roots. "
    "Research software; not a medical device.",
)


PIPE_WIDTH = 120


class Exit(IntEnum):
    """What an exit code says."""

    DONE = 0
    FINDINGS = 1
    BAD_INPUT = 2


@contextmanager
def plain_errors() -> Iterator[None]:
    """Bad input gets one clear message and exit code 2; a defect of ours keeps its traceback."""
    from atlas.errors import AtlasError

    try:
        yield
    except AtlasError as error:
        typer.echo(f"atlas: {error}", err=True)
        raise typer.Exit(Exit.BAD_INPUT) from None


def refuse_idle(option: str, needs: str, *, given: bool, used: bool) -> None:
    """Refuse an option that would change nothing: AtlasError says what it goes together with."""
    from atlas.errors import AtlasError

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
            status.update(f"{name} …")

        yield stage


def open_console(*, stderr: bool = False) -> Console:
    """A console on standard output, or on standard error."""
    from rich.console import Console

    # A pipe has no width of its own: give tables the room they need instead of cutting them.
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=width)


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Options of every command."""
    if version:
        from atlas import __version__

        typer.echo(f"atlas {__version__}")
        raise typer.Exit(Exit.DONE)
