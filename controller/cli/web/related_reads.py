"""Reads the objects related to a Run with the caller's rights, all at once. Missing permissions are listed, the rest is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from controller.api.names import LABEL_RUN, report_name
from controller.cli.rw.kubectl_errors import Denied, Refused
from controller.cli.rw.objects import JsonObject, name_of, namespace_of, status_of
from controller.cli.rw.related_objects import Around
from controller.cli.rw.session import ESCALATIONS, POLICIES, REPORTS
from controller.cli.web.api_access import Api, Params, collection, path_of

MOST_PODS = 12
"""Maximum pods whose Events are read, the newest ones."""

Found = list[JsonObject] | Denied


async def read_related(api: Api, run: JsonObject) -> Around:
    """Return the objects related to a Run. Raises Problem for a failure other than a missing permission."""
    space, uid, mine = namespace_of(run), run["metadata"]["uid"], {"labelSelector": f"{LABEL_RUN}={name_of(run)}"}
    reported = [f"{collection(REPORTS, space)}/{report_name(name_of(run), agent['name'])}" for agent in run["spec"]["agents"]]
    policy = status_of(run).get("policy", {}).get("name", "")
    pods, escalations, reports, policies = await asyncio.gather(
        listed(api, core(space, "pods"), mine),
        listed(api, collection(ESCALATIONS, space), mine),
        _named(api, reported),
        _named(api, [f"{collection(POLICIES, space)}{path_of(policy)}"] if policy else []),
    )
    own = [pod for pod in _items(pods) if _owner(pod) == uid]
    events = await _events(api, space, [run, *sorted(own, key=_created, reverse=True)[:MOST_PODS]])
    answers = (pods, escalations, reports, events, policies)
    return Around(
        pods=tuple(sorted(own, key=name_of)),
        escalations=tuple(e for e in _items(escalations) if _about(e) == uid),
        reports=tuple(r for r in _items(reports) if _about(r) == uid),
        events=tuple(_items(events)),
        policy=next(iter(_items(policies)), None),
        denied=tuple(answer for answer in answers if isinstance(answer, Denied)),
    )


async def listed(api: Api, path: str, params: Params | None = None) -> Found:
    """Return the objects of a list; none where the cluster does not know the kind."""
    try:
        found: list[JsonObject] = (await api.get(path, params)).get("items", [])
    except Refused as refused:
        return _denied(refused)
    return found


def core(namespace: str, resource: str, *more: str) -> str:
    """Return the path of a namespace's objects of Kubernetes' own, or of one of them."""
    return path_of("api", "v1", "namespaces", namespace, resource, *more)


async def _named(api: Api, paths: Sequence[str]) -> Found:
    """Return the objects at some paths that exist."""
    found: list[JsonObject] = []
    for answer in await asyncio.gather(*(_one(api, path) for path in paths)):
        if isinstance(answer, Denied):
            return answer
        found += answer
    return found


async def _one(api: Api, path: str) -> Found:
    try:
        return [await api.get(path)]
    except Refused as refused:
        return _denied(refused)


async def _events(api: Api, namespace: str, objects: Sequence[JsonObject]) -> Found:
    path, found = core(namespace, "events"), list[JsonObject]()
    wanted = [{"fieldSelector": f"involvedObject.uid={obj['metadata']['uid']}"} for obj in objects]
    for answer in await asyncio.gather(*(listed(api, path, params) for params in wanted)):
        if isinstance(answer, Denied):
            return answer
        found += answer
    return found


def _denied(refused: Refused) -> Found:
    """Return a missing permission, or nothing for what does not exist. Raises other refusals."""
    if refused.denied is not None:
        return refused.denied
    if refused.reason != "NotFound":
        raise refused
    return []


def _items(found: Found) -> list[JsonObject]:
    return [] if isinstance(found, Denied) else found


def _about(obj: JsonObject) -> str:
    """Return the UID of the Run that an object is about, empty for an object that names none."""
    spec = obj.get("spec")
    return str(spec.get("runUID", "")) if isinstance(spec, dict) else ""


def _owner(obj: JsonObject) -> str:
    owners = obj["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def _created(obj: JsonObject) -> str:
    found: str = obj["metadata"].get("creationTimestamp", "")
    return found
