"""Finds everything that is wrong with a flow's graph, before anything runs.

The checks go from the small to the large: names, each step by itself, where its next steps lead,
and last the splits, for which every step is given the stack of splits that are open on the way to
it (see `model.graph`). Each looks only at what the ones before found in order, so that one mistake
is told once: what follows a misspelt step is not called unreachable as well.
"""

from __future__ import annotations

import difflib
import keyword
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from metaflow_core.model.flow import END, START, Flow, Step
from metaflow_core.model.topology import Edges, walk

RESERVED_STEPS = frozenset({"cmd", "foreach_stack", "index", "input", "name", "next"})
"""Names that mean something in `self`; stock Metaflow's, and `foreach_stack`."""

RESERVED_PARAMETERS = RESERVED_STEPS | {
    # what a step's function sees
    *("current", "inputs", "merge_artifacts", "self"),
    # arguments of R's run(), most of them options of the command line too
    *("authorize", "batch", "check", "datastore", "datastore_root", "dump", "flow"),
    *("generate_new_token", "help", "inline", "isolation", "json", "logs", "max_num_splits"),
    *("max_workers", "metadata", "my_runs", "namespace", "new_token", "on_error", "only_json"),
    *("origin_run_id", "other_args", "package_suffixes", "plan", "quiet", "resume", "run_id"),
    *("run_id_file", "script_name", "seed", "show", "step_functions", "tag", "user", "with"),
    *("workflow_timeout", "running", "succeeded", "failed", "timed_out", "aborted"),
    # stock Metaflow's, whose clients and deployments meet the same parameters
    *("decospecs", "max_log_size", "obj", "params", "runner_attribute_file", "tags", "task_id"),
    "user_namespace",
}
"""Names that a parameter cannot have: `self$NAME`, `run(NAME = )` or `--NAME` means something else.

`R/parameter.R` refuses the same names a little earlier.
"""


def check_graph(flow: Flow, reserved: Collection[str] = RESERVED_PARAMETERS) -> list[str]:
    """Every problem of a flow's graph; a flow without one can be run to its end.

    Args:
        flow: Any flow.
        reserved: Names that a parameter cannot have.

    Returns:
        One sentence a problem, which names the step and says what to write instead.
    """
    edges = _edges(flow)
    reached = walk(edges, [START] if START in flow.steps else _orphans(edges))[0]
    return [
        *_name_problems(flow, reserved),
        *(problem for step in flow.steps.values() for problem in _step_problems(step)),
        *_endpoint_problems(flow, edges),
        *_transition_problems(flow),
        *_cycle_problems(flow, edges),
        *_unreachable_problems(flow, edges, reached),
        *_SplitCheck(flow, edges).problems(reached),
    ]


# Names


def _name_problems(flow: Flow, reserved: Collection[str]) -> Iterator[str]:
    named = [("Flow", flow.name, frozenset[str]())]
    named += [("Step", name, RESERVED_STEPS) for name in flow.steps]
    named += [("Parameter", name, frozenset(reserved)) for name in flow.parameters]
    for what, name, taken in named:
        if not _is_name(name):
            yield (
                f"{what} `{name}` cannot have this name; use letters a to z, digits and `_`, "
                "with a letter first."
            )
        elif keyword.iskeyword(name) or name in taken:
            yield f"{what} `{name}` has a reserved name; call it `{name}_` or something else."


