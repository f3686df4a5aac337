"""Prints what works where: `python -m tests.hosts`, or with the names of some hosts.

Each cell of the table is a test that drives the host; what cannot be run on this machine, or
has no test, says so. `.ci/long hosts` installs what it can before it runs this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = (
    "live card",
    "video after the cell",
    "saved",
    "reopened, untrusted",
    "reopened, trusted, no kernel",
    "moved or linked folder",
    "shown as",
)
LAB, SEVEN = "tests/browser/test_lab.py::", "tests/browser/test_notebook7.py::"
EARLY, PLACES = "tests/browser/test_saved_early.py::", "tests/browser/test_showing.py::"
VOILA, PLAYS = "tests/browser/test_voila.py::", "tests/browser/test_documents.py::"
JOURNEY = "test_the_card_moves_while_a_cell_blocks_and_its_video_is_saved"
WHILE = "test_what_was_saved_while_jobs_ran_shows_their_videos"
TERMINAL = "tests/notebook/test_terminal.py::"
MARIMO = "tests/browser/test_marimo.py::test_a_job_is_told_and_then_shown"
CODE = "tests/browser/test_code_server.py::test_saved_videos_play"
TOGETHER = "tests/browser/test_collaboration.py::test_two_people_in_one_notebook"
HUB = "tests/browser/test_hub.py::"
STUDENT = HUB + "test_a_student_has_a_key_and_budgets_and_saves_the_video"
OTHERS = HUB + "test_another_student_sees_the_examples_and_nothing_else"
SCRIPTS = "tests/notebook/test_scripts.py::"


def document(tool: str, shown: str) -> tuple[str, ...]:
    """Return the row of a tool that runs a notebook to its end and writes it."""
    node = f"{PLAYS}test_a_document_plays_for_whoever_opens_it[{tool}]"
    return ("-", *([node] * 4), "-", shown)


HOSTS: dict[str, tuple[str, ...]] = {
    "JupyterLab": (
        *([LAB + JOURNEY] * 4),
        EARLY + WHILE,
        PLACES + "test_every_place_is_shown_as_it_can_be",
        "linked; embedded where the server does not serve the file",
    ),
    "Notebook 7": (
        *([SEVEN + "test_live"] * 5),
        "-",
        "as JupyterLab",
    ),
    "Voilà": (
        VOILA + "test_a_visitor_sees_the_card_move_and_the_video_play",
        VOILA + "test_what_is_waited_for_needs_no_widget_in_the_page",
        *(["-"] * 4),
        "embedded",
    ),
    "JupyterHub": (STUDENT, STUDENT, STUDENT, OTHERS, STUDENT, OTHERS, "as JupyterLab"),
    "collaboration": (
        *([TOGETHER] * 3),
        "-",
        TOGETHER,
        "-",
        "as JupyterLab; only the browser that ran the cell shows the card",
    ),
    "code-server": (
        *("-", "-", CODE, "-", CODE, "-"),
        "embedded, larger files linked; no HTML in a folder that is not trusted",
    ),
    # `jupyter execute` is the command of nbclient.
    "nbclient": document("jupyter execute", "embedded; --link links"),
    "jupyter execute": document("jupyter execute", "embedded; --link links"),
    "papermill": document("papermill", "embedded"),
    "papermill --inject-output-path": document("papermill that names its output", "linked"),
    "nbconvert, in place": document("nbconvert", "embedded; --link links"),
    "nbconvert, elsewhere": document("nbconvert to elsewhere", "embedded"),
    "IPython": (
        TERMINAL + "test_a_cell_that_waits_redraws_its_line_and_ends_with_the_path",
        TERMINAL + "test_a_cell_that_waits_redraws_its_line_and_ends_with_the_path",
        *(["-"] * 4),
        "a line of text, then the path",
    ),
    "jupyter console": (
        "-",
        TERMINAL + "test_the_console_of_jupyter_prints_a_line_and_then_the_path",
        *(["-"] * 4),
        "lines of text, then the path",
    ),
    "plain Python": (
        "-",
        SCRIPTS + "test_a_script_that_ends_right_after_submit_has_sent_it",
        *(["-"] * 4),
        "the path",
    ),
    "marimo": (
        "-",
        MARIMO,
        *(["-"] * 4),
        "embedded; a rerun of the cell updates it",
    ),
}
"""Host -> what is tested for each column: a test, "-" for nothing, and text in the last one."""


def outcomes(nodes: list[str]) -> dict[str, str]:
    """Run tests, one file at a time; return "yes", "NO" or why it was not run."""
    found: dict[str, str] = {}
    for file in sorted({node.partition("::")[0] for node in nodes}):
        names = {node for node in nodes if node.startswith(f"{file}::")}
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            command = [sys.executable, "-m", "pytest", "-q", "-n0", f"--junitxml={report}"]
            subprocess.run([*command, *names], cwd=ROOT, env=os.environ, check=False)
            cases = ET.parse(report).iter("testcase") if report.exists() else ()  # noqa: S314
            for case in cases:
                found[f"{file}::{case.get('name')}"] = outcome(case)
    return found


def outcome(case: ET.Element) -> str:
    """Return what became of one test."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "NO"
    skipped = case.find("skipped")
    return "yes" if skipped is None else f"not run: {skipped.get('message')}"


def main(names: list[str]) -> int:
    """Print the table of these hosts, or of all; the exit code is 1 if anything fails."""
    rows = {name: row for name, row in HOSTS.items() if not names or name in names}
    nodes = [node for row in rows.values() for node in row if "::" in node]
    found = outcomes(nodes)
    out = [f"| host | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for name, row in rows.items():
        cells = [found.get(cell, "not run here") if "::" in cell else cell for cell in row]
        out.append(f"| {name} | {' | '.join(cells)} |")
    sys.stdout.write("\n".join((*out, "")))
    return int("NO" in found.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
