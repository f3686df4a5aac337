"""Writes videos with their ratings and votes as a folder that others can load.

The layout is that of Hugging Face's VideoFolder: `metadata.jsonl` with a `file_name` column, and
the videos next to it (https://huggingface.co/docs/datasets/video_dataset). `votes.json` is what
`Opinions.export` writes; `preferences.jsonl` has the votes as pairs of chosen and rejected.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath

from ipyreel.client.mp4 import read_container
from ipyreel.errors import DownloadError, InvalidRequest, StoreError
from ipyreel.experiments.ratings import Opinions, Vote
from ipyreel.experiments.rows import read_bytes
from ipyreel.jobs.files import new_id
from ipyreel.sweeps import read_field, with_columns
from ipyreel.values import JobSnapshot, Json, VideoFile, VideoRequest

METADATA, VOTES, PREFERENCES = "metadata.jsonl", "votes.json", "preferences.jsonl"

MOST_VIDEOS = 10_000

LARGEST_VIDEO = 4 * 2**30
"""Bytes; the same limit as for a download."""

_ID = re.compile(r"v[0-9a-z]{6}")
_PROVIDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
_CHUNK = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One video of a dataset: its finished job, and how it differs from the others."""

    job: JobSnapshot
    label: str
    differs: Mapping[str, Json]


def write_dataset(
    folder: Path, entries: Sequence[Entry], template: str | None, opinions: Opinions
) -> Path:
    """Write finished jobs, their ratings and their votes as a new folder; return its path.

    `template` is the shared prompt, as it was typed. Raises `InvalidRequest` if the folder
    exists or a file has changed since it was downloaded, `StoreError` if the folder cannot be
    written; then it is removed.
    """
    folder = folder.expanduser().absolute()
    if folder.exists():
        raise InvalidRequest(f"{folder} exists; choose another name.")
    part = folder.with_name(f".{folder.name}.{new_id()}.part")
    try:
        (part / "videos").mkdir(parents=True)
        try:
            _fill(part, entries, template, opinions)
            part.rename(folder)
        except BaseException:
            shutil.rmtree(part)
            raise
    except OSError as error:
        raise StoreError(f"{folder} could not be written: {error.strerror or error}.") from error
    return folder


def _fill(folder: Path, entries: Sequence[Entry], template: str | None, opinions: Opinions) -> None:
    files = {entry.job.id: _file_of(entry.job) for entry in entries}
    names = {job: f"videos/{job}{Path(file.path).suffix}" for job, file in files.items()}
    for job, file in files.items():
        _copy(file, folder / names[job])
    videos = [file.sha256 for file in files.values()]
    thoughts = opinions.summaries(videos)
    rows = []
    for entry in entries:
        file = files[entry.job.id]
        ours = {"file_name": names[entry.job.id], **_row(entry, file, template)}
        # Each column has one type, as Arrow tables require.
        theirs = {
            _column(name): None if one is None else str(one) for name, one in entry.differs.items()
        }
        rows.append(with_columns({**ours, **thoughts.get(file.sha256, {})}, theirs))
    _write_lines(folder / METADATA, rows)
    prompts = {files[entry.job.id].sha256: entry.job.request.prompt for entry in entries}
    places = {file.sha256: names[job] for job, file in files.items()}
    votes = opinions.votes(videos)
    _write_lines(folder / PREFERENCES, _preferences(votes, places, prompts))
    opinions.export(folder / VOTES, videos)
    (folder / "README.md").write_text(_card(rows, votes), encoding="utf-8")


def _column(name: str) -> str:
    """Return a safe name for a column of the user: `datasets` loads `*_file_name` as videos."""
    name = re.sub(r"file_name(s?)$", r"filename\1", name)
    return "row_video" if name == "video" else name


def _file_of(job: JobSnapshot) -> VideoFile:
    if job.file is None:
        raise InvalidRequest(f"{job.id} has no video: it is {job.status}.")
    return job.file


def _copy(file: VideoFile, target: Path) -> None:
    """Copy a video; votes refer to it by its hash, so a changed file is refused."""
    digest = hashlib.sha256()
    with Path(file.path).open("rb") as source, target.open("xb") as copy:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise InvalidRequest(f"{file.path} has changed since it was downloaded.")


def _row(entry: Entry, file: VideoFile, template: str | None) -> dict[str, Json]:
    job, request = entry.job, entry.job.request
    return {
        "id": job.id,
        "label": entry.label,
        "prompt": request.prompt,
        "template": template,
        "provider": job.provider,
        "model": request.model,
        "seconds": None if request.seconds is None else float(request.seconds),
        "size": request.size,
        "seed": request.seed,
        "extra": _text(request.extra),
        "varied": _text(entry.differs),
        "cost_usd": None if job.cost is None else float(job.cost),
        "created_at": _iso(job.created_at),
        "width": file.width,
        "height": file.height,
        "bytes": file.size,
        "sha256": file.sha256,
    }


def _text(value: Mapping[str, Json]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, sort_keys=True, default=str)


