"""Detects which front end shows the notebook, and what it can do.

Front ends do not identify themselves, so each rule looks for clues and reports them as reasons.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import psutil

from ipyreel.notebook import jupyter_server
from ipyreel.notebook.jupyter_server import Server

NO_THREADS = (
    "ipykernel 7.0 delivers no messages from threads, so cards update only with the next %video "
    'or wait(). Run pip install "ipykernel>=7.1" and restart the kernel.'
)
"""Shown once where it applies: https://github.com/ipython/ipykernel/issues/1450"""

Kind = Literal[
    "jupyter",
    "voila",
    "vscode",
    "colab",
    "kaggle",
    "marimo",
    "terminal",
    "console",
    "headless",
    "python",
]
"""JupyterLab, Notebook 7 and nbclassic look the same from a kernel: they are all `jupyter`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """What this front end supports.

    `widgets`: ipywidgets are live; `links`: a relative `src` is served; `embeds`: a data URI is
    shown; `embeds_first`: only what is too large to embed is linked; `html`: HTML is shown at
    all; `front_end`: changes after the end of a cell are shown (False: outputs are recorded
    once, so a magic has to wait); `stdin`: a question can be asked; `threads_deliver`: messages
    from our thread arrive; `reasons`: why.
    """

    kind: Kind
    widgets: bool = False
    links: bool = False
    embeds: bool = False
    embeds_first: bool = False
    html: bool = True
    front_end: bool = True
    stdin: bool = True
    threads_deliver: bool = True
    reasons: tuple[str, ...] = ()

    @property
    def pushes(self) -> bool:
        """Whether an output may change at any time, not only while a cell runs.

        nbclient and papermill record only what belongs to the cell that runs: what a thread
        sends between two cells is lost.
        """
        return self.threads_deliver and self.front_end


class _Clues(NamedTuple):
    shell: Any
    environ: Mapping[str, str]
    modules: Mapping[str, Any]
    names: Mapping[str, Any]

    @property
    def kernel(self) -> Any:
        return getattr(self.shell, "kernel", None)

    @property
    def parent(self) -> Sequence[str]:
        """The command line of the process that started this kernel."""
        if self.kernel is None:
            return ()
        with contextlib.suppress(psutil.Error):
            return tuple(psutil.Process(os.getppid()).cmdline())
        return ()

    @property
    def stdin(self) -> bool:
        # A private attribute, but the only place where a kernel keeps it (ipykernel kernelbase).
        return bool(getattr(self.kernel, "_allow_stdin", True))

    def front_end(self, kind: Kind, *reasons: str, **abilities: bool) -> FrontEnd:
        # ipykernel 7.0.0 and 7.0.1 deliver nothing from threads (ipykernel#1450).
        version = getattr(self.modules.get("ipykernel"), "__version__", "")
        delivers = not re.match(r"7\.0\.\d", str(version))
        return FrontEnd(
            kind=kind,
            threads_deliver=delivers,
            reasons=reasons if delivers else (*reasons, NO_THREADS),
            **{"stdin": self.stdin, **abilities},
        )


def detect(
    shell: Any = None,
    environ: Mapping[str, str] | None = None,
    modules: Mapping[str, Any] | None = None,
) -> FrontEnd:
    """Return what this front end can do.

    `shell` is IPython's (None: the running one, if any); `environ` and `modules` are the
    process's own unless given. The most reliable rule comes first.
    """
    modules = sys.modules if modules is None else modules
    shell = running_shell(modules) if shell is None else shell
    names = getattr(shell, "user_ns", None) or {}
    clues = _Clues(shell, os.environ if environ is None else environ, modules, names)
    found = (rule(clues) for rule in _RULES)
    reason = "no session, no cell ids: qtconsole or jupyter console"
    return next(filter(None, found), None) or clues.front_end("console", reason, html=False)


def running_shell(modules: Mapping[str, Any] | None = None) -> Any:
    """Return IPython's shell when one is running; never imports IPython."""
    ipython = (sys.modules if modules is None else modules).get("IPython")
    ask = getattr(ipython, "get_ipython", None)
    return ask() if callable(ask) else None


def _marimo(clues: _Clues) -> FrontEnd | None:
    running = getattr(clues.modules.get("marimo"), "running_in_notebook", None)
    if clues.shell is not None or not callable(running) or not running():
        return None
    reasons = ("marimo.running_in_notebook() is true", "run the cell again to update it")
    return FrontEnd(kind="marimo", embeds=True, stdin=False, threads_deliver=False, reasons=reasons)


