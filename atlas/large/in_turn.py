"""Tasks handed out a few at a time: what nobody has asked for yet must not fill the memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Outcome_co = TypeVar("Outcome_co", covariant=True)
# Tasks begun for each worker before their outcomes are asked for: enough that none waits.
AHEAD = 4


class Promise(Protocol[Outcome_co]):
    """What a task gives when it is done, here or elsewhere."""

    def result(self) -> Outcome_co:
        """Wait for it."""


def in_turn(
    submit: Callable[[Item], Promise[Outcome_co]], items: Iterable[Item], workers: int
) -> Iterator[Outcome_co]:
    """Outcomes in the order of the items, the first tasks begun at once.

    Parameters
    ----------
    submit : callable
        Hands out the task of an item.
    items : iterable
    workers : int
        At most :data:`AHEAD` tasks for each of them, and one more, are begun or done and not yet
        asked for.

    Returns
    -------
    iterator
        Each outcome is let go as soon as it was given.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as threads:
    ...     list(in_turn(lambda x: threads.submit(abs, x), range(-3, 0), 2))
    [3, 2, 1]
    """
    left = iter(items)
    begun = deque(submit(item) for item in islice(left, AHEAD * workers))
    return _taken(begun, submit, left)


def _taken(
    begun: deque[Promise[Outcome_co]],
    submit: Callable[[Item], Promise[Outcome_co]],
    left: Iterator[Item],
) -> Iterator[Outcome_co]:
    for item in left:
        begun.append(submit(item))
        yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
