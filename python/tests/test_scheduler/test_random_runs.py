"""What holds in every run of every flow, whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from random_flows import Plan, plans
from simulated_run import SimulatedRun

from metaflow_core.model.flow import END, Flow
from metaflow_core.model.graph import Graph
from metaflow_core.model.task import Outcome, TaskKey
from metaflow_core.scheduler.events import Limits, StepPolicy
from metaflow_core.scheduler.resume import Origin, plan_resume

seeds = st.integers(0, 2**32)
MOST_SPLITS = 3


def decisions(flow: Flow, seed: int):
    """What each task decides: the same at each asking, and another with another seed."""

    def decide(task: TaskKey) -> Outcome:
        step, random = flow.steps[task.step], Random(f"{seed} {task}")
        if step.is_foreach:
            return Outcome(num_splits=random.randint(1, MOST_SPLITS))
        return Outcome(chosen=random.choice(step.next_steps) if step.is_switch else None)

    return decide


def some_policies(flow: Flow, random: Random) -> dict[str, StepPolicy]:
    return {
        name: StepPolicy(
            retries=random.choice([0, 0, 1, 3]),
            retry_wait_s=random.choice([0.0, 120.0]),
            catches=not step.is_foreach and not step.is_switch and random.random() < 0.2,
            cpu=random.choice([0.0, 0.0, 0.5, 2.0, 9.0]),
        )
        for name, step in flow.steps.items()
        if random.random() < 0.8
    }


def some_limits(random: Random, on_error: str | None = None) -> Limits:
    return Limits(
        max_workers=random.choice([1, 2, 3, 16]),
        max_num_splits=MOST_SPLITS,
        cpus=random.choice([1.0, 4.0]),
        on_error=on_error or random.choice(["stop", "continue"]),
    )


def troubled_run(plan: Plan, seed: int, origin: Origin | None = None) -> SimulatedRun:
    random = Random(seed)
    run = SimulatedRun(
        plan.flow,
        decisions(plan.flow, seed),
        random,
        policies=some_policies(plan.flow, random),
        limits=some_limits(random),
        origin=origin,
        failing=random.choice([0.0, 0.1, 0.3]),
        interrupting=random.choice([0.0, 0.0, 0.03]),
    )
    run.execute()
    return run


@settings(max_examples=500, deadline=None)
@given(plans(), seeds)
def test_a_run_in_which_all_goes_well_runs_each_task_once_after_its_parents(plan, seed):
    random = Random(seed)
    decide = decisions(plan.flow, seed)
    policies = some_policies(plan.flow, random)
    run = SimulatedRun(plan.flow, decide, random, policies=policies, limits=some_limits(random))

    end = run.execute()

    assert end.status == "successful"
    assert end.failures == end.never_ran == ()
    assert run.parents == plan.tasks(lambda task, parents: decide(task))
    assert set(run.attempts.values()) == {1}


@settings(max_examples=1500, deadline=None)
@given(plans(), seeds)
def test_a_run_in_trouble_keeps_all_promises_and_ends_once(plan, seed):
    run = troubled_run(plan, seed)

    # The simulation asserts at each action that it was allowed; here is what is left at the end.
    end, expected = run.end, plan.tasks(lambda task, parents: run.decide(task))
    assert expected.items() >= run.parents.items()
    assert [task for task, _ in end.failures] == list(run.failed)
    assert (end.status == "successful") == (TaskKey(END) in run.done)
    if end.status == "successful":
        assert run.done.keys() == expected.keys()
    else:
        assert end.status == (run.stopped_by or "failed")
        assert run.failed or end.status == "interrupted"
        begun = {task.step for task in run.parents}
        assert END in {
            *end.never_ran,
            *(task.step for task in run.parents.keys() - run.done.keys()),
        }
        assert not begun & set(end.never_ran)
        assert set(end.never_ran) <= plan.flow.steps.keys()


@settings(max_examples=500, deadline=None)
@given(plans(), seeds)
def test_with_on_error_continue_all_that_does_not_depend_on_a_failure_is_finished(plan, seed):
    random = Random(seed)
    decide = decisions(plan.flow, seed)
    limits = some_limits(random, on_error="continue")
    run = SimulatedRun(plan.flow, decide, random, limits=limits, failing=0.2)

    run.execute()

    expected = plan.tasks(lambda task, parents: decide(task))
    finished: set[TaskKey] = set()
    for task, parents in expected.items():
        if finished >= set(parents) and task not in run.failed:
            finished.add(task)
    assert run.done.keys() == finished


@settings(max_examples=800, deadline=None)
@given(plans(), seeds, st.booleans())
def test_resume_clones_what_finished_after_cloned_tasks_only_and_runs_the_rest(
    plan, seed, ask_for_step
):
    first = troubled_run(plan, seed)
    random = Random(seed + 1)
    from_step = random.choice(list(plan.flow.steps)) if ask_for_step else None
    origin = forgetful(first.as_origin(from_step), random)
    decide_anew = decisions(plan.flow, seed + 1)
    again = {from_step} | steps_after(plan.flow, from_step)
    clones: set[TaskKey] = set()

    def decide(task: TaskKey, parents: tuple[TaskKey, ...]) -> Outcome:
        if task in origin.tasks and task.step not in again and clones >= set(parents):
            clones.add(task)
            return origin.tasks[task].outcome
        return decide_anew(task)

    expected = plan.tasks(decide)
    limits = Limits(max_num_splits=MOST_SPLITS)
    # `end` is the one task that the plan of parts does not decide about.
    decide(TaskKey(END), expected[TaskKey(END)])
    resumed = SimulatedRun(plan.flow, decide_anew, random, limits=limits, origin=origin)

    assert resumed.execute().status == "successful"
    assert resumed.cloned == clones
    assert resumed.parents == expected
    assert resumed.attempts.keys() == expected.keys() - clones
    assert_planned(plan.flow, origin, resumed)


def forgetful(origin: Origin, random: Random) -> Origin:
    """The origin run of a flow in which some steps had other names."""
    renamed = {task.step for task in origin.tasks if random.random() < 0.05}
    tasks = {task: found for task, found in origin.tasks.items() if task.step not in renamed}
    return replace(origin, tasks=tasks)


def assert_planned(flow: Flow, origin: Origin, resumed: SimulatedRun) -> None:
    """The plan named all that the resumed run did."""
    rows = plan_resume(flow, origin)
    assert {row.task for row in rows if row.verdict == "clone"} == resumed.cloned
    executed = {(row.step, row.task) for row in rows if row.verdict != "clone"}
    for task in resumed.attempts:
        assert (task.step, task) in executed or (task.step, None) in executed
    order = Graph(flow).order
    assert [row.step for row in rows] == sorted((row.step for row in rows), key=order.index)


def steps_after(flow: Flow, step: str | None) -> set[str]:
    todo, found = [step] if step else [], set()
    while todo:
        following = set(flow.steps[todo.pop()].next_steps) - found
        found |= following
        todo += following
    return found


@settings(max_examples=200, deadline=None)
@given(plans(), seeds)
def test_resuming_again_and_again_finishes_in_the_end(plan, seed):
    run = troubled_run(plan, seed)
    for attempt in range(50):
        if run.end.status == "successful":
            break
        run = troubled_run(plan, seed + attempt, run.as_origin())
    else:
        run = SimulatedRun(
            plan.flow, decisions(plan.flow, seed), Random(seed), origin=run.as_origin()
        )
        run.execute()

    assert run.end.status == "successful"
