"""Names and writes the files of a job: its video, and the `.json` that describes it.

Names have letters, digits and `._-` only: Jupyter does not serve dot-folders, and `# ? %` in
a name break the links of a notebook. Letters of every script are kept, since links encode them.
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
"""How many bytes of a `.json` are read to see which job it describes."""


def new_id(choose: Callable[[str], str] = secrets.choice, *, kind: str = "v") -> str:
    """Return a new id for a job: "v" and six characters, easy to read aloud and to type.

    Other things begin with another letter, their `kind`; a sweep with an "s".
    """
    return kind + "".join(choose(ALPHABET) for _ in range(6))


def slug(prompt: str) -> str:
    """Return the first words of a prompt for a file's name, in at most 60 bytes.

    Latin letters lose their accents, other scripts are not changed. A first word that is too
    long, as in a prompt without blanks, is cut at a letter.
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
        if kind[0] == "M":  # such as a vowel sign; accents of Latin letters are dropped
            found += "" if found[-1:].isascii() else letter
        elif kind[0] in "LN":
            base = unicodedata.normalize("NFKD", letter)[0]
            found += base if base.isascii() else letter
        elif kind != "Cf":
            found += " "
    return found.split()


def _cut(word: str) -> str:
    """Return as many letters as fit, each with its combining marks."""
    text = word.encode()[:SLUG_BYTES].decode(errors="ignore")
    while text != word and text and unicodedata.category(word[len(text)])[0] == "M":
        text = text[:-1]
    return text


def target_path(folder: Path, *, prompt: str, job_id: str, created_at: float) -> Path:
    """Return the path of a job's file: `folder/date-slug-id.mp4`, the date in local time."""
    date = time.strftime("%Y-%m-%d", time.localtime(created_at))
    return folder / f"{date}-{slug(prompt)}-{job_id}.mp4"


def make_folder(target: Path) -> None:
    """Create the folder of a future file; raises `StoreError` if it cannot be written.

    Called before a request is sent, so that nobody pays for a video that cannot be saved.
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
    """Return the path of the `.json` that describes a video."""
    return video.with_suffix(".json")


def write_sidecar(job: JobSnapshot) -> Path:
    """Write the `.json` next to a finished video, atomically; replaces an older one of the job.

    Raises `StoreError` if the folder cannot be written, or another file has that name.
    """
    path = sidecar_path(Path(job.target))
    text = json.dumps(describe(job), indent=2, ensure_ascii=False, default=str)
    if path.exists() and not _explains(path, job):
        raise StoreError(f"{path} exists and has other content; it was not changed.")
    with whole_file(path) as part:
        # Lone surrogates, which are not valid UTF-8, are written as JSON escapes.
        part.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    _remove_leftovers(path)
    return path


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of kernels that were killed while they wrote this file."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.{'[0-9a-f]' * 16}.part"):
        with contextlib.suppress(OSError):
            left.unlink()


def describe(job: JobSnapshot) -> dict[str, object]:
    """Return the content of a sidecar: plain JSON data, without keys and signed URLs."""
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
        # It may also be a pipe, a device, or brackets nested to break the parser.
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
