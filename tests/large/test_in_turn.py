"""Tasks are begun a few at a time, whatever their number, and come back in order."""

import pytest

from atlas.large.in_turn import AHEAD, in_turn


class Done:
    def __init__(self, value):
        self.value = value

    def result(self):
        return self.value


@pytest.mark.parametrize("count", [0, 1, AHEAD, 2 * AHEAD, 50])
def test_outcomes_come_in_the_order_of_the_items(count):
    assert list(in_turn(lambda i: Done(-i), range(count), 2)) == [-i for i in range(count)]


def test_the_first_tasks_are_begun_before_anybody_asks():
    begun = []
    in_turn(lambda i: begun.append(i) or Done(i), range(100), 3)
    assert begun == list(range(3 * AHEAD))


def test_no_more_are_begun_than_may_wait():
    begun = []
    outcomes = in_turn(lambda i: begun.append(i) or Done(i), range(100), 2)
    for asked in range(100):
        assert next(outcomes) == asked
        assert len(begun) - asked <= 2 * AHEAD + 1


def test_an_outcome_that_was_given_is_let_go():
    import weakref

    class Large:
        pass

    outcomes = in_turn(lambda _: Done(Large()), range(100), 2)
    first = weakref.ref(next(outcomes))
    next(outcomes)
    assert first() is None