def _python(clues: _Clues) -> FrontEnd | None:
    if clues.shell is not None:
        return None
    return FrontEnd(kind="python", html=False, reasons=("IPython is not running",))


def _terminal(clues: _Clues) -> FrontEnd | None:
    if clues.kernel is not None or "google.colab" in clues.modules:
        return None
    # `ipython script.ipy` and `ipython -c` end with their last line, and -i does not.
    interactive = getattr(getattr(clues.shell, "parent", None), "interact", True)
    return FrontEnd(
        kind="terminal",
        html=False,
        front_end=bool(interactive),
        reasons=("IPython runs without a kernel", *(() if interactive else ("it runs a script",))),
    )


def _voila(clues: _Clues) -> FrontEnd | None:
    found = [name for name in clues.environ if name.startswith("VOILA_")]
    if clues.environ.get("SERVER_SOFTWARE", "").startswith("voila/"):
        found.append("SERVER_SOFTWARE")
    if not found:
        return None
    no_links = "Voila serves no .mp4 unless its file_allowlist includes it"
    reasons = (f"{found[0]} is set", no_links)
    return clues.front_end("voila", *reasons, widgets=True, embeds=True, stdin=False)


def _kaggle(clues: _Clues) -> FrontEnd | None:
    run = clues.environ.get("KAGGLE_KERNEL_RUN_TYPE")
    if run is None:
        return None
    live = run.lower() != "batch"
    reasons = (f"KAGGLE_KERNEL_RUN_TYPE is {run}", "Kaggle shows outputs apart from the files")
    stdin = live and clues.stdin
    return clues.front_end(
        "kaggle", *reasons, widgets=live, embeds=True, front_end=live, stdin=stdin
    )


def _headless(clues: _Clues) -> FrontEnd | None:
    if clues.stdin:
        return None
    # nbconvert does not say where it writes; papermill does, with --inject-output-path.
    known = _papermill_output(clues.names) is not None
    where = "PAPERMILL_OUTPUT_PATH is set" if known else "the place of the result is not known"
    reasons = ("the kernel may not ask for input (nbclient, papermill)", where)
    return clues.front_end("headless", *reasons, links=known, embeds=True, front_end=False)


def _script(clues: _Clues) -> FrontEnd | None:
    """Detect `jupyter run`, which shows only as the process that started the kernel."""
    if not any(Path(word).name == "jupyter-run" for word in clues.parent):
        return None
    reason = "jupyter run started the kernel, and ends it after the script"
    return clues.front_end("console", reason, html=False, front_end=False)


def _papermill_output(names: Mapping[str, Any]) -> Path | None:
    given = names.get("PAPERMILL_OUTPUT_PATH")
    local = isinstance(given, str) and given and "://" not in given
    return Path(str(given)).absolute() if local else None


def _colab(clues: _Clues) -> FrontEnd | None:
    loaded = "google.colab" in clues.modules
    if not loaded and "COLAB_RELEASE_TAG" not in clues.environ:
        return None
    reason = "google.colab is loaded" if loaded else "COLAB_RELEASE_TAG is set"
    return clues.front_end("colab", reason, "Colab serves no files", widgets=True, embeds=True)


def _vscode(clues: _Clues) -> FrontEnd | None:
    named = "__vsc_ipynb_file__" in clues.names
    # Jupyter that was started in VS Code's terminal inherits VSCODE_PID, and names a session.
    started = "VSCODE_PID" in clues.environ and "JPY_SESSION_NAME" not in clues.environ
    if not named and not started:
        return None
    reason = "__vsc_ipynb_file__ is set" if named else "VSCODE_PID is set"
    # Links of saved outputs are resolved against the notebook's folder (code-server 4.139).
    links = "links only what is too large to embed" if named else "the notebook is not named"
    return clues.front_end(
        "vscode", reason, links, widgets=True, links=named, embeds=True, embeds_first=True
    )


def _jupyter(clues: _Clues) -> FrontEnd | None:
    session = "JPY_SESSION_NAME" in clues.environ
    if not session and not cell_id(clues.shell):
        return None
    cells = ("the front end sends cell ids", "the notebook's folder is not known")
    reasons = ("JPY_SESSION_NAME is set",) if session else cells
    return clues.front_end("jupyter", *reasons, widgets=True, links=session, embeds=True)


