"""The sweeps of the library: which jobs belong together, and what sets each of them apart.

May import `sqlite3`, `values`, `library` and `rows`. Nothing of a job hangs on its sweep: a
kernel that ends between the two leaves jobs that stand alone.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any

from ipyreel.jobs.database import Database
from ipyreel.jobs.rows import storable
from ipyreel.values import Group, Place

AT_ONCE = 500
"""Ids in one question: some builds of SQLite take 999 values."""


class Groups(Database):
    """What the library knows of sweeps. Raises `StoreError`."""

    def keep(self, group: Group) -> None:
        """Write down a sweep."""
        sweep = (group.id, group.prompt, group.abreast, group.created_at)
        places = [
            (
                group.id,
                at,
                place.job,
                place.label,
                json.dumps(dict(place.differs), ensure_ascii=False, default=str),
                int(place.reused),
            )
            for at, place in enumerate(group.places)
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO sweeps VALUES (?, ?, ?, ?)", tuple(map(storable, sweep))
            )
            connection.executemany(
                "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)",
                [tuple(map(storable, place)) for place in places],
            )

        self._change(work)

    def group(self, sweep: str) -> Group | None:
        """Return a sweep by its id, without the jobs that were deleted since; None: no such."""
        rows = self._rows(
            "SELECT id, prompt, abreast, created_at FROM sweeps WHERE id = ?", (sweep,)
        )
        if not rows:
            return None
        places = self._rows(
            "SELECT job, label, differs, reused FROM places"
            " WHERE sweep = ? AND job IN (SELECT id FROM jobs) ORDER BY at",
            (sweep,),
        )
        return Group(
            id=rows[0][0],
            prompt=_text(rows[0][1]),
            abreast=rows[0][2],
            created_at=rows[0][3],
            places=tuple(
                Place(job=job, label=_text(label), differs=json.loads(differs), reused=bool(reused))
                for job, label, differs, reused in places
            ),
        )

    def sweeps_of(self, jobs: Collection[str]) -> dict[str, str]:
        """Return the id of the sweep for which each of these jobs was made, where there is one."""
        asked, found = tuple(jobs), dict[str, str]()
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            marks = ", ".join("?" * len(some))
            query = f"SELECT job, sweep FROM places WHERE NOT reused AND job IN ({marks})"  # noqa: S608
            found.update(self._rows(query, some))
        return found


def _text(value: Any) -> Any:
    # Half an emoji is no UTF-8 and lies there as bytes, see `rows.storable`.
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
