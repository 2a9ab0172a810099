"""Prints everything that a Metaflow client says about a store, as JSON.

    python dump_client.py MODULE

MODULE is `metaflow` or `metaflow_core.client`: the same questions are put to both clients, so that
their answers can be compared. The store is the one that the environment names.
"""

import importlib
import json
import sys
from itertools import groupby


def main(module):
    client = importlib.import_module(module)
    client.namespace(None)
    found = {}
    for flow in client.Metaflow():
        tell_flow(flow, found)
        for run in flow:
            tell_run(run, found)
            for step in [run["_parameters"], *run]:
                tell_step(step, found)
                for task in step:
                    tell_task(task, client, found)
    json.dump(found, sys.stdout, sort_keys=True)


def common(thing):
    return {
        "repr": repr(thing),
        "str": str(thing),
        "id": thing.id,
        "pathspec": thing.pathspec,
        "path_components": thing.path_components,
        "parent": repr(thing.parent),
        "tags": sorted(thing.tags),
        "user_tags": sorted(thing.user_tags),
        "system_tags": sorted(thing.system_tags),
        "created_at": str(thing.created_at),
        "in_namespace": thing.is_in_namespace(),
    }


def tell_flow(flow, found):
    found[flow.pathspec] = {
        **common(flow),
        "children": [run.id for run in flow],
        "latest_run": repr(flow.latest_run),
        "latest_successful_run": repr(flow.latest_successful_run),
        "tagged": [run.id for run in flow.runs("t1")],
        "contains": [flow.latest_run.id in flow, "123" in flow],
        "by_name": repr(flow[flow.latest_run.id]),
    }


def tell_run(run, found):
    found[run.pathspec] = {
        **common(run),
        # Steps that were made within one millisecond have no order.
        "children": sorted(step.id for step in run),
        "steps": sorted(repr(step) for step in run.steps()),
        "origin_pathspec": origin_of(run),
        "successful": run.successful,
        "finished": run.finished,
        "finished_at": str(run.finished_at),
        "end_task": repr(run.end_task),
        "data": run.data is not None and names_of(str(run.data)),
        "code": repr(run.code),
        "contains": ["start" in run, "nothing" in run],
    }


def in_order(step):
    # Tasks that were made within one millisecond have no order: stock takes them as the disk does.
    by_time = groupby(step, key=lambda task: str(task.created_at))
    return [(created_at, sorted(task.id for task in tasks)) for created_at, tasks in by_time]


def tell_step(step, found):
    is_step = step.id != "_parameters"
    found[step.pathspec] = {
        **common(step),
        "origin_pathspec": origin_of(step),
        "children": in_order(step),
        "a_task": step.task.created_at == next(iter(step)).created_at,
        "tasks": sorted(repr(task) for task in step.tasks()),
        "finished_at": str(step.finished_at),
        "environment_info": step.environment_info,
        "parents": is_step and [repr(other) for other in step.parent_steps],
        "children_steps": is_step and answer(lambda: list(map(repr, step.child_steps))),
    }


def tell_task(task, client, found):
    tell_one_task(task, found)
    for attempt in range(task.current_attempt + 1):
        tell_one_task(client.Task(task.pathspec, attempt=attempt), found, f"@{attempt}")


def tell_one_task(task, found, suffix=""):
    is_step = not task.path_components[2].startswith("_")
    # The stock client has no logs for a cloned task; ours has those of its origin.
    has_log = is_step and "origin-task-id" not in task.metadata_dict
    found[task.pathspec + suffix] = {
        **common(task),
        "origin_pathspec": origin_of(task),
        "children": sorted(artifact.id for artifact in task),
        "data": names_of(str(task.data)),
        "artifacts": sorted(task.artifacts._fields),
        "metadata": sorted(
            (m.name, m.value, m.created_at, m.type, repr(m.task)) for m in task.metadata
        ),
        "metadata_dict": task.metadata_dict,
        "index": task.index,
        "successful": task.successful,
        "finished": task.finished,
        "finished_at": str(task.finished_at),
        "exception": text_of_exception(task.exception),
        "runtime_name": task.runtime_name,
        "current_attempt": task.current_attempt,
        "stdout": has_log and task.stdout,
        "stderr": has_log and task.stderr,
        "stdout_size": has_log and task.stdout_size,
        "stderr_size": has_log and task.stderr_size,
        "loglines": has_log and [(str(at), line) for at, line in task.loglines("stdout")],
        "code": repr(task.code),
        "environment_info": task.environment_info,
        "parents": is_step and sorted(task.parent_task_pathspecs),
        "children_tasks": is_step and sorted(task.child_task_pathspecs),
        "parent_tasks": is_step and sorted(repr(other) for other in task.parent_tasks),
        "child_tasks": is_step and sorted(repr(other) for other in task.child_tasks),
        "contains": ["_task_ok" in task, "nothing" in task],
    }
    for name in [*(artifact.id for artifact in task), "_foreach_stack", "_success", "_transition"]:
        if name in task:
            tell_artifact(task[name], found, suffix)


def tell_artifact(artifact, found, suffix):
    value = artifact.data
    found[artifact.pathspec + suffix] = {
        **common(artifact),
        "origin_pathspec": origin_of(artifact),
        "sha": artifact.sha,
        "size": answer(lambda: artifact.size),
        "finished_at": str(artifact.finished_at),
        "value": text_of_exception(value) if is_exception(value) else repr(value),
        "type": is_exception(value) or type(value).__name__,
    }


def origin_of(thing):
    """The stock client makes a pathspec of the recorded text "None" of a run that is no resume."""
    origin = thing.origin_pathspec
    return None if origin is None or "None" in origin.split("/") else origin


def is_exception(value):
    return hasattr(value, "stacktrace")


def text_of_exception(error):
    return error and [error.type, error.exception, str(error)]


def names_of(text):
    return sorted(text.removeprefix("<MetaflowData: ").removesuffix(">").split(", "))


def answer(question):
    """The answer, or None where the client fails to give one."""
    try:
        return question()
    except Exception:
        return None


if __name__ == "__main__":
    main(sys.argv[1])
