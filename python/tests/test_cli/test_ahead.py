"""`cli.ahead`: for which commands the process that tasks are forked from is started at once."""

from __future__ import annotations

import pytest

from metaflow_core.cli.ahead import will_fork
from metaflow_core.cli.chosen import SELECTORS


@pytest.mark.parametrize(
    ("argv", "options", "expected"),
    [
        pytest.param([], {}, True, id="a script alone runs"),
        pytest.param(["run", "--alpha", "1"], {}, True, id="run"),
        pytest.param(["--quiet", "resume"], {}, True, id="resume, after an option"),
        pytest.param([], {"resume": "b"}, True, id="resume from R"),
        pytest.param(["show"], {}, False, id="show"),
        pytest.param(["list-runs"], {"max_workers": 2}, False, id="a command that reads"),
        pytest.param(["resume", "--plan"], {}, False, id="a plan"),
        pytest.param(["run", "--help"], {}, False, id="help"),
        *(
            pytest.param([], {name: True}, name == "resume", id=f"{name} from R")
            for name in SELECTORS
        ),
        pytest.param([], {"resume": True, "plan": True}, False, id="a plan from R"),
        pytest.param(["run", "--inline"], {}, False, id="in the session"),
        pytest.param([], {"inline": True}, False, id="in the session, from R"),
        pytest.param(["run", "--isolation", "process"], {}, False, id="fresh processes"),
        pytest.param(["run"], {"isolation": "process"}, False, id="fresh processes, from R"),
    ],
)
def test_a_process_to_fork_is_started_for_what_looks_like_a_run(argv, options, expected):
    assert will_fork(argv, options) == expected


def test_a_setting_that_asks_for_processes_counts(monkeypatch):
    monkeypatch.setenv("METAFLOW_DEFAULT_ISOLATION", "process")

    assert not will_fork(["run"], {})
    assert will_fork(["run"], {"isolation": "fork"})
