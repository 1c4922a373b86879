"""A page in a browser: Runs, why, and the inbox."""

from controller.cli.web.cluster_page import web

__all__ = ["web"]
