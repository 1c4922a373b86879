"""Logs, metrics and probes: `/livez`, `/readyz` and `/metrics` over HTTP. Each port has its own thread and bounded connections."""
