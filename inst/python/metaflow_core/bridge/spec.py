"""The flow as R sends it, made into the frozen model.

The spec is one named list: `name`, `doc`, `script` (path or ""), `decorators` (list of
`list(name, attributes)`), `parameters` (list of named lists with the fields of
`model.flow.Parameter`), `steps` (list of named lists with the fields of `model.flow.Step`:
`next_steps` is a list, `cases` a named list, value to step).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from metaflow_core.errors import InvalidFlow
from metaflow_core.model.flow import Decorator, Flow, Parameter, Step


def flow_from_spec(spec: dict[str, Any]) -> Flow:
    """The flow that *spec* describes.

    Raises:
        InvalidFlow: If two steps or two parameters have one name.
    """
    name = spec["name"]
    steps = [_step(item) for item in spec["steps"]]
    parameters = [Parameter(**_known(Parameter, item)) for item in spec["parameters"]]
    problems = [
        f"{what} `{x}` is defined twice; remove or rename one."
        for what, names in (
            ("Step", [s.name for s in steps]),
            ("Parameter", [p.name for p in parameters]),
        )
        for x in dict.fromkeys(names)
        if names.count(x) > 1
    ]
    if problems:
        raise InvalidFlow(name, problems)
    return Flow(
        name,
        {s.name: s for s in steps},
        {p.name: p for p in parameters},
        _decorators(spec["decorators"]),
        spec.get("doc") or "",
        spec.get("script") or "",
    )


def _step(item: dict[str, Any]) -> Step:
    known = _known(Step, item)
    known["next_steps"] = tuple(known.get("next_steps") or ())
    known["cases"] = dict(known.get("cases") or {})
    known["decorators"] = _decorators(item["decorators"])
    return Step(**known)


def _decorators(items: list[dict[str, Any]]) -> tuple[Decorator, ...]:
    return tuple(Decorator(d["name"], dict(d["attributes"] or {})) for d in items)


def _known(kind: type, item: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {key: value for key, value in item.items() if key in names and value is not None}
