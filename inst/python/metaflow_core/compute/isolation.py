"""How tasks are kept apart on this machine, by name; `compute.local` does it."""

from __future__ import annotations

from typing import Literal, get_args

Isolation = Literal["auto", "fork", "process", "inline"]
"""How a task is kept apart from others: `"fork"` of a process that has loaded the flow, fresh
`"process"`, `"auto"`: a fork where it cannot behave otherwise than a fresh process would; or not
at all, `"inline"`, in the session that asked for the run."""

ISOLATIONS: tuple[str, ...] = get_args(Isolation)
