"""A terminal in which a flow's command line is used, with a store of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from played_run import SESSION, FakeLauncher, Function, VirtualLoop

from metaflow_core.cli.invocation import CommandResult, Invocation
from metaflow_core.cli.main import main
from metaflow_core.model.flow import Flow
from metaflow_core.runtime.report import RunResult
from metaflow_core.runtime.start import RunRequest, Services, run_flow


@dataclass
class Answer:
    """What a command did.

    Args:
        result: What it left for R.
        printed: What it printed, by stream.
        request: The run that it asked for, or None.
        services: Where this run was to put what it makes.
    """

    result: CommandResult
    printed: list[tuple[str, str]]
    request: RunRequest | None
    services: Services | None

    @property
    def exit_code(self) -> int:
        return self.result.exit_code

    @property
    def out(self) -> str:
        return "".join(text for text, stream in self.printed if stream == "stdout")

    @property
    def err(self) -> str:
        return "".join(text for text, stream in self.printed if stream == "stderr")

    @property
    def parameters(self) -> dict[str, Any]:
        """Values of the parameters of the run that was asked for."""
        assert self.request is not None, self.printed
        return dict(self.request.parameters)

    @property
    def options(self) -> Any:
        """Options of the run that was asked for."""
        assert self.request is not None, self.printed
        return self.request.options


@dataclass
class Terminal:
    """Uses the command line of flows.

    Args:
        folder: Where it is used.
        functions: Functions of steps for runs that are carried out; without any, a run is only
            asked for, and successful.
        evaluated: Parameters whose default function was evaluated.
        warnings: What looking through the functions of the steps finds.
        loading: What is printed before the steps begin, as `FakeLauncher` has it.
    """

    folder: Path
    functions: dict[str, Function] | None = None
    evaluated: list[str] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    loading: Mapping[str, bytes] = field(default_factory=dict)

    def preflight(self, sends: bool) -> list[dict[str, Any]]:
        return self.warnings

    def __call__(
        self,
        flow: Flow,
        *words: str,
        script: str = "Rscript flow.R",
        defaults: Callable[[str], Any] = lambda name: None,
        status: str = "successful",
        **options: Any,
    ) -> Answer:
        """Type *words*; *options* are the arguments of the script's `run()`."""
        answer = Answer(CommandResult(), [], None, None)

        def run(request: RunRequest, services: Services) -> RunResult:
            answer.request, answer.services = request, services
            if self.functions is None:
                return RunResult(f"{flow.name}/153", status)
            loop = VirtualLoop()
            launcher = FakeLauncher(loop, request.flow, self.functions, **self.loading)
            return run_flow(request, services, lambda: loop, lambda *_: launcher)

        def evaluate(name: str) -> Any:
            self.evaluated.append(name)
            return defaults(name)

        invocation = Invocation(
            flow,
            SESSION,
            words,
            options,
            lambda text, stream: answer.printed.append((text, stream)),
            lambda: b"payload",
            evaluate,
            script,
            run_flow=run,
            preflight=self.preflight,
        )
        answer.result = main(invocation)
        return answer


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in os.environ:
        if name.startswith("METAFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("METAFLOW_USER", "ada")
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path)
