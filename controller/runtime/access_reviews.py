"""Asks the API server who bears a token and what this user may read: TokenReview, then SubjectAccessReview."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from controller.api.base import JsonObject
from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.kube.errors import Forbidden
from controller.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource
from controller.observability.guard import Refusal, Review

UNKNOWN = Refusal(HTTPStatus.UNAUTHORIZED, "the API server knows no such token", {"WWW-Authenticate": "Bearer"})


class MayNotAsk(RunwatchmanError):
    """The operator lacks the right to create TokenReviews or SubjectAccessReviews."""


def reviewer(client: Client, path: str) -> Review:
    """Return a reviewer of tokens for a GET of a non-resource path; any thread's event loop may call it.

    Requests are sent in the loop that this is called in. They raise ApiError, or MayNotAsk.
    """
    home = asyncio.get_running_loop()

    async def review(token: str) -> Refusal | None:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_review(client, path, token), home))

    return review


async def _review(client: Client, path: str, token: str) -> Refusal | None:
    found = (await _ask(client, TOKEN_REVIEWS, {"token": token}))["status"]
    if not found.get("authenticated"):
        return UNKNOWN
    user = found["user"]
    asked = {name: user[name] for name in ("groups", "uid", "extra") if name in user}
    asked |= {"user": user["username"], "nonResourceAttributes": {"path": path, "verb": "get"}}
    if (await _ask(client, SUBJECT_ACCESS_REVIEWS, asked))["status"].get("allowed"):
        return None
    return Refusal(HTTPStatus.FORBIDDEN, f"{user['username']} may not get {path}: bind the ClusterRole runwatchman-metrics-reader")


async def _ask(client: Client, resource: Resource, spec: JsonObject) -> JsonObject:
    body = {"apiVersion": f"{resource.group}/{resource.version}", "kind": resource.kind, "spec": spec}
    try:
        return await client.create(resource, None, body)
    except Forbidden as error:
        raise MayNotAsk(f"{error}; bind the ClusterRole runwatchman-operator-metrics to the operator, cluster-wide") from error
