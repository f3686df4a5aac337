"""Makes the page on which colleagues without Python judge videos and save their votes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.pairs import balanced_order
from ipyreel.experiments.ratings import FORMAT
from ipyreel.jobs.files import new_id
from ipyreel.notebook.handles.compare import frame_rate, in_sync
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.handles.opinions import settings_of
from ipyreel.notebook.markup import voting
from ipyreel.notebook.markup.tables import Report
from ipyreel.notebook.markup.voting import Film

MOST_PAIRS = 500
"""How many pairs a page holds; each reader begins at a different one."""


def voting_page(films: Jobs, results: Report, *, title: str, votes: int) -> Iterator[str]:
    """Yield the pieces of the page, which asks for `votes` votes.

    Raises `InvalidRequest` unless there are videos of two settings.
    """
    videos = films.videos
    _, labels = settings_of(films, films.snapshots)
    found = {one.snapshot.file.sha256: one for one in videos if one.snapshot and one.snapshot.file}
    there = {video: label for video, label in labels.items() if video in found}
    pairs = balanced_order(there, max(votes, MOST_PAIRS), Random())  # noqa: S311 - no secrets
    if not pairs:
        raise InvalidRequest("A page of votes needs finished videos of at least two settings.")
    stand = in_sync(
        films.info.prompt, voting.players(), frame_rate(videos[:2]), "blind.js", "vote.js",
        **voting.question(pairs, goal=votes, page_id=new_id(), form=FORMAT),
    )  # fmt: skip
    shown = (
        Film(sha256=sha256, label=label, src=replace(found[sha256], how="embed").src or "")
        for sha256, label in there.items()
    )
    return voting.page_html(title, stand, shown, results.html)
