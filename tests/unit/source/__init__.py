"""The script that clones a repository into a workspace, with real git, http-backend and sshd."""
