"""How the rounds of a benchmark are judged."""

from __future__ import annotations

from statistics import median

from benchmarks.benchmark import Figure, Limit, Target
from benchmarks.table import Row
from hypothesis import given
from hypothesis import strategies as st

positive = st.floats(0.001, 1000)
figures = st.lists(st.builds(Figure, positive, positive), min_size=1, max_size=6)


@given(figures, positive, st.booleans())
def test_a_value_is_judged_by_the_median_that_the_table_shows(rounds, bound, at_least):
    row = Row("any", Target("x", "x", "s", must=Limit(bound, at_least=at_least)), rounds)
    shown = row.median.value
    assert row.reaches(row.target.must) == (shown >= bound if at_least else shown <= bound)


@given(figures, positive)
def test_a_ratio_is_judged_by_the_median_that_the_table_shows(rounds, bound):
    row = Row("any", Target("x", "x", "s", must=Limit(bound, "ratio")), rounds)
    assert row.ratio is not None
    assert row.reaches(row.target.must) == (row.ratio <= bound)


@given(figures, positive)
def test_a_difference_is_judged_by_the_median_of_what_was_measured_in_one_round(rounds, bound):
    row = Row("any", Target("x", "x", "s", must=Limit(bound, "difference")), rounds)
    between = median(figure.value - (figure.reference or 0) for figure in rounds)
    assert row.reaches(row.target.must) == (between <= bound)


def test_one_of_two_rounds_above_the_limit_does_not_miss_it_if_their_median_keeps_to_it():
    target = Target("x", "x", "s", must=Limit(1.1, "ratio"))
    assert Row("any", target, [Figure(1.15, 1), Figure(1, 1)]).reaches(target.must)
