"""Each rule of the scheduler: these events, those actions."""

from __future__ import annotations

import pickle

import pytest

from metaflow_core.model.flow import Flow, Step
from metaflow_core.model.task import Failure, Outcome, TaskKey
from metaflow_core.scheduler.events import (
    AttemptFailed,
    AttemptSucceeded,
    CancelAttempt,
    FailureCaught,
    FinishRun,
    Interrupted,
    LaunchAttempt,
    Limits,
    RecordCaught,
    RetryDue,
    RunStarted,
    ScheduleRetry,
    StepPolicy,
)
from metaflow_core.scheduler.scheduler import InvalidTransition, Scheduler
from metaflow_core.scheduler.snapshot import Waiting

ERROR = Failure("error", "no luck")
HOPELESS = Failure("error", "no use", retriable=False)
STOPPED = Failure("stopped", "because of start")

START, A, B, JOIN, END = map(TaskKey, ("start", "a", "b", "join", "end"))

BRANCH = Flow.of(
    "BranchFlow",
    Step("start", ("a", "b")),
    Step("a", ("join",)),
    Step("b", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)
FOREACH = Flow.of(
    "ForeachFlow",
    Step("start", ("body",), foreach="items"),
    Step("body", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)
SWITCH = Flow.of(
    "SwitchFlow",
    Step("start", ("a", "b"), condition="size", cases={"big": "a", "small": "b"}),
    Step("a", ("c",)),
    Step("b", ("c",)),
    Step("c", ("end",)),
    Step("end"),
)


def body(index: int) -> TaskKey:
    return TaskKey("body", (index,))


def launch(task: TaskKey, *parents: TaskKey, attempt: int = 0) -> LaunchAttempt:
    return LaunchAttempt(task, attempt, parents)


def success(task: TaskKey, attempt: int = 0, **outcome) -> AttemptSucceeded:
    return AttemptSucceeded(task, attempt, Outcome(**outcome))


def failure(task: TaskKey, attempt: int = 0, why: Failure = ERROR) -> AttemptFailed:
    return AttemptFailed(task, attempt, why)


def started(flow: Flow, *events, policies=None, **limits) -> Scheduler:
    """A scheduler to which this has happened."""
    scheduler = Scheduler(flow, policies or {}, Limits(**limits))
    for event in (RunStarted(), *events):
        scheduler.handle(event)
    return scheduler


def test_a_run_begins_with_start():
    assert Scheduler(BRANCH, {}, Limits()).handle(RunStarted()) == [launch(START)]


def test_all_branches_start_when_the_split_is_done():
    assert started(BRANCH).handle(success(START)) == [launch(A, START), launch(B, START)]


@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_a_join_waits_for_all_branches_and_gets_them_as_written(order):
    first, second = order
    scheduler = started(BRANCH, success(START))

    assert scheduler.handle(success(first)) == []
    assert scheduler.handle(success(second)) == [launch(JOIN, A, B)]


def test_a_join_gets_the_tasks_of_a_foreach_in_the_order_of_its_items():
    scheduler = started(FOREACH, success(START, num_splits=3), success(body(2)), success(body(0)))

    assert scheduler.handle(success(body(1))) == [launch(JOIN, body(0), body(1), body(2))]


def test_a_switch_starts_what_it_chose():
    assert started(SWITCH).handle(success(START, chosen="b")) == [launch(B, START)]


def test_a_run_is_successful_when_end_is_done():
    scheduler = started(BRANCH, *map(success, (START, A, B, JOIN)))

    assert scheduler.handle(success(END)) == [FinishRun("successful")]


def test_tasks_wait_for_a_free_worker():
    scheduler = started(FOREACH, success(START, num_splits=3), max_workers=2)

    assert scheduler.state().waiting[0] == Waiting(body(2), "worker slots")
    assert scheduler.handle(success(body(1))) == [launch(body(2), START)]


def test_tasks_wait_for_cpus_and_others_overtake_them():
    policies = {"a": StepPolicy(cpu=2.0), "b": StepPolicy(cpu=3.0)}
    scheduler = started(BRANCH, policies=policies, cpus=4.0)

    assert scheduler.handle(success(START)) == [launch(A, START)]
    assert scheduler.state().waiting[0] == Waiting(B, "cpus")
    assert scheduler.handle(success(A)) == [launch(B, START)]


def test_a_task_that_asks_for_more_cpus_than_there_are_runs_alone():
    policies = {"a": StepPolicy(cpu=9.0), "b": StepPolicy(cpu=1.0)}
    scheduler = started(BRANCH, policies=policies, cpus=4.0)

    assert scheduler.handle(success(START)) == [launch(A, START)]
    assert scheduler.handle(success(A)) == [launch(B, START)]


# A failed attempt

TWO_RETRIES = StepPolicy(retries=2, retry_wait_s=60.0)
CATCH = StepPolicy(catches=True)


@pytest.mark.parametrize(
    ("policy", "events", "actions"),
    [
        pytest.param(
            StepPolicy(),
            [failure(START)],
            [FinishRun("failed", ((START, ERROR),), ("a", "b", "join", "end"))],
            id="no retries: the run fails",
        ),
        pytest.param(
            TWO_RETRIES, [failure(START)], [ScheduleRetry(START, 1, 60.0)], id="budget left: retry"
        ),
        pytest.param(
            TWO_RETRIES,
            [failure(START), RetryDue(START, 1)],
            [launch(START, attempt=1)],
            id="the wait is over: launched again",
        ),
        pytest.param(
            TWO_RETRIES,
            [failure(START), RetryDue(START, 1), failure(START, 1), RetryDue(START, 2),
             failure(START, 2)],
            [FinishRun("failed", ((START, ERROR),), ("a", "b", "join", "end"))],
            id="budget spent: the run fails",
        ),
        pytest.param(
            TWO_RETRIES,
            [failure(START, why=HOPELESS)],
            [FinishRun("failed", ((START, HOPELESS),), ("a", "b", "join", "end"))],
            id="another attempt could not end otherwise: the run fails at once",
        ),
        pytest.param(
            CATCH, [failure(START)], [RecordCaught(START, 1, ERROR)], id="caught: recorded"
        ),
        pytest.param(
            CATCH,
            [failure(START), FailureCaught(START, 1)],
            [launch(A, START), launch(B, START)],
            id="recorded: the run goes on",
        ),
        pytest.param(
            StepPolicy(retries=1, catches=True),
            [failure(START), RetryDue(START, 1), failure(START, 1)],
            [RecordCaught(START, 2, ERROR)],
            id="caught after the retries",
        ),
    ],
)  # fmt: skip
def test_a_failed_attempt(policy, events, actions):
    *before, last = events

    assert started(BRANCH, *before, policies={"start": policy}).handle(last) == actions


def test_a_failed_task_stops_the_run():
    scheduler = started(FOREACH, success(START, num_splits=3), max_workers=2)

    assert scheduler.handle(failure(body(0))) == [CancelAttempt(body(1), 0, body(0))]
    assert scheduler.handle(failure(body(1), why=STOPPED)) == [
        FinishRun("failed", ((body(0), ERROR),), ("join", "end"))
    ]


def test_a_task_that_finishes_while_it_is_stopped_has_finished():
    scheduler = started(BRANCH, success(START), failure(A))

    assert scheduler.handle(success(B)) == [FinishRun("failed", ((A, ERROR),), ("join", "end"))]
    assert scheduler.state().counts["done"] == 2


def test_a_task_that_fails_by_itself_while_it_is_stopped_is_told_too():
    scheduler = started(BRANCH, success(START), failure(A))

    [finish] = scheduler.handle(failure(B, why=HOPELESS))

    assert finish.failures == ((A, ERROR), (B, HOPELESS))


def test_a_task_that_would_be_retried_has_not_failed_for_good_when_the_run_stops():
    policies = {"b": StepPolicy(retries=1)}
    scheduler = started(BRANCH, success(START), failure(A), policies=policies)

    [finish] = scheduler.handle(failure(B))

    assert finish.failures == ((A, ERROR),)


def test_a_task_that_waits_for_its_retry_is_dropped_when_the_run_stops():
    policies = {"b": StepPolicy(retries=1)}
    scheduler = started(BRANCH, success(START), failure(B), policies=policies)

    assert scheduler.handle(failure(A)) == [FinishRun("failed", ((A, ERROR),), ("join", "end"))]
    assert scheduler.handle(RetryDue(B, 1)) == []


def test_with_on_error_continue_other_branches_are_finished_first():
    scheduler = started(BRANCH, success(START), on_error="continue")

    assert scheduler.handle(failure(A)) == []
    assert scheduler.handle(success(B)) == [FinishRun("failed", ((A, ERROR),), ("join", "end"))]


def test_steps_that_the_run_was_not_bound_for_are_not_missed():
    scheduler = started(SWITCH, success(START, chosen="a"))

    [finish] = scheduler.handle(failure(A))

    assert finish.never_ran == ("c", "end")


def test_of_a_switch_that_did_not_choose_only_what_is_certain_is_missed():
    [finish] = started(SWITCH).handle(failure(START))

    assert finish.never_ran == ("c", "end")


# What a task decides


def test_a_foreach_that_is_too_large_fails_for_good_and_names_the_option():
    policies = {"start": StepPolicy(retries=3)}
    scheduler = started(FOREACH, policies=policies, max_num_splits=2)

    [finish] = scheduler.handle(success(START, num_splits=3))

    [(task, why)] = finish.failures
    assert (task, why.kind, why.retriable) == (START, "error", False)
    assert why.message == (
        "The foreach over `items` has 3 splits, more than the 2 that are allowed. "
        "Allow them with `--max-num-splits 3`."
    )


@pytest.mark.parametrize(
    ("flow", "outcome", "message"),
    [
        (FOREACH, {}, "Step `start` did not tell how many items `items` has."),
        (SWITCH, {"chosen": "end"}, "`size` chose 'end', which does not follow `start`."),
        (SWITCH, {}, "`size` chose None, which does not follow `start`."),
    ],
)
def test_a_task_that_decides_what_cannot_be_has_failed(flow, outcome, message):
    [finish] = started(flow).handle(success(START, **outcome))

    assert [why.message for _, why in finish.failures] == [message]


# The user interrupts


def test_an_interrupted_run_stops_what_runs_and_ends_as_interrupted():
    scheduler = started(BRANCH, success(START), success(A))

    assert scheduler.handle(Interrupted()) == [CancelAttempt(B, 0, None)]
    assert scheduler.handle(Interrupted()) == []
    assert scheduler.handle(failure(B, why=STOPPED)) == [
        FinishRun("interrupted", (), ("join", "end"))
    ]
    assert scheduler.handle(Interrupted()) == []


def test_a_run_whose_end_finished_all_the_same_was_successful():
    scheduler = started(BRANCH, *map(success, (START, A, B, JOIN)), Interrupted())

    assert scheduler.handle(success(END)) == [FinishRun("successful")]


def test_a_run_that_failed_before_it_was_interrupted_has_failed():
    scheduler = started(BRANCH, success(START), failure(A), Interrupted())

    [finish] = scheduler.handle(failure(B, why=STOPPED))

    assert finish.status == "failed"


def test_a_run_can_be_interrupted_before_it_starts():
    scheduler = Scheduler(BRANCH, {}, Limits())

    [finish] = scheduler.handle(Interrupted())

    assert (finish.status, finish.never_ran) == ("interrupted", tuple(BRANCH.steps))
    assert scheduler.handle(RunStarted()) == []


# Faults of the runtime


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(success(START), id="a task that is done"),
        pytest.param(success(JOIN), id="a task that has not begun"),
        pytest.param(success(A, attempt=1), id="an attempt that was not launched"),
        pytest.param(RetryDue(A, 0), id="a retry that was not asked for"),
        pytest.param(FailureCaught(A, 0), id="a failure that was not caught"),
        pytest.param(RunStarted(), id="a second start"),
    ],
)
def test_what_cannot_have_happened_is_refused(event):
    with pytest.raises(InvalidTransition):
        started(BRANCH, success(START)).handle(event)


