"""Starts a run, or resumes one: registers it, stores its parameters, executes it."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from metaflow_core import __version__, config
from metaflow_core.compute.fork import ZygoteProcess
from metaflow_core.compute.inline import Hear, Say, ServeAttempt
from metaflow_core.compute.launcher import Launcher
from metaflow_core.compute.local import LocalLauncher
from metaflow_core.compute.loop import Loop
from metaflow_core.compute.session import RSession
from metaflow_core.datastore import pickles
from metaflow_core.datastore.attempts import AttemptWriter, FlowDatastore
from metaflow_core.decorators.base import TaskPolicy
from metaflow_core.decorators.project import project_of
from metaflow_core.decorators.registry import check_decorators, policy_of
from metaflow_core.errors import InvalidFlow
from metaflow_core.files import make_temporary_folder, telling
from metaflow_core.metadata.provider import (
    Identity,
    MetadataProvider,
    MetaDatum,
)
from metaflow_core.metadata.tags import check_tags
from metaflow_core.model.flow import END, PARAMETERS, START, Flow
from metaflow_core.model.graph import check_graph, graph_info
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.model.task import Failure, TaskKey
from metaflow_core.runtime import seeds
from metaflow_core.runtime.closing import close_attempt, of_attempt
from metaflow_core.runtime.console import BatchedEmit, Console
from metaflow_core.runtime.context import RunContext
from metaflow_core.runtime.framework import save_foreach_stack
from metaflow_core.runtime.report import FailedTask, RunResult
from metaflow_core.runtime.resume import ORIGIN_RUN_ID, RESUME_STEP, OriginRun
from metaflow_core.runtime.runtime import Runtime
from metaflow_core.runtime.tasks import FLOW_NAME, FinishedTask, Place, Stored
from metaflow_core.scheduler.events import FinishRun, Limits, StepPolicy
from metaflow_core.scheduler.scheduler import Scheduler


@dataclass(frozen=True)
class RunOptions:
    """How a run is to be run.

    Args:
        max_workers: Attempts that may run at once.
        max_num_splits: Largest foreach that is let through.
        tags: The user's tags.
        namespace: Namespace of the run's user, or None for ``user:<name>``.
        run_id_file: File that gets the run's id, or None.
        seed: The run's seed, or None for a random one.
        on_error: ``"stop"`` or ``"continue"``.
        isolation: How tasks are kept apart, see `compute.isolation.Isolation`.
    """

    max_workers: int = 16
    max_num_splits: int = 100
    tags: Sequence[str] = ()
    namespace: str | None = None
    run_id_file: str | None = None
    seed: int | None = None
    on_error: Literal["stop", "continue"] = "stop"
    isolation: str = "auto"


@dataclass(frozen=True)
class RunRequest:
    """A run that is asked for.

    Args:
        flow: A flow that `check_flow` accepts.
        parameters: Value of each parameter; not looked at for a resume, which keeps the origin's.
        options: How to run it.
        session: The R session that asks for it.
        payload: What workers need of the flow, R's own business.
        origin: The run to resume, or None.
        from_step: Step to resume from, or None for what failed.
        serve_inline: Runs an attempt in the session; None if it cannot be asked.
        ahead: The process that its tasks will be forked from, if R has started it already, or None;
            ended by who handed it over.
    """

    flow: Flow
    parameters: Mapping[str, Any]
    options: RunOptions
    session: RSession
    payload: bytes
    origin: OriginRun | None = None
    from_step: str | None = None
    serve_inline: ServeAttempt | None = None
    ahead: ZygoteProcess | None = None


@dataclass(frozen=True)
class Services:
    """Where a run puts what it makes.

    Args:
        store: The flow's datastore.
        metadata: The metadata provider.
        console: Where lines go.
    """

    store: FlowDatastore
    metadata: MetadataProvider
    console: Console


_PAYLOAD = "payload"
"""File in a run's own folder: what workers need of the flow, R's own business."""


def check_flow(flow: Flow) -> None:
    """Check the graph and the decorators.

    Raises:
        InvalidFlow: With every problem at once.
    """
    problems = check_graph(flow) + check_decorators(flow)
    problems += [
        f"Step `{step.name}` asks for `{name}`, which this version cannot run yet."
        for step in flow.steps.values()
        for name in ("batch", "kubernetes", "secrets")
        if step.decorator(name)
    ]
    if problems:
        raise InvalidFlow(flow.name, problems)


def local_launcher(loop: Loop, request: RunRequest, console: Console, temporary: Path) -> Launcher:
    """Starts workers on this machine, as the session that asks for the run would.

    Args:
        loop: Where they are waited for.
        request: The run that is asked for.
        console: Where the user is told how tasks are kept apart, if not as expected.
        temporary: The run's own folder, which goes with it and holds the payload.
    """
    session = request.session
    return LocalLauncher(
        loop,
        command=session.command(temporary),
        scripts=Path(session.scripts),
        payload=temporary / _PAYLOAD,
        isolation=request.options.isolation,
        say=console.line,
        serve_inline=request.serve_inline,
        ahead=request.ahead,
    )


def run_flow(
    request: RunRequest,
    services: Services,
    make_loop: Callable[[], Loop] = Loop,
    make_launcher: Callable[[Loop, RunRequest, Console, Path], Launcher] = local_launcher,
) -> RunResult:
    """Run a flow, or resume a run of it as a new one.

    Args:
        request: The run that is asked for.
        services: Where it puts what it makes.
        make_loop: Makes the loop that it waits in.
        make_launcher: Makes what starts its workers.

    Returns:
        How the run ended; a task that failed does not raise.

    Raises:
        InvalidResume: If the flow has no step of that name to resume from.
        InvalidTag: If a tag is not valid.
        StoreError: If the run cannot be registered.
    """
    services.store.storage.sweep()
    flow, origin = request.flow, request.origin
    origin_tasks = origin.tasks(flow, request.from_step) if origin else None
    policies = {step.name: policy_of(step) for step in flow.steps.values()}
    limits = _limits(request.options)
    scheduler = Scheduler(flow, _step_policies(policies), limits, origin_tasks)
    temporary = _make_run_folder()
    loop = make_loop()
    emit = BatchedEmit(services.console.emit, loop)
    # What shows colours also knows how to erase a line.
    status = emit.status if services.console.colour else None
    console = replace(services.console, emit=emit, show_status=status)
    services = replace(services, console=console)
    request = _flushing(request, emit)
    launcher = make_launcher(loop, request, services.console, temporary)
    try:
        with telling("write", temporary / _PAYLOAD):
            (temporary / _PAYLOAD).write_bytes(request.payload)
        # R starts while the run is registered.
        launcher.prepare()
        with services.store.writing():
            context = _register(request, services, policies, temporary)
            runtime = Runtime(context, scheduler, launcher, loop, origin)
            services.console.line(f"Workflow starting (run-id {context.pathspec.run}):")
            return _result(context, runtime, runtime.execute())
    finally:
        launcher.close()
        emit.flush()
        loop.close()
        shutil.rmtree(temporary, ignore_errors=True)


def _make_run_folder() -> Path:
    """A new folder for the temporary files of a run.

    Raises:
        StoreUnavailable: If it cannot be made.
    """
    return make_temporary_folder(config.get("METAFLOW_TEMPDIR") or tempfile.gettempdir())


def _flushing(request: RunRequest, emit: BatchedEmit) -> RunRequest:
    """What was said is seen before a task in the session prints on the same console."""
    serve = request.serve_inline
    if serve is None:
        return request

    def serve_flushed(hear: Hear, say: Say) -> int | None:
        emit.flush()
        return serve(hear, say)

    return replace(request, serve_inline=serve_flushed)


def _register(
    request: RunRequest,
    services: Services,
    policies: Mapping[str, TaskPolicy],
    temporary: Path,
) -> RunContext:
    """Register the run and store its parameters."""
    flow, origin, options = request.flow, request.origin, request.options
    identity = _identity(flow, options, request.session)
    run_id = services.metadata.new_run(flow.name, identity)
    if options.run_id_file:
        with telling("write", options.run_id_file):
            Path(options.run_id_file).write_text(run_id, encoding="utf-8")
    run = Pathspec(flow.name, run_id)
    seed = options.seed if options.seed is not None else _origin_seed(origin)
    return RunContext(
        flow=flow,
        policies=policies,
        pathspec=run,
        store=services.store,
        metadata=services.metadata,
        identity=identity,
        console=services.console,
        payload_path=temporary / _PAYLOAD,
        spool_root=temporary,
        seed=seed,
        parameters=_store_parameters(request, services, run, identity, seed),
        current=_current(flow, run_id, identity, options, origin),
        origin_run_id=origin.run_id if origin else None,
        max_num_splits=options.max_num_splits,
        foreach_value_chars=int(config.number("METAFLOW_MAXIMUM_FOREACH_VALUE_CHARS")),
        keep_frames=config.number("METAFLOW_KEEP_FRAMES") != 0,
    )


def _store_parameters(
    request: RunRequest, services: Services, run: Pathspec, identity: Identity, seed: int
) -> FinishedTask:
    """Store the `_parameters` task, whose artifacts every other task repeats."""
    task_id = services.metadata.register_parameters_task(run, identity)
    task = run.child(PARAMETERS).child(task_id)
    writer = services.store.writer(run.run or "", PARAMETERS, task_id, 0)
    writer.begin()
    _save_parameters(request, writer)
    # Not marked as native: so it is told from an artifact `name` that a step assigns.
    writer.save_pickle(FLOW_NAME, pickles.dumps_native(request.flow.name), "<class 'str'>")
    writer.save_native("_graph_info", graph_info(request.flow))
    writer.save_native("_configs_processed", True)
    shared = Stored(dict(writer.objects), dict(writer.info))
    writer.save_native("_r_seed", seed)
    writer.save_r("_r_flow", request.payload, "flow")
    for name, value in {"_transition": None, "_task_ok": True, "_success": True}.items():
        writer.save_native(name, value)
    save_foreach_stack(writer, ())
    facts = [
        *of_attempt(0, [MetaDatum("attempt", "0")]),
        MetaDatum("start_step", START, "graph_structure"),
        MetaDatum("end_step", END, "graph_structure"),
        *_resume_facts(request),
    ]
    services.metadata.register_metadata(task, facts, identity.user)
    close_attempt(writer, services.metadata, task, identity)
    return FinishedTask(TaskKey(PARAMETERS), task_id, (), shared)


def _resume_facts(request: RunRequest) -> list[MetaDatum]:
    """What the next resume has to know if this one is ended before it has cloned everything."""
    if request.origin is None:
        return []
    facts = [MetaDatum(ORIGIN_RUN_ID, request.origin.run_id)]
    if request.from_step is not None:
        facts.append(MetaDatum(RESUME_STEP, request.from_step))
    return of_attempt(0, facts)


def _save_parameters(request: RunRequest, writer: AttemptWriter) -> None:
    """Store the parameters' values; those of the origin run, if there is one."""
    kept = request.origin.parameters() if request.origin else Stored()
    for name in request.flow.parameters:
        if name in kept.objects:
            writer.refer(name, kept.objects[name], kept.info.get(name, {}))
        elif name in request.parameters:
            save_parameter(writer, name, request.parameters[name])


