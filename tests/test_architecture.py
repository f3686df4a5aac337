"""The architecture rules hold for every module; a failure names the file and the line."""

from __future__ import annotations

from statistics import median

import pytest

from tests.support.laws import (
    LAWS,
    LAZY,
    MEDIAN_LINES,
    MODULE_LINES,
    STATE,
    Module,
    cycles,
    length,
    lines_of_code,
    loaded_with,
    modules_of_one_cell,
    offences,
    read_model_names,
    read_modules,
)

PASSED = 26
"""Modules of ours that one plain `%%video` cell of one video may pass."""

MODULES = read_modules()


@pytest.mark.parametrize("law", LAWS)
def test_every_module_obeys(law):
    found = [one for module in MODULES for one in offences(module, law)]
    assert not found, "\n".join(found)


def test_no_modules_import_each_other_in_a_circle():
    assert cycles(MODULES) == []


def test_a_cell_of_one_video_loads_nothing_that_comes_after_the_videos():
    loaded = loaded_with("ipyreel.notebook.commands.cells", MODULES)
    assert "ipyreel.notebook.screen" in loaded
    after = ("ipyreel.experiments", "ipyreel.notebook.job_list", "ipyreel.notebook.panels")
    assert not [name for name in loaded if name.startswith(after)]


def test_one_cell_passes_few_modules():
    passed = modules_of_one_cell()
    assert "notebook/magics.py" in passed
    assert len(passed) <= PASSED, "\n".join(passed)


def test_lines_of_code_are_those_that_do_something():
    text = '"""Doc.\n\nMore."""\n\n# why\nX = (\n    1,  # one\n)\n"""Of X."""\n\n\n'
    text += 'def f():\n    """Doc."""\n    return X\n'
    assert lines_of_code(Module("settings.py", text)) == 5


def test_functions_are_short():
    lengths = [length(function) for module in MODULES for function in module.functions]
    assert median(lengths) <= MEDIAN_LINES


def test_names_in_the_tables_of_exceptions_exist():
    paths = {module.path: module for module in MODULES}
    for path, name in {**LAZY, **STATE}:
        assert path in paths, f"{path} is gone: take it out of the table"
        assert name in paths[path].text, f"{path} has no {name}: take it out of the table"


BAD = [
    ("arrows", "wire/reader.py", "from ipyreel.client.http import Http"),
    ("arrows", "wire/reader.py", "from ..jobs import store"),
    ("arrows", "notebook/live/card.py", "from ipyreel import wire"),
    ("arrows", "notebook/live/card.py", "import ipyreel.client.client"),
    ("arrows", "jobs/manager.py", "from ipyreel import Video"),
    ("arrows", "jobs/manager.py", "from ipyreel.demo.process import DemoServer"),
    ("arrows", "session.py", "from ipyreel.demo.render import render"),
    ("arrows", "demo/server.py", "from ipyreel.wire.reader import read_job"),
    ("arrows", "cellar/wine.py", "from ipyreel.values import Image"),
    ("arrows", "notebook/markup/job_html.py", "from ipyreel.notebook.live import card"),
    ("arrows", "notebook/handles/job.py", "from ipyreel.notebook.screen import Screen"),
    ("arrows", "notebook/handles/job.py", "from ..live.card import Card"),
    ("arrows", "notebook/panels/form.py", "import ipyreel.notebook.commands.cells"),
    ("arrows", "notebook/cellar.py", "from ipyreel.notebook.markup import tables"),
    ("doors", "jobs/poller.py", "import httpx"),
    ("doors", "session.py", "from IPython.display import HTML"),
    ("doors", "jobs/manager.py", "def f():\n    import sqlite3"),
    ("doors", "client/http2.py", "if TYPE_CHECKING:\n    import httpx"),
    ("imports inside", "session.py", "def f():\n    from ipyreel.jobs import store"),
    ("imports inside", "session.py", "async def f():\n    import json"),
    ("imports inside", "session.py", "def f():\n    importlib.import_module('json')"),
    ("imports inside", "__init__.py", "def helper():\n    import json"),
    ("work at import", "settings.py", "HOME = os.environ.get('IPYREEL_HOME')"),
    ("work at import", "settings.py", "HOME = os.environ['IPYREEL_HOME']"),
    ("work at import", "settings.py", "def f(home=os.getenv('HOME')): ..."),
    ("work at import", "catalog/loader.py", "ROWS = Path('x.toml').read_text()"),
    ("work at import", "jobs/loop.py", "class Loop:\n    thread = threading.Thread()"),
    ("model names", "wire/writer.py", "if model == 'any': ..."),
    ("model names", "wire/writer.py", "if request.model in ('one', 'two'): ..."),
    ("model names", "wire/writer.py", "if 'pro' in request.model: ..."),
    ("model names", "wire/writer.py", "x = model.startswith('so')"),
    ("model names", "wire/writer.py", "match model:\n    case 'x': ..."),
    ("budgets", "session.py", "x = 1\n" * (MODULE_LINES + 1)),
    ("budgets", "session.py", "def f():\n" + "    x = 1\n" * 60),
    ("html", "notebook/live/card.py", "x = f'<b>{name}</b>'"),
    ("html", "jobs/files.py", "x = '<video src='"),
    ("written state", "session.py", "ALL = []\ndef f(x):\n    ALL.append(x)"),
    ("written state", "session.py", "ALL = {}\ndef f(x):\n    ALL[x] = 1"),
    ("written state", "session.py", "N = 0\ndef f():\n    global N\n    N += 1"),
    ("written state", "session.py", "ALL: dict = {}\ndef f(x):\n    del ALL[x]"),
]

