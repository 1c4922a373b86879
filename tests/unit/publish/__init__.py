"""The scripts that copy a workspace and publish it, with real git, http-backend and sshd, on hostile workspaces."""
