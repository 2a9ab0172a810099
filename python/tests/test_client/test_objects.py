"""Flows, runs, steps, tasks and artifacts, as Python sees them."""

import pickle
from datetime import datetime

import pandas
import pytest
from written_runs import FlowWriter

from metaflow_core import client, wire
from metaflow_core.client import DataArtifact, Flow, Metaflow, RObject, Run, Step, Task
from metaflow_core.errors import (
    ArtifactNotFound,
    FlowNotFound,
    InvalidPathspec,
    InvalidTag,
    NotInNamespace,
    RunNotFound,
    StepNotFound,
    StoreUnavailable,
    TaskNotFound,
    UnsafePickle,
    UsageError,
)
from metaflow_core.model.task import Failure, ForeachFrame


@pytest.fixture
def finished(flow):
    """A run that succeeded, its two tasks with an artifact each."""
    run = flow.run(tags=["t1"], parameters={"alpha": 0.5})
    run.done("start", x=1)
    run.done("end", x=2)
    return run


class TestASuccessfulRun:
    def test_it_is_successful_and_finished(self, finished):
        run = Run(str(finished.pathspec))

        assert run.successful
        assert run.finished
        assert run.status == "successful"
        assert isinstance(run.finished_at, datetime)

    def test_its_data_are_those_of_the_last_step(self, finished):
        data = Run(str(finished.pathspec)).data

        assert data.x == 2
        assert data.alpha == 0.5
        assert "x" in data
        assert "y" not in data

    def test_what_is_not_among_its_data_is_no_attribute(self, finished):
        with pytest.raises(AttributeError, match="y"):
            _ = Run(str(finished.pathspec)).data.y

    def test_its_steps_are_listed_newest_first_and_in_the_order_of_the_graph(self, finished):
        run = Run(str(finished.pathspec))

        assert {step.id for step in run} == {"start", "end"}
        assert [step.id for step in run.steps_in_order()] == ["start", "end"]

    def test_objects_are_reached_by_their_ids(self, finished):
        task = Flow("Line")[finished.pathspec.run]["start"]["1"]

        assert task["x"].data == 1
        assert task.parent.parent.parent.id == "Line"
        assert "x" in task
        assert "1" in Step(task.parent.pathspec)

    def test_metaflows_own_artifacts_are_not_listed_but_there(self, finished):
        task = Task(f"{finished.pathspec}/start/1")

        assert sorted(a.id for a in task) == ["alpha", "name", "x"]
        assert task["_task_ok"].data is True

    def test_an_id_that_is_not_there_is_a_key_error(self, finished):
        with pytest.raises(KeyError, match="nothing"):
            Run(str(finished.pathspec))["nothing"]

    def test_objects_print_as_what_makes_them(self, finished):
        run = finished.pathspec.run

        assert repr(Flow("Line")) == "Flow('Line')"
        assert repr(Task(f"Line/{run}/start/1", attempt=0)) == (
            f"Task('Line/{run}/start/1', attempt=0)"
        )

    def test_objects_survive_pickling(self, finished):
        task = Task(f"{finished.pathspec}/start/1", attempt=0)

        again = pickle.loads(pickle.dumps(task))

        assert (repr(again), again["x"].data) == (repr(task), 1)


class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        ("kind", "pathspec", "error"),
        [
            (Flow, "Nothing", FlowNotFound),
            (Run, "Line/7", RunNotFound),
            (Step, "Line/{run}/nothing", StepNotFound),
            (Task, "Line/{run}/start/7", TaskNotFound),
            (DataArtifact, "Line/{run}/start/1/nothing", ArtifactNotFound),
        ],
    )
    def test_is_an_error_of_its_level(self, finished, kind, pathspec, error):
        with pytest.raises(error, match=r"Nothing|7|nothing"):
            kind(pathspec.format(run=finished.pathspec.run))

    def test_the_error_for_an_artifact_lists_those_that_are_there(self, finished):
        with pytest.raises(ArtifactNotFound, match="x"):
            DataArtifact(f"{finished.pathspec}/start/1/y")

    def test_a_pathspec_of_another_level_is_told_so(self, finished):
        with pytest.raises(InvalidPathspec, match=r"names a run.*Flow/12/start"):
            Step(str(finished.pathspec))

    @pytest.mark.parametrize("attempt", [-1, 6])
    def test_an_attempt_that_cannot_be(self, finished, attempt):
        with pytest.raises(UsageError, match="from 0 to 5"):
            Task(f"{finished.pathspec}/start/1", attempt)


