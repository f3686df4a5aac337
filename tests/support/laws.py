"""Checks the architecture rules of CONTRIBUTING.md on syntax trees: yields the violations.

Each law is a generator in `LAWS`. Exceptions are listed by name in the tables at the top, with
their reason. `test_architecture.py` applies every law to every file, and has for each law an
example that it refuses and one that it accepts.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "ipyreel"

LEVELS = (
    {"_version", "values", "errors", "settings", "whole_file"},
    {"trust"},
    {"wire"},
    {"catalog"},
    {"images"},
    {"client"},
    {"jobs", "media"},
    {"connections", "plan", "sweeps", "sync_client"},
    {"resumption"},
    {"experiments", "session"},
    {"account"},
    {"doctor"},
    {"notebook"},
)
"""The packages from the bottom up: each imports only itself and those below it."""

LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

ASKS_SESSION = {"client", "wire"}
"""Packages below `notebook/` that it never imports: it uses the session instead."""

NOTEBOOK_LEVELS = (
    {"jupyter_server"},
    {"markup", "frontends"},
    {"handles"},
    {"live"},
    {"screen"},
    {"reports"},
    {"panels"},
    {"job_list"},
    {"commands"},
    {"api"},
    {"magics"},
)
"""The packages inside `notebook/`, likewise. `handles` know the screen only by a protocol."""

NOTEBOOK_LEVEL = {room: level for level, rooms in enumerate(NOTEBOOK_LEVELS) for room in rooms}

DEMO_MAY = {"demo", "values", "errors", "_version"}
"""What the demo server may import: it is reached by HTTP, and shares no code with the client."""

DEMO_SEEN = {("connections", "ipyreel.demo.process"), ("doctor", "ipyreel.demo.art.caption")}
"""What may import which part of the demo: what starts it, and what checks its fonts."""

DOORS = {
    "IPython": ("notebook/",),
    "anywidget": ("notebook/panels/judge.py",),
    "av": ("demo/render.py", "media.py"),
    "comm": ("notebook/",),
    "httpx": ("client/http.py", "client/transport.py"),
    "ipykernel": ("notebook/",),
    "ipywidgets": ("notebook/",),
    "nest_asyncio": ("jobs/loop.py",),
    "nest_asyncio2": ("jobs/loop.py",),
    "python_multipart": ("demo/server.py",),
    "sqlite3": ("jobs/database.py", "jobs/store.py", "jobs/migrations.py", "jobs/network.py"),
    "starlette": ("demo/server.py", "demo/__main__.py"),
    "traitlets": ("notebook/",),
    "uvicorn": ("demo/server.py", "demo/__main__.py"),
}
"""Each heavy dependency, and the modules that may import it."""

OPTIONAL = {
    "IPython": "the package works in a plain Python without it running",
    "PIL": "extra",
    "av": "extra",
    "google": "google.colab exists in Colab only",
    "anywidget": "extra",
    "ipykernel": "exists in kernels only",
    "keyring": "extra",
    "nest_asyncio": "patches asyncio, so only on request",
    "nest_asyncio2": "comes with ipykernel 7.3 and later",
    "numpy": "extra",
    "pandas": "extra",
    "truststore": "extra",
}
"""Packages that may be imported inside a function, because they may be absent or unwanted."""

LAZY = {
    ("__init__.py", "load_ipython_extension"): "called by IPython only",
    ("__init__.py", "unload_ipython_extension"): "called by IPython only",
    ("__init__.py", "__getattr__"): "the exports load on first use",
    ("client/__init__.py", "__getattr__"): "HTTP is loaded by the first job, on its thread",
    ("notebook/magics.py", "_heavy"): "%load_ext imports nothing heavy; the first use does",
    ("doctor.py", "_captions"): "only where the demo's packages are there",
    ("demo/pytest_plugin.py", "serve_videos"): "pytest loads the plugin in every project",
    ("demo/render_queue.py", "renderer"): "PyAV, numpy and Pillow: a stub server works without",
    ("jobs/loop.py", "_module"): "nest_asyncio or nest_asyncio2, whichever is safe here",
}
"""(module, function) that may import any module, or load one by name, and why."""

STATE = {
    ("jobs/owners.py", "_HERE"): "tells the sessions of this process from those that ended in it",
    ("jobs/database.py", "_INHERITED"): "SQLite: a fork must never close its parent's connections",
}
"""(module, name) of module-level state that changes after import, and why."""

HTML = ("notebook/markup/", "demo/")
"""Where HTML may be written: next to `escape`, and in a server that sends faulty pages."""

MODULE_LINES = 600
FUNCTION_LINES = 60
MEDIAN_LINES = 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file: its path inside the package (with slashes) and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @property
    def name(self) -> str:
        """The dotted name, as in an import."""
        parts = ["ipyreel", *self.path.removesuffix(".py").split("/")]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def room(self) -> str:
        """The top folder or module; "" for the package's own `__init__`."""
        return "" if self.path == "__init__.py" else self.path.removesuffix(".py").split("/")[0]

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """The line and the absolute dotted name of every import, at any depth."""
        return [found for node in self.nodes for found in self.imports_of(node)]

    def imports_of(self, node: ast.AST) -> Iterator[tuple[int, str]]:
        """Yield the line and the names that one node imports."""
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = self._absolute(node)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        up = node.level - (1 if self.path.endswith("__init__.py") else 0)
        kept = parts[: len(parts) - up]
        return ".".join([*kept, node.module] if node.module else kept)

    @cached_property
    def functions(self) -> list[Function]:
        """Every function, including methods and inner functions."""
        return [n for n in self.nodes if isinstance(n, Function)]

    @cached_property
    def docstrings(self) -> set[int]:
        """Ids of the constants that are docstrings, including those of attributes."""
        return {
            id(node.value)
            for node in self.nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }

    def strings(self) -> Iterator[ast.Constant]:
        """Yield every string literal that is not a docstring."""
        for node in self.nodes:
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and id(node) not in self.docstrings:
                yield node

    def at_import(self) -> Iterator[ast.AST]:
        """Yield every node that is evaluated when the module is imported."""
        waiting: list[ast.AST] = [n for n in self.tree.body if not _is_main_guard(n)]
        while waiting:
            node = waiting.pop()
            yield node
            if isinstance(node, Function):
                waiting += [*node.decorator_list, *node.args.defaults]
                waiting += [d for d in node.args.kw_defaults if d is not None]
            elif not isinstance(node, ast.Lambda):
                waiting += ast.iter_child_nodes(node)


