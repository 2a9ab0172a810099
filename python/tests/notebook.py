"""A notebook without a page: cells that are run in a real Jupyter kernel of R."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from r_scripts import DEADLINE_S

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

_KERNEL = {
    "argv": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
    "display_name": "R",
    "language": "R",
}


@dataclass(frozen=True)
class Output:
    """What a cell shows below it.

    Args:
        out: Its stdout, and the lines of a run.
        err: Its stderr: messages and warnings.
        values: Each value that is displayed, by its MIME types.
        error: The message of the error that ended it, or "".
        pieces: stdout and stderr as they arrived, one piece after another.
    """

    out: str
    err: str
    values: list[dict[str, str]]
    error: str
    pieces: list[str]

    @property
    def text(self) -> str:
        """The one value that is displayed, as text."""
        (value,) = self.values
        return value["text/plain"]

    def expect_success(self) -> Output:
        """This, if no error ended the cell."""
        assert not self.error, f"{self.error}\n{self.out}\n{self.err}"
        return self


@dataclass
class _Heard:
    """What has been heard of a cell so far."""

    streams: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})
    values: list[dict[str, str]] = field(default_factory=list)
    error: str = ""
    pieces: list[str] = field(default_factory=list)

    def add(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            text = _plain(content["text"])
            self.streams[content["name"]] += text
            self.pieces.append(text)
        elif kind in ("display_data", "execute_result"):
            self.values.append({mime: _plain(text) for mime, text in content["data"].items()})
        elif kind == "error":
            self.error = _plain(content["evalue"])

    def output(self) -> Output:
        out, err = self.streams["stdout"], self.streams["stderr"]
        return Output(out, err, self.values, self.error, self.pieces)


class Notebook:
    """A kernel, and the cells that it runs.

    Args:
        parent: For the description of the kernel, which is known nowhere else.
        folder: Where the kernel works.
        environment: Its environment variables.
    """

    def __init__(self, parent: Path, folder: Path, environment: dict[str, str]) -> None:
        description = parent / "kernels" / "ir" / "kernel.json"
        description.parent.mkdir(parents=True)
        description.write_text(json.dumps(_KERNEL))
        self._manager = KernelManager(
            kernel_name="ir",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(parent / "kernels")]),
            connection_file=str(parent / "connection.json"),
        )
        self._manager.start_kernel(cwd=str(folder), env=environment)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=DEADLINE_S)

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.context.destroy()

    def cell(self, code: str) -> Output:
        """Run a cell to its end. Nobody is there who could answer a question."""
        return self.end_of(self.start(code))

    def start(self, code: str) -> Cell:
        """Start a cell."""
        return Cell(self._client.execute(code, allow_stdin=False), _Heard())

    def wait_for(self, cell: Cell, text: str) -> None:
        """Wait until a cell that is running has shown *text*."""
        for _ in self._follow(cell):
            if any(text in shown for shown in cell.heard.streams.values()):
                return
        raise AssertionError(f"The cell ended without {text!r}: {cell.heard}")

    def end_of(self, cell: Cell) -> Output:
        """What a cell has shown, once it has ended."""
        for _ in self._follow(cell):
            pass
        return cell.heard.output()

    def interrupt(self) -> None:
        """What the button with the square does."""
        self._manager.interrupt_kernel()

    def _follow(self, cell: Cell) -> Iterator[None]:
        """Hear what is told of *cell*, one message after another, until it has ended."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            message = self._client.get_iopub_msg(timeout=deadline - time.monotonic())
            if message["parent_header"].get("msg_id") != cell.id:
                continue
            if message["content"].get("execution_state") == "idle":
                return
            cell.heard.add(message["msg_type"], message["content"])
            yield


@dataclass(frozen=True)
class Cell:
    """A cell that was started."""

    id: str
    heard: _Heard


def _plain(text: str) -> str:
    return _COLOUR.sub("", text)
