"""`pause`, `resume`, `stop`, `restart`: set a Run's desired state."""

from __future__ import annotations

import json

import click

from controller.cli.rw import options
from controller.cli.rw.halt_text import lift_words
from controller.cli.rw.next_steps import UNSTEERED
from controller.cli.rw.objects import TERMINAL, JsonObject, name_of, phase_of, status_of
from controller.cli.rw.session import RUNS, Session, with_kubectl_flags
from controller.cli.rw.user_error import Problem, did_you_mean

runs_argument = click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=options.run_names)


@click.command()
@runs_argument
@options.output(*options.MACHINE)
@with_kubectl_flags
def pause(session: Session, runs: tuple[str, ...], output: str | None) -> None:
    """End the agents and keep their workspaces; deadlines are suspended."""
    for name in runs:
        _want(session, name, "Paused", output)
    if not output:
        session.hint(f"resume with: {session.command('resume', *runs)}")


@click.command()
@runs_argument
@options.output(*options.MACHINE)
@with_kubectl_flags
def resume(session: Session, runs: tuple[str, ...], output: str | None) -> None:
    """Start new attempts for the unfinished agents of a paused Run, uncharged."""
    for name in runs:
        _want(session, name, "Running", output)
    if not output:
        session.hint(f"watch: {session.command('get', *runs, '-w')}")


@click.command()
@runs_argument
@options.output(*options.MACHINE)
@with_kubectl_flags
def stop(session: Session, runs: tuple[str, ...], output: str | None) -> None:
    """End a Run permanently. (To give up a Blocked Run, so that it counts as Failed, use `fail`.)"""
    for name in runs:
        _want(session, name, "Stopped", output)
    if not output:
        session.hint(f"its logs and outcomes stay until it is deleted; run it again with: {session.command('rerun', runs[0])}")


@click.command()
@click.argument("name", metavar="RUN", shell_complete=options.run_names)
@click.argument("agents", metavar="[AGENT]...", nargs=-1, shell_complete=options.agent_names)
@click.option("--new-session", is_flag=True, help="Begin a new session of the CLI that `rw exec` runs, with the brief.")
@options.output(*options.MACHINE)
@with_kubectl_flags
def restart(session: Session, name: str, agents: tuple[str, ...], new_session: bool, output: str | None) -> None:
    """Start new attempts for agents at once, uncharged and without a cooldown; for all unfinished agents if none is named."""
    run = session.run(name)
    _unfinished(session, run)
    if phase_of(run) == "Paused":
        raise Problem(f"Run {name} is Paused", f"start its agents again with {session.command('resume', name)}")
    if lifting := lift_words(run):
        raise Problem(
            f"Run {name}: {status_of(run).get('message', '')}", f"its agents start again after {session.command(*lifting)}"
        )
    chosen = _chosen(session, run, agents)
    stamps = dict.fromkeys(chosen, session.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    spec = {"restartedAt": stamps} | ({"newSessionAt": stamps} if new_session else {})
    with_what = " with a new session" if new_session else ""
    _patch(session, run, spec, f"restart of {', '.join(chosen)}{with_what} requested", output)
    if not output:
        session.hint(f"watch: {session.command('get', name, '-w')}")


def _want(session: Session, name: str, state: str, output: str | None) -> None:
    run = session.run(name)
    if run["spec"].get("desiredState", "Running") == state and not output:
        click.echo(f"run {name}: unchanged, its desiredState is already {state}")
        return
    _unfinished(session, run)
    _patch(session, run, {"desiredState": state}, f"desiredState is now {state}", output)


def _unfinished(session: Session, run: JsonObject) -> None:
    """Refuse a Run that has ended, or that the operator does not process. Raises Problem."""
    name, phase = name_of(run), phase_of(run)
    rerun_hint = f"run it again with {session.command('rerun', name)}"
    if phase in TERMINAL:
        raise Problem(f"Run {name} is {phase}: it can no longer be changed", rerun_hint)
    if (reason := status_of(run).get("reason")) in UNSTEERED:
        raise Problem(f"the operator does not act on Run {name} ({reason})", f"see {session.command('explain', name)}")
    if run["spec"].get("desiredState") == "Stopped":
        raise Problem(f"Run {name} is being stopped, which is final", rerun_hint)


def _chosen(session: Session, run: JsonObject, wanted: tuple[str, ...]) -> list[str]:
    """Return the agents to restart. Raises Problem for an unknown agent, or one that has finished."""
    known = [agent["name"] for agent in run["spec"]["agents"]]
    if wrong := next((agent for agent in wanted if agent not in known), None):
        raise Problem(f"Run {name_of(run)} has no agent {wrong}", did_you_mean(wrong, known, "its agents are"))
    finished = [agent["name"] for agent in status_of(run).get("agents", ()) if agent.get("health") == "Complete"]
    if done := next((agent for agent in wanted if agent in finished), None):
        rerun_hint = f"a new Run repeats its work: {session.command('rerun', name_of(run))}"
        raise Problem(f"agent {done} is Complete, finished work is not repeated", rerun_hint)
    return [agent for agent in known if agent in wanted or (not wanted and agent not in finished)]


def _patch(session: Session, run: JsonObject, spec: JsonObject, summary: str, output: str | None) -> None:
    """Patch the spec of exactly the Run that was read."""
    patch = json.dumps({"metadata": {"uid": run["metadata"]["uid"]}, "spec": spec})
    shape = ("-o", output) if output else ()
    written = session.kubectl.text("patch", RUNS, name_of(run), "--type=merge", "-p", patch, *shape)
    click.echo(written if output else f"run {name_of(run)}: {summary}", nl=not output)