Found = Iterator[tuple[int, str]]
Law = Callable[[Module], Found]


@cache
def read_modules() -> list[Module]:
    """Read every module of the package."""
    return [read_module(path, SRC) for path in sorted(SRC.rglob("*.py"))]


def read_module(path: Path, root: Path) -> Module:
    """Read one file."""
    return Module(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))


def offences(module: Module, law: str) -> list[str]:
    """Return every line of a module that breaks a law, as "file:line: what was found"."""
    return [f"{module.path}:{line}: {what}" for line, what in LAWS[law](module)]


def room_of(name: str) -> str | None:
    """Return the top folder or module of a dotted name: None if not ours, "" for the package."""
    head, _, rest = name.partition(".")
    if head != "ipyreel":
        return None
    room = rest.partition(".")[0]
    return room if room in LEVEL or room == "demo" else ""


# --- the laws --------------------------------------------------------------------------


def arrows(module: Module) -> Found:
    """A package imports only packages below it."""
    for line, name in module.imports:
        target = room_of(name)
        if target is not None and module.room and not _may_import(module, target, name):
            known = module.room in LEVEL or module.room == "demo"
            where = module.room if known else f"{module.room}, a room that is not in LEVELS,"
            yield line, f"{where} may not import {name}"
        elif target == module.room == "notebook" and not _may_import_inside(module, name):
            yield line, f"{module.path} may not import {name}: it stands above, or in no level"


def _may_import(module: Module, target: str, name: str) -> bool:
    here = module.room
    if here == "demo":
        return target in DEMO_MAY
    if target == "demo":
        return any(here == room and f"{name}.".startswith(f"{part}.") for room, part in DEMO_SEEN)
    if not target or here not in LEVEL:  # the facade, or a name without a level
        return False
    if here == "notebook" and target in ASKS_SESSION:
        return False
    return target == here or LEVEL[target] < LEVEL[here] or LEVEL[target] == LEVEL[here] == 0


