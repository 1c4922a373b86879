"""`runwatchman reporter` that waits less after a failure than in a pod: tests of its retries do not wait for its real delays."""

from __future__ import annotations

from controller.__main__ import main
from controller.reporter import report_schedule

report_schedule.FIRST_BACKOFF_SECONDS, report_schedule.MAX_BACKOFF_SECONDS = 0.2, 0.4

if __name__ == "__main__":
    main()
