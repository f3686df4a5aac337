"""Where the videos go, what they are called, and the `.json` that explains each.

Names hold letters, digits and `._-` only: Jupyter refuses to serve dot-folders, and `# ? %` in
a name break the links of a notebook. Letters of every script stay, since links encode them.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import secrets
import stat
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

from ipyreel.errors import StoreError
from ipyreel.values import JobSnapshot
from ipyreel.whole_file import whole_file

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no letters that look like digits."""

SLUG_BYTES = 60
"""Bytes of the prompt in a file's name; with date and id it stays far below the 255 of most
file systems."""

LATIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i"}
)
"""Latin letters that Unicode does not decompose."""

MAX_SIDECAR = 2**24
"""Bytes of a `.json` that is read to see whose it is."""


def new_id(choose: Callable[[str], str] = secrets.choice, *, kind: str = "v") -> str:
    """Make an id for a job: "v" and six characters, easy to read out and to type.

    Other things begin with another letter, their `kind`; a sweep with an "s".
    """
    return kind + "".join(choose(ALPHABET) for _ in range(6))


def slug(prompt: str) -> str:
    """Return the first words of a prompt for a file's name, in at most 60 bytes.

    Latin letters lose their accents, other scripts stay as they are. A first word that is too
    long, as prompts without blanks are, is cut at a letter.
    """
    text = ""
    for word in _words(unicodedata.normalize("NFKC", prompt[:400]).lower().translate(LATIN)):
        longer = f"{text}-{word}" if text else word
        if len(longer.encode()) > SLUG_BYTES:
            return text or _cut(word)
        text = longer
    return text or "video"


def _words(text: str) -> list[str]:
    found = ""
    for letter in text:
        kind = unicodedata.category(letter)
        if kind[0] == "M":  # a vowel sign, say; an accent of a Latin letter goes
            found += "" if found[-1:].isascii() else letter
        elif kind[0] in "LN":
            base = unicodedata.normalize("NFKD", letter)[0]
            found += base if base.isascii() else letter
        elif kind != "Cf":
            found += " "
    return found.split()


def _cut(word: str) -> str:
    """Return as many letters as fit, each with its marks."""
    text = word.encode()[:SLUG_BYTES].decode(errors="ignore")
    while text != word and text and unicodedata.category(word[len(text)])[0] == "M":
        text = text[:-1]
    return text


def target_path(folder: Path, *, prompt: str, job_id: str, created_at: float) -> Path:
    """Return the path of a job's file: `folder/date-slug-id.mp4`, the date in local time."""
    date = time.strftime("%Y-%m-%d", time.localtime(created_at))
    return folder / f"{date}-{slug(prompt)}-{job_id}.mp4"


def make_folder(target: Path) -> None:
    """Make the folder of a file that is to come; raises `StoreError` when it cannot be written.

    Asked before a request is sent, so that nobody pays for a video that has no place.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(target.parent, os.W_OK)
        reason = "it is read-only"
    except OSError as error:
        writable, reason = False, error.strerror or str(error)
    if not writable:
        raise StoreError(
            f"The folder {target.parent} cannot be written: {reason}.",
            hint="Choose another with --output, or %video use videos=FOLDER.",
        )


def sidecar_path(video: Path) -> Path:
    """Return where the explanation of a video lies."""
    return video.with_suffix(".json")


def write_sidecar(job: JobSnapshot) -> Path:
    """Write the `.json` beside a finished video, atomically, over an older one of the same job.

    Raises `StoreError` when the folder cannot be written, or something else has that name.
    """
    path = sidecar_path(Path(job.target))
    text = json.dumps(describe(job), indent=2, ensure_ascii=False, default=str)
    if path.exists() and not _explains(path, job):
        raise StoreError(f"{path} was there already and holds something else; it was left alone.")
    with whole_file(path) as part:
        # Lone surrogates, which are no UTF-8, come out as the escapes that JSON has for them.
        part.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    _remove_leftovers(path)
    return path


def _remove_leftovers(path: Path) -> None:
    """Remove what kernels that were killed while they wrote this file have left of it."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.{'[0-9a-f]' * 16}.part"):
        with contextlib.suppress(OSError):
            left.unlink()


def describe(job: JobSnapshot) -> dict[str, object]:
    """Return what a sidecar says of a job: plain JSON data, no key and no signed address."""
    return {
        "id": job.id,
        "remote_id": job.remote_id,
        "provider": job.provider,
        "model": job.request.model,
        "request": job.request.to_dict(),
        "created_at": _iso(job.created_at),
        "completed_at": _iso(job.completed_at),
        "estimate_usd": None if job.estimate is None else float(job.estimate),
        "cost_usd": None if job.cost is None else float(job.cost),
        "file": Path(job.file.path).name if job.file else None,
        "bytes": job.file.size if job.file else None,
        "sha256": job.file.sha256 if job.file else None,
    }


def _explains(path: Path, job: JobSnapshot) -> bool:
    try:
        # A pipe, a device or a bomb of brackets may be found there too.
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_SIDECAR:
            return False
        return bool(json.loads(path.read_text(encoding="utf-8"))["id"] == job.id)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _iso(moment: float | None) -> str | None:
    if moment is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
