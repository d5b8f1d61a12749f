"""What can go wrong with a connection, and how long to wait before trying again.

Exponential backoff with jitter, as https://datatracker.ietf.org/doc/html/rfc6585 leaves it to the
client where no ``Retry-After`` says otherwise.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from atlas.errors import AtlasError

Answer = TypeVar("Answer")
# Less than this is no headway: a connection that brought less before it broke counts as a failure
# in a row, and one that takes longer for it than patience lasts is given up.
HEADWAY_BYTES = 1 << 16


class FetchError(AtlasError):
    """A file that could not be fetched; the text says where, why and what to do."""


class TransientError(FetchError):
    """A failure that may pass; ``retry_after_s`` is what the server asks for, or None."""

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class RangeError(FetchError):
    """A server that does not serve the part that was asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Patience:
    """How often and how long to wait: exponential backoff with full jitter.

    Parameters
    ----------
    attempts : int
        Failures in a row after which it is given up.
    first_wait_s, longest_wait_s : float
        Before attempt k the wait is drawn from 0.5 to 1 times ``first_wait_s`` 2^k, capped; what a
        server asks for by ``Retry-After`` counts instead, and is refused beyond the cap.
    timeout_s : float
        Silence of a connection that counts as its end.
    stall_s : float
        Time without headway, over all attempts and waits, after which it is given up.
    wait, draw, clock : callable
        Waiting, a number from 0 to 1, and seconds; tests bring their own.
    """

    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0
    timeout_s: float = 30.0
    stall_s: float = 60.0
    wait: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic

    def pause(self, failures: int, error: TransientError) -> None:
        """Wait after so many failures in a row; raises what cannot be waited for."""
        if failures >= self.attempts:
            raise FetchError(f"{error}; given up after {failures} attempts: try again later")
        if error.retry_after_s is None:
            longest = min(self.longest_wait_s, self.first_wait_s * 2 ** (failures - 1))
            self.wait(longest * (0.5 + 0.5 * self.draw()))
        elif error.retry_after_s <= self.longest_wait_s:
            self.wait(error.retry_after_s)
        else:
            raise FetchError(f"{error}; the server asks to wait {error.retry_after_s:.0f} s")

    def keep_trying(self, action: Callable[[], Answer]) -> Answer:
        """The answer of an action that is repeated while its failures may pass."""
        return Headway(self).keep_trying(action)


class Headway:
    """Whether a transfer gets on: what it brought since it last did, and its failures since then.

    Parameters
    ----------
    patience : Patience
        Begins to run out at once.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since = patience.clock()
        self._bytes = self._failures = 0

    def left_s(self) -> float:
        """Seconds until it is given up if nothing comes."""
        return self._since + self._patience.stall_s - self._patience.clock()

    @property
    def timeout_s(self) -> float:
        """Silence that a connection may have now."""
        return max(0.01, min(self._patience.timeout_s, self.left_s()))

    def brought(self, count: int) -> None:
        """So many new bytes came."""
        self._bytes += count
        if self._bytes >= HEADWAY_BYTES:
            self._since = self._patience.clock()
            self._bytes = self._failures = 0

    def failed(self, error: TransientError) -> None:
        """Wait after a failure; FetchError where patience ends."""
        self._failures += 1
        self._bytes = 0
        self._expect_time(error)
        left = self.left_s()
        if error.retry_after_s is not None and error.retry_after_s > left:
            raise FetchError(
                f"{error}; the server asks to wait {error.retry_after_s:.0f} s, more than the "
                f"{left:.0f} s that are left of {self._patience.stall_s:.0f}: try again later"
            )
        self._patience.pause(self._failures, error)
        self._expect_time(error)

    def keep_trying(self, action: Callable[[], Answer]) -> Answer:
        """The answer of an action that is repeated while its failures may pass."""
        while True:
            try:
                return action()
            except TransientError as error:
                self.failed(error)

    def _expect_time(self, error: TransientError) -> None:
        if self.left_s() <= 0:
            raise FetchError(
                f"{error}; given up after {self._patience.stall_s:.0f} s that brought less than "
                f"{HEADWAY_BYTES >> 10} KiB: try again later"
            )
