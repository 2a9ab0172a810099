"""Arguments of `run()` made into what click calls defaults: the command line wins over them.

R's arguments are data and stay data: they never become words of a command line.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from metaflow_core.cli.chosen import SELECTORS, chosen_by_r
from metaflow_core.errors import UnknownOption, UsageError

Defaults = dict[str, Any]

_ESCAPE_HATCH = "other_args"


def command_line(
    group: click.Group, argv: Sequence[str], options: Mapping[str, Any]
) -> tuple[list[str], Defaults]:
    """The words to parse and the defaults that stand behind them.

    Args:
        group: The flow's command line.
        argv: Words from the terminal; the first one that is a command chooses it.
        options: Arguments of `run()`, by R's names.

    Returns:
        Words that start with the group's own options and name a command, and click's default
        map.

    Raises:
        UnknownOption: If an argument of `run()` is none of any command.
    """
    before, command, rest = _split(group, argv)
    chosen, defaults = _chosen_by_r(group, options)
    if command is None and "--help" in before:
        return ["--help"], {}
    if command is None:
        command, rest = chosen, [*_further_words(options.get(_ESCAPE_HATCH)), *rest]
    moved, rest = _group_words(group, command, rest)
    before += moved
    given = {name: value for name, value in options.items() if name not in SELECTORS}
    given = {name: value for name, value in given.items() if value is not None}
    given.pop(_ESCAPE_HATCH, None)
    if command == chosen:
        given |= defaults
    return [*before, command, *rest], _default_map(
        group, command, given, is_chosen=command == chosen
    )


def _further_words(text: Any) -> list[str]:
    """Words of a command line, with quotes as in a shell."""
    try:
        return shlex.split(str(text or ""))
    except ValueError as error:
        raise UsageError(f"run({_ESCAPE_HATCH} = {text!r}): {error}.") from error


def _split(group: click.Group, argv: Sequence[str]) -> tuple[list[str], str | None, list[str]]:
    """The group's options, the command's name, and what follows it."""
    takes_value = _takes_value(group)
    before: list[str] = []
    words = list(argv)
    while words:
        word = words[0]
        name, equals, _ = word.partition("=")
        if name in takes_value:
            count = 2 if takes_value[name] and not equals else 1
            before += words[:count]
            words = words[count:]
        elif word == "--help":
            before.append(words.pop(0))
        elif word.startswith("-"):
            return before, None, words
        else:
            return before, word, words[1:]
    return before, None, []


def _group_words(
    group: click.Group, command: str, words: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The group's options among the words after the command, and the rest.

    An option that the command has too is the command's.
    """
    of_command = _takes_value(group.commands[command]) if command in group.commands else {}
    takes_value = {**_takes_value(group), **of_command}
    moved: list[str] = []
    rest: list[str] = []
    left = list(words)
    while left:
        name, equals, _ = left[0].partition("=")
        count = 2 if takes_value.get(name) and not equals else 1
        is_of_group = name in takes_value and name not in of_command
        (moved if is_of_group else rest).extend(left[:count])
        left = left[count:]
    return moved, rest


def _takes_value(command: click.Command) -> dict[str, bool]:
    """Whether each option of a command is followed by a value, by the option's words."""
    return {
        name: not getattr(param, "is_flag", False)
        for param in command.params
        if isinstance(param, click.Option)
        for name in [*param.opts, *param.secondary_opts]
    }


def _chosen_by_r(group: click.Group, options: Mapping[str, Any]) -> tuple[str, Defaults]:
    command, defaults = chosen_by_r(options)
    if command not in group.commands:
        raise UsageError(
            f"run({command} = {options[command]!r}) is not in this version yet.",
            "Local runs are; see NEWS.",
        )
    return command, defaults


def _default_map(
    group: click.Group, command: str, given: Mapping[str, Any], *, is_chosen: bool
) -> Defaults:
    """Each argument at the command or the group that takes it.

    An argument of another command is passed over where the terminal chose a command: a script
    that says `run(alpha = 1)` can still be asked to `show`, or to `resume`, which refuses
    parameters only where they are meant for it.
    """
    known = {name: _by_r_name(sub) for name, sub in group.commands.items()}
    of_group = _by_r_name(group)
    everything = set(of_group).union(*known.values())
    top: Defaults = {}
    below: Defaults = {}
    for written, value in given.items():
        name = written.replace("-", "_")
        name = name if name in everything else written
        param = known.get(command, {}).get(name)
        if param is not None and (is_chosen or not getattr(param, "hidden", False)):
            below.update(_default(param, value))
        elif name in of_group:
            top.update(_default(of_group[name], value))
        elif name not in everything or is_chosen:
            raise UnknownOption(
                f"run({written} = …): `{command}` has no such option{_near(name, everything)}.",
                "See `run(flow, help = TRUE)`.",
            )
    return {**top, command: below}


def _by_r_name(command: click.Command) -> dict[str, click.Parameter]:
    """Options by the name that R has for them, which is the one of the command line."""
    return {param.opts[0].lstrip("-").replace("-", "_"): param for param in command.params}


def _default(param: click.Parameter, value: Any) -> Defaults:
    assert param.name is not None
    if isinstance(value, float) and param.type is not click.UNPROCESSED:
        # R's numbers are doubles: 4 is to be read like the word 4, and 4.5 like the word 4.5.
        value = str(int(value)) if value.is_integer() else f"{value:.15g}"
    return {param.name: [value] if param.multiple and not isinstance(value, list) else value}


def _near(name: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean `{match[0]}`?)" if match else ""
