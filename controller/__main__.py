"""The entry point of `runwarden` and `python -m controller`."""

import signal
import sys

REPORTER = "reporter"
"""The command that runs beside every agent: nothing else may be imported for it, each megabyte is paid for in every pod."""

SIGNALLED = 128
"""A shell's exit codes above this tell a signal."""


def main() -> None:
    """Run the command that was asked for."""
    if sys.argv[1:2] == [REPORTER]:
        from controller.reporter.main import main as report

        sys.exit(report(sys.argv[2:]))
    signal.signal(signal.SIGTERM, _end)
    from controller.cli import main as cli

    cli()


def _end(number: int, _: object) -> None:
    """End at once, as long as the command has not said what it does about it.

    The kernel drops what a container's first process does not handle: a pod deleted while it starts waited its whole grace period.
    """
    sys.exit(SIGNALLED + number)


if __name__ == "__main__":
    main()
