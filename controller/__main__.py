"""The entry point of `runwarden` and `python -m controller`."""

import sys

REPORTER = "reporter"
"""The command that runs beside every agent: nothing else may be imported for it, each megabyte is paid for in every pod."""


def main() -> None:
    """Run the command that was asked for."""
    if sys.argv[1:2] == [REPORTER]:
        from controller.reporter.main import main as report

        sys.exit(report(sys.argv[2:]))
    from controller.cli import main as cli

    cli()


if __name__ == "__main__":
    main()
