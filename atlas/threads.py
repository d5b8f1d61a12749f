"""How many threads linear algebra takes: one, where matrices are small and many.

Sharing a small matrix among threads takes longer than working on it, several times longer where
another process wants the same cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any

# Shapes from which on threads of the linear algebra help more than they hinder.
MANY = 64


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for the linear algebra within the block; what it was before comes back."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def threads_for(shapes: int) -> AbstractContextManager[Any]:
    """One thread where shapes are few; as many as there are where they are many.

    Quick enough for work of a millisecond: the libraries are looked for once.
    """
    return nullcontext() if shapes >= MANY else _controller().limit(limits=1, user_api="blas")


@lru_cache(maxsize=1)
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_thread_from_now_on() -> None:
    """One thread for the linear algebra of this process: others share the cores with it."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
