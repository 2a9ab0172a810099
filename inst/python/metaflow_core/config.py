"""Every `METAFLOW_*` setting: name, default, meaning. Nobody else reads `os.environ` for one.

A setting comes from the environment, else from `$METAFLOW_HOME/config.json` (or
`config_<profile>.json` with `METAFLOW_PROFILE`), else from its default here. The file's keys are
the environment's names, as in stock Metaflow.
"""

from __future__ import annotations

import getpass
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metaflow_core.errors import RecordCorrupted, UsageError


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's default and meaning."""

    default: str | None
    meaning: str


SETTINGS: dict[str, Setting] = {
    "METAFLOW_DEFAULT_DATASTORE": Setting("local", "Where artifacts are stored: local or s3."),
    "METAFLOW_DEFAULT_METADATA": Setting("local", "Where runs are registered: local or service."),
    "METAFLOW_DATASTORE_SYSROOT_LOCAL": Setting(
        None, "Directory that holds .metaflow; by default found from the working directory up."
    ),
    "METAFLOW_DATASTORE_SYSROOT_SPIN": Setting(
        None, "Directory that holds .metaflow_spin; by default the one that holds .metaflow."
    ),
    "METAFLOW_SPIN_PERSIST": Setting("0", "Whether `spin` keeps what the step wrote: 1 or 0."),
    "METAFLOW_DATASTORE_SYSROOT_S3": Setting(None, "s3:// prefix that holds the datastore."),
    "METAFLOW_DEFAULT_DECOSPECS": Setting("", "Decorators for every step, separated by spaces."),
    "METAFLOW_DEFAULT_ISOLATION": Setting(
        "auto", "How tasks are kept apart on this machine: auto, fork or process."
    ),
    "METAFLOW_TEMPDIR": Setting(None, "Directory for temporary files; by default the system's."),
    "METAFLOW_MAXIMUM_FOREACH_VALUE_CHARS": Setting(
        "30", "How many characters of a foreach item are kept for display."
    ),
    "METAFLOW_PREFLIGHT": Setting(
        "1", "Whether a run looks through the functions of its steps first; 0 turns it off."
    ),
    "METAFLOW_LOG_LEVEL": Setting(
        "info", "Level of the run's own log: debug, info or warning; see `logs RUN --build`."
    ),
    "METAFLOW_KEEP_FRAMES": Setting(
        "1", "Whether a failed task keeps the variables of its functions: 1 or 0."
    ),
    "METAFLOW_RUN_HEARTBEAT_INTERVAL_S": Setting("10", "Seconds between two heartbeats of a run."),
    "METAFLOW_PRODUCTION_TOKEN": Setting(None, "Production namespace token of a deployed run."),
}
"""Settings in force; the parts that need another one of stock Metaflow read it through `get`."""


def get(name: str) -> str | None:
    """The value of a setting, or None.

    Raises:
        RecordCorrupted: If the configuration file is not JSON.
    """
    value = os.environ.get(name)
    if value is None:
        configured = _file().get(name)
        value = None if configured is None else str(configured)
    if value is None and name in SETTINGS:
        value = SETTINGS[name].default
    return value


def number(name: str) -> float:
    """The value of a setting that is a number.

    Raises:
        UsageError: If it is not.
    """
    text = get(name) or SETTINGS[name].default or ""
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"The setting {name} is not a number: {text!r}.") from None


def home() -> Path:
    """Directory of the configuration files: `METAFLOW_HOME`, else `~/.metaflowconfig`."""
    return Path(os.environ.get("METAFLOW_HOME", "~/.metaflowconfig")).expanduser()


def user() -> str:
    """Who runs this: `METAFLOW_USER`, `SUDO_USER`, `USERNAME`, `USER`, in stock's order."""
    for name in ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER"):
        found = os.environ.get(name)
        if found and found != "root":
            return found
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _file() -> dict[str, Any]:
    profile = os.environ.get("METAFLOW_PROFILE")
    path = home() / (f"config_{profile}.json" if profile else "config.json")
    try:
        content = json.loads(path.read_bytes())
    except OSError:
        return {}
    except ValueError as error:
        raise RecordCorrupted(f"The configuration file {path} is not JSON: {error}.") from error
    return content if isinstance(content, dict) else {}
