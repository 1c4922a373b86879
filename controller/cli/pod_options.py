"""Options of `runwarden operator` for agents' pods: values for fields that a policy does not set, written as in a policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from controller.api.pod_policy import DEFAULT_REPORTER_RESOURCES
from controller.api.policy import RunPolicySpec
from controller.api.policy_file import PolicyFileError, parse_policy_file

F = TypeVar("F", bound=Callable[..., Any])


def pod_options(command: F) -> F:
    """Add the options."""
    options = (
        click.option(
            "--reporter-resources",
            default=DEFAULT_REPORTER_RESOURCES.model_dump_json(exclude_none=True),
            callback=lambda _context, _parameter, value: _policy("reporterResources", value).reporter_resources,
            help="Requests and limits of the reporter, as a policy's reporterResources.",
        ),
        click.option(
            "--agents-pod-security",
            default="{}",
            callback=lambda _context, _parameter, value: _policy("podSecurity", value).pod_security,
            help="Users and groups of agents' pods, as a policy's podSecurity; default: the namespace's, else 10001 and 10002.",
        ),
        click.option(
            "--agents-image-pull-secrets",
            default="",
            callback=lambda _context, _parameter, value: _policy("imagePullSecrets", _names(value)).image_pull_secrets,
            help="Secrets of a Run's namespace to pull images with, comma-separated; its default ServiceAccount's are always used.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _policy(field: str, value: str) -> RunPolicySpec:
    """Return a policy with one field, whose value is an object in YAML or JSON on one line. Raises BadParameter."""
    try:
        return parse_policy_file(f"{{{field}: {value or '{}'}}}")
    except PolicyFileError as error:
        raise click.BadParameter(str(error)) from error


def _names(value: str) -> str:
    return json.dumps([{"name": name.strip()} for name in value.split(",") if name.strip()])