def _may_import_inside(module: Module, name: str) -> bool:
    here, target = _notebook_room(module.name), _notebook_room(name)
    if here == target or not here or not target:  # "": the package's own `__init__`
        return True
    unknown = len(NOTEBOOK_LEVELS)
    return NOTEBOOK_LEVEL.get(target, unknown) < NOTEBOOK_LEVEL.get(here, -1)


def _notebook_room(name: str) -> str:
    return name.removeprefix("ipyreel.notebook").removeprefix(".").partition(".")[0]


def doors(module: Module) -> Found:
    """Each heavy dependency is imported in one place."""
    for line, name in module.imports:
        allowed = DOORS.get(name.split(".")[0])
        hook = module.path == "__init__.py" and allowed == ("notebook/",)
        if allowed and not hook and not module.path.startswith(allowed):
            yield line, f"{name} is imported by {' and '.join(allowed)} only"


def imports_inside(module: Module) -> Found:
    """No import inside a function, except optional extras and the extension hooks."""
    for function in module.functions:
        if (module.path, function.name) in LAZY:
            continue
        for node in ast.walk(function):
            for line, name in module.imports_of(node):
                if name.split(".")[0] not in OPTIONAL:
                    yield line, f"{function.name}() imports {name}"
            if isinstance(node, ast.Call) and _name_of(node.func) in {
                "__import__",
                "import_module",
            }:
                yield node.lineno, f"{function.name}() loads a module by name"


DOING = {"open", "Thread", "Timer", "Popen", "getenv", "socket", "connect", "start", "mkdir"}
DOING |= {"read_text", "read_bytes", "write_text", "write_bytes", "exists", "is_file", "home"}
DOING |= {"cwd", "new_event_loop", "get_event_loop", "ThreadPoolExecutor", "urlopen"}
DOING |= {"create_task"}


def import_work(module: Module) -> Found:
    """No work at import: no client, thread, file or environment read."""
    for node in module.at_import():
        if isinstance(node, ast.Call) and _name_of(node.func) in DOING:
            yield node.lineno, f"{_name_of(node.func)}() is called at import"
        elif isinstance(node, ast.Call | ast.Subscript) and _reads_environment(node):
            yield node.lineno, "the environment is read at import"


def _reads_environment(node: ast.Call | ast.Subscript) -> bool:
    owner = node.value if isinstance(node, ast.Subscript) else getattr(node.func, "value", node)
    return _name_of(owner) == "environ"


def model_names(module: Module) -> Found:
    """A model is a row in models.toml; Python code names and compares no model."""
    known = read_model_names()
    for string in module.strings():
        if string.value in known:
            yield string.lineno, f"{string.value!r} is the name of a model"
    for node in module.nodes:
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            if any(map(_is_model, parts)) and any(map(_is_text, parts)):
                yield node.lineno, "the model is compared with a text"
        elif isinstance(node, ast.Match) and _is_model(node.subject):
            yield node.lineno, "the model is matched"
        elif _name_of(node) in {"startswith", "endswith"} and _is_model(node.value):
            yield node.lineno, "the model's name is taken apart"


@cache
def read_model_names() -> frozenset[str]:
    """Return the names in models.toml."""
    text = (SRC / "catalog" / "models.toml").read_text(encoding="utf-8")
    return frozenset(tomllib.loads(text)["models"])


def _is_model(node: ast.expr) -> bool:
    return _name_of(node) in {"model", "model_name"}


