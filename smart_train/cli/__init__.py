"""The command line: one thin file per command. Nothing heavy is imported before a command runs."""

from smart_train.cli.app import main

__all__ = ["main"]
