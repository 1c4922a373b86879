"""`make demo`: a real cluster, the operator, the examples, and what happens, live. KEEP=1 leaves it all running."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.cluster import Cluster, ClusterError, lifecycle
from tests.cluster.processes import wait_until
from tests.conftest import install
from tests.support import OperatorProcess, get, items

EXAMPLES = Path(__file__).parent.parent / "manifests/examples"
NAMESPACE = "default"
SETTLED = frozenset({"Completed", "Failed", "Stopped", "Blocked"})
PATIENCE_SECONDS = 180.0
LOOK_SECONDS = 0.5
AGE = 4
"""The cell whose change alone is not worth a line."""
COLOURS = {"Completed": "green", "Failed": "red", "Blocked": "yellow", "Running": "cyan", "Pending": "dim"}
NAME = "demo"

PICTURE = os.environ.get("DEMO_SVG")
"""Where to write a picture of the demo's last screens, for the README."""

console = Console(highlight=False, record=bool(PICTURE), width=110 if PICTURE else None)


def main() -> int:
    """Run the demo and return its exit code: 0 when every example settled."""
    keep = bool(os.environ.get("KEEP"))
    provider = lifecycle.choose(os.environ.get("CLUSTER", "auto"))
    if provider == "api":
        console.print("[yellow]No kubelets here: a real API server with simulated nodes. Agents are not really run.[/]")
    if NAME in lifecycle.clusters():
        lifecycle.down(NAME)
    cluster = lifecycle.up(provider, name=NAME, kwok_nodes=1, keep=keep)
    operator = OperatorProcess(cluster, keep=keep)
    try:
        install(cluster)
        with console.status("starting the operator"):
            operator.start()
        settled = show_runs(cluster, apply_examples(cluster))
        explain(cluster)
        if PICTURE:
            console.save_svg(PICTURE, title="make demo")
        if keep:
            say_how_to_reach(cluster, operator)
        return 0 if settled else 1
    finally:
        if not keep:
            operator.stop()
            lifecycle.end(cluster)


def apply_examples(cluster: Cluster) -> int:
    """Apply every example and return how many Runs they are."""
    for path in sorted(EXAMPLES.glob("*.yaml")):
        console.print(f"[dim]# {first_comment(path)}[/]", soft_wrap=True)
        console.print(f"[bold]$ kubectl apply -f {path.relative_to(EXAMPLES.parent.parent)}[/]")
        cluster.kubectl("-n", NAMESPACE, "apply", "-f", str(path))
    return len(list(EXAMPLES.glob("*.yaml")))


def first_comment(path: Path) -> str:
    """Return what an example says of itself."""
    return path.read_text().splitlines()[0].removeprefix("# ")


def show_runs(cluster: Cluster, expected: int) -> bool:
    """Show the Runs as they change until all have settled; return whether they did."""
    console.print("\n[bold]$ kubectl get runs -w[/]")
    shown: dict[str, tuple[str, ...]] = {}

    def settled() -> bool:
        runs = items(cluster, NAMESPACE, "runs")
        for cells in map(row, runs):
            if shown.get(cells[0], ())[:AGE] != cells[:AGE]:
                console.print(line(cells, header=not shown))
                shown[cells[0]] = cells
        return len(runs) == expected and all(run.get("status", {}).get("phase") in SETTLED for run in runs)

    return wait_until(settled, PATIENCE_SECONDS, LOOK_SECONDS)


def row(run: dict[str, Any]) -> tuple[str, ...]:
    """Return a Run's cells as `kubectl get runs -o wide` has them."""
    found, meta = run.get("status", {}), run["metadata"]
    age = (datetime.now(UTC) - datetime.fromisoformat(meta["creationTimestamp"])).total_seconds()
    return (meta["name"], found.get("phase", ""), found.get("ready", ""), found.get("reason", ""), f"{age:.0f}s")


def line(cells: tuple[str, ...], *, header: bool) -> str:
    """Return a Run's cells as a line for a terminal, under the header before the first."""
    name, phase, ready, reason, age = cells
    colour = COLOURS.get(phase, "white")
    text = f"{name:<12}[{colour}]{phase:<11}[/]{ready:<8}{reason:<19}{age}"
    return f"[bold]{'NAME':<12}{'PHASE':<11}{'AGENTS':<8}{'REASON':<19}AGE[/]\n{text}" if header else text


def explain(cluster: Cluster) -> None:
    """Print what happened to each Run and why, and one agent's own words."""
    console.print("\n[bold]What happened, and why[/]")
    for run in items(cluster, NAMESPACE, "runs"):
        found = run["status"]
        colour = COLOURS.get(found["phase"], "white")
        console.print(f"  {run['metadata']['name']:<11}[{colour}]{found['phase']}[/]: {found.get('message', '')}", soft_wrap=True)
        for agent in found.get("agents", []):
            console.print(f"    {agent['name']:<9}{agent['health']:<9} {agent['reason']}", style="dim")
    if cluster.provider != "api" and get(cluster, NAMESPACE, "pod", "hello-coder-r0"):
        console.print("\n[bold]$ kubectl logs hello-coder-r0[/]")
        console.print(cluster.kubectl("-n", NAMESPACE, "logs", "hello-coder-r0").strip())


def say_how_to_reach(cluster: Cluster, operator: OperatorProcess) -> None:
    """Tell where everything is that KEEP=1 leaves."""
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