def _is_text(node: ast.expr) -> bool:
    """Return whether a value is a non-empty text, or a collection that contains one."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(_is_text, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(node.value)


def budgets(module: Module) -> Found:
    """No module over 600 lines, no function over 60."""
    lines = module.text.count("\n")
    if lines > MODULE_LINES:
        yield MODULE_LINES, f"{lines} lines; at most {MODULE_LINES}"
    for function in module.functions:
        if length(function) > FUNCTION_LINES:
            found = f"{function.name}() has {length(function)} lines; at most {FUNCTION_LINES}"
            yield function.lineno, found


def length(function: Function) -> int:
    """Return the number of lines from `def` to the end, docstring included."""
    return (function.end_lineno or 0) - function.lineno + 1


def html(module: Module) -> Found:
    """HTML is written in `notebook/markup/`, next to `escape`."""
    if module.path.startswith(HTML):
        return
    for string in module.strings():
        if re.search(r"</\w+>|<(video|div|span|img)\b", string.value):
            yield string.lineno, f"HTML outside {HTML[0]}"


MUTATORS = {"append", "add", "update", "clear", "pop", "popitem", "setdefault", "extend", "insert"}
MUTATORS |= {"remove", "discard", "appendleft", "popleft"}


def written_state(module: Module) -> Found:
    """Module-level state does not change after import."""
    shared = {name for name in _assigned(module.tree) if (module.path, name) not in STATE}
    for function in module.functions:
        own = _local_names(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                names = [name for name in node.names if (module.path, name) not in STATE]
            else:
                names = [name for name in _written(node) if name in shared - own]
            yield from ((node.lineno, f"{function.name}() writes to {name}") for name in names)


def _assigned(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _local_names(function: Function) -> set[str]:
    nodes = list(ast.walk(function))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names = stored | {n.arg for n in nodes if isinstance(n, ast.arg)}
    return names - {name for n in nodes if isinstance(n, ast.Global) for name in n.names}


def _written(node: ast.AST) -> list[str]:
    """Return the plain names whose contents this one node changes."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        changed = [node.func.value] if node.func.attr in MUTATORS else []
    elif isinstance(node, ast.Assign | ast.Delete):
        changed = [t.value for t in node.targets if isinstance(t, ast.Subscript | ast.Attribute)]
    elif isinstance(node, ast.AugAssign):
        inner = node.target
        changed = [inner.value] if isinstance(inner, ast.Subscript | ast.Attribute) else [inner]
    else:
        changed = []
    return [target.id for target in changed if isinstance(target, ast.Name)]


def _name_of(node: ast.AST) -> str:
    """Return the last part of a dotted name: what `os.environ` and `environ` share."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.dump(node.test)


def cycles(modules: list[Module]) -> list[list[str]]:
    """Return groups of modules with circular imports (typing imports count)."""
    arrows_of = _arrows_of(modules)
    reach = {name: _reachable(name, arrows_of) for name in arrows_of}
    knots = {frozenset(m for m in reach[n] if n in reach[m]) for n in reach if n in reach[n]}
    return sorted(sorted(knot) for knot in knots)


def loaded_with(name: str, modules: list[Module]) -> set[str]:
    """Return the modules of ours that are imported when one is, by itself or by others."""
    return _reachable(name, _arrows_of(modules))


def _arrows_of(modules: list[Module]) -> dict[str, set[str]]:
    known = {module.name for module in modules}
    return {module.name: _targets(module, known) for module in modules}


def _targets(module: Module, known: set[str]) -> set[str]:
    if module.path == "__init__.py":  # loads its packages on first use only
        return set()
    names = (name for _, name in module.imports)
    # `from package import name`: the name may be a module or something inside of it.
    found = {name if name in known else name.rpartition(".")[0] for name in names}
    return found & known


def _reachable(start: str, arrows_of: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = arrows_of[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


LAWS: dict[str, Law] = {
    "arrows": arrows,
    "doors": doors,
    "imports inside": imports_inside,
    "work at import": import_work,
    "model names": model_names,
    "budgets": budgets,
    "html": html,
    "written state": written_state,
}

NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def lines_of_code(module: Module) -> int:
    """Count the lines of a module that are not blank, a comment or a docstring."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type not in NO_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    for node in module.nodes:
        if isinstance(node, ast.Constant) and id(node) in module.docstrings:
            found.difference_update(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(found)


def modules_of_one_cell() -> list[str]:
    """Return the modules that one plain `%%video` cell uses, measured in a new process."""
    command = [sys.executable, "-m", "tests.support.one_cell"]
    output = subprocess.check_output(command, cwd=ROOT, text=True)
    return output.splitlines()


if __name__ == "__main__" and sys.argv[1:] == ["--count"]:
    modules, cell = read_modules(), modules_of_one_cell()
    report = (
        f"lines of code: {sum(map(lines_of_code, modules))}",
        f"modules: {len(modules)}",
        f"modules that one %%video cell passes: {len(cell)}: {', '.join(cell)}",
    )
    sys.stdout.write("\n".join((*report, "")))
