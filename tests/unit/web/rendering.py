"""Renders the templates of pages, and reads what came out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from controller.cli.web.rendering import rendered

TOKEN = "a-token"  # noqa: S105  # of a form


def render(template: str, model: object) -> str:
    """Return a page's body."""
    return rendered(template, {"model": model, "csrf": TOKEN})


@dataclass
class Read(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    tags: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.words).split())


def read(html: str) -> Read:
    """Return what a browser would find in a page."""
    reader = Read()
    reader.feed(html)
    reader.close()
    return reader


def links(found: Read) -> set[str]:
    """Return all addresses that a page leads to or loads."""
    return {value for _, name, value in found.attributes if name in ("href", "src", "action", "formaction", "poster", "data")}


def duplicates(found: Read) -> list[str]:
    """Return the ids that occur more than once."""
    ids = [value for _, name, value in found.attributes if name == "id"]
    return sorted({each for each in ids if ids.count(each) > 1})


def replaced(obj: object, keys: re.Pattern[str], text: Callable[[str], str]) -> object:
    """Return a copy of an object with the texts under the named keys replaced; a key stays."""
    if isinstance(obj, dict):
        return {key: _all(value, text) if keys.fullmatch(key) else replaced(value, keys, text) for key, value in obj.items()}
    return [replaced(each, keys, text) for each in obj] if isinstance(obj, list | tuple) else obj


def _all(obj: object, text: Callable[[str], str]) -> object:
    if isinstance(obj, dict):
        return {text(key): _all(value, text) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [_all(each, text) for each in obj]
    return text(obj) if isinstance(obj, str) else obj
