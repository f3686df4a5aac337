"""Settings for IPython in tests: no colours, and no history file."""

from __future__ import annotations

from traitlets.config import Config

PLAIN = Config()
PLAIN.HistoryManager.enabled = False
PLAIN.InteractiveShell.colors = "nocolor"
PLAIN.InteractiveShell.autocall = 0
