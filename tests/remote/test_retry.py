import pytest

from atlas.data.remote.retry import (
    HEADWAY_BYTES,
    FetchError,
    Headway,
    Patience,
    TransientError,
)


def test_waits_double_up_to_the_longest_and_then_it_is_given_up():
    waits = []
    patience = Patience(attempts=6, longest_wait_s=5.0, wait=waits.append, draw=lambda: 1.0)

    def action():
        raise TransientError("http://x: the server answers 503")

    with pytest.raises(FetchError, match=r"answers 503; given up after 6 attempts: try again late"):
        patience.keep_trying(action)
    assert waits == [1, 2, 4, 5, 5]


def test_jitter_draws_between_half_and_all_of_the_wait():
    waits = []
    for drawn in (0.0, 0.5, 1.0):
        patience = Patience(wait=waits.append, draw=lambda drawn=drawn: drawn)
        patience.pause(2, TransientError(""))
    assert waits == [1.0, 1.5, 2.0]


def test_what_the_server_asks_for_counts_instead():
    waits = []
    patience = Patience(wait=waits.append)
    patience.pause(1, TransientError("", retry_after_s=17.0))
    assert waits == [17.0]
    with pytest.raises(FetchError, match="busy; the server asks to wait 3600 s"):
        patience.pause(1, TransientError("busy", retry_after_s=3600.0))


def test_an_action_that_recovers_gives_its_answer():
    failures = [TransientError("once"), TransientError("twice")]

    def action():
        if failures:
            raise failures.pop()
        return 42

    assert Patience(wait=lambda _s: None).keep_trying(action) == 42


def test_a_failure_that_cannot_pass_is_not_repeated():
    calls = []

    def action():
        calls.append(1)
        raise FetchError("gone")

    with pytest.raises(FetchError, match="gone"):
        Patience().keep_trying(action)
    assert len(calls) == 1


class Clock:
    """Seconds that pass only where somebody waits."""

    def __init__(self):
        self.now = 0.0

    def wait(self, seconds):
        self.now += seconds


def test_time_without_headway_ends_patience_whatever_the_attempts():
    clock = Clock()
    patience = Patience(wait=clock.wait, draw=lambda: 1.0, clock=lambda: clock.now, stall_s=60.0)
    headway = Headway(patience)
    clock.wait(59.5)
    with pytest.raises(FetchError, match=r"broke; given up after 60 s that brought less"):
        headway.failed(TransientError("broke"))
    assert clock.now < 62


def test_headway_gives_time_and_attempts_anew():
    clock = Clock()
    headway = Headway(Patience(attempts=2, wait=clock.wait, clock=lambda: clock.now, stall_s=60.0))
    for _ in range(5):
        headway.failed(TransientError("broke"))
        clock.wait(50)
        headway.brought(HEADWAY_BYTES)
        assert headway.left_s() == pytest.approx(60)


def test_a_server_that_asks_for_more_time_than_is_left_is_given_up():
    clock = Clock()
    headway = Headway(Patience(wait=clock.wait, clock=lambda: clock.now, stall_s=60.0))
    headway.failed(TransientError("busy", retry_after_s=40.0))
    with pytest.raises(FetchError, match=r"asks to wait 40 s, more than the 20 s that are left of"):
        headway.failed(TransientError("busy", retry_after_s=40.0))
