"""Options of `runwatchman operator` for agents' pods: values for fields that a policy does not set, written as in a policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click
from pydantic.alias_generators import to_camel

from controller.api.container_fields import PullPolicy
from controller.api.pod_policy import DEFAULT_REPORTER_RESOURCES
from controller.api.policy import RunPolicySpec
from controller.api.policy_defaults import POD_FIELDS
from controller.api.policy_file import PolicyFileError, parse_policy_file
from controller.cli.option_values import parsed_by

F = TypeVar("F", bound=Callable[..., Any])


def pod_options(command: F) -> F:
    """Add the options."""
    options = (
        click.option(
            "--reporter-resources",
            default=DEFAULT_REPORTER_RESOURCES.model_dump_json(exclude_none=True),
            callback=parsed_by(lambda value: _policy("reporterResources", value).reporter_resources),
            help="Requests and limits of the reporter, as a policy's reporterResources.",
        ),
        click.option(
            "--agents-pod-security",
            default="{}",
            callback=parsed_by(lambda value: _policy("podSecurity", value).pod_security),
            help="Users and groups of agents' pods, as a policy's podSecurity; default: the namespace's, else 10001 and 10002.",
        ),
        click.option(
            "--agents-image-pull-secrets",
            default="",
            callback=parsed_by(lambda value: _policy("imagePullSecrets", _names(value)).image_pull_secrets),
            help="Secrets of a Run's namespace to pull images with, comma-separated; its default ServiceAccount's are always used.",
        ),
        click.option(
            "--agents-pods",
            default="{}",
            callback=parsed_by(_pods),
            help="Values of agents' pods that a policy does not set, as an object: env, caBundle, nodeSelector, tolerations, "
            "resources, podMetadata.",
        ),
        click.option(
            "--git-image",
            help="Image that clones the repository of a workspace (images/git); without one, agents with a source do not start.",
        ),
        click.option(
            "--reporter-image-pull-policy",
            type=click.Choice([policy.value for policy in PullPolicy]),
            callback=parsed_by(lambda value: PullPolicy(value) if value else None),
            help="Pull policy of the reporter's image; default: Kubernetes'.",
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


def _pods(value: str) -> RunPolicySpec:
    """Return a policy with fields of agents' pods only. Raises BadParameter."""
    try:
        found = parse_policy_file(value)
    except PolicyFileError as error:
        raise click.BadParameter(str(error)) from error
    if others := sorted(to_camel(name) for name in found.model_fields_set - set(POD_FIELDS)):
        raise click.BadParameter(f"{', '.join(others)}: only {', '.join(map(to_camel, POD_FIELDS))} may be set here")
    return found


def _names(value: str) -> str:
    return json.dumps([{"name": name.strip()} for name in value.split(",") if name.strip()])
