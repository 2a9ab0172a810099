"""Commands that run the flow or look at its graph: `run`, `resume`, `check`, `show`, `help`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from metaflow_core import __version__, config
from metaflow_core.cli.invocation import CommandResult, Invocation, root_to_name
from metaflow_core.cli.parameters import parameter_options
from metaflow_core.cli.preflight import count_of, print_warnings, warn_before_run
from metaflow_core.compute.isolation import ISOLATIONS
from metaflow_core.datastore.attempts import FlowDatastore
from metaflow_core.datastore.local import FOLDER, LocalStorage, local_root
from metaflow_core.decorators.registry import with_decorators
from metaflow_core.errors import InvalidResume, OriginRunNotFound, UsageError
from metaflow_core.metadata.local import LocalMetadata
from metaflow_core.model.flow import Flow, Parameter
from metaflow_core.model.pathspec import Pathspec
from metaflow_core.runtime.console import Console
from metaflow_core.runtime.parameters import resolve_parameters
from metaflow_core.runtime.report import RunResult, report
from metaflow_core.runtime.resume import OriginRun, last_run
from metaflow_core.runtime.start import RunOptions, RunRequest, Services, check_flow
from metaflow_core.scheduler.resume import plan_resume

_RUN_OPTIONS: list[Callable[[], click.Option]] = [
    lambda: click.Option(
        ["--max-workers"],
        type=click.IntRange(min=1),
        help="Tasks that may run at once.  [default: 16; 1 with --inline]",
    ),
    lambda: click.Option(
        ["--max-num-splits"],
        type=click.IntRange(min=1),
        default=100,
        help="Largest foreach that is let through.  [default: 100]",
    ),
    lambda: click.Option(["--tag"], multiple=True, help="Tag of the run; may be repeated."),
    lambda: click.Option(
        ["--with", "with_"], multiple=True, metavar="SPEC", help="Decorator for every step."
    ),
    lambda: click.Option(["--namespace"], help="Namespace of the run.  [default: user:<name>]"),
    lambda: click.Option(
        ["--run-id-file"], type=click.Path(dir_okay=False), help="File that gets the run's id."
    ),
    lambda: click.Option(
        ["--seed"], type=int, help="Seed of the tasks' random numbers.  [default: random]"
    ),
    lambda: click.Option(
        ["--on-error"],
        type=click.Choice(["stop", "continue"]),
        default="stop",
        help="Whether independent tasks go on when one fails.  [default: stop]",
    ),
    lambda: click.Option(
        ["--isolation"],
        type=click.Choice(ISOLATIONS),
        help="How tasks are kept apart on this machine.  [default: auto]",
    ),
    lambda: click.Option(
        ["--preflight/--no-preflight"],
        default=None,
        help="Look through the steps' functions first.  [default: yes]",
    ),
    lambda: click.Option(
        ["--inline"], is_flag=True, help="Run the tasks in this R session: --isolation inline."
    ),
]


def run_commands(flow: Flow) -> list[click.Command]:
    """The commands, made for *flow*: `run` takes its parameters as options."""
    return [
        click.Command(
            "run",
            params=[*parameter_options(flow), *(make() for make in _RUN_OPTIONS)],
            callback=_run,
            help="Run the flow from start to end.",
        ),
        click.Command(
            "resume",
            params=[
                click.Argument(["step"], required=False),
                click.Option(
                    ["--origin-run-id"], help="Run to resume.  [default: the last one here]"
                ),
                click.Option(
                    ["--plan"], is_flag=True, help="Print what would run, and why; run nothing."
                ),
                click.Option(["--json", "as_json"], is_flag=True, help="Print the plan as JSON."),
                *(_refused(option) for option in parameter_options(flow)),
                *(make() for make in _RUN_OPTIONS),
            ],
            callback=_resume,
            help="Run again what failed, and reuse what finished. STEP starts from a step.",
        ),
        click.Command(
            "check",
            params=[click.Option(["--json", "as_json"], is_flag=True, help="Print JSON.")],
            callback=_check,
            help="Check the graph and the steps' functions without running anything.",
        ),
        click.Command(
            "spin",
            params=[
                click.Argument(["pathspec"], metavar="STEP|RUN/STEP[/TASK]"),
                click.Option(
                    ["--skip-decorators/--no-skip-decorators"],
                    default=False,
                    help="Leave out the step's environment variables.",
                ),
                click.Option(
                    ["--persist/--no-persist"],
                    default=None,
                    help="Keep what the step wrote, in .metaflow_spin.",
                ),
                click.Option(
                    ["--run-id-file"],
                    type=click.Path(dir_okay=False),
                    help="File that gets the id of what is kept.",
                ),
                click.Option(["--artifacts-module"], hidden=True),
                click.Option(["--max-log-size"], hidden=True),
            ],
            callback=_spin,
            help="Try a step as it is now with the inputs of a past run.",
        ),
        click.Command(
            "show",
            params=[click.Option(["--json", "as_json"], is_flag=True, help="Print JSON.")],
            callback=_show,
            help="Show the flow's steps.",
        ),
        click.Command("help", callback=_help, help="Show this list of commands."),
        click.Command("version", callback=_version, help="Print the version."),
    ]


@click.pass_context
def _spin(  # noqa: PLR0913, PLR0917 -- the options of the command
    ctx: click.Context,
    pathspec: str,
    skip_decorators: bool,
    persist: bool | None,
    run_id_file: str | None,
    artifacts_module: str | None,
    max_log_size: str | None,
) -> None:
    if artifacts_module is not None:
        raise UsageError(
            "--artifacts-module names a Python module: it is not for steps in R.",
            "In R, assign to `debug_task()$self` and call the step's function.",
        )
    if max_log_size is not None:
        raise UsageError("--max-log-size is not for steps in R: their logs have no limit here.")
    kept = config.number("METAFLOW_SPIN_PERSIST") != 0 if persist is None else persist
    if run_id_file and not kept:
        raise UsageError("--run-id-file needs a run: nothing is kept.", "Add --persist.")
    _context(ctx)[0].spin(
        pathspec, skip_decorators=skip_decorators, persist=kept, run_id_file=run_id_file
    )


def _refused(option: click.Option) -> click.Option:
    """A parameter that is there to be refused with the reason."""
    option.hidden = True
    return option


@click.pass_context
def _run(ctx: click.Context, /, **options: Any) -> None:
    invocation, _ = _context(ctx)
    flow = _flow(ctx, options)
    check_flow(flow)
    values = _parameters(flow, ctx, options)
    payload = invocation.payload()
    services = _services(ctx, flow)
    _greet(services.console, flow)
    warn_before_run(invocation, options["preflight"], quiet=services.console.quiet)
    request = RunRequest(
        flow,
        values,
        _run_options(options),
        invocation.session,
        payload,
        serve_inline=invocation.serve_inline,
        ahead=invocation.ahead,
    )
    _finish(ctx, invocation.run_flow(request, services), services)


def _parameters(flow: Flow, ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    invocation, _ = _context(ctx)
    given = {name: options[name] for name in flow.parameters}
    return resolve_parameters(
        flow, given, lambda parameter: invocation.evaluate_default(parameter.name)
    )


@click.pass_context
def _resume(ctx: click.Context, /, **options: Any) -> None:
    invocation, _ = _context(ctx)
    flow = _flow(ctx, options)
    check_flow(flow)
    services = _services(ctx, flow)
    origin = _origin(flow, options["origin_run_id"], services)
    kept = origin.parameters().objects.keys() & flow.parameters.keys()
    _refuse_parameters(kept, options)
    if options["plan"]:
        _print_plan(flow, origin, options)
        return
    values = _parameters(replace(flow, parameters=_without(flow.parameters, kept)), ctx, options)
    payload = invocation.payload()
    _greet(services.console, flow)
    warn_before_run(invocation, options["preflight"], quiet=services.console.quiet)
    services.console.line(
        "Gathering required information to resume run (this may take a bit of time)..."
    )
    request = RunRequest(
        flow,
        values,
        _run_options(options),
        invocation.session,
        payload,
        origin,
        options["step"],
        serve_inline=invocation.serve_inline,
        ahead=invocation.ahead,
    )
    _finish(ctx, invocation.run_flow(request, services), services)


def _without(parameters: Mapping[str, Parameter], names: Collection[str]) -> dict[str, Parameter]:
    return {name: parameter for name, parameter in parameters.items() if name not in names}


def _refuse_parameters(kept: Collection[str], options: dict[str, Any]) -> None:
    """Refuse values for parameters that the origin run has; new ones can be given."""
    given = [name for name in sorted(kept) if options.get(name) is not None]
    if given:
        raise InvalidResume(
            f"A resumed run keeps the parameters of its origin: {', '.join(given)} cannot be given,"
            " because the results that are reused were made with the old value.",
            "Use `run` for another value.",
        )


def _origin(flow: Flow, run_id: str | None, services: Services) -> OriginRun:
    """The run that is named, or the last one that was made on this machine."""
    if run_id is not None:
        return OriginRun(Pathspec(flow.name, run_id), services.store, services.metadata)
    origin = last_run(services.store, services.metadata)
    if origin is None:
        raise OriginRunNotFound(
            f"There is no run of {flow.name} here to resume from.",
            "Use `run`, or name one with --origin-run-id.",
        )
    return origin


def _print_plan(flow: Flow, origin: OriginRun, options: dict[str, Any]) -> None:
    rows = plan_resume(flow, origin.tasks(flow, options["step"]))
    lines = [(str(row.task or row.step), row.verdict, row.why) for row in rows]
    if options["as_json"]:
        click.echo(json.dumps([{"task": t, "verdict": v, "why": w} for t, v, w in lines]))
        return
    click.echo(f"Resuming {origin.pathspec} would do this:")
    width = max(len(task) for task, _, _ in lines)
    for task, verdict, why in lines:
        click.echo(f"  {task:<{width}}  {verdict:<9}  {why}")


@click.pass_context
def _check(ctx: click.Context, as_json: bool) -> None:
    invocation, _ = _context(ctx)
    check_flow(invocation.flow)
    warnings = invocation.preflight(True)
    if as_json:
        click.echo(json.dumps([dict(warning) for warning in warnings]))
        return
    print_warnings(invocation, warnings, most=len(warnings))
    looks = "looks good" if not warnings else f"can run, with {count_of(warnings)}"
    click.echo(f"The flow {invocation.flow.name} {looks}.")


@click.pass_context
def _show(ctx: click.Context, as_json: bool) -> None:
    flow = _context(ctx)[0].flow
    if as_json:
        click.echo(json.dumps(_graph_as_json(flow)))
        return
    click.echo(flow.name + (f"\n{flow.doc}" if flow.doc else ""))
    for step in flow.steps.values():
        click.echo(f"\nStep {step.name}" + (f"\n    {step.doc}" if step.doc else ""))
        if step.next_steps:
            how = f" (for each of {step.foreach})" if step.foreach else ""
            how = how or (f" (by {step.condition})" if step.condition else "")
            click.echo(f"    => {', '.join(step.next_steps)}{how}")


def _graph_as_json(flow: Flow) -> dict[str, Any]:
    return {
        "name": flow.name,
        "parameters": list(flow.parameters),
        "steps": [
            {
                "name": step.name,
                "next": list(step.next_steps),
                "foreach": step.foreach,
                "condition": step.condition,
                "join": step.is_join,
                "decorators": [
                    {"name": d.name, "attributes": dict(d.attributes)} for d in step.decorators
                ],
            }
            for step in flow.steps.values()
        ],
    }


@click.pass_context
def _help(ctx: click.Context) -> None:
    assert ctx.parent is not None
    click.echo(ctx.parent.get_help())


@click.pass_context
def _version(ctx: click.Context) -> None:
    session = _context(ctx)[0].session
    click.echo(f"metaflow {session.package_version} (core {__version__}, R {session.version})")


def _context(ctx: click.Context) -> tuple[Invocation, CommandResult]:
    invocation, result = ctx.obj
    assert isinstance(invocation, Invocation)
    assert isinstance(result, CommandResult)
    return invocation, result


def _flow(ctx: click.Context, options: dict[str, Any]) -> Flow:
    """The flow with the decorators of the command line and the configuration."""
    assert ctx.parent is not None
    defaults = (config.get("METAFLOW_DEFAULT_DECOSPECS") or "").split()
    specs = [*ctx.parent.params["with_"], *options["with_"], *defaults]
    return with_decorators(_context(ctx)[0].flow, specs)


def _services(ctx: click.Context, flow: Flow) -> Services:
    assert ctx.parent is not None
    invocation, _ = _context(ctx)
    options = ctx.parent.params
    _only_local("datastore", options["datastore"] or config.get("METAFLOW_DEFAULT_DATASTORE"))
    _only_local("metadata", options["metadata"] or config.get("METAFLOW_DEFAULT_METADATA"))
    chosen = options["datastore_root"]
    root = Path(chosen).expanduser().absolute() / FOLDER if chosen else local_root()
    console = Console(invocation.emit, colour=invocation.colour, quiet=options["quiet"])
    return Services(FlowDatastore(LocalStorage(root), flow.name), LocalMetadata(root), console)


def _only_local(what: str, kind: str | None) -> None:
    if kind and kind != "local":
        raise UsageError(f"--{what} {kind} is not in this version yet.", "There is: local.")


def _run_options(options: dict[str, Any]) -> RunOptions:
    isolation = _isolation(options)
    return RunOptions(
        max_workers=options["max_workers"] or (1 if isolation == "inline" else 16),
        max_num_splits=options["max_num_splits"],
        tags=tuple(options["tag"]),
        namespace=options["namespace"],
        run_id_file=options["run_id_file"],
        seed=options["seed"],
        on_error=options["on_error"],
        isolation=isolation,
    )


def _isolation(options: dict[str, Any]) -> str:
    chosen: str | None = options["isolation"]
    if options["inline"]:
        if chosen not in (None, "inline"):
            raise UsageError(f"--inline and --isolation {chosen} contradict each other.")
        return "inline"
    return chosen or _default_isolation()


def _default_isolation() -> str:
    name = "METAFLOW_DEFAULT_ISOLATION"
    isolation = config.get(name) or ISOLATIONS[0]
    if isolation not in ISOLATIONS:
        known = ", ".join(ISOLATIONS)
        raise UsageError(f"The setting {name} is {isolation!r}, and must be one of {known}.")
    return isolation


def _greet(console: Console, flow: Flow) -> None:
    console.note(f"Metaflow for R {__version__} executing {flow.name} for user:{config.user()}")
    console.note("Validating your flow...\n    The graph looks good!")


def _finish(ctx: click.Context, run: RunResult, services: Services) -> None:
    invocation, result = _context(ctx)
    result.exit_code = {"successful": 0, "failed": 1, "interrupted": 130}[run.status]
    if run.status == "successful":
        services.console.line("Done!")
        result.data = run.as_data("")
        return
    services.console.line(
        "Workflow failed." if run.status == "failed" else "Workflow interrupted.", error=True
    )
    root = root_to_name(ctx)
    chosen = ctx.find_root().params["datastore_root"]
    result.data = run.as_data(
        report(
            run,
            lambda words: invocation.command(words, root),
            str(Path(chosen).expanduser().absolute()) if chosen else None,
        )
    )