_RULES: tuple[Callable[[_Clues], FrontEnd | None], ...] = (
    _marimo,
    _python,
    _terminal,
    _voila,  # before headless: it may not ask for input either
    _kaggle,
    _headless,
    _script,
    _colab,
    _vscode,
    _jupyter,
)


def cell_id(shell: Any) -> str:
    """Return the id of the running cell, "" if there is none (consoles have no cells)."""
    ask = getattr(getattr(shell, "kernel", None), "get_parent", None)
    parent = ask() if callable(ask) else None
    metadata = parent.get("metadata") if isinstance(parent, Mapping) else None
    return str(metadata.get("cellId") or "") if isinstance(metadata, Mapping) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The location of the notebook, which its relative links start from.

    `known` is False if links may be broken: no front end named the notebook, it was moved,
    or notebooks in two folders use this kernel. `server` is the one that serves files.
    """

    folder: Path
    known: bool = True
    server: Server | None = None

    def link(self, path: str | Path) -> str | None:
        """Return the relative URL of a file; None when it would not be served.

        Jupyter answers 404 for anything below a dot-folder (`ContentsManager.allow_hidden`).
        """
        whole = Path(os.path.abspath(path))  # noqa: PTH100 - symbolic links stay as they are
        # The real paths, where one of the two is spelled with a link that the other resolved.
        real = Path(os.path.realpath(path)), Path(os.path.realpath(self.folder))
        pairs = ((whole, self.folder), real)
        below = (file.relative_to(top) for file, top in pairs if file.is_relative_to(top))
        parts = next(below, Path()).parts
        served = self.server is None or self.server.serves(whole)
        if not (self.known and parts and served) or any(part.startswith(".") for part in parts):
            return None
        return "/".join(quote(part, safe="") for part in parts)

    def any_link(self, path: str | Path) -> str | None:
        """Return the relative URL of a file, served or not; None if it is on another drive."""
        try:
            parts = Path(os.path.relpath(path, self.folder)).parts
        except ValueError:
            return None
        return "/".join(quote(part, safe="") for part in parts)


def find_document(
    shell: Any = None, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Document:
    """Return where the notebook is now; the arguments are as in `detect`.

    The server is asked which notebooks use this kernel, since its answer follows a notebook
    that is renamed or moved. If it cannot be asked, the name that the kernel was started with
    is used as long as that file exists.
    """
    shell = running_shell() if shell is None else shell
    environ = os.environ if environ is None else environ
    names = getattr(shell, "user_ns", None) or {}
    folder = notebook_folder(environ, names, cwd)
    written = _papermill_output(names)
    if written is not None:
        return Document(folder=written.parent)
    server = jupyter_server.find(shell, environ)
    notebooks = server.notebooks(jupyter_server.kernel_id(shell)) if server else None
    if notebooks:
        folders = {notebook.parent for notebook in notebooks}
        found = folders.pop()
        return Document(folder=found, known=not folders and found.is_dir(), server=server)
    # nbclassic does not name the notebook, only its folder.
    known = any(named.is_absolute() and named.exists() for named in _named(environ, names))
    return Document(folder=folder, known=known, server=server)


def notebook_folder(
    environ: Mapping[str, str] | None = None,
    names: Mapping[str, Any] | None = None,
    cwd: Path | None = None,
) -> Path:
    """Return the folder of the notebook as the kernel was started with it, else `cwd`.

    The notebook may have been renamed since, so only its folder has to exist.
    """
    if names is None:
        names = getattr(running_shell(), "user_ns", None) or {}
    for named in _named(os.environ if environ is None else environ, names):
        folder = named if named.is_dir() else named.parent
        if named.is_absolute() and folder.is_dir():
            return folder
    return Path.cwd() if cwd is None else cwd


def _named(environ: Mapping[str, str], names: Mapping[str, Any]) -> list[Path]:
    """Return what VS Code and jupyter_server call the notebook, VS Code first."""
    named = (names.get("__vsc_ipynb_file__"), environ.get("JPY_SESSION_NAME"))
    return [Path(name) for name in named if isinstance(name, str) and name]


def place(path: str | Path, folder: str | Path) -> str:
    """Return the path of a file as it is written to saved output, without paths of this machine.

    It is relative to `folder` (the notebook's) or to the home (`~/...`); otherwise it is in full.
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - symbolic links stay as they are
    if whole.is_relative_to(folder):
        return whole.relative_to(folder).as_posix()
    try:
        return f"~/{whole.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):  # RuntimeError: there is no home
        return str(path)
