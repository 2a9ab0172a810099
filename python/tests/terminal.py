"""A user at a terminal: what is typed there, and what is on the screen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pexpect
from r_scripts import DEADLINE_S, Folder

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\a")
_ERASED = re.compile(r"[^\r\n]*\r\x1b\[K")

PROMPT = r"(?:^|\n)(?:\x1b\[[0-9;?]*[a-zA-Z]|\r)*> $"
BROWSER = r"Browse\[\d+\]> $"
SELECTION = r"Selection: $"


class Terminal:
    """A terminal with one program.

    Args:
        folder: Where the program works.
        words: The program and its arguments.
    """

    def __init__(self, folder: Folder, words: Sequence[str]) -> None:
        self._program = pexpect.spawn(
            words[0],
            list(words[1:]),
            cwd=str(folder.path),
            env=folder.environment(TERM="xterm-256color"),
            encoding="utf-8",
            codec_errors="replace",
            timeout=DEADLINE_S,
            dimensions=(40, 200),
        )
        self._program.delaybeforesend = None

    def type(self, line: str, until: str = PROMPT) -> str:
        """What the program answers to a line, up to its next prompt."""
        self._program.sendline(line)
        _echo, _, answer = self.read(until).partition("\n")
        return answer

    def read(self, until: str) -> str:
        """What appears, up to what the pattern *until* matches."""
        self._program.expect(until)
        return plain(self._program.before + self._program.after)

    def press_ctrl_c(self, until: str = PROMPT) -> str:
        """What the program answers to Ctrl-C."""
        self._program.sendintr()
        return self.read(until)

    def to_the_end(self) -> str:
        """All that appears until the program ends, as the terminal got it."""
        self._program.expect(pexpect.EOF)
        return str(self._program.before)

    def close(self) -> None:
        """Close the window."""
        self._program.close(force=True)


@contextmanager
def terminal(folder: Folder, *words: str) -> Iterator[Terminal]:
    """A terminal in which a program starts; it is closed in the end."""
    opened = Terminal(folder, words)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def r_prompt(folder: Folder) -> Iterator[Terminal]:
    """A terminal with R, at its prompt."""
    with terminal(folder, "R", "--no-save", "--no-restore", "--quiet") as opened:
        opened.read(PROMPT)
        yield opened


def plain(text: str) -> str:
    """A text without colours and movements of the cursor."""
    return _CONTROL.sub("", text)


def left_on_screen(text: str) -> str:
    """What is left on the screen of all that the terminal got: not what was erased."""
    return plain(_ERASED.sub("", text))
