"""The installer's file of registered commands: the names that policies may use, and the command of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from controller.adapter.command import Command
from controller.adapter.presets import claude, codex
from controller.adapter.presets.claude import Claude
from controller.adapter.presets.codex import Codex
from controller.adapter.presets.raw import Raw
from controller.errors import RunwatchmanError
from controller.strict import strict_yaml
from controller.strict.constraints import Explained
from controller.strict.text_encoding import NotUtf8, decode

PRESETS: Mapping[str, Command] = {"codex": Codex("codex"), "claude": Claude("claude")}
"""Commands that are registered without a file. A raw command has no default argv."""

MAX_COMMANDS, MAX_ARGUMENTS, MAX_NAMES = 64, 256, 64
VALUE_LIMIT = 80
"""Maximum characters of a refused value in a message."""

Name = Annotated[
    str,
    StringConstraints(pattern=r"^\S(.*\S)?$", min_length=1, max_length=128),
    Explained("a name has 1 to 128 characters, and no space at its start or end"),
]
Argument = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00]*$", max_length=32768),
    Explained("must be a text of at most 32768 characters without NUL: put numbers in quotes"),
]
Arguments = Annotated[tuple[Argument, ...], Field(max_length=MAX_ARGUMENTS)]
Variable = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253),
    Explained("must be the name of an environment variable: letters, digits and _, not a digit first; its value stays outside"),
]
Variables = Annotated[tuple[Variable, ...], Field(max_length=MAX_NAMES)]

REMEDIES = {
    "extra_forbidden": "unknown field: remove it, or check its spelling",
    "missing": "this field is required",
    "model_type": "must be an object, as in {commands: {codex: {preset: codex}}}",
    "dict_type": "must be an object, as in {commands: {codex: {preset: codex}}}",
    "model_attributes_type": "must be an object such as {preset: codex}",
    "too_short": "must have at least the program",
    "tuple_type": "must be a list of strings such as [python3, /etc/advisor/local.py]; no shell splits it",
    "union_tag_invalid": "preset must be codex, claude or raw",
    "union_tag_not_found": "preset is required: codex, claude or raw",
}
"""Clearer messages for pydantic's most frequent findings."""


class CommandsFileError(RunwatchmanError):
    """An invalid file of commands. The message has the field, its value and the remedy."""

    @classmethod
    def of(cls, path: str, message: str) -> CommandsFileError:
        """Return an error about the whole file or one place in it."""
        return cls(f"{path}: {message}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Cli(_Strict):
    preset: Literal["codex", "claude"]
    args: Arguments = ()
    environment: Variables = ()


class _Raw(_Strict):
    preset: Literal["raw"]
    argv: Annotated[Arguments, Field(min_length=1)]
    environment: Variables = ()


class _File(_Strict):
    commands: Annotated[dict[Name, Annotated[_Cli | _Raw, Field(discriminator="preset")]], Field(max_length=MAX_COMMANDS)]


def load(path: Path | None) -> Mapping[str, Command]:
    """Return the registered commands by name; without a file, the presets.

    Raises CommandsFileError for an invalid file.
    """
    if path is None:
        return PRESETS
    try:
        return parse_commands(decode(path.read_bytes()))
    except OSError as error:
        raise CommandsFileError(f"{path}: cannot be read: {error}") from error
    except (CommandsFileError, NotUtf8) as error:
        raise CommandsFileError(f"{path}: {error}") from error


def parse_commands(text: str) -> Mapping[str, Command]:
    """Return the commands that a file's text registers, by name."""
    given = strict_yaml.load(text, CommandsFileError.of)
    try:
        file = _File.model_validate_json(json.dumps(given, allow_nan=False))
    except ValidationError as error:
        raise CommandsFileError("; ".join(_finding(dict(finding)) for finding in error.errors(include_url=False))) from error
    except (TypeError, ValueError) as error:
        raise CommandsFileError(f"file: has a value that JSON cannot hold: {error}; put quotes around it") from error
    return {name: _command(name, one) for name, one in file.commands.items()}


def _command(name: str, given: _Cli | _Raw) -> Command:
    passed = frozenset(given.environment)
    if isinstance(given, _Raw):
        return Raw(name, given.argv, passed)
    if given.preset == "codex":
        return Codex(name, given.args, codex.CREDENTIALS | passed)
    return Claude(name, given.args, claude.CREDENTIALS | passed)


def _finding(finding: dict[str, Any]) -> str:
    """Return one finding as a line: the field, the fault, and the value if it is a short one."""
    tags = ("codex", "claude", "raw")
    where = [str(part) for at, part in enumerate(finding["loc"]) if at != PRESET_AT or part not in tags] or ["file"]
    value = finding.get("input")
    shown = "" if isinstance(value, dict | list) or value is None else f" (found {repr(value)[:VALUE_LIMIT]})"
    return f"{'.'.join(where)}: {REMEDIES.get(finding['type'], finding['msg'])}{shown}"


PRESET_AT = 2
"""Index of the preset in a path from pydantic: commands, the name, the preset."""
