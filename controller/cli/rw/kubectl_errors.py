"""Pure: parses kubectl's error messages and adds remedies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.cli.rw.user_error import Problem

FROM_SERVER = re.compile(r"Error from server \((?P<reason>\w+)\): ")
FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'( in the namespace "(?P<namespace>[^"]*)")?'
)
ADMISSION = re.compile(r"ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request: (?P<message>.*)", re.DOTALL)
INVALID = re.compile(r'The (?P<kind>\S+) "(?P<name>[^"]*)" is invalid:\s*(?P<what>.*)', re.DOTALL)
EXEC_ENDED = re.compile(r"command terminated with exit code \d+")
"""The last line of `kubectl exec` after that of a command that failed."""

UNREACHABLE = ("Unable to connect to the server", "The connection to the server", "couldn't get current server API group list")


@dataclass(frozen=True, slots=True)
class Denied:
    """A permission that the caller lacks."""

    user: str
    verb: str
    resource: str
    namespace: str

    def __str__(self) -> str:
        """Return the missing permission in one line."""
        where = f" in namespace {self.namespace}" if self.namespace else " in all namespaces"
        return f"{self.user} may not {self.verb} {self.resource}{where}"

    @property
    def remedy(self) -> str:
        """A hint how to get the permission."""
        role = "role" if self.namespace else "clusterrole"
        where = f" -n {self.namespace}" if self.namespace else ""
        return f"it takes a {role} with verb {self.verb} on {self.resource}; see `kubectl auth can-i --list{where}`"


class Refused(Problem):
    """A failed call of kubectl. `reason` is the API server's, such as NotFound or Conflict; it is empty for kubectl's own
    errors.
    """

    def __init__(self, message: str, remedy: str = "", reason: str = "", denied: Denied | None = None) -> None:
        super().__init__(message, remedy)
        self.reason, self.denied = reason, denied


def fault(stderr: str) -> Refused:
    """Return the failure that kubectl's stderr describes."""
    stderr_text = stderr.strip()
    match = FROM_SERVER.search(stderr_text)
    reason = match["reason"] if match else ""
    if admission := ADMISSION.search(stderr_text):
        return Refused(_line(admission["message"]), reason="Denied")
    if reason == "Forbidden" and (found := FORBIDDEN.search(stderr_text)):
        group = f".{found['group']}" if found["group"] else ""
        denied = Denied(found["user"], found["verb"], found["resource"] + group, found["namespace"] or "")
        return Refused(str(denied), denied.remedy, reason, denied)
    if invalid := INVALID.search(stderr_text):
        return Refused(f"{invalid['kind']} {invalid['name']} is refused: {_line(invalid['what'])}", reason="Invalid")
    return _own(stderr_text, reason, stderr_text[match.end() :] if match else stderr_text)


def _own(stderr_text: str, reason: str, message: str) -> Refused:
    """Return the failure for an error of kubectl itself or of the connection."""
    lines = [line for line in message.splitlines() if not EXEC_ENDED.fullmatch(line)] or message.splitlines()
    words = _line(lines[-1]) if lines else "kubectl failed without a message"
    last = words.removeprefix("error: ").removeprefix("Error in configuration: ")
    if any(known in stderr_text for known in UNREACHABLE):
        return Refused(last, "check the cluster and `kubectl config current-context`, or name another with --context", reason)
    if "doesn't have a resource type" in stderr_text:
        return Refused(last, "runwatchman's CRDs are not installed here: `kubectl apply -f crds/`", reason)
    if "Unauthorized" in stderr_text or reason == "Unauthorized":
        return Refused("the API server does not know who you are", "log in again, then check `kubectl auth whoami`", "Unauthorized")
    return Refused(last, reason=reason)


def _line(text: str) -> str:
    """Return a text in one line. The API server's list of faults, one a line, is joined by semicolons."""
    items = [" ".join(item.split()) for item in re.split(r"(?:^|\n)\s*\* ", text)]
    return "; ".join(filter(None, items)).lstrip(": ")
