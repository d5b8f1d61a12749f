"""Figures of a build, drawn in a process of their own while the build goes on.

Figures and tables of a build do not depend on each other, and matplotlib takes longer to load than
most stages take.  The process is a fresh interpreter that gets what to show through a pipe and
gives the pictures back through another: nothing is forked, no main module is imported, and it
never touches the folder of the build.  It ends by itself as soon as its pipes close, so a build
that is killed leaves nobody behind.  Whatever goes wrong there, the pictures are then drawn here:
what is wrong with the data is raised here as it always was.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.figures.build_figures import draw_figures, pack, shown, unpack, write_pictures
from atlas.pools import end_when
from atlas.surroundings import own_environment

if TYPE_CHECKING:
    from atlas.data.dataset import Dataset
    from atlas.model.shape_model import ShapeModel
    from atlas.procrustes.alignment import Alignment

# The path is that of the parent: the working folder may hold another package of our name.
CHILD = """
import sys
sys.path[:] = sys.argv[1:]
from analysis.figure_process import draw_for_parent
draw_for_parent()
"""

LENGTH_BYTES = 8
Finish = Callable[[Path], list[Path]]
Begin = Callable[["Alignment", "ShapeModel", "Dataset"], Finish]


@contextmanager
def figures_beside() -> Iterator[Begin]:
    """Draw the figures of a build beside it.

    Registered as an entry point ``atlas.products_beside``.

    Yields
    ------
    callable
        Of alignment, model and dataset; begins to draw, and returns a callable that, given the
        folder of the atlas, writes ``figures/`` in it and returns the files.

    Notes
    -----
    The process is there from the first moment, so that it loads its libraries while the build reads
    annotations; it is ended with the block.  There is none where it would not help: on one core,
    and where matplotlib is loaded already.
    """
    with ExitStack() as stack:
        process = _start() if _helps() else None
        if process is not None:
            stack.callback(_end, process)
            thread = stack.enter_context(ThreadPoolExecutor(1))
            # The last to come is the first to go: the thread waits for the process.
            stack.callback(process.kill)

        def begin(alignment: Alignment, model: ShapeModel, dataset: Dataset) -> Finish:
            what = shown(alignment, model, dataset.subjects[0], dataset.notice)
            drawn = thread.submit(_ask, process, pack(what)) if process is not None else None
            return lambda out: write_pictures(_received(drawn) or draw_figures(what), out)

        yield begin


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _helps() -> bool:
    # An application that embeds Python is its own executable, and would open another window.
    interpreter = Path(sys.executable or "").name.lower().startswith(("python", "pypy"))
    return cores() > 1 and interpreter and "matplotlib" not in sys.modules


def _start() -> subprocess.Popen[bytes] | None:
    try:
        path = [str(Path(place).absolute()) for place in sys.path]
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-c", CHILD, *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # matplotlib looks for settings in the working folder first.
            cwd=Path(__file__).parent,
            env=own_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError:
        return None


def _ask(process: subprocess.Popen[bytes], content: bytes) -> bytes:
    """Give the process what to show; its answer once it has ended, nothing where it failed."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(announced(content))
        process.stdin.flush()
    except OSError:
        return b""
    # Its input stays open: that it closes says that this process is gone.
    answer = process.stdout.read()
    return answer if process.wait() == 0 else b""


def announced(content: bytes) -> bytes:
    """What to show as the process takes it: how much it is, and then it."""
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # What it was not given in time is of no use to anybody.
            with suppress(OSError):
                pipe.close()


def _received(drawn: Future[bytes] | None) -> list[tuple[str, bytes]]:
    """The pictures that the process drew; none where it failed."""
    answer = drawn.result() if drawn is not None else b""
    if not answer:
        return []
    with np.load(io.BytesIO(answer), allow_pickle=False) as file:
        return [(name, file[name].tobytes()) for name in file.files]


def draw_for_parent() -> None:
    """Draw what comes through standard input, give the pictures to standard output, and end."""
    # Ctrl-C reaches every process of a terminal; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = os.fdopen(os.dup(1), "wb")
    # What a library prints is not for the parent.
    os.dup2(2, 1)
    given: Queue[bytes] = Queue()
    end_when(lambda: _receive(given))
    import analysis.figures.atlas_figures  # noqa: F401  loaded while the parent reads

    # None of it will go: the collector need not look at it again for each figure.
    gc.freeze()
    pictures: dict[str, Any] = {
        name: np.frombuffer(picture, np.uint8)
        for name, picture in draw_figures(unpack(given.get()))
    }
    with answer:
        np.savez(answer, **pictures)
    # At once: to take a process of this size down in order takes a tenth of a second.
    os._exit(0)


def _receive(given: Queue[bytes]) -> None:
    """Take what is to be shown; return when the parent is gone, or refused its data."""
    with os.fdopen(os.dup(0), "rb") as source:
        size = int.from_bytes(source.read(LENGTH_BYTES), "big")
        content = source.read(size)
        if not size or len(content) < size:
            return
        given.put(content)
        source.read(1)
