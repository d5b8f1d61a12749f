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
    wait, draw : callable
        The clock and a number from 0 to 1; tests bring their own.
    """

    attempts: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 120.0
    timeout_s: float = 30.0
    wait: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random

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
        failures = 0
        while True:
            try:
                return action()
            except TransientError as error:
                failures += 1
                self.pause(failures, error)
