"""Each front end is detected by its traces, with reasons."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ipyreel.notebook import frontends
from ipyreel.notebook.frontends import Document


def shell(*, stdin=True, kernel=True, cell_id=None, **names):
    parent = {"metadata": {"cellId": cell_id} if cell_id else {}}
    told = SimpleNamespace(_allow_stdin=stdin, get_parent=lambda: parent) if kernel else None
    return SimpleNamespace(kernel=told, user_ns=names)


VSC = {"__vsc_ipynb_file__": "/a.ipynb"}
SESSION = {"JPY_SESSION_NAME": "/home/me/a.ipynb"}


VSCODE, COLAB = {"VSCODE_PID": "1"}, SimpleNamespace()
KAGGLE = "KAGGLE_KERNEL_RUN_TYPE"
MARIMO = SimpleNamespace(running_in_notebook=lambda: True)
IMPORTED = SimpleNamespace(running_in_notebook=lambda: False)


@pytest.mark.parametrize(
    ("kind", "can", "told", "environ", "modules"),
    [
        ("jupyter", "widgets links embeds front_end stdin", shell(), SESSION, {}),
        ("jupyter", "widgets embeds front_end stdin", shell(cell_id="c1"), {}, {}),
        ("jupyter", "widgets links embeds front_end stdin", shell(), {**SESSION, **VSCODE}, {}),
        ("voila", "widgets embeds front_end", shell(stdin=False), {"VOILA_REQUEST_URL": "/"}, {}),
        (
            "voila",
            "widgets embeds front_end",
            shell(stdin=False),
            {"SERVER_SOFTWARE": "voila/0.5.13"},
            {},
        ),
        ("vscode", "widgets links embeds embeds_first front_end stdin", shell(**VSC), SESSION, {}),
        ("vscode", "widgets embeds embeds_first front_end stdin", shell(), VSCODE, {}),
        ("colab", "widgets embeds front_end stdin", shell(), {}, {"google.colab": COLAB}),
        (
            "colab",
            "widgets embeds front_end stdin",
            shell(),
            {"COLAB_RELEASE_TAG": "release-colab_1"},
            {},
        ),
        ("kaggle", "widgets embeds front_end stdin", shell(), {KAGGLE: "Interactive"}, {}),
        ("kaggle", "embeds", shell(), {KAGGLE: "Batch"}, {}),
        ("terminal", "front_end stdin", shell(kernel=False), {}, {}),
        ("console", "front_end stdin", shell(), {}, {}),
        ("headless", "embeds", shell(stdin=False), {}, {}),
        ("headless", "embeds", shell(stdin=False), SESSION, {}),
        ("marimo", "embeds front_end", None, {}, {"marimo": MARIMO}),
        ("python", "front_end stdin", None, {}, {"marimo": IMPORTED}),
        ("python", "front_end stdin", None, {}, {}),
    ],
)
def test_each_is_recognised_and_says_why(kind, can, told, environ, modules):
    host = frontends.detect(told, environ, modules)
    assert host.kind == kind
    flags = ("widgets", "links", "embeds", "embeds_first", "front_end", "stdin")
    assert " ".join(flag for flag in flags if getattr(host, flag)) == can
    assert host.html is (kind not in {"terminal", "console", "python"})
    assert host.reasons or kind == "python"
    assert max(map(len, host.reasons), default=0) <= 60  # what a table of text shows of a cell
    if kind in {"voila", "kaggle", "vscode"} and not host.links:
        assert len(host.reasons) == 2  # the second says why it cannot link


def test_headless_links_only_where_the_place_of_the_result_is_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ipynb").write_text("{}")
    assert not frontends.detect(shell(stdin=False), SESSION, {}).links
    papermill = shell(stdin=False, PAPERMILL_OUTPUT_PATH="results/b.ipynb")
    assert frontends.detect(papermill, {}, {}).links
    assert frontends.find_document(papermill, {}) == Document(folder=tmp_path / "results")
    bucket = shell(stdin=False, PAPERMILL_OUTPUT_PATH="s3://bucket/b.ipynb")
    assert not frontends.detect(bucket, {}, {}).links


@pytest.mark.parametrize(
    ("version", "delivers"),
    [("6.31.0", True), ("7.0.0", False), ("7.0.1", False), ("7.1.0", True), ("7.10.0", True)],
)
def test_ipykernel_7_0_delivers_nothing_from_threads(version, delivers):
    modules = {"ipykernel": SimpleNamespace(__version__=version)}
    host = frontends.detect(shell(), SESSION, modules)
    assert host.threads_deliver is delivers
    assert any("7.1" in reason for reason in host.reasons) is not delivers


def test_links_start_at_the_notebook_for_as_long_as_it_is_there(tmp_path):
    named = tmp_path / "sub" / "a.ipynb"
    named.parent.mkdir()
    environ = {"JPY_SESSION_NAME": str(named)}
    assert frontends.notebook_folder(environ, {}, tmp_path) == named.parent
    assert not frontends.find_document(shell(), environ).known  # it was moved, or is elsewhere
    named.write_text("{}")
    document = frontends.find_document(shell(), environ)
    assert document == Document(folder=named.parent)
    assert document.link(named.parent / "videos" / "a b.mp4") == "videos/a%20b.mp4"
    assert document.link(tmp_path / "a.mp4") is None
    assert document.link(named.parent / ".videos" / "a.mp4") is None
    assert document.any_link(tmp_path / "a.mp4") == "../a.mp4"


def test_a_folder_that_is_spelled_in_two_ways_is_one(tmp_path):
    real = tmp_path / "real"
    (real / "videos").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    document = Document(folder=tmp_path / "link")
    assert document.link(real / "videos" / "a.mp4") == "videos/a.mp4"
    assert Document(folder=real).link(tmp_path / "link" / "videos" / "a.mp4") == "videos/a.mp4"
    assert document.link(tmp_path / "a.mp4") is None


def test_the_folder_is_the_working_directory_otherwise(tmp_path):
    assert frontends.notebook_folder({}, {}, tmp_path) == tmp_path
    gone = {"JPY_SESSION_NAME": str(tmp_path / "gone" / "a.ipynb")}
    assert frontends.notebook_folder(gone, {}, tmp_path) == tmp_path
    assert frontends.notebook_folder({"JPY_SESSION_NAME": "Console 1"}, {}, tmp_path) == tmp_path


def test_nbclassic_names_the_folder_only(tmp_path):
    environ = {"JPY_SESSION_NAME": f"{tmp_path}/"}
    assert frontends.notebook_folder(environ, {}, tmp_path / "elsewhere") == tmp_path
    assert frontends.find_document(shell(), environ) == Document(folder=tmp_path)


def test_vs_code_names_the_file_itself(tmp_path):
    names = {"__vsc_ipynb_file__": str(tmp_path / "a.ipynb")}
    assert frontends.notebook_folder({}, names, tmp_path / "elsewhere") == tmp_path
