"""How many threads linear algebra takes: one, where matrices are small and many.

Sharing a small matrix among threads takes longer than working on it, several times longer where
another process wants the same cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for the linear algebra within the block; what it was before comes back."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def one_thread_from_now_on() -> None:
    """One thread for the linear algebra of this process: others share the cores with it."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
