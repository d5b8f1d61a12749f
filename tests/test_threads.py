"""Threads of the linear algebra: one inside, as before outside."""

from threadpoolctl import threadpool_info, threadpool_limits

from atlas.threads import one_thread


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