class TestNamespaces:
    def test_the_default_is_the_users(self, directory):
        assert client.get_namespace() == "user:tester"

    def test_what_another_user_made_is_not_in_it(self, flow):
        run = flow.run(user="grace")

        with pytest.raises(NotInNamespace, match="user:tester"):
            Run(str(run.pathspec))
        with pytest.raises(NotInNamespace):
            Flow("Line")
        assert Metaflow().flows == []

    def test_the_global_one_has_everything(self, flow):
        run = flow.run(user="grace")

        client.namespace(None)

        assert Run(str(run.pathspec)).user == "grace"
        assert [f.id for f in Metaflow()] == ["Line"]

    def test_a_tag_is_a_namespace(self, flow):
        flow.run()
        tagged = flow.run(user="grace", tags=["release"])

        client.namespace("release")

        assert [run.id for run in Flow("Line")] == [tagged.pathspec.run]

    def test_an_object_keeps_the_one_it_was_made_in(self, flow):
        flow.run(user="grace")
        own = flow.run()
        found = Flow("Line")

        client.namespace(None)

        assert [run.id for run in found] == [own.pathspec.run]
        assert found.is_in_namespace()


class TestRuns:
    def test_are_listed_newest_first(self, flow):
        ids = [flow.run().pathspec.run for _ in range(3)]

        assert sorted(ids) == ids
        assert {run.id for run in Flow("Line")} == set(ids)

    def test_can_be_chosen_by_tags(self, flow):
        flow.run(tags=["a"])
        both = flow.run(tags=["a", "b"])

        assert [run.id for run in Flow("Line").runs("a", "b")] == [both.pathspec.run]

    def test_the_latest_successful_one_is_found_behind_a_failed_one(self, finished, flow):
        failed = flow.run()

        assert Flow("Line").latest_successful_run.id == finished.pathspec.run
        assert failed.pathspec.run in Flow("Line")

    def test_tags_can_be_changed(self, finished):
        run = Run(str(finished.pathspec))

        run.add_tag("t2")
        run.add_tags(["t3", "t4"])
        run.replace_tag("t1", "t5")
        run.remove_tags(["t3"])
        run.remove_tag("t4")

        assert run.user_tags == {"t2", "t5"}
        assert Task(f"{run.pathspec}/start/1").user_tags == {"t2", "t5"}

    def test_a_system_tag_cannot_be_removed(self, finished):
        with pytest.raises(InvalidTag):
            Run(str(finished.pathspec)).remove_tag("user:tester")


class TestARunInProgress:
    @pytest.fixture
    def run(self, flow):
        run = flow.run()
        run.done("start", x=1)
        run.begin(run.task("end"), 0)
        run.beat("running")
        return run

    def test_it_is_running(self, run):
        found = Run(str(run.pathspec))

        assert found.status == "running"
        assert not found.finished
        assert found.finished_at is None
        assert found.duration_s is None
        assert found.state()["status"] == "running"

    def test_its_tasks_can_be_listed(self, run):
        tasks = [task for step in Run(str(run.pathspec)).steps_in_order() for task in step]

        assert [task.status for task in tasks] == ["successful", "running"]
        assert list(tasks[1]) == []
        assert tasks[1].exception is None
        assert tasks[1].index is None

    def test_it_is_not_known_to_run_when_it_fell_silent(self, run):
        run.beat("running", at=0.0)

        found = Run(str(run.pathspec))

        assert found.status == "unknown"
        assert found.end_task.status == "unknown"

    def test_a_task_that_was_lost_failed_with_its_run(self, run):
        run.beat("failed")

        found = Run(str(run.pathspec))

        assert found.end_task.status == "failed"
        assert found.duration_s >= 0


