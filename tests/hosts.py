"""Prints what works where: `python -m tests.hosts`, or with the names of some hosts.

Each cell of the table is a test that drives the host; what cannot be run on this machine, or
has no test, says so.
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
TERMINAL, SCREEN = "tests/notebook/test_terminal.py::", "tests/notebook/test_screen.py::"
SCRIPTS = "tests/notebook/test_scripts.py::"
FROM_DISK = "test_a_document_plays_from_the_disk"


def document(tool: str, shown: str) -> tuple[str, ...]:
    """Return the row of a tool that runs a notebook to its end and writes it."""
    node = f"{PLAYS}{FROM_DISK}[{tool}]"
    return ("-", node, node, node, "-", "-", shown)


def never(why: str) -> tuple[str, ...]:
    """Return the row of a host that was not run here."""
    return (*(["-"] * (len(COLUMNS) - 1)), why)


HOSTS: dict[str, tuple[str, ...]] = {
    "JupyterLab": (
        *([LAB + JOURNEY] * 4),
        EARLY + WHILE,
        PLACES + "test_every_place_is_shown_as_it_can_be",
        "linked; embedded where the server does not serve the file",
    ),
    "Notebook 7": (
        *([SEVEN + "test_live"] * 4),
        SEVEN + "test_early",
        "-",
        "as JupyterLab",
    ),
    "Voilà": (
        VOILA + "test_a_visitor_sees_the_card_move_and_the_video_play",
        VOILA + "test_what_is_waited_for_needs_no_widget_in_the_page",
        *(["-"] * 4),
        "embedded",
    ),
    "collaboration": (
        *([EARLY + "test_a_second_browser_and_cells_that_moved_show_the_videos"] * 2),
        *(["-"] * 4),
        "two browsers on one notebook, without jupyter-collaboration",
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
    "plain Python": (
        "-",
        SCRIPTS + "test_a_script_that_ends_right_after_submit_has_sent_it",
        *(["-"] * 4),
        "the path",
    ),
    "marimo": (
        "-",
        SCREEN + "test_jobs_and_videos_are_plain_text_html_for_other_front_ends",
        *(["-"] * 4),
        "embedded; a rerun of the cell updates it (tried in marimo 0.25)",
    ),
    "JupyterHub": never("not run: as JupyterLab, see notebooks/70_for_teachers.ipynb"),
    "code-server": never("not run: no code-server here; embedded, larger files linked"),
    "jupyter console": never("not run"),
}
"""Host -> what is tested for each column: a test, "-" for nothing, and text in the last one."""


def outcomes(nodes: list[str]) -> dict[str, str]:
    """Run tests, one file at a time; return "yes", "NO" or why not, by the test."""
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
    return "not run here" if case.find("skipped") is not None else "yes"


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