GOOD = [
    ("arrows", "jobs/manager.py", "from ipyreel.client.client import VideoClient\nimport json"),
    ("arrows", "connections.py", "from ipyreel.demo.process import DemoServer"),
    ("arrows", "errors.py", "from ipyreel.values import Failure"),
    ("arrows", "demo/server.py", "from ipyreel.demo import render"),
    ("arrows", "jobs/manager.py", "from .store import JobStore"),
    ("arrows", "notebook/live/card.py", "from ipyreel.notebook.markup import job_html"),
    ("arrows", "notebook/api.py", "from ipyreel.notebook import commands, screen"),
    ("arrows", "notebook/handles/job.py", "from .video import Video"),
    ("arrows", "__init__.py", "from ipyreel.notebook.magics import VideoMagics"),
    ("doors", "client/http.py", "import httpx"),
    ("doors", "notebook/magics.py", "from IPython.core.magic import Magics"),
    ("imports inside", "notebook/images.py", "def f():\n    from PIL import Image"),
    ("imports inside", "__init__.py", "def load_ipython_extension(shell):\n    import json"),
    ("work at import", "settings.py", "def f(environ=os.environ):\n    return environ.get('x')"),
    ("work at import", "demo/__main__.py", "if __name__ == '__main__':\n    start()"),
    ("model names", "wire/writer.py", "if model is None or model == '': ..."),
    ("budgets", "session.py", "def f():\n" + "    x = 1\n" * 59),
    ("html", "notebook/live/card.py", '"""Shows <b>bold</b>."""\nx = "a < b > c"'),
    ("html", "notebook/markup/job_html.py", "x = '<video src='"),
    ("written state", "session.py", "ALL = ()\ndef f(x):\n    ALL = []\n    ALL.append(x)"),
]


@pytest.mark.parametrize(("law", "path", "text"), BAD)
def test_a_law_refuses(law, path, text):
    found = offences(Module(path, text), law)
    assert found
    assert all(one.startswith(f"{path}:") for one in found)


@pytest.mark.parametrize(("law", "path", "text"), GOOD)
def test_a_law_lets_pass(law, path, text):
    assert offences(Module(path, text), law) == []


def test_every_law_is_shown_to_refuse_and_to_let_pass():
    assert {law for law, _, _ in BAD} == {law for law, _, _ in GOOD} == set(LAWS)


def test_the_name_of_a_model_in_the_catalog_is_refused():
    names = read_model_names()
    assert names, "catalog/models.toml names no model"
    text = f"DEFAULT = {min(names)!r}"
    assert offences(Module("wire/writer.py", text), "model names")


def test_a_circle_is_found():
    first = Module("jobs/one.py", "from ipyreel.jobs.two import x")
    second = Module("jobs/two.py", "if TYPE_CHECKING:\n    from ipyreel.jobs import one")
    third = Module("jobs/three.py", "from ipyreel.jobs import one")
    assert cycles([first, second, third]) == [["ipyreel.jobs.one", "ipyreel.jobs.two"]]
