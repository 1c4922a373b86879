module runwarden.dev/tests/own

go 1.24
