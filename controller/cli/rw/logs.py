"""`logs`: prints the output of an agent's attempt."""

from __future__ import annotations

import click

from controller.api.names import LABEL_AGENT, LABEL_ATTEMPT, LABEL_RUN, pod_name
from controller.cli.rw import options
from controller.cli.rw.agent_choice import chosen, standing
from controller.cli.rw.containers import judged, with_the_log
from controller.cli.rw.objects import JsonObject, items_of, label, name_of
from controller.cli.rw.session import Session, with_kubectl_flags
from controller.cli.rw.task_text import task_number, task_of
from controller.cli.rw.user_error import Problem

TASKS = ("verify", "publish")
"""The tasks of an attempt, as their pods and containers are named (`controller.api.tasks`)."""


@click.command()
@click.argument("name", metavar="RUN", shell_complete=options.run_names)
@click.argument("agent", required=False, shell_complete=options.agent_names)
@click.option("--attempt", type=click.IntRange(min=0), metavar="N", help="Number of the attempt, from 0; default: the current one.")
@click.option("-p", "--previous", is_flag=True, help="The attempt before the current one.")
@click.option("-f", "--follow", is_flag=True, help="Print new lines until interrupted.")
@click.option("--tail", type=int, metavar="LINES", help="Only the last lines.")
@click.option("--since", metavar="SPAN", help="Only lines newer than this, such as 10m.")
@click.option("--timestamps", is_flag=True, help="Put the time before each line.")
@click.option("--task", type=click.Choice(TASKS), help="The verification or the publication of the attempt's work instead.")
@click.option("-c", "--container", help="Another container of the pod, such as a template's sidecar.")
@with_kubectl_flags
def logs(
    session: Session,
    name: str,
    agent: str | None,
    attempt: int | None,
    previous: bool,
    follow: bool,
    tail: int | None,
    since: str | None,
    timestamps: bool,
    task: str | None,
    container: str | None,
) -> None:
    """Print the output of an agent's attempt. AGENT may be omitted if the Run has only one.

    With --task this is the output of the last verification or publication of the attempt's work.
    If the agent has not run, this is the output of the init container that runs or has failed.
    """
    run = session.run(name)
    its_name = chosen(run, agent)["name"]
    number = _attempt(run, its_name, attempt, previous=previous)
    pods = items_of(session.kubectl.json("get", "pods", "-l", f"{LABEL_RUN}={name},{LABEL_AGENT}={its_name}"))
    pod = _task_pod(its_name, number, task, pods) if task else _pod(session, run, its_name, number, pods)
    flags = [flag for flag, given in (("-f", follow), ("--timestamps", timestamps)) if given]
    flags += [f"--{key}={value}" for key, value in (("tail", tail), ("since", since)) if value is not None]
    shown = container or with_the_log(run, pod)
    if not container and shown != judged(run, pod):
        session.hint(f"{judged(run, pod) if task else f'agent {its_name}'} has not run: this is the log of init container {shown}")
    raise click.exceptions.Exit(session.kubectl.hand_over("logs", name_of(pod), "-c", shown, *flags))


def _attempt(run: JsonObject, agent: str, wanted: int | None, *, previous: bool) -> int:
    if wanted is not None and previous:
        raise Problem("--attempt and --previous exclude each other", "give one of them")
    if wanted is not None:
        return wanted
    current: int = standing(run, agent).get("attempt", 0)
    if previous and current == 0:
        raise Problem(f"agent {agent} is at its first attempt", "it has no previous attempt")
    return current - 1 if previous else current


def _task_pod(agent: str, attempt: int, task: str, pods: list[JsonObject]) -> JsonObject:
    """Return the pod of the last try of an attempt's task. Raises Problem if there is none."""
    found = [pod for pod in pods if task_of(pod) == task and label(pod, LABEL_ATTEMPT) == str(attempt)]
    if not found:
        kept = sorted({label(pod, LABEL_ATTEMPT) for pod in pods if task_of(pod) == task})
        remedy = (
            f"there is one of attempts {', '.join(kept)}: name it with --attempt"
            if kept
            else f"the agent may have no {task}, or not be complete"
        )
        raise Problem(f"there is no pod of task {task} of agent {agent}, attempt {attempt}", remedy)
    return max(found, key=task_number)


def _pod(session: Session, run: JsonObject, agent: str, attempt: int, pods: list[JsonObject]) -> JsonObject:
    """Return the attempt's pod. Raises Problem, which lists the attempts with a pod."""
    name = pod_name(name_of(run), agent, attempt)
    found = next((pod for pod in pods if name_of(pod) == name), None)
    if found is not None:
        return found
    kept = sorted(label(pod, LABEL_ATTEMPT) for pod in pods if not task_of(pod))
    remedy = f"there are attempts {', '.join(kept)}" if kept else f"see why: {session.command('explain', name_of(run))}"
    raise Problem(f"there is no pod of agent {agent}, attempt {attempt}", remedy)