FAILURE = Failure(
    "error",
    "no such column",
    call="check(x)",
    classes=("bad_column", "error", "condition"),
    frames=({"call": "check(x)", "file": "flow.R", "line": 3},),
    condition=wire.dumps(wire.Classed({"message": "no such column"}, ("bad_column",))),
)


class TestAFailedTask:
    @pytest.fixture
    def task(self, flow):
        run = flow.run()
        task = run.task("start")
        with run.attempt(task, 0, ok=False, success=False, failure=FAILURE) as stored:
            stored.save_native("partial", 1)
        run.log(task, 0, "stderr", "Error: no such column")
        return run, task

    def test_it_tells_the_r_failure(self, task):
        found = Task(str(task[1]))

        assert found.failure == FAILURE
        assert found.status == "failed"
        assert not found.successful
        assert str(found.exception.exception) == "no such column"

    def test_its_run_failed_there(self, task):
        run = Run(str(task[0].pathspec))

        assert run.status == "failed"
        assert run.failed_tasks[0].pathspec == str(task[1])
        assert not run.successful

    def test_a_second_attempt_is_what_counts(self, task):
        run, pathspec = task
        with run.attempt(pathspec, 1) as stored:
            stored.save_native("whole", 2)
        run.log(pathspec, 1, "stdout", "better")

        found = Task(str(pathspec))

        assert (found.status, found.current_attempt) == ("successful", 1)
        assert "partial" not in found
        assert found.stdout == "better\n"
        assert Task(str(pathspec), attempt=0).stderr == "Error: no such column\n"
        assert Task(str(pathspec), attempt=0)["partial"].data == 1

    def test_an_attempt_that_runs_does_not_hide_the_last_one(self, task):
        run, pathspec = task
        run.begin(pathspec, 1)
        run.beat("running")

        found = Task(str(pathspec))

        assert found.status == "running"
        assert found["partial"].data == 1


def test_a_clone_has_the_log_and_the_facts_of_its_origin(flow):
    origin_run = flow.run()
    origin = origin_run.done("start", x=1)
    origin_run.log(origin, 0, "stdout", "once")
    run = flow.run()
    clone = run.task("start", origin=origin)
    with run.attempt(clone) as stored:
        stored.save_native("x", 1)

    task = Task(str(clone))

    assert task.stdout == "once\n"
    assert task.origin_pathspec == str(origin)
    assert task["x"].origin_pathspec == f"{origin}/x"
    assert Run(str(run.pathspec)).origin_pathspec == str(origin_run.pathspec)
    assert Run(str(origin_run.pathspec)).origin_pathspec is None


def test_log_lines_have_their_time_and_only_the_two_streams(flow):
    run = flow.run()
    task = run.done("start")
    run.log(task, 0, "stdout", "a", "", "b")

    found = Task(str(task))

    assert [text for _, text in found.loglines("stdout")] == ["a", "", "b"]
    assert [text for _, text in found.loglines("stdout", as_unicode=False)] == [b"a", b"", b"b"]
    assert found.stdout_size > found.stderr_size == 0
    with pytest.raises(UsageError, match="stdout"):
        found.log("stdin")


NESTED = {
    "start": ("split-foreach", ["outer"]),
    "outer": ("split-foreach", ["inner"]),
    "inner": ("linear", ["gather"]),
    "gather": ("join", ["collect"]),
    "collect": ("join", ["end"]),
    "end": ("end", []),
}


