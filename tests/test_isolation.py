"""The guards of conftest.py work."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from IPython.core.getipython import get_ipython

from tests.support.kernel import Kernel


def test_no_connection_leaves_the_machine(no_network):
    with socket.socket() as sock, pytest.raises(AssertionError, match=r"192\.0\.2\.1:443"):
        sock.connect(("192.0.2.1", 443))
    with pytest.raises(socket.gaierror):
        socket.create_connection(("example.org", 443))
    assert no_network == ["192.0.2.1:443", "example.org"]
    no_network.clear()


def test_loopback_and_names_that_never_resolve_are_free():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname()).close()
    with pytest.raises(socket.gaierror):
        socket.create_connection(("nowhere.invalid", 443))


def test_the_home_is_the_tests_own(tmp_path):
    assert Path(os.environ["IPYREEL_HOME"]).parent == tmp_path
    assert Path.cwd().parent == tmp_path
    assert not [name for name in os.environ if name.endswith("_API_KEY")]


def test_the_shell_raises_what_a_cell_raised(shell, capsys):
    main = sys.modules["__main__"]
    assert shell.run_cell("6 * 7").result == 42
    with pytest.raises(ZeroDivisionError):
        shell.run_cell("1 / 0")
    assert "ZeroDivisionError" in capsys.readouterr().out
    assert get_ipython() is shell
    assert main is sys.modules["__main__"]


def test_no_shell_is_left_behind():
    assert get_ipython() is None


@pytest.mark.notebook
def test_a_kernel_runs_cells_and_dies_when_told(tmp_path):
    with Kernel(tmp_path / "jupyter", cwd=tmp_path) as kernel:
        done = kernel.run("print('one'); 6 * 7")
        assert (done.status, done.stdout, done.result) == ("ok", "one\n", "42")
        failed = kernel.run("1 / 0")
        assert (failed.status, failed.error[0]) == ("error", "ZeroDivisionError")
        blocked = kernel.send("import time; print('in'); time.sleep(3600)")
        kernel.wait_for(lambda message: message["content"].get("text") == "in\n", parent=blocked)
        kernel.interrupt()
        assert kernel.wait(blocked).error[0] == "KeyboardInterrupt"
        kernel.kill()
        assert not kernel.is_alive()
