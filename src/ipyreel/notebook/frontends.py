"""What the front end can do, found by looking at what is there, with the reasons.

Each kind of front end is one named function that answers or passes on; may import the
standard library only. No front end says what it is, so each rule names what it went by.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

NO_THREADS = (
    "ipykernel 7.0 delivers nothing from threads, so cards move only with the next %video or "
    'wait(); pip install "ipykernel>=7.1" and a restart of the kernel mend it.'
)
"""What is said once where it is so: https://github.com/ipython/ipykernel/issues/1450"""

Kind = Literal[
    "jupyter", "voila", "vscode", "colab", "kaggle", "terminal", "console", "headless", "python"
]
"""JupyterLab, Notebook 7 and nbclassic look the same from a kernel: they are all `jupyter`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """What can be relied on here.

    `widgets`: ipywidgets live; `links`: a relative `src` is served; `embeds`: a data URI is
    shown; `html`: HTML is shown at all; `front_end`: somebody will see what changes after
    the cell has ended (False: outputs are recorded once, so a magic has to wait); `stdin`: a
    question can be asked; `threads_deliver`: messages from our thread arrive; `reasons`: why.
    """

    kind: Kind
    widgets: bool = False
    links: bool = False
    embeds: bool = False
    html: bool = True
    front_end: bool = True
    stdin: bool = True
    threads_deliver: bool = True
    reasons: tuple[str, ...] = ()

    @property
    def pushes(self) -> bool:
        """Whether an output may change at any time, and not only while a cell runs.

        nbclient and papermill hear only what belongs to the cell that runs: what a thread
        says between two cells is lost.
        """
        return self.threads_deliver and self.front_end


@dataclass(frozen=True, slots=True)
class _Clues:
    shell: Any
    environ: Mapping[str, str]
    modules: Mapping[str, Any]
    user_ns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kernel(self) -> Any:
        return getattr(self.shell, "kernel", None)

    @property
    def stdin(self) -> bool:
        # A private attribute, but the only place where a kernel keeps it (ipykernel kernelbase).
        return bool(getattr(self.kernel, "_allow_stdin", True))


def detect(
    shell: Any = None,
    environ: Mapping[str, str] | None = None,
    modules: Mapping[str, Any] | None = None,
) -> FrontEnd:
    """Say what this front end can do.

    `shell` is IPython's (None: the running one, if there is one), `environ` and `modules` are
    the process's own unless given. The order counts: what is surest is asked first.
    """
    modules = sys.modules if modules is None else modules
    shell = running_shell(modules) if shell is None else shell
    user_ns = getattr(shell, "user_ns", None) or {}
    clues = _Clues(shell, os.environ if environ is None else environ, modules, user_ns)
    for rule in _RULES:
        host = rule(clues)
        if host is not None:
            return host
    return _console(clues)


def running_shell(modules: Mapping[str, Any] | None = None) -> Any:
    """Return IPython's shell when one is running; never imports IPython."""
    ipython = (sys.modules if modules is None else modules).get("IPython")
    ask = getattr(ipython, "get_ipython", None)
    return ask() if callable(ask) else None


def _python(clues: _Clues) -> FrontEnd | None:
    if clues.shell is not None:
        return None
    return FrontEnd(kind="python", html=False, reasons=("IPython is not running",))


def _terminal(clues: _Clues) -> FrontEnd | None:
    if clues.kernel is not None or "google.colab" in clues.modules:
        return None
    return FrontEnd(kind="terminal", html=False, reasons=("IPython runs without a kernel",))


def _voila(clues: _Clues) -> FrontEnd | None:
    told = [name for name in clues.environ if name.startswith("VOILA_")]
    server = clues.environ.get("SERVER_SOFTWARE", "")
    if not told and not server.startswith("voila/"):
        return None
    return FrontEnd(
        kind="voila",
        widgets=True,
        embeds=True,
        stdin=False,
        threads_deliver=_delivers(clues),
        reasons=(
            f"{told[0] if told else 'SERVER_SOFTWARE'} is set",
            "Voila serves no .mp4 unless its file_allowlist says so",
            *_delivery(clues),
        ),
    )


def _kaggle(clues: _Clues) -> FrontEnd | None:
    run = clues.environ.get("KAGGLE_KERNEL_RUN_TYPE")
    if run is None:
        return None
    batch = run.lower() == "batch"
    return FrontEnd(
        kind="kaggle",
        widgets=not batch,
        embeds=True,
        front_end=not batch,
        stdin=not batch and clues.stdin,
        threads_deliver=_delivers(clues),
        reasons=(
            f"KAGGLE_KERNEL_RUN_TYPE is {run}",
            "Kaggle shows outputs apart from the files",
            *_delivery(clues),
        ),
    )


def _headless(clues: _Clues) -> FrontEnd | None:
    if clues.stdin:
        return None
    near = bool(_named_notebooks(clues.environ, clues.user_ns)) or _lies_here(Path.cwd())
    told = () if near else ("no notebook lies in the working directory to link from",)
    return FrontEnd(
        kind="headless",
        links=near,
        embeds=True,
        front_end=False,
        stdin=False,
        threads_deliver=_delivers(clues),
        reasons=(
            "the kernel may ask nothing, as under nbclient or papermill",
            *told,
            *_delivery(clues),
        ),
    )


