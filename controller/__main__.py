"""The entry point of `runwatchman` and `python -m controller`."""

import signal
import sys

REPORTER = "reporter"
"""The command that runs in each agent's pod. It must import nothing else, because each megabyte costs memory in all pods."""

SIGNALLED = 128
"""Base of the exit codes that shells use for signals."""


def main() -> None:
    """Run the command in the arguments."""
    if sys.argv[1:2] == [REPORTER]:
        from controller.reporter.main import main as report

        sys.exit(report(sys.argv[2:]))
    signal.signal(signal.SIGTERM, _end)
    from controller.cli import main as cli

    cli()


def _end(number: int, _: object) -> None:
    """Exit at once on SIGTERM, until the command installs its own handler.

    The kernel drops signals that a container's first process does not handle. A pod deleted during its start would otherwise wait
    for its whole grace period.
    """
    sys.exit(SIGNALLED + number)


if __name__ == "__main__":
    main()
