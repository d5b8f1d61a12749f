"""Processes of a pool that never outlive the one that started them.

Each worker holds one end of a pipe and ends itself when the other end closes.  The system closes
that when the parent dies, however it dies; the parent closes it when it leaves by an error or a
signal.  Ctrl-C, which a terminal sends to all, is the parent's to answer.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from atlas.errors import MachineError
from atlas.threads import one_thread_from_now_on

STOPS = (signal.SIGINT, signal.SIGTERM)


class WorkerEndedError(MachineError):
    """A worker that did not live until the end; the text says what to do."""


@contextmanager
def worker_pool(
    count: int,
    *,
    begin: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
    advice: str,
) -> Iterator[ProcessPoolExecutor]:
    """Processes for tasks that are functions of a module, for as long as the block runs.

    Parameters
    ----------
    count : int
        How many.
    begin : callable, optional
        Called in each of them before its first task.
    given : tuple
        Its arguments.
    advice : str
        What to do where a worker was ended.

    Yields
    ------
    concurrent.futures.ProcessPoolExecutor
        None of its processes is alive after the block.

    Raises
    ------
    WorkerEndedError
        A worker was ended from outside.
    """
    theirs, ours = get_context("spawn").Pipe(duplex=False)
    executor = _Pool(
        count, mp_context=get_context("spawn"), initializer=_begin, initargs=(theirs, begin, given)
    )
    try:
        yield executor
    except BrokenProcessPool:
        raise WorkerEndedError(
            f"workers: expected {count} processes until the end, got one that was ended, as the "
            f"system does where memory runs out; {advice}"
        ) from None
    except BaseException:
        ours.close()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        for end in (ours, theirs):
            end.close()


class _Pool(ProcessPoolExecutor):
    def submit(self, task: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """Hand out a task; a process that this starts gets no signal before it is ready for it."""
        with _signals_held():
            return super().submit(task, *args, **more)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Signals wait, for this thread and for processes started by it, which let them through."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: Connection, begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    end_when(lambda: _closed(parent))
    one_thread_from_now_on()
    if begin is not None:
        begin(*given)


def end_when(gone: Callable[[], object]) -> None:
    """End this process, whatever it does, when a call that waits for something returns."""

    def wait() -> None:
        gone()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _closed(parent: Connection) -> None:
    try:
        parent.recv_bytes()
    except (EOFError, OSError):
        return
