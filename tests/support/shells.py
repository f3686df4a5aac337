"""How IPython is set up in tests: plain, and without the history file that outlives a test."""

from __future__ import annotations

from traitlets.config import Config

PLAIN = Config()
PLAIN.HistoryManager.enabled = False
PLAIN.InteractiveShell.colors = "nocolor"
PLAIN.InteractiveShell.autocall = 0