class TestANestedForeach:
    @pytest.fixture
    def tasks(self, directory):
        """Tasks by step and indexes."""
        run = FlowWriter(directory, "Nested", NESTED).run()
        written = {("start",): run.done("start")}
        for i in range(2):
            outer = ForeachFrame("outer", "xs", 2, i, str(i))
            written["outer", i] = self.write(run, "outer", [outer])
            for j in reversed(range(2)):
                inner = ForeachFrame("inner", "ys", 2, j, str(j))
                written["inner", i, j] = self.write(run, "inner", [outer, inner])
            written["gather", i] = self.write(run, "gather", [outer])
        written[("collect",)] = run.done("collect")
        return {key: str(pathspec) for key, pathspec in written.items()}

    @staticmethod
    def write(run, step, frames):
        task = run.task(step, frames)
        with run.attempt(task, frames=frames):
            pass
        return task

    @pytest.mark.parametrize(
        ("task", "parents", "children"),
        [
            (("start",), [], [("outer", 0), ("outer", 1)]),
            (("outer", 1), [("start",)], [("inner", 1, 0), ("inner", 1, 1)]),
            (("inner", 0, 1), [("outer", 0)], [("gather", 0)]),
            (("gather", 1), [("inner", 1, 0), ("inner", 1, 1)], [("collect",)]),
            (("collect",), [("gather", 0), ("gather", 1)], []),
        ],
    )
    def test_tasks_know_their_parents_and_children(self, tasks, task, parents, children):
        found = Task(tasks[task])

        assert list(found.parent_task_pathspecs) == [tasks[key] for key in parents]
        assert list(found.child_task_pathspecs) == [tasks[key] for key in children]

    def test_they_know_their_index_and_their_frames(self, tasks):
        found = Task(tasks["inner", 1, 0])

        assert found.index == 0
        assert [(frame.step, frame.index) for frame in found.foreach_stack] == [
            ("outer", 1),
            ("inner", 0),
        ]

    def test_they_are_in_the_order_of_the_foreach(self, tasks):
        step = Task(tasks["inner", 0, 0]).parent

        assert [task.pathspec for task in step.tasks_in_order()] == [
            tasks["inner", i, j] for i in range(2) for j in range(2)
        ]

    def test_steps_know_their_neighbours(self, tasks):
        step = Task(tasks["gather", 0]).parent

        assert [other.id for other in step.parent_steps] == ["inner"]
        assert [other.id for other in step.child_steps] == ["collect"]
        assert list(Task(tasks[("collect",)]).parent.child_steps) == []


class TestArtifacts:
    @pytest.fixture
    def saved(self, flow):
        """Saves one artifact with the writer's method of a name; the artifact."""

        def save(method, *arguments):
            run = flow.run()
            task = run.task("start")
            with run.attempt(task) as stored:
                getattr(stored, method)("x", *arguments)
            return DataArtifact(f"{task}/x")

        return save

    def test_what_r_wrote_is_an_r_object(self, saved):
        data = wire.dumps({"a": 1.5})
        artifact = saved("save_r", data, "list")

        assert artifact.data == RObject(data, "list")
        assert (artifact.type, artifact.encoding) == ("list", "r-serialize-3")
        assert artifact.size > len(data)

    def test_what_is_native_is_pythons(self, saved):
        artifact = saved("save_native", [1, 2])

        assert artifact.data == [1, 2]
        assert artifact.encoding == "native"
        assert artifact.finished_at == artifact.created_at

    def test_a_class_of_a_package_is_read_only_if_it_is_allowed(self, saved):
        value = pandas.Timestamp("2024-02-29")
        artifact = saved("save_pickle", pickle.dumps(value, 4), "Timestamp")

        with pytest.raises(UnsafePickle, match="pandas"):
            _ = artifact.data
        assert artifact.load(allow=("pandas",)) == value


class TestWhichStore:
    def test_a_directory_can_be_named(self, flow, directory, monkeypatch, tmp_path_factory):
        flow.run()
        monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(tmp_path_factory.mktemp("x")))
        assert Metaflow().flows == []

        name = client.metadata(str(directory))

        assert name == client.get_metadata() == f"local@{directory}"
        assert client.metadata(f"local@{directory}/.metaflow") == name
        assert [f.id for f in Metaflow()] == ["Line"]

    def test_the_default_one_comes_back(self, flow, directory, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        (elsewhere / ".metaflow").mkdir()
        client.metadata(str(elsewhere))

        assert client.default_metadata() == f"local@{directory}"

    def test_one_that_is_not_there_is_told(self, directory):
        with pytest.raises(StoreUnavailable, match=r"no \.metaflow in"):
            client.metadata(str(directory / "nowhere"))

    @pytest.mark.parametrize("text", ["https://metadata.example.org", "service@example"])
    def test_a_service_cannot_be_read_yet(self, directory, text):
        with pytest.raises(UsageError, match="cannot be read by this version yet"):
            client.metadata(text)
