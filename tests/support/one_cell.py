"""Lists the modules of ipyreel that one plain `%%video` cell of one video passes through.

`python -m tests.support.one_cell` prints them, one a line: those in which a function runs on
the cell's thread while the cell runs, in a front end with live cards. The cell is the second
of its session, so that what is imported and opened once does not count; it has its own
number, as in a notebook, so that the notebook's location is looked up for it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from ipyreel.notebook import api
from ipyreel.notebook.frontends import FrontEnd
from tests.support.demo import running_demo
from tests.support.shells import PLAIN

SRC = Path(api.__file__).parents[1]
CELL = "%%video\nA red balloon over the sea"


def passed(run):
    """Return the modules of ours, by path, in which a function was called while `run` ran."""
    seen = set()

    def note(frame, event, _arg):
        if event == "call":
            seen.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    ours = (Path(name) for name in seen)
    return sorted(path.relative_to(SRC).as_posix() for path in ours if path.is_relative_to(SRC))


def modules_of_a_cell(folder):
    """Run two cells in a folder, against a demo server, and return what the second passed."""
    os.environ["IPYREEL_HOME"] = str(folder / "home")
    os.chdir(folder)
    with running_demo(folder / "server", stub=True, speed=10) as demo, capture_output():
        toml = f'provider = "lab"\n[providers.lab]\nbase_url = "{demo.url}"\ndialect = "openai"\n'
        os.environ["IPYREEL_TRUST"] = str(folder)
        Path("ipyreel.toml").write_text(toml, encoding="utf-8")
        shell = InteractiveShell.instance(config=PLAIN)
        shell.run_cell("%load_ext ipyreel")
        Path("here.ipynb").write_text("{}", encoding="utf-8")
        os.environ["JPY_SESSION_NAME"] = str(folder / "here.ipynb")
        api.screen().host = FrontEnd(kind="jupyter", widgets=True, links=True, embeds=True)
        shell.run_cell(CELL, store_history=True).result.wait()
        jobs = []
        found = passed(lambda: jobs.append(shell.run_cell(CELL, store_history=True).result))
        jobs[0].wait()
        shell.run_cell("%unload_ext ipyreel")
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        sys.stdout.write("\n".join(modules_of_a_cell(Path(name))))
        os.chdir("/")
