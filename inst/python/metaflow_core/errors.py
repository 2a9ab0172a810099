"""The error tree of the core; imports nothing of the core.

    MetaflowError                      exit code 1
    ├── UsageError                     exit code 2: the command line or an argument is wrong
    │   ├── UnknownCommand
    │   ├── UnknownOption
    │   ├── InvalidParameter           a flow parameter's value is missing or of the wrong type
    │   └── InvalidPathspec
    ├── InvalidFlow                    the flow cannot run; carries every problem found
    ├── NotFound
    │   ├── FlowNotFound  RunNotFound  StepNotFound  TaskNotFound
    │   ├── ArtifactNotFound
    │   └── OriginRunNotFound          nothing to resume from
    ├── NotInNamespace                 the object exists, but not in the current namespace
    ├── InvalidResume                  a resume that cannot be done as asked
    ├── InvalidTag
    ├── StoreError                     the datastore could not do what it was asked
    │   ├── StoreUnavailable           full disk, read-only, vanished
    │   ├── BlobMissing
    │   ├── BlobCorrupted              a blob's bytes do not have the hash they are named by
    │   └── RecordCorrupted            a JSON record cannot be read
    ├── UnsafePickle                   a pickle names a class outside the allow-list
    ├── ArtifactNotConvertible         a Python object that has no exact R or plain form
    ├── RFailed                        R code that the core asked for raised an error
    ├── WorkerError                    a worker process could not be started or broke the protocol
    ├── RunFailed                      a task failed for good
    └── RunInterrupted                 exit code 130: stopped by the user

Each error's constructor arguments are its fields: it survives pickling, and the bridge hands
`fields()` to R, where `BlobCorrupted` becomes a condition of class `metaflow_blob_corrupted`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


class MetaflowError(Exception):
    """Base of all errors that the core raises on purpose."""

    exit_code = 1

    def fields(self) -> dict[str, Any]:
        """The error's facts by name, for callers that read data and not sentences."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    @classmethod
    def kind(cls) -> str:
        """The class name in snake case: ``ArtifactNotFound`` is ``artifact_not_found``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class _Sentence(MetaflowError):
    """An error that is told in one sentence, with an optional next command."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class UsageError(_Sentence):
    """The command line or an argument is wrong."""

    exit_code = 2


class UnknownCommand(UsageError):
    """No command has this name."""


class UnknownOption(UsageError):
    """The command has no option of this name."""


class InvalidParameter(UsageError):
    """A flow parameter's value is missing or is not of the parameter's type."""


class InvalidPathspec(UsageError):
    """The text is not ``Flow/run/step/task`` or a leading part of it."""


class InvalidFlow(MetaflowError):
    """The flow cannot run.

    Args:
        flow: The flow's name.
        problems: One sentence a problem, each naming its step and what to write instead.
    """

    def __init__(self, flow: str, problems: Sequence[str]) -> None:
        super().__init__(flow, problems)
        self.flow, self.problems = flow, list(problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"The flow {self.flow} has {count} problem{'s' if count != 1 else ''}:"
        return "\n".join([head, *(f"  * {problem}" for problem in self.problems)])


class NotFound(_Sentence):
    """The store has no such object."""


class FlowNotFound(NotFound):
    """The store has no flow of this name."""


class RunNotFound(NotFound):
    """The flow has no run of this id."""


class StepNotFound(NotFound):
    """The run has no step of this name."""


class TaskNotFound(NotFound):
    """The step has no task of this id."""


class ArtifactNotFound(NotFound):
    """The task has no artifact of that name.

    Args:
        name: The artifact that was asked for.
        pathspec: The task that was asked.
        available: Names of the artifacts the task has.
    """

    def __init__(self, name: str, pathspec: str, available: Sequence[str]) -> None:
        MetaflowError.__init__(self, name, pathspec, available)
        self.name, self.pathspec, self.available = name, pathspec, list(available)

    def __str__(self) -> str:
        public = sorted(name for name in self.available if not name.startswith("_"))
        names = ", ".join(public) or "none"
        return f"Task {self.pathspec} has no artifact {self.name!r}. Saved artifacts: {names}."


class OriginRunNotFound(NotFound):
    """There is nothing to resume from."""

    exit_code = 2


class NotInNamespace(_Sentence):
    """The object exists, but is not in the current namespace."""


class InvalidResume(UsageError):
    """A resume that cannot be done as asked."""


class InvalidTag(UsageError):
    """A tag is not valid or may not be changed."""


class StoreError(_Sentence):
    """The datastore could not do what it was asked."""


class StoreUnavailable(StoreError):
    """The store cannot be written or read now: full disk, read-only, vanished."""


class BlobMissing(StoreError):
    """A record refers to a blob that is not there."""


class BlobCorrupted(StoreError):
    """A blob's bytes do not have the hash that they are named by."""


class RecordCorrupted(StoreError):
    """A JSON record of the store cannot be read."""


class UnsafePickle(_Sentence):
    """A pickle names a class outside the allow-list."""


class ArtifactNotConvertible(_Sentence):
    """A Python object has no exact form in R, or none that can be had safely."""


class RFailed(_Sentence):
    """R code that the core asked for, such as a parameter's default, raised an error."""


class WorkerError(_Sentence):
    """A worker process could not be started or broke the protocol."""


class RunFailed(_Sentence):
    """A task failed for good, and the run with it."""


class RunInterrupted(_Sentence):
    """The run was stopped by the user."""

    exit_code = 130
