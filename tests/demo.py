"""`make demo`: a real cluster, the operator, a verified branch by a real agent, then the examples and their events, live.

One example asks a question, and one waits for an approval, with the advice of an advisor (a stub behind the documented command,
without a key): answer them from another terminal, or let the demo answer (DEMO_AUTO=1, or no terminal). KEEP=1 leaves everything
running.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.cluster import Cluster, ClusterError, lifecycle
from tests.cluster.kind import KindCluster
from tests.cluster.processes import wait_until
from tests.conftest import install
from tests.demo_page import page
from tests.recipe_image import GIT, load_image
from tests.reporter_image import load_reporter_image
from tests.stub_model import stub_model
from tests.support import OperatorProcess, items
from tests.verified_branch.demo_act import Act

ROOT = Path(__file__).parent.parent
EXAMPLES, ADVISOR = ROOT / "manifests/examples", ROOT / "docs/examples/advisor-local.py"
NAMESPACE = "default"
SETTLED = frozenset({"Completed", "Failed", "Stopped", "Blocked"})
PATIENCE_SECONDS = 180.0
LOOK_SECONDS = 0.5
AGE = 5
"""The cell whose change alone prints no new line."""
COLOURS = {
    "Completed": "green",
    "Failed": "red",
    "Blocked": "yellow",
    "Running": "cyan",
    "Pending": "dim",
    "AwaitingGuidance": "magenta",
    "AwaitingApproval": "magenta",
}
ANSWERS = {"Question": ("answer", "yes"), "Approval": ("approve",)}
"""The demo's automatic answers, by type."""
THINKING_SECONDS = 3.0
"""The delay of the demo's automatic answer."""
YOUR_TURN_SECONDS = 120.0
"""How long the demo waits for your answer, if there is a terminal."""
NAME = "demo"

PICTURE = os.environ.get("DEMO_SVG")
"""The file for a picture of the demo, for the README."""

console = Console(highlight=False, record=bool(PICTURE), width=110 if PICTURE else None)


def main() -> int:
    """Run the demo and return its exit code: 0 when every example reached its end."""
    keep = bool(os.environ.get("KEEP"))
    provider = lifecycle.choose(os.environ.get("CLUSTER", "auto"))
    if provider == "api":
        console.print("[yellow]No kubelets here: a real API server with simulated nodes. Agents are not really run.[/]")
    if NAME in lifecycle.clusters():
        lifecycle.down(NAME)
    cluster = lifecycle.up(provider, name=NAME, kwok_nodes=1, keep=keep)
    with stub_model() as url:
        os.environ["ADVISOR_URL"] = url
        return _play(cluster, OperatorProcess(cluster, *reporters(cluster), *advisor(cluster), keep=keep), keep=keep)


def _play(cluster: Cluster, operator: OperatorProcess, *, keep: bool) -> int:
    try:
        install(cluster)
        with console.status("starting the operator"):
            operator.start()
        with page(cluster, NAMESPACE) as address:
            return _show(cluster, operator, address, keep=keep)
    finally:
        if not keep:
            operator.stop()
            lifecycle.end(cluster)


def _show(cluster: Cluster, operator: OperatorProcess, address: str, *, keep: bool) -> int:
    """Play everything while the page is open at an address; return the exit code."""
    if address and not PICTURE:
        console.print(f"[magenta]Watch, and answer, in a browser:[/] [bold]{address}[/] (it works once)", soft_wrap=True)
    branch = Act(cluster, NAMESPACE, console, partial(rw, cluster)).play() if isinstance(cluster, KindCluster) else True
    if PICTURE:
        console.save_svg(PICTURE, title="make demo", clear=False)
    before = len(items(cluster, NAMESPACE, "runs"))
    settled = Stage(cluster).play(before + apply_examples(cluster)) and branch
    explain(cluster)
    if keep:
        say_how_to_reach(cluster, operator)
    return 0 if settled else 1


def reporters(cluster: Cluster) -> tuple[str, ...]:
    """Return the operator's options for reporters, clones and branches; simulated nodes run none."""
    if cluster.provider == "api":
        return ()
    git = ("--git-image", load_image(cluster, GIT))
    return ("--reporter-image", load_reporter_image(cluster), "--reporter-interval-seconds", "5", *git)


def advisor(cluster: Cluster) -> tuple[str, ...]:
    """Return the operator's options for an advisor; only policies that ask for one have it."""
    commands, policy = cluster.directory / "commands.json", cluster.directory / "policy.json"
    local = {"preset": "raw", "argv": [sys.executable, str(ADVISOR)], "environment": ["ADVISOR_URL"]}
    commands.write_text(json.dumps({"commands": {"codex": local}}))
    policy.write_text(json.dumps({"operator": {"llm": {"mode": "off"}}}))
    return ("--adapter=local", "--adapter-commands", str(commands), "--policy-file", str(policy))


def apply_examples(cluster: Cluster) -> int:
    """Apply every example and return the number of Runs."""
    for path in sorted(EXAMPLES.glob("*.yaml")):
        console.print(f"[dim]# {first_comment(path)}[/]", soft_wrap=True)
        console.print(f"[bold]$ kubectl apply -f {path.relative_to(EXAMPLES.parent.parent)}[/]")
        cluster.kubectl("-n", NAMESPACE, "apply", "-f", str(path))
    return len(list(EXAMPLES.glob("*.yaml")))


def first_comment(path: Path) -> str:
    """Return the introductory comment of an example."""
    return path.read_text().splitlines()[0].removeprefix("# ")


