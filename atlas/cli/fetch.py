"""``atlas fetch``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.cli.app import app, plain_errors
from atlas.cli.terminal import as_markup, open_console, say

if TYPE_CHECKING:
    from atlas.data.remote.fetching import Fetched


@app.command()
def fetch(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to fetch into; made if not there.")
    ] = Path("lumbosacral-data"),
    what: Annotated[
        str,
        typer.Option(
            help="By comma: markers, participants, quality, models (0.6 GB), images (1.2 GB), "
            "description; or all."
        ),
    ] = "markers,participants",
    subjects: Annotated[
        str | None,
        typer.Option(help="By comma: only these, of markers, models and images: sub-03,…"),
    ] = None,
) -> None:
    """Fetch the published dataset: resumed where it broke off, checked, never fetched twice.

    A server that does not go on is given up after six failures in a row, or 60 seconds that brought
    less than 64 KiB, waits included; what came is kept, and the same command goes on from there.
    A file that is announced with more than 16 GiB is refused.

    ATLAS_FIGSHARE_URL points it to a mirror; proxies are those of the environment.
    """
    with plain_errors(), _watched() as progress:
        from atlas.data.remote.fetching import fetch as fetch_published

        results = fetch_published(
            folder,
            what=what.split(","),
            subjects=() if subjects is None else _named(subjects),
            progress=progress,
        )
    for result in results:
        say(_line(result))
    _print_licence(results)
    if (folder / "markers").is_dir():
        say(f"\nNext: atlas check {folder}, then atlas build {folder} -o OUT")


def _named(text: str) -> list[str]:
    from atlas.errors import AtlasError

    names = text.split(",")
    if not all(name.strip() for name in names):
        raise AtlasError(f"--subjects: expected names like sub-03 with commas, got {text!r}")
    return names


def _line(result: Fetched) -> str:
    size = sum(written.size for written in result.files.values()) / 1e6
    state = "there already" if result.reused else "fetched"
    return (
        f"{result.item.what:13} {state:14} {len(result.files)} files, {size:.1f} MB, checked by "
        f"{result.source.get('verified_by')}: {result.place}"
    )


def _print_licence(results: Sequence[Fetched]) -> None:
    say("")
    sources = {r.source.get("doi"): r.source for r in results}
    for source in sources.values():
        say(
            f"{source.get('title')} (version {source.get('version')}), doi {source.get('doi')}, "
            f"licence {source.get('licence')} {source.get('licence_url')}"
        )
    cited = dict.fromkeys(str(r.source.get("cite")) for r in results)
    say("Cite these, and: " + "; ".join(cited) + ".")


@contextmanager
def _watched() -> Iterator[Callable[[str, int, int], None]]:
    """Rate and time left on a terminal; quiet when piped."""
    if not sys.stderr.isatty():
        yield lambda _name, _done, _total: None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=open_console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                # What an earlier call left is no speed of this one.
                tasks[name] = bars.add_task(as_markup(name), completed=done, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield progress
