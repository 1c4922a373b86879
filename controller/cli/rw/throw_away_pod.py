"""A pod that exists as long as a command works in it. It is removed at every end of the command that a program can notice."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, items_of, name_of, status_of
from controller.cli.rw.session import Session
from controller.cli.rw.user_error import Problem

SIGNALLED = 128
"""Base of the exit codes that shells use for signals."""

ENDS = ("SIGTERM", "SIGHUP")
"""Signals that end the command, besides Ctrl-C. Windows has only the first."""

Handler = Callable[[int, FrameType | None], object] | int
"""A function that handles a signal, or one of signal's constants."""

HELD = "Multi-Attach error"
"""The attach controller's words for a volume that another node holds."""


@contextmanager
def throw_away(session: Session, pod: JsonObject, wait: str) -> Iterator[str]:
    """Create a pod, wait at most so long until it is ready, yield its name, and remove it. Raises Problem and Refused."""
    name, there = name_of(pod), True
    with _handling(_end, *ENDS):
        try:
            try:
                session.kubectl.text("create", "-f", "-", stdin=json.dumps(pod))
            except Refused:
                there = False
                raise
            _await(session, name, wait)
            yield name
        finally:
            if there:
                _remove(session, name)


@contextmanager
def _handling(handler: Handler, *names: str) -> Iterator[None]:
    """Handle signals, as far as this platform has them, by another handler."""
    numbers = [number for name in names if (number := getattr(signal, name, None))]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(SIGNALLED + number)


def _await(session: Session, name: str, wait: str) -> None:
    try:
        session.kubectl.text("wait", "--for=condition=Ready", f"--timeout={wait}", f"pod/{name}")
    except Refused as refused:
        why = _obstacle(session, name)
        if not why:
            raise
        held = "; another node holds the volume: end the pod that uses it there" if HELD in why else ""
        raise Problem(f"pod {name} with the workspace has not started within {wait}: {why}{held}") from refused


def _obstacle(session: Session, name: str) -> str:
    """Return why a pod does not start: the newest Warning Event, else what its container waits for, as far as one may read it."""
    events = session.kubectl.start("get", "events", f"--field-selector=involvedObject.name={name},type=Warning", "-o", "json")
    pod = session.kubectl.start("get", "pod", name, "-o", "json").json_if_allowed()
    found = events.json_if_allowed()
    warnings = sorted(items_of(found), key=lambda event: event.get("lastTimestamp") or "") if isinstance(found, dict) else []
    if warnings:
        return f"{warnings[-1].get('reason', '')}: {' '.join(warnings[-1].get('message', '').split())}"
    states = status_of(pod).get("containerStatuses", ()) if isinstance(pod, dict) else ()
    waiting = (state.get("state", {}).get("waiting") for state in states)
    return next((f"{state.get('reason', '')}: {state.get('message', '')}" for state in waiting if state), "")


def _remove(session: Session, name: str) -> None:
    """Delete the pod. No signal interrupts that; kubectl inherits that they are ignored."""
    with _handling(signal.SIG_IGN, "SIGINT", *ENDS):
        try:
            session.kubectl.text("delete", "pod", name, "--ignore-not-found", "--wait=false")
        except Refused as refused:
            session.hint(f"pod {name} could not be removed ({refused.format_message()}): it ends by itself in a few hours")
