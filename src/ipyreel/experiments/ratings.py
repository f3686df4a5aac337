"""Stores ratings and votes in the library, and exchanges them with others as files.

A rating is one person's stars, note and tags for a video; a vote says which of two videos is
better. Both name videos by the SHA-256 of their files: ids differ between libraries.
"""

from __future__ import annotations

import getpass
import json
import math
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ipyreel.errors import InvalidRequest, StoreError
from ipyreel.experiments.rows import read_bytes
from ipyreel.jobs.database import Database
from ipyreel.values import Json

Winner = Literal["left", "right", "tie"]

LONGEST = 2000
"""Most characters of a note."""

FORMAT = "ipyreel-votes-1"
"""The format name in a file of votes."""

_AT_ONCE = 400
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One person's opinion of a video; `at` is in seconds since the epoch."""

    video: str
    who: str
    stars: int | None
    note: str
    tags: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's choice between two videos; `at` is in seconds since the epoch.

    `balanced`: the pair was not chosen because of earlier votes.
    """

    id: str
    left: str
    right: str
    winner: Winner
    who: str
    at: float
    balanced: bool = True


def current_user() -> str:
    """Return the name of the user of this machine, for votes without a name."""
    try:
        return getpass.getuser()[:100] or "me"
    except (ImportError, KeyError, OSError):  # containers have users without a name
        return "me"


class Opinions:
    """The ratings and votes of one library."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def rate(
        self,
        video: str,
        *,
        stars: int | None = None,
        note: str = "",
        tags: Iterable[str] = (),
        who: str | None = None,
    ) -> Rating:
        """Store a person's rating of a video, replacing their earlier one.

        Raises `InvalidRequest` unless `stars` is None or 1 to 5.
        """
        rating = _checked_rating(
            {
                "video": video,
                "who": who or current_user(),
                "stars": stars,
                "note": note,
                "tags": list(dict.fromkeys(tags)),
                "at": self._clock(),
            }
        )
        # Whatever the clock says: the rating that is entered last counts.
        self._keep([(_FORGET, (rating.video, rating.who)), _rating_row(rating)])
        return rating

    def forget(self, video: str, *, who: str | None = None) -> None:
        """Remove a person's rating of a video."""
        self._database.write(_FORGET, (video, who or current_user()))

    def ratings(self, videos: Collection[str]) -> dict[str, list[Rating]]:
        """Return the ratings of these videos, oldest first."""
        found: dict[str, list[Rating]] = {}
        query = "SELECT * FROM ratings WHERE video IN ({}) ORDER BY at"
        for video, who, stars, note, tags, at in self._of(videos, query):
            rating = Rating(
                video=video, who=who, stars=stars, note=note, tags=tuple(json.loads(tags)), at=at
            )
            found.setdefault(video, []).append(rating)
        return found

    def summaries(self, videos: Collection[str]) -> dict[str, dict[str, Json]]:
        """Return stars (their mean), notes and tags of each video; {} if none was rated."""
        found = self.ratings(videos)
        return {video: _summary(found.get(video, ())) for video in videos} if found else {}

    def vote(
        self,
        left: str,
        right: str,
        winner: Winner,
        *,
        who: str | None = None,
        balanced: bool = True,
    ) -> Vote:
        """Store a vote; raises `InvalidRequest` if both videos are the same."""
        vote = _checked_vote(
            {
                "id": secrets.token_hex(12),
                "left": left,
                "right": right,
                "winner": winner,
                "who": who or current_user(),
                "at": self._clock(),
                "balanced": balanced,
            }
        )
        self._keep([_vote_row(vote)])
        return vote

    def undo(self, *, who: str | None = None, among: Collection[str] | None = None) -> Vote | None:
        """Remove a person's last vote and return it; None: there is none.

        `among`: the last vote between two of these videos.
        """
        query = f"{_VOTES} AND who = ? ORDER BY at DESC, rowid DESC"
        for vote in map(_vote_of, self._database.rows(query, (who or current_user(),))):
            if among is None or {vote.left, vote.right} <= {*among}:
                # The row is kept: merging a colleague's older file must not restore the vote.
                self._database.write("UPDATE votes SET undone = 1 WHERE id = ?", (vote.id,))
                return vote
        return None

    def votes(self, videos: Collection[str]) -> list[Vote]:
        """Return the votes between two of these videos, oldest first."""
        asked = set(videos)
        found = map(_vote_of, self._of(asked, f"{_VOTES} AND left_video IN ({{}})"))
        return sorted((one for one in found if one.right in asked), key=lambda one: one.at)

    def export(self, path: str | Path, videos: Collection[str]) -> Path:
        """Write the ratings and votes of these videos as a JSON file, and return its path.

        Raises `InvalidRequest` if the file exists, `StoreError` if it cannot be written.
        """
        target = Path(path).expanduser()
        rated = [asdict(one) for some in self.ratings(videos).values() for one in some]
        data = {"format": FORMAT, "votes": [asdict(one) for one in self.votes(videos)],
                "ratings": rated}  # fmt: skip
        try:
            with target.open("x", encoding="utf-8") as file:
                json.dump(data, file, ensure_ascii=False, indent=1)
        except FileExistsError:
            raise InvalidRequest(f"{target} exists; choose another name.") from None
        except OSError as error:
            raise StoreError(f"{target} could not be written: {error.strerror}.") from error
        return target.absolute()

    def merge(self, path: str | Path) -> int:
        """Add what `export` wrote elsewhere; return how many ratings and votes are new.

        Merging a file twice changes nothing; of two ratings by one person the newer one is kept.
        Raises `InvalidRequest` for any other file; then nothing is added.
        """
        data = _read_file(Path(path).expanduser())
        try:
            rows = [_vote_row(_checked_vote(item)) for item in data["votes"]]
            rows += [_rating_row(_checked_rating(item)) for item in data["ratings"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InvalidRequest(f"{path}: {error} is not as ipyreel writes it.") from None
        return self._keep(rows)

    def _keep(self, rows: Iterable[tuple[str, tuple[object, ...]]]) -> int:
        """Write rows in one transaction and return how many changed something."""
        return self._database.change(
            lambda connection: sum(connection.execute(*row).rowcount for row in rows)
        )

    def _of(self, videos: Collection[str], query: str) -> list[Any]:
        """Return the rows of a query for all `videos`, in batches: SQLite limits parameters."""
        asked, found = tuple(videos), list[Any]()
        for start in range(0, len(asked), _AT_ONCE):
            some = asked[start : start + _AT_ONCE]
            found += self._database.rows(query.format(", ".join("?" * len(some))), some)
        return found


def _summary(ratings: Collection[Rating]) -> dict[str, Json]:
    stars = [one.stars for one in ratings if one.stars is not None]
    return {
        "stars": sum(stars) / len(stars) if stars else None,
        "notes": "; ".join(one.note for one in ratings if one.note) or None,
        "tags": ", ".join(dict.fromkeys(tag for one in ratings for tag in one.tags)) or None,
    }


_VOTES = "SELECT id, left_video, right_video, winner, who, at, balanced FROM votes WHERE NOT undone"

_FORGET = "DELETE FROM ratings WHERE video = ? AND who = ?"

_VOTE = (
    "INSERT OR IGNORE INTO votes (id, left_video, right_video, winner, who, at, balanced, undone)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 0)"
)

_RATING = (
    "INSERT INTO ratings VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (video, who) DO UPDATE"
    " SET stars = excluded.stars, note = excluded.note, tags = excluded.tags, at = excluded.at"
    " WHERE excluded.at > ratings.at"
)


def _vote_row(vote: Vote) -> tuple[str, tuple[object, ...]]:
    """Return the statement that writes a vote once, and its values."""
    values = (vote.id, vote.left, vote.right, vote.winner, vote.who, vote.at, int(vote.balanced))
    return _VOTE, values


def _rating_row(rating: Rating) -> tuple[str, tuple[object, ...]]:
    """Return the statement that writes a rating unless there is a newer one, and its values."""
    tags = json.dumps(rating.tags, ensure_ascii=False)
    return _RATING, (rating.video, rating.who, rating.stars, rating.note, tags, rating.at)


def _vote_of(row: tuple[Any, ...]) -> Vote:
    vote_id, left, right, winner, who, at, balanced = row
    return Vote(
        id=vote_id, left=left, right=right, winner=winner, who=who, at=at, balanced=bool(balanced)
    )


def _read_file(path: Path) -> Mapping[str, Json]:
    text = read_bytes(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InvalidRequest(f"{path} is not a file of ipyreel votes.")
    return data


def _checked_vote(item: Mapping[str, Json]) -> Vote:
    left, right, winner = _video(item["left"]), _video(item["right"]), item["winner"]
    if left == right:
        raise InvalidRequest("A vote needs two different videos.")
    if winner not in {"left", "right", "tie"}:
        raise InvalidRequest("A vote is for left, right or tie.")
    vote_id = item["id"]
    if not isinstance(vote_id, str) or not re.fullmatch(r"[0-9a-f]{24}", vote_id):
        raise ValueError("the id of a vote")
    return Vote(
        id=vote_id, left=left, right=right, winner=winner, who=_name(item["who"]),
        at=_time(item["at"]), balanced=item.get("balanced") is not False,
    )  # fmt: skip


def _checked_rating(item: Mapping[str, Json]) -> Rating:
    stars, note, tags = item["stars"], item["note"], item["tags"]
    if stars is not None and (isinstance(stars, bool) or stars not in range(1, 6)):
        raise InvalidRequest("A rating is 1 to 5 stars.")
    if not isinstance(note, str) or len(note) > LONGEST or _HALF.search(note):
        raise InvalidRequest(f"A note has at most {LONGEST} characters, all of them whole.")
    if not isinstance(tags, list) or len(tags) > 50:  # noqa: PLR2004 - more are a mistake
        raise InvalidRequest("A rating has at most 50 tags.")
    return Rating(
        video=_video(item["video"]), who=_name(item["who"]), stars=stars, note=note,
        tags=tuple(map(_name, tags)), at=_time(item["at"]),
    )  # fmt: skip


def _video(text: Json) -> str:
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise ValueError("the SHA-256 of a video")
    return text


def _name(text: Json) -> str:
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > 100:  # noqa: PLR2004
        raise InvalidRequest("A name or tag has 1 to 100 printable characters.")
    return text.strip()


def _time(moment: Json) -> float:
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not math.isfinite(moment):
        raise ValueError("a time")
    return float(moment)
