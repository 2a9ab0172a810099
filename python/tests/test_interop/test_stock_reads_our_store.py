"""The stock client reads what our writers store: no run is needed, and no R."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from metaflow_core.datastore import mflog, pickles
from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.datastore.local import LocalStorage
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.metadata.provider import ArtifactRecord, Identity, MetaDatum
from metaflow_core.model.flow import Flow, Step
from metaflow_core.model.graph import graph_info
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import ForeachFrame

HERE = Path(__file__).parent
STOCK_PYTHON = HERE.parents[1] / ".venv-stock" / "bin" / "python"
ADA = Identity("ada", ("t1",), ("user:ada", "runtime:dev", "r_version:4.2.2"))
FLOW = Flow.of(
    "OurFlow",
    Step("start", ("body",), foreach="items"),
    Step("body", ("join",)),
    Step("join", ("end",), is_join=True),
    Step("end"),
)
# What R would serialize is opaque here; larger than a blob must be to be stored raw.
NOISE = b"X\n\0\0\0\3" + os.urandom(100_000)
SOME_TIME_AGO = 1e9


class Writer:
    """Writes a run of `FLOW` as the runtime does."""

    def __init__(self, root: Path) -> None:
        self.store = FlowDatastore(LocalStorage(root), FLOW.name)
        self.metadata = LocalMetadata(root)
        self.run = Pathspec(FLOW.name, self.metadata.new_run(FLOW.name, ADA))
        parameters = self.metadata.register_parameters_task(self.run, ADA)
        self.attempt(self.run.child("_parameters").child(parameters), 0, alpha=0.5)
        ends = (MetaDatum("start_step", "start"), MetaDatum("end_step", "end"))
        self.metadata.register_metadata(Pathspec(*self.run.parts, "_parameters", "0"), ends, "ada")

    def task(self, step: str) -> Pathspec:
        return self.run.child(step).child(self.metadata.new_task(self.run, step, ADA))

    def attempt(
        self,
        task: Pathspec,
        number: int,
        error: str | None = None,
        frames: tuple[ForeachFrame, ...] = (),
        **values: Any,
    ) -> None:
        self._facts(task, number, frames)
        writer = self.store.writer(*task.parts[1:], number)
        writer.begin()
        for name, value in values.items():
            if isinstance(value, bytes):
                writer.save_r(name, value, "raw")
            else:
                writer.save_native(name, value)
        writer.save_native("_graph_info", graph_info(FLOW))
        writer.save_native("_task_ok", error is None)
        writer.save_native("_success", error is None)
        writer.save_pickle("_foreach_stack", pickles.dumps_foreach_stack(frames), "list")
        exception = pickles.dumps_native(None)
        if error is not None:
            exception = pickles.dumps_exception("simpleError", error, f"Error in f(x): {error}")
        writer.save_pickle("_exception", exception, "MetaflowExceptionWrapper")
        lines = (("load", "Loading", 0.5), ("runtime", f"try {number}", 1.5))
        log = b"".join(mflog.format_line(*line) for line in lines)
        writer.append_log("runtime", "stdout", log)
        assert writer.commit()
        artifacts = [ArtifactRecord(name, key) for name, key in writer.objects.items()]
        self.metadata.register_artifacts(task, number, artifacts, ADA)
        done = MetaDatum("attempt-done", str(number), tags=(f"attempt_id:{number}",))
        self.metadata.register_metadata(task, [done], "ada")

    def _facts(self, task: Pathspec, number: int, frames: tuple[ForeachFrame, ...]) -> None:
        storage = self.store.storage
        facts = {"attempt": str(number), "ds-type": storage.type, "ds-root": storage.root}
        if frames:
            facts["foreach-execution-path"] = ",".join(f"{f.step}:{f.index}" for f in frames)
        tags = (f"attempt_id:{number}",)
        data = [MetaDatum(field, value, tags=tags) for field, value in facts.items()]
        self.metadata.register_metadata(task, data, "ada")


def write_runs(root: Path) -> tuple[Pathspec, Pathspec]:
    """A run that succeeded in a second attempt, and one that failed."""
    good = Writer(root)
    good.attempt(good.task("start"), 0, items=["a", "b"], text="é\n")
    for index, item in enumerate("ab"):
        frame = ForeachFrame("body", "items", 2, index, item)
        good.attempt(good.task("body"), 0, frames=(frame,), got=item)
    good.attempt(good.task("join"), 0, noise=NOISE, zeros=bytes(100_000))
    end = good.task("end")
    good.attempt(end, 0, "boom")
    good.attempt(end, 1, answer=42, nothing=None, mixed=[1, 2.5, "x", True, None])
    good.metadata.mutate_tags(good.run, ["added"], ["t1"])

    bad = Writer(root)
    bad.attempt(bad.task("start"), 0, "it broke")
    return good.run, bad.run


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, str]:
    """What the stock client says of each object, and the pathspecs of both runs."""
    directory = tmp_path_factory.mktemp("ours")
    good, bad = write_runs(directory / ".metaflow")
    python = Path(os.environ.get("METAFLOW_STOCK_PYTHON", STOCK_PYTHON))
    assert python.exists(), f"No Python with stock Metaflow at {python}: `make setup` installs it."
    own = {name: value for name, value in os.environ.items() if not name.startswith("METAFLOW_")}
    ended = subprocess.run(
        [python, HERE / "dump_client.py", "metaflow"],
        cwd=directory,
        env={
            **own,
            "METAFLOW_USER": "tester",
            "METAFLOW_HOME": str(directory / "home"),
            "METAFLOW_CLIENT_CACHE_PATH": str(directory / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), str(good), str(bad)


def test_it_lists_the_runs_newest_first(told) -> None:
    answers, good, bad = told
    flow = answers["OurFlow"]

    assert [f"OurFlow/{run}" for run in flow["children"]] == [bad, good]
    assert flow["latest_run"] == f"Run('{bad}')"
    assert flow["latest_successful_run"] == f"Run('{good}')"


def test_it_knows_how_a_run_ended(told) -> None:
    answers, good, bad = told

    assert (answers[good]["successful"], answers[good]["finished"]) == (True, True)
    assert datetime.fromisoformat(answers[good]["finished_at"]).timestamp() > SOME_TIME_AGO
    assert answers[good]["end_task"] == f"Task('{good}/end/5')"
    assert (answers[bad]["successful"], answers[bad]["finished"]) == (False, False)
    assert answers[bad]["finished_at"] == "None"


def test_it_lists_steps_and_tasks(told) -> None:
    answers, good, _ = told

    assert answers[good]["children"] == ["body", "end", "join", "start"]
    assert sorted(id for _, ids in answers[f"{good}/body"]["children"] for id in ids) == ["2", "3"]
    assert answers[f"{good}/join"]["parents"] == [f"Step('{good}/body')"]


def test_it_follows_tasks_through_a_foreach(told) -> None:
    answers, good, _ = told

    assert answers[f"{good}/body/3"]["index"] == 1
    assert answers[f"{good}/body/3"]["parents"] == [f"{good}/start/1"]
    assert answers[f"{good}/join/4"]["parents"] == [f"{good}/body/2", f"{good}/body/3"]
    assert answers[f"{good}/start/1"]["children_tasks"] == [f"{good}/body/2", f"{good}/body/3"]


@pytest.mark.parametrize(
    ("artifact", "value"),
    [
        ("_parameters/0/alpha", 0.5),
        ("start/1/items", ["a", "b"]),
        ("start/1/text", "é\n"),
        ("body/2/got", "a"),
        ("body/3/got", "b"),
        ("join/4/noise", bytearray(NOISE)),
        ("join/4/zeros", bytearray(100_000)),
        ("end/5/answer", 42),
        ("end/5/nothing", None),
        ("end/5/mixed", [1, 2.5, "x", True, None]),
        ("body/3/_foreach_stack", [ForeachFrame("body", "items", 2, 1, "b")]),
    ],
)
def test_it_reads_values(told, artifact: str, value: object) -> None:
    answers, good, _ = told

    assert answers[f"{good}/{artifact}"]["value"] == repr(value)


def test_it_tells_attempts_apart(told) -> None:
    answers, good, _ = told
    task, first, second = (answers[f"{good}/end/5{suffix}"] for suffix in ("", "@0", "@1"))

    assert task["current_attempt"] == 1
    assert (task["successful"], first["successful"], second["successful"]) == (True, False, True)
    assert (first["stdout"], second["stdout"]) == ("Loading\ntry 0\n", "Loading\ntry 1\n")
    assert "answer" in task["children"]
    assert "answer" not in first["children"]
    assert task["exception"] is None
    assert first["exception"] == ["simpleError", "boom", "Error in f(x): boom"]


def test_it_shows_why_a_task_failed(told) -> None:
    answers, _, bad = told
    task = answers[f"{bad}/start/1"]

    assert (task["successful"], task["finished"]) == (False, False)
    assert task["exception"] == ["simpleError", "it broke", "Error in f(x): it broke"]


def test_it_reads_logs_with_their_times(told) -> None:
    answers, good, _ = told
    task = answers[f"{good}/start/1"]

    assert task["stdout"] == "Loading\ntry 0\n"
    assert task["loglines"] == [
        ["1970-01-01 00:00:00.500000", "Loading"],
        ["1970-01-01 00:00:01.500000", "try 0"],
    ]
    assert task["stderr"] == ""


def test_it_sees_tags_as_they_are_now(told) -> None:
    answers, good, bad = told

    assert answers[good]["user_tags"] == ["added"]
    assert answers[f"{good}/body/2"]["user_tags"] == ["added"]
    assert answers[bad]["user_tags"] == ["t1"]
    assert answers[good]["system_tags"] == ["r_version:4.2.2", "runtime:dev", "user:ada"]
    assert answers[f"{good}/start/1"]["runtime_name"] == "dev"