def _is_name(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not name.startswith("_")


# Each step by itself


def _step_problems(step: Step) -> Iterator[str]:
    if step.name == END:
        yield from _end_problems(step)
        return
    if step.name == START and step.is_join:
        yield "Step `start` is a join, but nothing comes before it; remove `join = TRUE`."
    elif step.is_join and (step.is_split or step.is_switch):
        yield (
            f"Step `{step.name}` joins and splits at once; "
            "let it lead to a further step, and split there."
        )
    if step.is_foreach and step.is_switch:
        yield (
            f"Step `{step.name}` has both `foreach` and `condition`; keep one, "
            "and put the other into a step of its own."
        )
    else:
        yield from _foreach_problems(step)
        yield from _condition_problems(step)
    if not step.is_switch:
        for name in dict.fromkeys(step.next_steps):
            if step.next_steps.count(name) > 1:
                yield f"Step `{step.name}` names `{name}` twice in `next_step`; name it once."


def _end_problems(step: Step) -> Iterator[str]:
    if step.next_steps or step.is_foreach or step.is_switch:
        yield "Step `end` is the last one; remove its `next_step`, `foreach` and `condition`."
    if step.is_join:
        yield "Step `end` cannot be a join; put a step with `join = TRUE` before it."


def _foreach_problems(step: Step) -> Iterator[str]:
    if step.foreach is None:
        return
    if not step.foreach.isidentifier():
        yield (
            f"Step `{step.name}` has the foreach `{step.foreach}`, "
            "which is not an artifact's name; use letters, digits and `_`."
        )
    count = len(set(step.next_steps))
    if count != 1:
        yield (
            f"Step `{step.name}` has a foreach and {count or 'no'} next steps; "
            "let it lead to exactly one."
        )


def _condition_problems(step: Step) -> Iterator[str]:
    if step.condition is None:
        if step.cases:
            yield (
                f"Step `{step.name}` has a named `next_step` without a condition; "
                'remove the names, or add `condition = "artifact"`.'
            )
        return
    if not step.condition.isidentifier():
        yield (
            f"Step `{step.name}` has the condition `{step.condition}`, "
            "which is not an artifact's name; use letters, digits and `_`."
        )
    targets = set(step.cases.values())
    if not step.cases or "" in step.cases:
        yield (
            f"Step `{step.name}` has a condition, but not a value for each next step; "
            'write `next_step = c(value1 = "x", value2 = "y")`.'
        )
    elif targets != set(step.next_steps) or len(step.next_steps) > len(step.cases):
        yield f"Step `{step.name}` gives a value twice in `next_step`; give each its own."
    elif len(step.cases) < 2:
        yield (
            f"Step `{step.name}` has a condition with only one case; "
            "add another, or remove `condition`."
        )


# Where next steps lead


def _edges(flow: Flow) -> Edges:
    """The graph as far as it is known: without steps that are not there, with an `end`.

    A misspelt next step is followed to the one that was meant if nothing else leads there; then
    the rest of the graph can be checked.
    """
    led_to = {target for step in flow.steps.values() for target in step.next_steps}
    known, unclaimed = {*flow.steps, END}, flow.steps.keys() - led_to - {START}
    edges: dict[str, tuple[str, ...]] = {}
    for name, step in flow.steps.items():
        meant = (
            target if target in known else _near(target, unclaimed - {name})
            for target in step.next_steps
        )
        edges[name] = tuple(dict.fromkeys(target for target in meant if target))
    return edges | {END: ()}


def _near(name: str, known: Iterable[str]) -> str | None:
    """The one of *known* that was probably meant by *name*."""
    by_lower = {k.lower(): k for k in sorted(known)}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def _orphans(edges: Edges) -> list[str]:
    """Steps that nothing leads to."""
    led_to = {target for targets in edges.values() for target in targets}
    return [name for name in edges if name not in led_to]


def _endpoint_problems(flow: Flow, edges: Edges) -> Iterator[str]:
    if START not in flow.steps:
        first = next((name for name in _orphans(edges) if name != END), None)
        leading = f', next_step = "{first}"' if first else ""
        yield _missing(START, f'`step(step = "start"{leading})` as the first step', flow)
    if END not in flow.steps:
        yield _missing(END, '`step(step = "end")` as the last step', flow)


def _missing(name: str, what: str, flow: Flow) -> str:
    near = _near(name, flow.steps)
    rename = f"rename `{near}`, or " if near else ""
    return f"The flow has no step `{name}`; {rename}add {what}."


def _transition_problems(flow: Flow) -> Iterator[str]:
    for name, step in flow.steps.items():
        if name != END and not step.next_steps and not step.is_foreach and not step.is_switch:
            yield f'Step `{name}` leads nowhere; add `next_step = "end"`, or the step that follows.'
        for target in dict.fromkeys(step.next_steps):
            # A missing `end` is told by itself.
            if target not in flow.steps and END not in (target, name):
                yield _unknown(name, target, flow)


def _unknown(name: str, target: str, flow: Flow) -> str:
    near = _near(target, (set(flow.steps) | {END}) - {START, name})
    instead = f"did you mean `{near}`?" if near else f"add `{target}`, or correct `next_step`."
    return f"Step `{name}` leads to `{target}`, which is not a step of this flow; {instead}"


def _cycle_problems(flow: Flow, edges: Edges) -> Iterator[str]:
    for cycle in walk(edges, reversed(list(edges)))[1]:
        links = zip(cycle, (*cycle[1:], cycle[0]), strict=True)
        # A misspelt next step only makes a cycle by our guess of what was meant.
        if all(target in flow.steps[name].next_steps for name, target in links):
            way = " -> ".join((*cycle, cycle[0]))
            yield f"Steps go in a circle, {way}; let `{cycle[-1]}` lead to a later step."


def _unreachable_problems(flow: Flow, edges: Edges, reached: Collection[str]) -> Iterator[str]:
    # What follows an unreachable step is reached with it, so only its first step is told.
    first = set(_orphans(edges)) - set(reached) - {END}
    for name in flow.steps:
        if name in first:
            yield f"No step leads to `{name}`; name it in a `next_step`, or remove it."


# Splits and joins

_Stack = tuple[tuple[str, str], ...]
"""The splits that are open on a way to a step, outermost first, each with the branch taken."""


@dataclass
class _SplitCheck:
    """Follows all ways through the flow at once, and keeps account of open splits."""

    flow: Flow
    edges: Edges
    found: list[str] = field(default_factory=list)
    #: Splits of which something was said; more about the same one would follow from that.
    told: set[str] = field(default_factory=set)
    #: For each split, the joins that close it.
    closed_by: dict[str, list[str]] = field(default_factory=dict)
    #: For each split, the steps that lead to `end` while it is open.
    open_at_end: dict[str, list[str]] = field(default_factory=dict)

    def problems(self, order: tuple[str, ...]) -> list[str]:
        """What is wrong with the splits.

        Args:
            order: The steps that can be reached, each after those that lead to it.
        """
        self.told |= {step.name for step in self.flow.steps.values() if _is_unclear(step)}
        ways: dict[str, dict[str, _Stack]] = {name: {} for name in order}
        position = {name: index for index, name in enumerate(order)}
        for name in order:
            stack = self._arrive(name, ways[name])
            for target in self.edges[name]:
                # A cycle leads backwards; it was told.
                if position[target] > position[name]:
                    is_split = self.flow.steps[name].is_split
                    ways[target][name] = (*stack, (name, target)) if is_split else stack
        self._report_joins()
        return self.found

    def _arrive(self, name: str, ways: Mapping[str, _Stack]) -> _Stack:
        """The splits that are open while a step runs, given those on each way to it."""
        if not ways:
            return ()
        step = self.flow.steps.get(name, Step(END))
        if name == END:
            return self._end(step, ways)
        return self._join(name, ways) if step.is_join else self._meet(name, ways)

    def _end(self, end: Step, ways: Mapping[str, _Stack]) -> _Stack:
        for parent, stack in ways.items():
            for split, _ in stack:
                # That `end` cannot be a join was told.
                if not end.is_join:
                    self.open_at_end.setdefault(split, []).append(parent)
        return ()

    def _meet(self, name: str, ways: Mapping[str, _Stack]) -> _Stack:
        """Without a join, only alternatives of a switch may meet: they have one stack."""
        first, *others = dict.fromkeys(ways.values())
        if not others:
            return first
        shared = _shared_length((first, *others))
        splits = {split for stack in (first, *others) for split, _ in stack[shared:]}
        if not splits & self.told:
            self.found.append(
                f"Branches of {_listed(sorted(splits))} meet in `{name}`, which is not a join "
                f"({_listed(ways)} lead there); give `{name}` `join = TRUE`, "
                "or join them in a step before it."
            )
        self.told |= splits
        return min((first, *others), key=len)

    def _join(self, name: str, ways: Mapping[str, _Stack]) -> _Stack:
        """All ways into a join come from branches of one split, which it closes."""
        inside = {parent: stack for parent, stack in ways.items() if stack}
        splits = {stack[-1][0] for stack in inside.values()}
        if not inside:
            self.found.append(
                f"Step `{name}` is a join, but no split comes before it; remove `join = TRUE`, "
                "or let an earlier step split."
            )
            return ()
        if len(splits) > 1 or len(inside) < len(ways):
            self._report_mixed(name, ways, splits)
        for split in splits:
            self.closed_by.setdefault(split, []).append(name)
            if split in ways:
                self.found.append(
                    f"Step `{split}` splits and leads straight to the join `{name}`; "
                    "put a step between them."
                )
        return min(inside.values(), key=len)[:-1]

    def _report_mixed(self, name: str, ways: Mapping[str, _Stack], splits: set[str]) -> None:
        if not splits & self.told:
            origins = ", ".join(
                f"`{parent}` {f'in the split `{stack[-1][0]}`' if stack else 'in no split'}"
                for parent, stack in ways.items()
            )
            self.found.append(
                f"Step `{name}` joins what does not belong together ({origins}); "
                "give each split a join of its own."
            )
        self.told |= splits

    def _report_joins(self) -> None:
        for split, joins in self.closed_by.items():
            if len(joins) > 1 and split not in self.told:
                self.told.add(split)
                self.found.append(
                    f"Branches of `{split}` end in different joins, {_listed(joins)}; "
                    "lead all of them to one."
                )
        for split, parents in self.open_at_end.items():
            if split not in self.told:
                join = self.closed_by.get(split, [""])[0]
                instead = f"go through `{join}`" if join else "put a step with `join = TRUE` there"
                self.found.append(
                    f"The split of `{split}` is not joined on the way from {_listed(parents)} "
                    f"to `end`; {instead}."
                )


def _is_unclear(step: Step) -> bool:
    """Whether a step may not mean the split that it is; that was told."""
    return (step.is_foreach and step.is_switch) or len(set(step.next_steps)) < len(step.next_steps)


def _shared_length(stacks: Collection[_Stack]) -> int:
    """How many splits, from the outermost, are the same in all *stacks*."""
    levels = zip(*stacks, strict=False)
    return next(
        (depth for depth, level in enumerate(levels) if len(set(level)) > 1),
        min(map(len, stacks)),
    )


def _listed(names: Iterable[str]) -> str:
    *rest, last = (f"`{name}`" for name in names)
    return f"{', '.join(rest)} and {last}" if rest else last
