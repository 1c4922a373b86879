"""Loads, creates and writes the reporter's AgentReport, and never writes another Run's."""

from __future__ import annotations

import http.client
from typing import Any

from controller.api.names import API_VERSION, GROUP, LABEL_AGENT, LABEL_RUN, LABEL_RUN_UID, VERSION, report_name
from controller.reporter.api import MERGE_PATCH, Api, Refused
from controller.reporter.report_status import merge_patch
from controller.reporter.settings import Settings

Json = dict[str, Any]

FIELD_MANAGER = "runwatchman-reporter"
"""The manager of the managedFields entry with the API server's timestamp from which the ages are subtracted."""


class NotOurs(Exception):
    """The object of this name belongs to another Run, or a later attempt writes it: it must not be written."""


class Reports:
    """Requests for one AgentReport; no state is kept between them."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self._api, self._settings = api, settings
        self._name = report_name(settings.run, settings.agent)
        self._all = f"/apis/{GROUP}/{VERSION}/namespaces/{settings.namespace}/agentreports"

    @property
    def watched(self) -> str:
        """The path and query of a watch of this one object."""
        return f"{self._all}?fieldSelector=metadata.name%3D{self._name}"

    def load(self) -> Json | None:
        """Return the object, None if it does not exist. Raises Refused and NotOurs."""
        try:
            report = self._api.request("GET", f"{self._all}/{self._name}")
        except Refused as error:
            if error.code == http.client.NOT_FOUND:
                return None
            raise
        return self.check(report)

    def check(self, report: Json) -> Json:
        """Return an object if it is ours to write. Raises NotOurs."""
        if _part(report, "spec").get("runUID") != self._settings.run_uid:
            raise NotOurs(f"AgentReport {self._name} belongs to another Run of this name, waiting until it is deleted")
        if _part(report, "status").get("attempt", 0) > self._settings.attempt:
            raise NotOurs(f"AgentReport {self._name} is written by a later attempt, leaving it alone")
        return report

    def write(self, seen: Json | None, status: Json) -> Json:
        """Write the status over the version that was read, create the object if it does not exist, and return it.

        Raises Refused and NotOurs.
        """
        try:
            return self._patch(seen or self.load() or self._create(), status)
        except Refused as error:
            if error.code not in (http.client.CONFLICT, http.client.NOT_FOUND):
                raise
        return self._patch(self.load() or self._create(), status)

    def _create(self) -> Json:
        settings = self._settings
        owner = {"apiVersion": API_VERSION, "kind": "Run", "name": settings.run, "uid": settings.run_uid, "controller": True}
        labels = {LABEL_RUN: settings.run, LABEL_RUN_UID: settings.run_uid, LABEL_AGENT: settings.agent}
        body = {
            "apiVersion": API_VERSION,
            "kind": "AgentReport",
            "metadata": {"name": self._name, "namespace": settings.namespace, "labels": labels, "ownerReferences": [owner]},
            "spec": {"runName": settings.run, "runUID": settings.run_uid, "agent": settings.agent},
        }
        return self._api.request("POST", f"{self._all}?fieldManager={FIELD_MANAGER}", body)

    def _patch(self, seen: Json, status: Json) -> Json:
        # The version guarantees that it is the object that was checked: another object of the name has another version.
        version = _part(self.check(seen), "metadata").get("resourceVersion")
        body = {"metadata": {"resourceVersion": version}, "status": merge_patch(_part(seen, "status"), status)}
        path = f"{self._all}/{self._name}/status?fieldManager={FIELD_MANAGER}"
        return self._api.request("PATCH", path, body, MERGE_PATCH)


def _part(report: Json, name: str) -> Json:
    """Return a part of an object, empty if it is missing."""
    part = report.get(name)
    return part if isinstance(part, dict) else {}