def _preferences(
    votes: Iterable[Vote], places: Mapping[str, str], prompts: Mapping[str, str]
) -> Iterator[dict[str, Json]]:
    """Return votes as pairs without ties, since a pair always prefers one side."""
    for vote in votes:
        if vote.winner == "tie":
            continue
        pair = (vote.left, vote.right)
        better, worse = pair if vote.winner == "left" else pair[::-1]
        same = prompts[better] == prompts[worse]
        yield {
            "prompt": prompts[better] if same else None,
            "chosen": places[better],
            "rejected": places[worse],
            "chosen_prompt": prompts[better],
            "rejected_prompt": prompts[worse],
            "who": vote.who,
            "when": _iso(vote.at),
        }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_lines(path: Path, rows: Iterable[Mapping[str, Json]]) -> None:
    # Lone surrogates, which are not valid UTF-8, are written as JSON escapes.
    with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _card(rows: Sequence[Mapping[str, Json]], votes: Sequence[Vote]) -> str:
    """Return the dataset card (https://huggingface.co/docs/hub/datasets-cards)."""
    makers = sorted({f"{row['provider']}, {row['model'] or 'default model'}" for row in rows})
    people = len({vote.who for vote in votes})
    lines = "\n".join(f"- {maker}" for maker in makers)
    return _CARD.format(
        videos=len(rows), makers=lines, votes=len(votes), people=people,
        metadata=METADATA, preferences=PREFERENCES, file=VOTES,
    )  # fmt: skip


_CARD = """---
task_categories:
- text-to-video
tags:
- video-preferences
- ipyreel
configs:
- config_name: default
  data_files:
  - {metadata}
  - videos/*
---

# Generated videos and preferences

Generated videos: {videos}. Votes on which of two is better: {votes}. People who voted: {people}.

Made by:

{makers}

- `{metadata}`: one line per video with its prompt and settings. `varied` has the fields that
  differ within the experiment, as JSON.
- `{preferences}`: one line per vote with `chosen` and `rejected`. Ties are only in `{file}`.

```python
datasets.load_dataset("FOLDER")                                        # the videos
datasets.load_dataset("json", data_files="FOLDER/{preferences}")  # the votes
ipyreel.load("FOLDER")                                                 # both, in a notebook
```

The names of voters are in `{preferences}` and `{file}`. Before you publish the videos, read the
terms of the services that made them.
"""


def read_dataset(
    folder: Path, *, now: float, known: Callable[[str, str], str | None]
) -> tuple[str | None, list[Entry]]:
    """Return the template and the entries of a folder that `write_dataset` wrote.

    The videos are not moved. `known` takes a video's job id in the folder and its SHA-256, and
    returns the id of its job in the library, or None. The folder is not trusted: raises
    `InvalidRequest` for anything that is not as it should be.
    """
    folder = folder.expanduser().absolute()
    rows = _read_rows(folder / METADATA)
    try:
        templates = {_string(row, "template") for row in rows}
        entries = [_entry(folder, row, now, known) for row in rows]
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequest(f"{folder / METADATA}: {error} is not as ipyreel writes it.") from None
    except OSError as error:
        raise InvalidRequest(f"{folder}: {error.filename}: {error.strerror}.") from error
    except DownloadError as error:
        raise InvalidRequest(f"{folder}: {error.message}") from error
    if len({entry.job.id for entry in entries}) != len(entries):
        raise InvalidRequest(f"{folder / METADATA} names a video twice.")
    template = templates.pop() if len(templates) == 1 else None
    return template, entries


def _read_rows(path: Path) -> list[Mapping[str, Json]]:
    lines = [line for line in read_bytes(path).splitlines() if line.strip()]
    if len(lines) > MOST_VIDEOS:
        raise InvalidRequest(f"{path} has more than {MOST_VIDEOS} videos.")
    rows: list[Mapping[str, Json]] = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InvalidRequest(f"{path}: line {number} is not a JSON object.")
        rows.append(row)
    return rows


def _entry(
    folder: Path,
    row: Mapping[str, Json],
    now: float,
    known: Callable[[str, str], str | None],
) -> Entry:
    path = _path_in(folder, row["file_name"])
    file = _look_at(path)
    told = row["id"] if isinstance(row["id"], str) and _ID.fullmatch(row["id"]) else new_id()
    provider = row["provider"]
    if not isinstance(provider, str) or not _PROVIDER.fullmatch(provider):
        raise ValueError("the name of a provider")
    fields = {
        name: read_field(name, row[name], "")
        for name in ("model", "seconds", "size", "seed")
        if row.get(name) is not None
    }
    request = VideoRequest(
        prompt=_string(row, "prompt") or "", extra=_object(row.get("extra")), **fields
    )
    created = _moment(row.get("created_at"), now)
    job = JobSnapshot(
        id=known(told, file.sha256) or told,
        provider=provider,
        request=request,
        status="completed",
        created_at=created,
        completed_at=created,
        target=file.path,
        # It was not sent from here: no limit counts it, and no server is asked about it.
        cost=Decimal(0),
        file=file,
    )
    return Entry(job=job, label=_string(row, "label") or "", differs=_object(row.get("varied")))


def _path_in(folder: Path, name: Json) -> Path:
    """Return the path of a file inside the folder; links that lead out of it are refused."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    if not parts or "\0" in str(name):
        raise ValueError("the name of a file")
    path = folder.joinpath(*parts)
    root = os.path.realpath(folder)
    if os.path.commonpath([root, os.path.realpath(path)]) != root:
        raise ValueError(f"{name!r}, which leads out of the folder,")
    return path


def _look_at(path: Path) -> VideoFile:
    # Checked before it is opened: opening a pipe would block.
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_VIDEO:
        raise ValueError(f"{path.name}, which is not a video file,")
    container = read_container(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return VideoFile(
        path=str(path),
        size=found.st_size,
        sha256=digest.hexdigest(),
        media_type=container.media_type,
        width=container.width,
        height=container.height,
        seconds=container.seconds,
    )


def _string(row: Mapping[str, Json], name: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} {value!r}"[:100])
    return value


def _object(text: Json) -> dict[str, Json]:
    found = json.loads(text) if isinstance(text, str) else None
    if not isinstance(found, dict):
        raise ValueError("a JSON object")  # noqa: TRY004 - the file's fault, not the caller's
    return found


def _moment(text: Json, now: float) -> float:
    moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return min(moment.timestamp(), now)
