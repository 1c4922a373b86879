"""The figures of the release notes, each with a command that measures it again."""
