"""Threads of the linear algebra: one inside, as before outside."""

from threadpoolctl import threadpool_info, threadpool_limits

from atlas.threads import MANY, one_thread, threads_for


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_one_thread_inside_and_as_before_outside():
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        with one_thread():
            assert threads() == {1}
        assert threads() == before


def test_a_function_can_be_held_to_one_thread():
    @one_thread()
    def inside():
        return threads()

    with threadpool_limits(2, user_api="blas"):
        assert inside() == {1}


def test_few_shapes_are_worked_on_by_one_thread_and_many_by_all():
    with threadpool_limits(2, user_api="blas"):
        with threads_for(14):
            assert threads() == {1}
        with threads_for(MANY):
            assert 2 in threads()
        assert 2 in threads()