def save_parameter(writer: AttemptWriter, name: str, value: Any) -> None:
    """Store a parameter's value; a list or a dict as Python's, since R reads it as its own."""
    if isinstance(value, list | dict):
        writer.save_pickle(name, pickles.dumps_native(value), str(type(value)))
    else:
        writer.save_native(name, value)


def _identity(flow: Flow, options: RunOptions, session: RSession) -> Identity:
    user = config.user()
    project = project_of(flow, user)
    system_tags = (
        "runtime:dev",
        f"user:{user}",
        f"metaflow_version:{__version__}",
        f"metaflow_r_version:{session.package_version}",
        f"r_version:{session.version}",
        f"python_version:{platform.python_version()}",
        *(project.tags if project else ()),
    )
    return Identity(user, tuple(dict.fromkeys(check_tags(options.tags))), system_tags)


def _current(
    flow: Flow, run_id: str, identity: Identity, options: RunOptions, origin: OriginRun | None
) -> dict[str, Any]:
    project = project_of(flow, identity.user)
    return {
        "flow_name": flow.name,
        "run_id": run_id,
        "origin_run_id": origin.run_id if origin else None,
        "namespace": options.namespace or f"user:{identity.user}",
        "username": identity.user,
        "tags": list(identity.tags),
        "parameter_names": list(flow.parameters),
        "project_name": project.name if project else None,
        "branch_name": project.branch if project else None,
        "is_production": project.is_production if project else None,
    }


