"""Finds the image of reporters: the one that the installer names, else the image of the operator's own container.

The image is read from the operator's own pod, as the API server has it. Therefore it is one that a node could pull, whichever tool
(kustomize's `images`, a mutating webhook) has replaced the manifest's.
"""

from __future__ import annotations

import asyncio

import structlog

from controller.api.base import JsonObject
from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.kube.errors import ApiError, Forbidden, NotFound, Unavailable
from controller.kube.resources import PODS
from controller.settings import Settings

log = structlog.get_logger(__name__)

CONTAINER = "operator"
"""Name of the operator's container in its pod."""
RETRY_SECONDS = 2.0


class OwnImageUnknown(RunwatchmanError):
    """The operator cannot read its own pod, or its container is not in it; the message has the remedy."""


async def reporter_image(settings: Settings, client: Client, namespace: str) -> str | None:
    """Return the image of reporters; None if agents run without one: with --no-reporter, or outside of a pod without an image.

    It asks again while the API server is unavailable. Raises OwnImageUnknown.
    """
    if not settings.reporter:
        return None
    if settings.reporter_image or not settings.pod:
        return settings.reporter_image
    return _image_of(await _own_pod(client, namespace, settings.pod))


async def _own_pod(client: Client, namespace: str, name: str) -> JsonObject:
    while True:
        try:
            return await client.get(PODS, namespace, name)
        except Unavailable as error:
            log.warning("cannot read the operator's own pod, trying again", pod=name, error=str(error))
        except ApiError as error:
            raise OwnImageUnknown(f"the image of reporters is unknown: {error}; {_remedy(error, name)}") from error
        await asyncio.sleep(RETRY_SECONDS)


def _remedy(error: ApiError, name: str) -> str:
    """Return what to do about a pod that cannot be read."""
    if isinstance(error, Forbidden):
        return "bind the ClusterRole runwatchman-operator-lease in the operator's namespace, or set --reporter-image"
    if isinstance(error, NotFound):
        return f"--pod ({name}) must be the operator's own pod; correct it, or set --reporter-image"
    return "set --reporter-image"


def _image_of(pod: JsonObject) -> str:
    images = {container["name"]: container["image"] for container in pod["spec"]["containers"]}
    if CONTAINER not in images:
        raise OwnImageUnknown(
            f"the image of reporters is unknown: pod {pod['metadata']['name']} has no container {CONTAINER}; rename the operator's "
            "container, or set --reporter-image"
        )
    found: str = images[CONTAINER]
    log.info("reporters have the operator's own image", image=found)
    return found
