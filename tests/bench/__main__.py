"""Controllers side by side: `make bench`, or `scripts/run python -m tests.bench --help`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from tests.bench.contestants import contestants
from tests.bench.measured import Load
from tests.bench.turn import take_turn
from tests.cluster import lifecycle
from tests.conftest import install


@click.command()
@click.option("--only", default="")
@click.option("--count", default=100)
@click.option("--failing", is_flag=True)
def main(only: str, count: int, failing: bool) -> None:
    cluster = lifecycle.up("api", kwok_nodes=2, controllers="*,-job")
    try:
        install(cluster)
        cluster.kubectl("apply", "-f", str(Path(__file__).parent / "bare.yaml"))
        cluster.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
        with tempfile.TemporaryDirectory() as folder:
            for name, each in contestants(Path(folder)).items():
                if only and name not in only.split(","):
                    continue
                click.echo(take_turn(cluster, each, Load(count, failing)))
    finally:
        cluster.export_logs(Path("artifacts/bench"))
        lifecycle.end(cluster)


if __name__ == "__main__":
    main()
