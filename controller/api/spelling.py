"""Reads the fields of a file in either spelling, camelCase or snake_case, and remembers how the file spells each of them."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.alias_generators import to_snake

from controller.api.hints import CLOSE, IN_POLICY, plain_name
from controller.api.violations import Loc, Violation, dotted, violation

Model = type[BaseModel]


class Spelling:
    """The spelling of one file: the keys around its fields, and the file's key for each field."""

    def __init__(self, around: Loc, *, snake: bool = False) -> None:
        self._around, self._snake = around, snake
        self._keys: dict[Loc, str] = {}
        self.violations: list[Violation] = []

    def place(self, loc: Loc) -> str:
        """Return the path of a field as the file spells it. A field that the file has not is spelled like those that it has."""
        parts = [part if isinstance(part, int) else self._key(loc[: at + 1], part) for at, part in enumerate(loc)]
        return dotted((*self._around, *parts))

    def canonical(self, value: Any, model: Model | None, loc: Loc = ()) -> Any:
        """Return a value of the file with camelCase keys. Refused keys become `violations` and are left out."""
        if isinstance(value, list):
            return [self.canonical(item, model, (*loc, at)) for at, item in enumerate(value)]
        if model is None or not isinstance(value, dict):
            return value
        self._choose(value, model)
        result: dict[str, Any] = {}
        for key, given in value.items():
            name = self._known(key, given, model, loc)
            if name and name in result:
                self._refuse(loc, key, None, f"is set twice, as {self._keys[*loc, name]} and as {key}: keep one")
            elif name:
                self._keys[*loc, name] = key
                result[name] = self.canonical(given, _model_of(_fields(model)[name]), (*loc, name))
        return result

    def _key(self, loc: Loc, name: str) -> str:
        return self._keys.get(loc) or self._spelled(name)

    def _spelled(self, name: str) -> str:
        return to_snake(name) if self._snake else name

    def _choose(self, value: dict[str, Any], model: Model) -> None:
        """Take the spelling of the first field that is spelled differently in the two."""
        for key in value:
            if key in model.model_fields and key != (model.model_fields[key].alias or key):
                self._snake = True
            elif key in _fields(model) and key not in model.model_fields:
                self._snake = False
            else:
                continue
            return

    def _known(self, key: str, given: Any, model: Model, loc: Loc) -> str | None:
        """Return the camelCase name of a key; None, with a violation, for a key that is no field's."""
        if key in _fields(model):
            return key
        if key in model.model_fields:
            return str(model.model_fields[key].alias or key)
        names = {
            spelled: alias for alias, name in zip(_fields(model), model.model_fields, strict=True) for spelled in (name, alias)
        }
        meant = IN_POLICY.get(plain_name(key))
        if meant in _fields(model):
            self._refuse(loc, key, given, f"unknown field: use {self._spelled(meant)}")
            return None
        near = difflib.get_close_matches(key, names, n=1, cutoff=CLOSE)
        known = ", ".join(sorted(model.model_fields if self._snake else _fields(model)))
        hint = f"did you mean {self._spelled(names[near[0]])}?" if near else f"known fields are {known}"
        self._refuse(loc, key, given, f"unknown field: {hint}")
        return None

    def _refuse(self, loc: Loc, key: str, value: Any, message: str) -> None:
        path = self.place(loc)
        self.violations.append(violation(f"{path}.{key}".removeprefix("."), value, message))


def _fields(model: Model) -> dict[str, Any]:
    """Return the annotation of each field by its camelCase name."""
    return {str(field.alias or name): field.annotation for name, field in model.model_fields.items()}


def _model_of(annotation: Any) -> Model | None:
    """Return the model that a field, or each item of a list, is read as."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for each in get_args(annotation) if (model := _model_of(each))), None)
