"""`runtime.seeds`: each task has random numbers of its own, the same in every run of one seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metaflow_core.model.task import TaskKey
from metaflow_core.runtime.seeds import new_seed, stream

KEYS = st.builds(
    TaskKey, st.sampled_from(["a", "b", "ab"]), st.lists(st.integers(0, 200), max_size=3).map(tuple)
)


@given(st.integers(0, 2**31), st.lists(KEYS, unique=True, min_size=2, max_size=20))
def test_no_two_tasks_of_a_run_have_one_stream(seed, keys):
    assert len({stream(seed, key) for key in keys}) == len(keys)


@given(st.integers(0, 2**31), KEYS)
def test_a_stream_follows_from_the_seed_and_the_place(seed, key):
    assert stream(seed, key) == stream(seed, TaskKey(key.step, key.indexes))
    assert stream(seed, key) != stream(seed + 1, key)


def test_a_stream_is_the_whole_state_of_a_mersenne_twister():
    assert len(stream(1, TaskKey("start"))) == 624 * 4


def test_a_stream_is_the_same_on_every_machine():
    assert stream(1, TaskKey("body", (2, 0)))[:8].hex() == "f34c08165ecae666"


def test_a_new_seed_is_one_that_r_takes():
    assert all(0 <= new_seed() < 2**31 for _ in range(100))
