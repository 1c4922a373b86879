"""The kubectl plugin as a user runs it against a cluster, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from click.testing import CliRunner, Result

from controller.cli.rw import rw
from tests.cluster import Cluster
from tests.support import apply, get

PLUGIN_SECONDS = 60.0


@dataclass(frozen=True)
class Plugin:
    """The plugin for one namespace, as the cluster's admin or as a user whom the admin impersonates."""

    cluster: Cluster
    namespace: str
    user: str = ""

    def __call__(self, *args: str, stdin: str | None = None) -> Result:
        """Run the plugin in this process."""
        who = ("--as", self.user) if self.user else ()
        flags = ("--kubeconfig", str(self.cluster.kubeconfig), "-n", self.namespace, *who)
        return CliRunner().invoke(rw, [*flags, *args], input=stdin, env=self._env(), prog_name="kubectl rw")

    def ok(self, *args: str, stdin: str | None = None) -> str:
        """Run the plugin, which has to succeed, and return its output for people and pipes."""
        done = self(*args, stdin=stdin)
        assert done.exit_code == 0, done.output
        return done.stdout

    def error(self, *args: str) -> str:
        """Run the plugin, which has to fail as kubectl does, and return its one line."""
        done = self(*args)
        assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1), done.output
        return done.stderr

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start the plugin through kubectl, which finds it on PATH."""
        command = [str(self.cluster.kubectl_path), "rw", *args, "-n", self.namespace]
        env = os.environ | self._env() | {"KUBECONFIG": str(self.cluster.kubeconfig)}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def process(self, *args: str) -> tuple[int, str, str]:
        """Run the plugin through kubectl and return its exit code, stdout and stderr."""
        started = self.start(*args)
        out, err = started.communicate(timeout=PLUGIN_SECONDS)
        return started.returncode, out, err

    def _env(self) -> dict[str, str]:
        return {"KUBECTL": str(self.cluster.kubectl_path)}


def allow(cluster: Cluster, namespace: str, user: str, *rules: tuple[str, str]) -> None:
    """Give a user rights in a namespace: pairs of verbs and resources, each separated by commas."""
    for number, (verbs, resources) in enumerate(rules):
        name = f"{user}-{number}"
        cluster.kubectl("-n", namespace, "create", "role", name, f"--verb={verbs}", f"--resource={resources}")
        cluster.kubectl("-n", namespace, "create", "rolebinding", name, f"--role={name}", f"--user={user}")


def report(rw: Plugin, run: str, **said: object) -> None:
    """Write the report of a Run's only agent as its reporter would; the admin may, because admission treats him as an operator."""
    found = get(rw.cluster, rw.namespace, "run", run)
    uid = found["metadata"]["uid"]
    owner = {"apiVersion": found["apiVersion"], "kind": "Run", "name": run, "uid": uid}
    meta = {"name": f"{run}-coder", "ownerReferences": [owner]}
    spec = {"runName": run, "runUID": uid, "agent": "coder"}
    about = {"apiVersion": found["apiVersion"], "kind": "AgentReport", "metadata": meta, "spec": spec}
    apply(rw.cluster, rw.namespace, about)
    pod = get(rw.cluster, rw.namespace, "pod", f"{run}-coder-r0")
    status = {"attempt": 0, "podUID": pod["metadata"]["uid"], "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": 5}
    patch = json.dumps({"status": status | said})
    options = ("--subresource=status", "--field-manager=runwatchman-reporter", "--type=merge", "-p", patch)
    rw.cluster.kubectl("-n", rw.namespace, "patch", "agentreport", f"{run}-coder", *options)
