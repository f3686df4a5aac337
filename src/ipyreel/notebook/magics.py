"""`%%video` and `%video`, and how they are loaded into IPython and unloaded again.

What is heavy (session, client, widgets) is imported at the first use: `%load_ext` costs nothing.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Bool, Float, Int, Unicode

from ipyreel.errors import ConfigError, InvalidRequest
from ipyreel.notebook.commands import complete
from ipyreel.notebook.commands.mistakes import hide_secrets
from ipyreel.notebook.commands.options import document, wants_help


@magics_class
class VideoMagics(Magics):
    """`%%video` and `%video`; the settings below are made by `%config VideoMagics.NAME = ...`."""

    provider = Unicode(None, allow_none=True, help="Provider that makes videos.").tag(config=True)
    model = Unicode(None, allow_none=True, help="Model to use.").tag(config=True)
    seconds = Float(None, allow_none=True, help="Length of a clip.").tag(config=True)
    size = Unicode(None, allow_none=True, help="WIDTHxHEIGHT in pixels.").tag(config=True)
    videos = Unicode(None, allow_none=True, help="Folder for the MP4s.").tag(config=True)
    show = Unicode(None, allow_none=True, help="auto, link or embed.").tag(config=True)
    width = Int(None, allow_none=True, help="Width of players in CSS pixels.").tag(config=True)
    max_cost = Float(None, allow_none=True, help="USD a cell may cost.").tag(config=True)
    budget = Float(None, allow_none=True, help="USD a session may cost.").tag(config=True)
    nest_asyncio = Bool(
        default_value=False,
        help="Let job.wait() keep the kernel's own loop running (see the README).",
    ).tag(config=True)

    before: dict[str, Any]
    """The magics by this name that a person had before, by kind."""

    @no_var_expand
    @line_cell_magic
    def video(self, line: str, cell: str | None = None) -> object:
        """Make a video of the prompt in the cell; `%video` alone shows the session's state."""
        try:
            return self._run(line, cell)
        except FileNotFoundError:
            if _folder_exists():
                raise
            raise UsageError(
                "The kernel's working directory was deleted: %cd to one that exists."
            ) from None
        except (UsageError, InvalidRequest, ConfigError) as error:
            # Exactly UsageError: IPython prints the traceback of every subclass.
            raise UsageError(hide_secrets(str(error), line, cell=cell is not None)) from None

    def _run(self, line: str, cell: str | None) -> object:
        # Help needs no settings: these may be broken.
        if wants_help(line, cell=cell is not None):
            verbs = _heavy("commands.verbs")
            return verbs.help_line() if cell is None else verbs.help_cell()
        screen = _heavy("screen").current()
        self._configure(screen)
        screen.catch_up()
        if cell is None:
            return _heavy("commands.verbs").run(screen, line)
        return _heavy("commands.cells").run(screen, line, cell, _locals())

    def _configure(self, screen: Any) -> None:
        changed = self.class_own_traits(config=True)
        screen.session.configure({name: getattr(self, name) for name in changed})


def load(shell: InteractiveShell) -> None:
    """Register the magics and the completion; opens nothing, starts nothing."""
    if any(isinstance(one, VideoMagics) for one in shell.configurables):
        unload(shell)
    magics = VideoMagics(shell=shell)
    VideoMagics.video.__doc__ = document()
    # A person may have magics of their own by this name: they come back by `unload`.
    magics.before = {
        kind: table.get("video") for kind, table in shell.magics_manager.magics.items()
    }
    shell.register_magics(magics)
    complete.install(shell, lambda: _heavy("screen").current().session)


def unload(shell: InteractiveShell) -> None:
    """Put the shell back as it was; IPython has no unregister, so the entries go by hand."""
    manager = shell.magics_manager
    for magics in [one for one in shell.configurables if isinstance(one, VideoMagics)]:
        for kind, before in magics.before.items():
            manager.magics[kind].pop("video", None)
            if before is not None:
                manager.magics[kind]["video"] = before
        shell.configurables.remove(magics)
    manager.registry.pop(VideoMagics.__name__, None)
    complete.remove(shell)
    screen = sys.modules.get("ipyreel.notebook.screen")
    if screen is not None:
        screen.close_current()


def _locals() -> dict[str, Any]:
    """Return the variables of the function that called the magic; {} at the top level.

    IPython's own `needs_local_scope` gives cell magics the notebook's variables instead.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != "run_cell_magic":
        frame = frame.f_back
    caller = frame.f_back if frame is not None else None
    if caller is None or caller.f_locals is caller.f_globals:
        return {}
    return dict(caller.f_locals)


def _folder_exists() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109 - a path is not needed
    except OSError:
        return False


def _heavy(name: str) -> Any:
    return importlib.import_module(f"ipyreel.notebook.{name}")
