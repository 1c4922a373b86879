"""Pure: objects that violate the API, because somebody wrote them past its schema: the wrong field, its value and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from controller.api.agent_report import AgentReportSpec, AgentReportStatus
from controller.api.base import ApiModel, parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.escalation import EscalationSpec, EscalationStatus
from controller.api.halt import HaltSpec
from controller.api.policy import RunPolicySpec
from controller.api.provider import ProviderSpec, ProviderStatus
from controller.api.run_status import RunStatus
from controller.api.violations import Refused, Violation, from_pydantic, violation
from controller.cli.rw.objects import JsonObject, name_of, namespace_of
from controller.cli.rw.user_error import Problem

FAULTS = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What code raises that meets another form of an object than that of the API."""

MODELS: Mapping[str, Mapping[str, type[ApiModel]]] = {
    "AgentReport": {"spec": AgentReportSpec, "status": AgentReportStatus},
    "ClusterHalt": {"spec": HaltSpec},
    "Escalation": {"spec": EscalationSpec, "status": EscalationStatus},
    "Halt": {"spec": HaltSpec},
    "Provider": {"spec": ProviderSpec, "status": ProviderStatus},
    "Run": {"status": RunStatus},
    "RunPolicy": {"spec": RunPolicySpec},
}
"""The models of each kind that pages read; a Run's spec has more checks than its model."""

NAMED = 3
"""Maximum violations of an object that are named."""

T = TypeVar("T")


class Unread(NamedTuple):
    """An object that is not shown, and why."""

    what: str
    remedy: str

    def __str__(self) -> str:
        """Return which object it is."""
        return f"{self.what} cannot be read"


def unread(kind: str, obj: JsonObject) -> Unread:
    """Return the words about an object that cannot be shown."""
    space, name = namespace_of(obj), name_of(obj)
    where = f" -n {space}" if space else ""
    found = violations_of(kind, obj)
    more = [f"{len(found) - NAMED} more"] if len(found) > NAMED else []
    words = "".join(f"{part}; " for part in [*map(str, found[:NAMED]), *more])
    what = f"{kind} {name} in namespace {space}" if space else f"{kind} {name}"
    return Unread(what, f"{words}see `kubectl get {kind.lower()} {name}{where} -o yaml`")


def readable(kind: str, objects: Iterable[JsonObject], make: Callable[[JsonObject], T]) -> tuple[list[T], list[Unread]]:
    """Return what is made of objects, and those of which nothing can be made."""
    made, rest = list[T](), list[Unread]()
    for obj in objects:
        try:
            made.append(make(obj))
        except FAULTS:
            rest.append(unread(kind, obj))
    return made, rest


@contextmanager
def blaming(*objects: tuple[str, JsonObject]) -> Iterator[None]:
    """Raise Problem about the first of some objects that violates the API, in place of the fault that it may have caused."""
    try:
        yield
    except FAULTS as fault:
        for kind, obj in objects:
            if violations_of(kind, obj):
                found = unread(kind, obj)
                raise Problem(f"{found}: {found.remedy}") from fault
        raise


def violations_of(kind: str, obj: JsonObject) -> tuple[Violation, ...]:
    """Return the violations of an object's spec and status; none if it conforms to the API."""
    found = list(_of_run(obj)) if kind == "Run" else []
    for part, model in MODELS[kind].items():
        if part == "spec" or obj.get(part) is not None:
            found += _of_part(part, model, obj.get(part))
    return tuple(found)


def _of_run(run: JsonObject) -> Iterable[Violation]:
    try:
        return check_run(parse_run_spec(run))
    except Refused as refused:
        return refused.violations


def _of_part(part: str, model: type[ApiModel], given: object) -> tuple[Violation, ...]:
    try:
        parse(model, given)
    except ValidationError as error:
        return from_pydantic(error, part)
    except ValueError as error:
        return (violation(part, None, f"cannot be read: {error}"),)
    return ()
