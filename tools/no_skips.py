"""A pytest plugin: where the environment variable CI is set, a skipped test fails the run.

What CI leaves out is not tested anywhere; it must be seen there and not weeks later.
"""

import os

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI: a skipped test is a failed run", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
