"""Reads a file that people write: strict YAML or JSON in UTF-8, and a model's fields in either spelling."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from pydantic import ValidationError

from controller.api.base import ApiModel, parse
from controller.api.spelling import Spelling
from controller.api.violations import Refused, findings_of, limited, violation
from controller.strict import strict_yaml
from controller.strict.text_encoding import NotUtf8, decode

M = TypeVar("M", bound=ApiModel)


class FileRefused(Refused):
    """An invalid file. Each violation has its path, value and remedy."""

    @classmethod
    def of(cls, path: str, message: str, value: object = None) -> Self:
        """Return an error about the whole file or one place in it."""
        return cls([violation(path, value, message)])


def text_of(data: bytes, refused: type[FileRefused]) -> str:
    """Return the text of a file's bytes. Raises `refused`."""
    try:
        return decode(data)
    except NotUtf8 as error:
        raise refused.of(strict_yaml.FILE, str(error)) from error


def load(text: str, refused: type[FileRefused]) -> Any:
    """Return the values of a text, `{}` if it is empty. Raises `refused`."""
    return strict_yaml.load(text, refused.of)


def read_model(model: type[M], values: dict[str, Any], spelling: Spelling, refused: type[FileRefused]) -> M:
    """Return the model that canonical values describe. Raises `refused` with every violation, also those of the spelling."""
    try:
        found = parse(model, values)
    except ValidationError as error:
        raise refused(limited([*spelling.violations, *findings_of(error, spelling.place)], strict_yaml.FILE)) from error
    except ValueError as error:
        raise refused.of(strict_yaml.FILE, f"has a value that JSON cannot hold: {error}") from error
    if spelling.violations:
        raise refused(limited(spelling.violations, strict_yaml.FILE))
    return found
