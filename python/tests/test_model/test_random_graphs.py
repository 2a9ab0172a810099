"""What `check_graph` and `Graph` say about random flows, sound and broken."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_flows import Plan, plans
from simulated_run import SimulatedRun

from metaflow_core.model.check import check_graph
from metaflow_core.model.flow import END, START, Flow, Parameter, Step
from metaflow_core.model.graph import Graph, graph_info
from metaflow_core.model.task import Outcome, TaskKey

seeds = st.integers(0, 2**32)


@settings(max_examples=500, deadline=None)
@given(plans())
def test_a_sound_flow_has_no_problem(plan):
    assert check_graph(plan.flow) == []


@settings(max_examples=300, deadline=None)
@given(plans())
def test_each_split_is_matched_with_its_join(plan):
    graph = Graph(plan.flow)

    assert graph.matching_join == {part.name: part.join for part in plan.splits()}
    assert graph.split_of == {part.join: part.name for part in plan.splits()}


@settings(max_examples=300, deadline=None)
@given(plans())
def test_each_step_comes_after_its_parents_and_knows_how_deep_it_is(plan):
    graph = Graph(plan.flow)
    tasks = plan.tasks(lambda task, parents: decide_randomly(plan.flow, task))

    assert sorted(graph.order) == sorted(plan.flow.steps)
    for step in graph.order:
        assert all(graph.order.index(p) < graph.order.index(step) for p in graph.parents[step])
    for task in tasks:
        assert graph.foreach_depth(task.step) == len(task.indexes)


@settings(max_examples=200, deadline=None)
@given(plans())
def test_the_description_for_stock_clients_names_each_step(plan):
    info = graph_info(plan.flow)

    assert info["steps"].keys() == plan.flow.steps.keys()
    assert set(flattened(info["graph_structure"])) == plan.flow.steps.keys()


def flattened(names):
    return [x for n in names for x in (flattened(n) if isinstance(n, list) else [n])]


def decide_randomly(flow: Flow, task: TaskKey) -> Outcome:
    step, random = flow.steps[task.step], Random(str(task))
    if step.is_foreach:
        return Outcome(num_splits=random.randint(1, 3))
    return Outcome(chosen=random.choice(step.next_steps) if step.is_switch else None)


# Broken flows


def changed(flow: Flow, step: Step) -> Flow:
    return replace(flow, steps={**flow.steps, step.name: step})


def without_join(plan: Plan, random: Random) -> Flow | None:
    joins = [s for s in plan.flow.steps.values() if s.is_join]
    return changed(plan.flow, replace(random.choice(joins), is_join=False)) if joins else None


def with_a_join_too_many(plan: Plan, random: Random) -> Flow | None:
    plain = [s for s in plan.flow.steps.values() if not s.is_join]
    return changed(plan.flow, replace(random.choice(plain), is_join=True))


def with_a_step_missing(plan: Plan, random: Random) -> Flow | None:
    gone = random.choice(list(plan.flow.steps))
    return replace(plan.flow, steps={n: s for n, s in plan.flow.steps.items() if n != gone})


def with_a_cycle(plan: Plan, random: Random) -> Flow | None:
    graph = Graph(plan.flow)
    name = random.choice([step for step in graph.order if step != END])
    before = [step for step in graph.order if name in graph.descendants(step) or step == name]
    back = random.choice(before)
    step = plan.flow.steps[name]
    return changed(plan.flow, replace(step, next_steps=(*step.next_steps[:-1], back)))


def with_a_lost_step(plan: Plan, random: Random) -> Flow | None:
    return changed(plan.flow, Step("lost", (random.choice(list(plan.flow.steps)),)))


def with_a_dead_end(plan: Plan, random: Random) -> Flow | None:
    name = random.choice([step for step in plan.flow.steps if step != END])
    return changed(plan.flow, replace(plan.flow.steps[name], next_steps=(), cases={}))


def with_end_leading_on(plan: Plan, random: Random) -> Flow | None:
    return changed(plan.flow, Step(END, (random.choice(list(plan.flow.steps)),)))


def with_foreach_and_condition(plan: Plan, random: Random) -> Flow | None:
    name = random.choice([step for step in plan.flow.steps if step != END])
    step = plan.flow.steps[name]
    return changed(plan.flow, replace(step, foreach="x", condition="y"))


def with_a_branch_twice(plan: Plan, random: Random) -> Flow | None:
    name = random.choice([s.name for s in plan.flow.steps.values() if s.name != END])
    step = plan.flow.steps[name]
    return changed(plan.flow, replace(step, next_steps=(*step.next_steps, step.next_steps[0])))


@pytest.mark.parametrize(
    "mutate",
    [
        without_join,
        with_a_join_too_many,
        with_a_step_missing,
        with_a_cycle,
        with_a_lost_step,
        with_a_dead_end,
        with_end_leading_on,
        with_foreach_and_condition,
        with_a_branch_twice,
    ],
)
@settings(max_examples=100, deadline=None)
@given(plans(), seeds)
def test_a_broken_flow_has_a_problem(mutate, plan, seed):
    broken = mutate(plan, Random(seed))

    if broken is not None:
        problems = check_graph(broken)
        assert problems
        assert len(set(problems)) == len(problems)


@settings(max_examples=1000, deadline=None)
@given(plans(), seeds)
def test_a_rewired_flow_without_a_problem_runs_to_its_end(plan, seed):
    random, flow = Random(seed), plan.flow
    for _ in range(random.randint(1, 2)):
        flow = rewired(flow, random)

    if not check_graph(flow):
        assert_runs_to_its_end(flow, random)


def rewired(flow: Flow, random: Random) -> Flow:
    """One next step more, less, or another; or a join more or less."""
    step = flow.steps[random.choice(list(flow.steps))]
    if random.random() < 0.2:
        return changed(flow, replace(step, is_join=not step.is_join))
    following = list(step.next_steps)
    if following and random.random() < 0.7:
        following.pop(random.randrange(len(following)))
    if random.random() < 0.8:
        following.append(random.choice(list(flow.steps)))
    cases = {str(i): name for i, name in enumerate(following)} if step.is_switch else {}
    return changed(flow, replace(step, next_steps=tuple(following), cases=cases))


def assert_runs_to_its_end(flow: Flow, random: Random) -> None:
    run = SimulatedRun(flow, lambda task: decide_randomly(flow, task), random)

    assert run.execute().status == "successful"
    assert set(run.attempts.values()) == {1}


names = st.sampled_from([START, END, "a", "b", "c", "aa", "A", "", "lambda", "größe", "a b"])
maybe_name = st.none() | names
garbage = st.builds(
    Step,
    names,
    st.lists(names, max_size=3).map(tuple),
    foreach=maybe_name,
    condition=maybe_name,
    cases=st.dictionaries(names, names, max_size=3),
    is_join=st.booleans(),
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(garbage, max_size=7), st.lists(names, max_size=2))
def test_garbage_is_told_from_a_flow(steps, parameters):
    flow = Flow.of("F", *steps, parameters={name: Parameter(name) for name in parameters})

    problems = check_graph(flow)

    assert len(set(problems)) == len(problems)
    if not problems:
        assert_runs_to_its_end(flow, Random(1))