def test_a_refusal_tells_the_story_of_the_task():
    scheduler = started(BRANCH, failure(START), policies={"start": StepPolicy(retries=1)})

    with pytest.raises(InvalidTransition) as caught:
        scheduler.handle(success(START, attempt=1))

    assert str(pickle.loads(pickle.dumps(caught.value))).splitlines() == [
        "Scheduler: AttemptSucceeded of attempt 1 was reported for start, which is retrying.",
        "  its parents are done (attempt 0): - -> ready",
        "  there is room (attempt 0): ready -> running",
        "  AttemptFailed (attempt 0): running -> retrying",
    ]


# How the run stands


def test_a_run_can_be_asked_what_runs_and_what_waits_for_what():
    policies = {"body": StepPolicy(retries=1)}
    events = [success(START, num_splits=4), success(body(0)), failure(body(1))]
    scheduler = started(FOREACH, *events, policies=policies, max_workers=1)

    state = scheduler.state()

    assert state.phase == "running"
    assert state.running == ((body(2), 0),)
    assert state.waiting == (
        Waiting(body(3), "worker slots"),
        Waiting(body(1), "retry"),
        Waiting(JOIN, "parents", arrived=1, expected=4),
    )
    assert state.counts["done"] == 2


def test_what_comes_next_is_told_as_far_as_it_is_sure():
    scheduler = Scheduler(FOREACH, {}, Limits(max_workers=2))
    told = [scheduler.upcoming()]
    for event in (
        RunStarted(),
        success(START, num_splits=5),
        *(success(body(index)) for index in range(5)),
        success(JOIN),
        success(END),
    ):
        scheduler.handle(event)
        told.append(scheduler.upcoming())

    #        new, start runs, 2 bodies of 5 run, ..., the last body, join, end, over
    assert told == [0, 1, 2, 2, 1, 1, 1, 1, 0, 0]


def test_nothing_comes_after_a_stop():
    scheduler = Scheduler(BRANCH, {}, Limits())
    scheduler.handle(RunStarted())
    scheduler.handle(Interrupted())

    assert scheduler.upcoming() == 0