def _origin_seed(origin: OriginRun | None) -> int:
    """A resumed run draws on with the numbers of its origin."""
    seed = origin.value(origin.parameters(), "_r_seed") if origin else None
    return seed if isinstance(seed, int) else seeds.new_seed()


def _step_policies(policies: Mapping[str, TaskPolicy]) -> dict[str, StepPolicy]:
    return {
        name: StepPolicy(p.retries, p.retry_wait_s, p.catches, p.cpu)
        for name, p in policies.items()
    }


def _limits(options: RunOptions) -> Limits:
    return Limits(
        max_workers=options.max_workers,
        max_num_splits=options.max_num_splits,
        cpus=float(os.cpu_count() or 1),
        on_error=options.on_error,
    )


def _result(run: RunContext, runtime: Runtime, end: FinishRun) -> RunResult:
    failed = [
        _failed_task(run.pathspec, key, runtime.place(key), failure)
        for key, failure in end.failures
    ]
    return RunResult(str(run.pathspec), end.status, failed, runtime.stopped, end.never_ran)


def _failed_task(run: Pathspec, key: TaskKey, place: Place | None, failure: Failure) -> FailedTask:
    step = run.child(key.step)
    if place is None:
        return FailedTask(str(step), key, failure)
    pathspec = str(step.child(place.task_id))
    if not place.frames:
        return FailedTask(pathspec, key, failure)
    frame = place.frames[-1]
    return FailedTask(pathspec, key, failure, frame.value, frame.num_splits)
