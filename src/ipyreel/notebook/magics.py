"""`%%video` and `%video`, and how they are loaded into IPython and unloaded again.

What is heavy (session, client, widgets) is imported at the first use: `%load_ext` costs nothing.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import TraitError, TraitType, observe

from ipyreel.errors import ConfigError, InvalidRequest
from ipyreel.notebook.commands import complete
from ipyreel.notebook.commands.options import VERBS, document, is_sweep, parse, wants_help
from ipyreel.notebook.commands.prompts import visible_names
from ipyreel.settings import READERS, Settings


class Setting(TraitType[Any, Any]):
    """A setting made by `%config`; None (or False, where that is not a value) clears it."""

    info_text = "a value of this setting, or None"

    def validate(self, _obj: Any, value: Any) -> Any:
        """Return the value, None if it clears the setting; raises `TraitError`."""
        name = str(self.name)
        try:
            made = BARE.with_values("config", **{name: value})
        except ConfigError as error:
            raise TraitError(str(error)) from None
        # Not False: traitlets compares it equal to the limit 0, and would report no change.
        return value if made.is_set(name) else None


BARE = Settings(cwd=Path(), home=Path(), config_dir=Path())


def _setting(help_text: str) -> Setting:
    return Setting(None, allow_none=True, help=help_text).tag(config=True)


@magics_class
class VideoMagics(Magics):
    """`%%video` and `%video`; the settings below are made by `%config VideoMagics.NAME = ...`."""

    provider = _setting("Provider that makes videos.")
    model = _setting("Model to use.")
    seconds = _setting("Length of a clip.")
    size = _setting("WIDTHxHEIGHT in pixels.")
    videos = _setting("Folder for the MP4s.")
    max_cost = _setting("USD a cell may cost; 0: only what is free.")
    budget = _setting("USD a session may cost.")
    budget_day = _setting("USD all sessions together may cost on one day.")
    budget_total = _setting("USD all sessions together may cost.")
    parallel = _setting("Jobs of a sweep sent at once.")
    show = _setting("auto, link or embed.")
    embed_limit = _setting("Largest video to embed, in bytes.")
    wait = _setting("Whether cells wait for their videos: auto, True or False.")
    width = _setting("Width of players in CSS pixels.")
    loop = _setting("Play in a loop.")
    muted = _setting("Play without sound.")
    autoplay = _setting("Start playing at once.")
    deadline = _setting("Seconds until a job that does not end is given up.")
    nest_asyncio = _setting("Let job.wait() keep the kernel's own loop running (see the README).")

    before: dict[str, Any]
    """The user's own magics of this name before loading, by kind."""

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
        screen.catch_up()
        words = line.split()
        if cell is None and "--from" in words and words[0] not in VERBS:
            cell = ""  # IPython runs no cell magic without a line below it
        if cell is None:
            return _heavy("commands.verbs").run(screen, line)
        names = visible_names(screen.shell)
        said = parse(line, names)
        module = _heavy("commands.sweeps" if is_sweep(said, cell) else "commands.cells")
        return module.run(screen, said, cell, names)

    @property
    def settings_made(self) -> dict[str, Any]:
        """The settings made by `%config`, which a new session reads."""
        return {name: getattr(self, name) for name in READERS}

    @observe(*READERS)
    def _changed(self, _change: object) -> None:
        # At once: `ipyreel.submit` and an open form must not send above a new limit.
        module = sys.modules.get("ipyreel.notebook.screen")
        screen = None if module is None else module.opened()
        if screen is not None:
            screen.session.configure(self.settings_made)


def load(shell: InteractiveShell) -> None:
    """Register the magics and the completion; opens nothing, starts nothing."""
    if any(isinstance(one, VideoMagics) for one in shell.configurables):
        unload(shell)
    magics = VideoMagics(shell=shell)
    VideoMagics.video.__doc__ = document()
    # The user may have magics of this name: `unload` restores them.
    magics.before = {
        kind: table.get("video") for kind, table in shell.magics_manager.magics.items()
    }
    shell.register_magics(magics)
    complete.install(shell, lambda: _heavy("screen").current().session)


def unload(shell: InteractiveShell) -> None:
    """Restore the shell; IPython has no unregister, so the entries are removed by hand."""
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


KEY = re.compile(
    r"\b(?:(?:sk|pk|rk|gsk|hf|xai|r8|ghp|key)[-_](?=\S*\d)|AIza|eyJ)[-_A-Za-z0-9.]{12,}"
)
"""Keys in the formats of well-known services."""

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_NAMED = re.compile(r"(?i)\b(?:api_?key|(?:access_?)?token|secret|password)=(\S{6,})")
_PROVIDER_FIRST = {"key", "doctor", "use", "models"}
LONG = 16
"""Characters of a word that is no provider's name."""


def secrets_in(line: str, *, cell: bool) -> list[str]:
    """Return what looks like a key on a line of `%%video` (`cell`) or of `%video`."""
    found = [*KEY.findall(line), *_USER_INFO.findall(line), *_NAMED.findall(line)]
    verb, *words = [*line.split(), ""] if not cell else [""]
    if verb in _PROVIDER_FIRST:
        found += [word for word in words if len(word) >= LONG and re.search(r"\d", word)
                  and not re.search(r"[=/]", word)]  # fmt: skip
    if verb == "key":
        found += [word for word in words[1:] if word and not word.startswith("--")]
    return found


def hide_secrets(text: str, line: str, *, cell: bool) -> str:
    """Return a message with the line's keys masked, and with advice if there were any."""
    found = secrets_in(line, cell=cell)
    for secret in sorted(found, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "•••", text)
    if not found or "revoke" in text:
        return text
    return (
        f"{text.rstrip('.')}. This line may contain a key, and it is in the notebook and in "
        "IPython's history: revoke that key. %video key PROVIDER asks for one without showing it."
    )


def _folder_exists() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109 - a path is not needed
    except OSError:
        return False


def _heavy(name: str) -> Any:
    return importlib.import_module(f"ipyreel.notebook.{name}")
