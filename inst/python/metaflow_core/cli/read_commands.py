"""Commands that look at runs."""

from __future__ import annotations

import click

READ_COMMANDS: list[click.Command] = []
