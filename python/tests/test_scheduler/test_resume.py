"""What a resumed run takes over, and the plan that says so beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metaflow_core.model.flow import Flow, Step
from metaflow_core.model.task import Outcome, TaskKey
from metaflow_core.scheduler.events import CloneTask, LaunchAttempt, Limits, RunStarted, TaskCloned
from metaflow_core.scheduler.resume import Origin, OriginTask, plan_resume, with_uncloned
from metaflow_core.scheduler.scheduler import Scheduler

FLOW = Flow.of(
    "F",
    Step("start", ("a", "b")),
    Step("a", ("body",), foreach="items"),
    Step("body", ("collect",)),
    Step("collect", ("join",), is_join=True),
    Step("b", ("big", "small"), condition="size", cases={"big": "big", "small": "small"}),
    Step("big", ("join",)),
    Step("small", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)

FINISHED = {
    TaskKey("start"): Outcome(),
    TaskKey("a"): Outcome(num_splits=2),
    TaskKey("body", (0,)): Outcome(),
    TaskKey("b"): Outcome(chosen="small"),
    TaskKey("small"): Outcome(),
}


def origin(finished=FINISHED, from_step=None) -> Origin:
    """Run 153, in which one split of `body` failed."""
    tasks = {key: OriginTask(f"id of {key}", outcome) for key, outcome in finished.items()}
    return Origin("153", tasks, {TaskKey("body", (1,)): "failed"}, from_step)


def planned(flow: Flow = FLOW, run: Origin | None = None) -> list[str]:
    """The plan's rows as text; `body[?]` stands for an unknown number of tasks."""
    rows = plan_resume(flow, run or origin())
    return [f"{r.task or r.step + '[?]'}: {r.verdict}, {r.why}" for r in rows]


def test_what_finished_is_cloned_and_only_the_failed_split_runs_again():
    assert planned() == [
        "start: clone, finished in 153",
        "a: clone, finished in 153",
        "body[0]: clone, finished in 153",
        "body[1]: run again, failed in 153",
        "collect: new, follows body, which runs again",
        "b: clone, finished in 153",
        "small: clone, finished in 153",
        "join: new, follows collect, which is new",
        "end: new, follows join, which is new",
    ]


def test_a_foreach_that_runs_again_has_one_row_for_its_tasks():
    assert planned(run=origin(from_step="a")) == [
        "start: clone, finished in 153",
        "a: run again, resume was asked to start from a",
        "body[?]: run again, follows a, which runs again",
        "collect: new, follows body, which runs again",
        "b: clone, finished in 153",
        "small: clone, finished in 153",
        "join: new, follows collect, which is new",
        "end: new, follows join, which is new",
    ]


def test_a_switch_that_runs_again_may_choose_any_of_its_alternatives():
    rows = planned(run=origin(from_step="b"))

    assert "big: new, follows b, which runs again" in rows
    assert "small: run again, follows b, which runs again" in rows


def test_a_step_in_front_of_the_failed_one_runs_again_with_all_that_follows():
    rows = planned(run=origin(from_step="start"))

    assert [row for row in rows if "clone" in row] == []


def test_a_step_behind_the_failed_one_resumes_from_the_failed_one():
    assert planned(run=origin(from_step="join"))[:4] == planned()[:4]


def test_an_added_step_is_new_and_what_follows_it_runs_again():
    steps = FLOW.steps | {"start": Step("start", ("first",)), "first": Step("first", ("a", "b"))}
    rows = planned(replace(FLOW, steps=steps))

    assert rows[:3] == [
        "start: clone, finished in 153",
        "first: new, not in 153",
        "a: run again, follows first, which is new",
    ]


@pytest.mark.parametrize(
    ("step", "outcome", "why"),
    [
        ("a", Outcome(), "was not a foreach in 153"),
        ("b", Outcome(chosen="medium"), "chose no present next step in 153"),
    ],
)
def test_a_step_that_decided_what_is_not_possible_any_more_runs_again(step, outcome, why):
    rows = planned(run=origin(FINISHED | {TaskKey(step): outcome}))

    assert f"{step}: run again, {why}" in rows


def test_steps_after_the_one_asked_for_run_again_even_if_it_is_passed_by():
    finished = FINISHED | {
        TaskKey("body", (1,)): Outcome(),
        TaskKey("collect"): Outcome(),
        TaskKey("join"): Outcome(),
    }
    run = replace(origin(finished, from_step="big"), unfinished={})

    assert planned(run=run)[-2:] == [
        "join: run again, comes after big, from which resume was asked to start",
        "end: new, follows join, which runs again",
    ]


def test_a_cloned_foreach_may_be_larger_than_the_limit_of_the_resumed_run():
    scheduler = Scheduler(FLOW, {}, Limits(max_num_splits=1), origin())
    scheduler.handle(RunStarted())
    scheduler.handle(TaskCloned(TaskKey("start"), Outcome()))

    following = scheduler.handle(TaskCloned(TaskKey("a"), Outcome(num_splits=2)))

    assert [type(action).__name__ for action in following] == ["CloneTask", "LaunchAttempt"]


def test_clones_do_not_take_worker_slots_and_carry_their_parents():
    scheduler = Scheduler(FLOW, {}, Limits(max_workers=1), origin())
    start, a, b = map(TaskKey, ("start", "a", "b"))

    assert scheduler.handle(RunStarted()) == [CloneTask(start, "id of start", ())]
    assert scheduler.handle(TaskCloned(start, Outcome())) == [
        CloneTask(a, "id of a", (start,)),
        CloneTask(b, "id of b", (start,)),
    ]
    assert scheduler.handle(TaskCloned(a, Outcome(num_splits=2))) == [
        CloneTask(TaskKey("body", (0,)), "id of body[0]", (a,)),
        LaunchAttempt(TaskKey("body", (1,)), 0, (a,)),
    ]
    assert scheduler.state().cloned == 4


def test_a_resume_that_was_ended_has_what_it_still_had_to_clone():
    begun = Origin("154", {TaskKey("start"): OriginTask("1", Outcome())})
    found = with_uncloned(FLOW, begun, origin(), executed=())

    assert found.tasks == {**origin().tasks, **begun.tasks}
    assert found.run_id == "154"


def test_what_a_resume_ran_itself_is_not_mixed_with_what_came_of_it_before():
    own = OriginTask("1", Outcome(num_splits=2))
    begun = Origin("154", {TaskKey("start"): OriginTask("2", Outcome()), TaskKey("a"): own})
    found = with_uncloned(FLOW, begun, origin(), executed={TaskKey("a")})

    assert found.tasks.keys() == {TaskKey(step) for step in ("start", "a", "b", "small")}
    assert found.tasks[TaskKey("a")] is own


def test_what_a_resume_was_asked_to_run_again_it_still_has_to_run():
    begun = Origin("154", {TaskKey("start"): OriginTask("1", Outcome())})
    found = with_uncloned(FLOW, begun, origin(from_step="a"), executed=())

    assert found.tasks.keys() == {TaskKey(step) for step in ("start", "b", "small")}


def test_a_clone_that_was_not_completed_is_made_from_the_older_run():
    begun = Origin("154", {}, {TaskKey("start"): "did not finish"})
    found = with_uncloned(FLOW, begun, origin(), executed=())

    assert found.unfinished == {}
    assert TaskKey("start") in found.tasks
