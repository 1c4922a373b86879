module runwatchman.dev/tests/own

go 1.24
