"""The shell scripts around the commands of tasks. They need /bin/sh and, for the end of an output, mkfifo, tee, tail and sleep."""

from __future__ import annotations

OUTPUT_BYTES = 4000
"""The end of a command's output that its last words have: a kubelet reads 4096 bytes of them."""

KILL_SECONDS, FLUSH_SECONDS = 10, 5
"""Seconds that a command has after TERM, and that its left-over processes may hold its output open after its end."""

TASK_GRACE_SECONDS = 30
"""Grace period of a task's pod: longer than both together, so that the end of an output is known of a command that was ended."""

WITH_OUTPUT = f"""\
d=$1; shift
for tool in mkfifo tee tail sleep; do command -v $tool >/dev/null || exec "$@"; done
mkfifo "$d/out" "$d/end" || exec "$@"
tail -c {OUTPUT_BYTES} <"$d/end" >"${{RUNWATCHMAN_MESSAGE:-/dev/termination-log}}" &
end=$!
tee "$d/end" <"$d/out" &
log=$!
"$@" >"$d/out" 2>&1 &
command=$! killer=
stop() {{
  again=1
  kill -TERM $command
  [ -n "$killer" ] || {{ (sleep {KILL_SECONDS}; kill -KILL $command) & killer=$!; }}
}} >/dev/null 2>&1
trap stop TERM INT
code=127 again=1
while [ -n "$again" ]; do
  again=
  wait $command
  now=$?
  [ $now -eq 127 ] && [ $code -ne 127 ] || code=$now
done
trap '' TERM INT
[ -z "$killer" ] || kill $killer 2>/dev/null
(sleep {FLUSH_SECONDS}; kill $log) >/dev/null 2>&1 &
flush=$!
wait $log 2>/dev/null
wait $end
kill $flush 2>/dev/null
exit $code"""
"""Runs a command with a folder as the first argument: its output goes to the log, and the end of it becomes its last words.

Both pass through named pipes in the folder, because a user other than root may not open the container's own output again. A TERM is
passed on to the command; KILL follows. The exit code is the command's. Without the tools the command runs alone, and the kubelet
takes the end of the log.
"""

WITH_SUMMARY = """\
while IFS= read -r line; do
  case ${line%%=*} in RUNWATCHMAN_*[!A-Z_]*) ;; RUNWATCHMAN_*) export "$line" ;; esac
done <"$RUNWATCHMAN_PUBLISH_SUMMARY"
exec "$@"
"""
"""Runs a command with the variables of the summary, lines of NAME=VALUE."""