class Stage:
    """Shows the Runs as they change until all have reached their ends, and takes care that their questions are answered."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._shown: dict[str, tuple[str, ...]] = {}
        self._asked_at: dict[str, float] = {}

    def play(self, expected: int) -> bool:
        """Return whether this many Runs reached their ends in time."""
        console.print("\n[bold]$ kubectl get runs -w[/]")
        return wait_until(lambda: self._look(expected), PATIENCE_SECONDS + YOUR_TURN_SECONDS, LOOK_SECONDS)

    def _look(self, expected: int) -> bool:
        runs = items(self._cluster, NAMESPACE, "runs")
        for cells in map(row, runs):
            if cells[1] and self._shown.get(cells[0], ())[:AGE] != cells[:AGE]:
                console.print(line(cells, header=not self._shown))
                self._shown[cells[0]] = cells
        self._see_to_inbox()
        return len(runs) == expected and all(run.get("status", {}).get("phase") in SETTLED for run in runs)

    def _see_to_inbox(self) -> None:
        """Print every question and approval, and answer it if no user does."""
        for escalation in items(self._cluster, NAMESPACE, "escalations"):
            name, answer = escalation["metadata"]["name"], ANSWERS.get(escalation["spec"]["type"])
            waits = escalation.get("status", {}).get("phase") == "Open" and "response" not in escalation["spec"]
            if answer is None or not waits:
                continue
            if name not in self._asked_at:
                self._asked_at[name] = time.monotonic()
                self._tell(escalation, answer)
            alone = os.environ.get("DEMO_AUTO") or not sys.stdout.isatty()
            if time.monotonic() - self._asked_at[name] > (THINKING_SECONDS if alone else YOUR_TURN_SECONDS):
                words = (answer[0], name, *answer[1:])
                console.print(f"[bold]$ kubectl rw {' '.join(words)}[/]")
                console.print(rw(self._cluster, *words), style="dim", end="")

    def _tell(self, escalation: dict[str, Any], answer: tuple[str, ...]) -> None:
        reach = "kubectl rw" if PICTURE else f"scripts/run kubectl-rw --kubeconfig {self._cluster.kubeconfig}"
        command = " ".join((reach, answer[0], escalation["metadata"]["name"], *answer[1:]))
        what = "An agent asks you" if escalation["spec"]["type"] == "Question" else "The operator asks you for leave"
        console.print(f"[magenta]{what}. Answer from another terminal:[/]\n  [bold]{command}[/]", soft_wrap=True)
        if suggestion := escalation["spec"].get("suggestion"):
            console.print(f"[magenta]The advisor says:[/] {suggestion['text'].replace(chr(10) * 2, '. ')}")


def rw(cluster: Cluster, *words: str) -> str:
    """Run `kubectl rw` as a user would and return its output."""
    command = [str(Path(sys.executable).with_name("kubectl-rw")), "--kubeconfig", str(cluster.kubeconfig), "-n", NAMESPACE, *words]
    env = os.environ | {"KUBECTL": str(cluster.kubectl_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done.stdout + done.stderr


def row(run: dict[str, Any]) -> tuple[str, ...]:
    """Return a Run's cells as `kubectl get runs` has them."""
    found, meta = run.get("status", {}), run["metadata"]
    age = (datetime.now(UTC) - datetime.fromisoformat(meta["creationTimestamp"])).total_seconds()
    counts = (str(found.get("restarts", "")), str(found.get("openEscalations", "")))
    return (meta["name"], found.get("phase", ""), found.get("ready", ""), *counts, f"{age:.0f}s")


def line(cells: tuple[str, ...], *, header: bool) -> str:
    """Return a Run's cells as a line for a terminal, under the header before the first."""
    name, phase, ready, restarts, inbox, age = cells
    colour = COLOURS.get(phase, "white")
    text = f"{name:<12}[{colour}]{phase:<18}[/]{ready:<8}{restarts:<10}{inbox:<7}{age}"
    head = f"[bold]{'NAME':<12}{'PHASE':<18}{'AGENTS':<8}{'RESTARTS':<10}{'INBOX':<7}AGE[/]"
    return f"{head}\n{text}" if header else text


def explain(cluster: Cluster) -> None:
    """Print the open escalations, and the history of two of the Runs, as `kubectl rw` shows it."""
    for words in (("inbox",), ("explain", "crashing"), ("explain", "assisted")):
        console.print(f"\n[bold]$ kubectl rw {' '.join(words)}[/]")
        console.print(rw(cluster, *words).rstrip(), soft_wrap=True, markup=False)
    console.print("\n[bold]What happened, and why[/]")
    for run in items(cluster, NAMESPACE, "runs"):
        found = run["status"]
        colour = COLOURS.get(found["phase"], "white")
        console.print(f"  {run['metadata']['name']:<11}[{colour}]{found['phase']}[/]: {found.get('message', '')}", soft_wrap=True)


def say_how_to_reach(cluster: Cluster, operator: OperatorProcess) -> None:
    """Print the paths of everything that KEEP=1 leaves."""
    console.print(f"\n[bold]Left running.[/] export KUBECONFIG={cluster.kubeconfig}")
    console.print(f"kubectl: {cluster.kubectl_path}   operator's log: {operator.log}")
    console.print(f"End it with: kill {operator.pid}; scripts/run python -m tests.cluster down {cluster.name}")


if __name__ == "__main__":
    try:
        code = main()
    except ClusterError as error:
        sys.exit(f"error: {error}")
    if shutil.which("make"):
        console.print("\nNext: README.md, docs/, and `make test`.")
    sys.exit(code)
