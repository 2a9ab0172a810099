"""A store that stock Metaflow wrote, and the two clients to ask about it."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

import metaflow_core

HERE = Path(__file__).parent
STOCK_PYTHON = HERE.parents[1] / ".venv-stock" / "bin" / "python"
CORE = Path(metaflow_core.__file__).parents[1]


@dataclass(frozen=True)
class Peers:
    """A directory that holds a `.metaflow`, seen by stock Metaflow and by the core.

    Args:
        directory: The working directory of everything that runs.
    """

    directory: Path

    def run_flow(self, name: str, *arguments: str, **environment: str) -> None:
        """Run a stock flow; one that fails does not raise."""
        script = HERE / "stock" / f"{name}_flow.py"
        self._run(_stock_python(), str(script), "--no-pylint", *arguments, **environment)

    def ask_stock(self, script: Path, *arguments: str) -> str:
        """What a script prints that stock Metaflow's Python runs."""
        return self._checked(_stock_python(), str(script), *arguments)

    def ask_core(self, script: Path, *arguments: str) -> str:
        """What a script prints that this Python runs, with the core on its path."""
        return self._checked(sys.executable, str(script), *arguments, PYTHONPATH=str(CORE))

    def _checked(self, *command: str, **environment: str) -> str:
        ended = self._run(*command, **environment)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def _run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {name: v for name, v in os.environ.items() if not name.startswith("METAFLOW_")}
        settings = {
            "METAFLOW_USER": "tester",
            "METAFLOW_HOME": str(self.directory / "home"),
            "METAFLOW_CLIENT_CACHE_PATH": str(self.directory / "cache"),
        }
        return subprocess.run(
            command,
            cwd=self.directory,
            env={**own, **settings, **environment},
            capture_output=True,
            text=True,
            check=False,
        )


def _stock_python() -> str:
    python = Path(os.environ.get("METAFLOW_STOCK_PYTHON", STOCK_PYTHON))
    if not python.exists():
        pytest.fail(
            f"No Python with stock Metaflow at {python}: `make setup` installs it, "
            "or METAFLOW_STOCK_PYTHON names another."
        )
    return str(python)


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    """Runs of stock flows: retried, caught, nested, failed and resumed, with tags."""
    directory = tmp_path_factory.mktemp("stock")
    (directory / ".metaflow").mkdir()
    peers = Peers(directory)

    def fail_and_resume() -> None:
        peers.run_flow("failing", "run")
        peers.run_flow("failing", "resume", FIXED="1")

    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(peers.run_flow, "nested", "run"),
            pool.submit(peers.run_flow, "branch", "run"),
            pool.submit(
                peers.run_flow, "linear", "run", "--alpha", "1.25", "--tag", "t1", "--tag", "a b"
            ),
            pool.submit(fail_and_resume),
        ]
        for run in runs:
            run.result()
    return peers


@pytest.fixture(scope="session")
def answers(peers: Peers) -> tuple[dict[str, dict], dict[str, dict]]:
    """What the stock client and ours say about that store: pathspec to attributes."""
    script = HERE / "dump_client.py"
    with ThreadPoolExecutor() as pool:
        stock = pool.submit(peers.ask_stock, script, "metaflow")
        ours = pool.submit(peers.ask_core, script, "metaflow_core.client")
        return json.loads(stock.result()), json.loads(ours.result())