def _lies_here(folder: Path) -> bool:
    """Whether a notebook lies in a folder: nbclient and nbconvert run a kernel beside its own.

    papermill runs it wherever it was called, and may write what comes of it somewhere else.
    """
    try:
        return next(folder.glob("*.ipynb"), None) is not None
    except OSError:
        return False


def _colab(clues: _Clues) -> FrontEnd | None:
    loaded = "google.colab" in clues.modules
    if not loaded and "COLAB_RELEASE_TAG" not in clues.environ:
        return None
    return FrontEnd(
        kind="colab",
        widgets=True,
        embeds=True,
        stdin=clues.stdin,
        threads_deliver=_delivers(clues),
        reasons=(
            "google.colab is loaded" if loaded else "COLAB_RELEASE_TAG is set",
            "Colab serves no files",
            *_delivery(clues),
        ),
    )


def _vscode(clues: _Clues) -> FrontEnd | None:
    named = "__vsc_ipynb_file__" in clues.user_ns
    # Jupyter that was started in VS Code's terminal inherits VSCODE_PID, and names a session.
    started = "VSCODE_PID" in clues.environ and "JPY_SESSION_NAME" not in clues.environ
    if not named and not started:
        return None
    return FrontEnd(
        kind="vscode",
        widgets=True,
        embeds=True,
        stdin=clues.stdin,
        threads_deliver=_delivers(clues),
        reasons=(
            "__vsc_ipynb_file__ is set" if named else "VSCODE_PID is set",
            "VS Code does not follow relative links in outputs",
            *_delivery(clues),
        ),
    )


def _jupyter(clues: _Clues) -> FrontEnd | None:
    session = "JPY_SESSION_NAME" in clues.environ
    if not session and not cell_id(clues.shell):
        return None
    cells = ("the front end sends cell ids", "nothing says where the notebook lies")
    return FrontEnd(
        kind="jupyter",
        widgets=True,
        links=session,
        embeds=True,
        stdin=clues.stdin,
        threads_deliver=_delivers(clues),
        reasons=(*(("JPY_SESSION_NAME is set",) if session else cells), *_delivery(clues)),
    )


def _console(clues: _Clues) -> FrontEnd:
    return FrontEnd(
        kind="console",
        html=False,
        stdin=clues.stdin,
        threads_deliver=_delivers(clues),
        reasons=("no session, no cell ids: qtconsole or jupyter console",),
    )


_RULES: tuple[Callable[[_Clues], FrontEnd | None], ...] = (
    _python,
    _terminal,
    _voila,  # before headless: it may ask nothing either
    _kaggle,
    _headless,
    _colab,
    _vscode,
    _jupyter,
)


def cell_id(shell: Any) -> str:
    """Return the id of the cell that is running, "" where there is none: consoles have no cells."""
    ask = getattr(getattr(shell, "kernel", None), "get_parent", None)
    parent = ask() if callable(ask) else None
    metadata = parent.get("metadata") if isinstance(parent, Mapping) else None
    return str(metadata.get("cellId") or "") if isinstance(metadata, Mapping) else ""


def _delivers(clues: _Clues) -> bool:
    """Whether messages from threads arrive: not with ipykernel 7.0.0 and 7.0.1 (ipykernel#1450)."""
    version = getattr(clues.modules.get("ipykernel"), "__version__", "")
    return not re.match(r"7\.0\.\d", str(version))


def _delivery(clues: _Clues) -> tuple[str, ...]:
    if _delivers(clues):
        return ()
    return (NO_THREADS,)


def notebook_path(
    environ: Mapping[str, str] | None = None, user_ns: Mapping[str, Any] | None = None
) -> Path | None:
    """Return the notebook's own file where the front end says which it is, and it is there."""
    for named in _named_notebooks(environ, user_ns):
        if named.is_file():
            return named
    return None


def notebook_folder(
    environ: Mapping[str, str] | None = None,
    user_ns: Mapping[str, Any] | None = None,
    cwd: Path | None = None,
) -> Path:
    """Return the folder that relative links start from: the notebook's, else `cwd`.

    The front end resolves links against the document, not against the kernel's working
    directory, which `os.chdir` moves. The notebook may have been renamed since the kernel
    started, so only its folder has to be there.
    """
    for named in _named_notebooks(environ, user_ns):
        # nbclassic gives its sessions no name, so that what is told is the folder itself.
        folder = named if named.is_dir() else named.parent
        if named.is_absolute() and folder.is_dir():
            return folder
    return Path.cwd() if cwd is None else cwd


def place(path: str | Path, folder: str | Path) -> str:
    """Return how a file is named in what is saved, which is to tell nothing of this machine.

    Below `folder` (the notebook's) relative to it, below the home as `~/...`, else whole.
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - symbolic links stay as they are
    if whole.is_relative_to(folder):
        return whole.relative_to(folder).as_posix()
    try:
        return f"~/{whole.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):  # RuntimeError: there is no home
        return str(path)


def _named_notebooks(
    environ: Mapping[str, str] | None, user_ns: Mapping[str, Any] | None
) -> list[Path]:
    """Return what VS Code and jupyter_server say the notebook is called, VS Code first."""
    if user_ns is None:
        user_ns = getattr(running_shell(), "user_ns", None) or {}
    session = (os.environ if environ is None else environ).get("JPY_SESSION_NAME")
    named = (user_ns.get("__vsc_ipynb_file__"), session)
    return [Path(name) for name in named if isinstance(name, str) and name]
