"""Every decorator by name, and what all decorators of a step together mean."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from metaflow_core.decorators.base import DecoratorType, TaskPolicy
from metaflow_core.decorators.batch import BATCH
from metaflow_core.decorators.catch import CATCH
from metaflow_core.decorators.environment import ENVIRONMENT
from metaflow_core.decorators.isolation import ISOLATION
from metaflow_core.decorators.kubernetes import KUBERNETES
from metaflow_core.decorators.project import PROJECT
from metaflow_core.decorators.resources import RESOURCES
from metaflow_core.decorators.retry import RETRY
from metaflow_core.decorators.stored import CARD, SCHEDULE, SECRETS
from metaflow_core.decorators.timeout import TIMEOUT
from metaflow_core.errors import UsageError
from metaflow_core.model.flow import Decorator, Flow, Step

REGISTRY: dict[str, DecoratorType] = {
    kind.name: kind
    for kind in (
        BATCH,
        CARD,
        CATCH,
        ENVIRONMENT,
        ISOLATION,
        KUBERNETES,
        PROJECT,
        RESOURCES,
        RETRY,
        SCHEDULE,
        SECRETS,
        TIMEOUT,
    )
}


def check_decorators(flow: Flow) -> list[str]:
    """What is wrong with the decorators of a flow, one sentence each, naming the step."""
    problems = [
        f"Decorator `{d.name}` of the flow: {problem}."
        for d in flow.decorators
        for problem in _problems(d, "flow", None)
    ]
    problems += [
        f"Decorator `{name}` of the flow stands twice; remove one."
        for name in _repeated(flow.decorators)
    ]
    for step in flow.steps.values():
        problems += [
            f"Step `{step.name}`, decorator `{d.name}`: {problem}."
            for d in step.decorators
            for problem in _problems(d, "step", step)
        ]
        problems += [
            f"Step `{step.name}`: the decorator `{name}` stands twice; remove one."
            for name in _repeated(step.decorators)
        ]
    return problems


def policy_of(step: Step) -> TaskPolicy:
    """How the tasks of *step* are run, by all its decorators together."""
    policy = TaskPolicy()
    for decorator in step.decorators:
        kind = REGISTRY[decorator.name]
        policy = kind.apply(policy, {**kind.defaults, **decorator.attributes})
    return policy


def with_decorators(flow: Flow, specs: Iterable[str]) -> Flow:
    """The flow with decorators added to every step that does not have them already.

    Args:
        flow: The flow as written.
        specs: Texts such as ``"retry"`` or ``"retry:times=2,minutes_between_retries=0"``; of
            several with one name the first counts.

    Raises:
        UsageError: If a text cannot be read, names no step decorator, or has a wrong argument.
    """
    added: dict[str, Decorator] = {}
    for text in specs:
        decorator = parse_decorator(text)
        added.setdefault(decorator.name, decorator)
    steps = {
        name: replace(
            step,
            decorators=step.decorators
            + tuple(d for d in added.values() if not step.decorator(d.name)),
        )
        for name, step in flow.steps.items()
    }
    return replace(flow, steps=steps)


def parse_decorator(text: str) -> Decorator:
    """Read ``name`` or ``name:key=value,key=value``; values are JSON, or else text.

    Raises:
        UsageError: If a part has no ``=``, or the decorator is not one of steps or does not take
            these arguments.
    """
    name, _, arguments = text.partition(":")
    if name not in REGISTRY or REGISTRY[name].level != "step":
        raise UsageError(f"--with {text}: {_unknown(name, 'step')}.")
    attributes: dict[str, Any] = {}
    for part in _split_arguments(arguments):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"--with {text}: write {part!r} as key=value.")
        attributes[key.strip()] = _value(value.strip())
    decorator = Decorator(name, attributes)
    problems = _problems(decorator, "step", None)
    if problems:
        raise UsageError(f"--with {text}: {'; '.join(problems)}.")
    return decorator


def _split_arguments(text: str) -> list[str]:
    """Split at commas that are not inside of brackets or quotes."""
    parts, depth, quoted, escaped, current = [], 0, False, False, ""
    for character in text:
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = quoted and character == "\\" and not escaped
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(character, 0) if not quoted else 0
        if character == "," and depth == 0 and not quoted:
            parts.append(current)
            current = ""
        else:
            current += character
    parts.append(current)
    return [part for part in parts if part.strip()]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"TRUE": True, "FALSE": False, "NULL": None, "True": True, "False": False}.get(
            text, text
        )


def _problems(decorator: Decorator, level: str, step: Step | None) -> list[str]:
    kind = REGISTRY.get(decorator.name)
    if kind is None or kind.level != level:
        return [_unknown(decorator.name, level)]
    unknown = [name for name in decorator.attributes if name not in kind.defaults]
    if unknown:
        return [
            f"it has no argument `{name}`{_near(name, kind.defaults)}; "
            f"it takes {', '.join(kind.defaults)}"
            for name in unknown
        ]
    return kind.problems({**kind.defaults, **decorator.attributes}, step)


def _repeated(decorators: Iterable[Decorator]) -> list[str]:
    """Names that stand more than once and may not."""
    counts = Counter(d.name for d in decorators)
    single = (name for name in counts if name in REGISTRY and not REGISTRY[name].repeatable)
    return [name for name in single if counts[name] > 1]


def _unknown(name: str, level: str) -> str:
    known = [kind.name for kind in REGISTRY.values() if kind.level == level]
    return (
        f"`{name}` is no decorator of a {level}{_near(name, known)}; there are {', '.join(known)}"
    )


def _near(name: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean `{match[0]}`?)" if match else ""
