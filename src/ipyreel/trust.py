"""Decides what an `ipyreel.toml` next to a notebook may change before the user approves it.

A folder may come from anyone. Until it is approved, only an allow list of its file is used:
facts that can only make ipyreel refuse more or estimate more, and servers on this machine that
get no key. Approvals are kept outside the folder, by its path and a hash of everything else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ipyreel.errors import ConfigError, StoreError
from ipyreel.settings import LIMITS, TOML_NAME, Toml, read_toml
from ipyreel.whole_file import whole_file

APPROVALS = "trusted.json"
"""The file in the user's configuration folder that has the approvals."""

VARIABLE = "IPYREEL_TRUST"
"""Lists trusted folders, separated as in `PATH`: for machines that nobody types on."""

MODEL_FACTS = frozenset(
    {
        "title",
        "notes",
        "ratios",
        "seconds",
        "seconds_range",
        "sizes",
        "seconds_by_provider",
        "sizes_by_provider",
    }
)
"""Keys of a model's row that only change what is refused and shown."""

NEW_MODEL_FACTS = MODEL_FACTS | {"providers", "default_seconds", "default_size"}

PROVIDER_FACTS = frozenset({"title", "note"})

LOCAL_FACTS = PROVIDER_FACTS | {
    "base_url",
    "billing",
    "content",
    "default_model",
    "dialect",
    "models",
    "routes",
    "site",
}
"""Allowed keys of a new provider's row on this machine; with any other key, it is ignored."""

Found = Iterator[tuple[tuple[str, ...], Any]]


@dataclass(slots=True, kw_only=True)
class Trust:
    """Which folders are trusted; `built_in` are the names of the rows shipped with ipyreel.

    `file` has the approvals: real path of a folder -> hash of what was approved, and provider
    -> the origin that the user set. `ignored` names what is ignored in the file read last,
    `notes` says so in a sentence.
    """

    file: Path = Path(APPROVALS)
    folders: frozenset[str] = frozenset()
    built_in: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        config_dir: Path,
        built_in: Mapping[str, frozenset[str]],
    ) -> Trust:
        """Return the trust of this user; `built_in` maps "providers" and "models" to names."""
        named = environ.get(VARIABLE, "").split(os.pathsep)
        folders = frozenset(os.path.realpath(Path(one).expanduser()) for one in named if one)
        return cls(file=config_dir / APPROVALS, folders=folders, built_in=built_in)

    def accept(self, toml: Toml, before: Sequence[Toml]) -> Toml:
        """Return the trusted part of a folder's file, and put the rest into `ignored`.

        `before` are the files of the machine and the user: their rows are not new, either.
        """
        self._know(before)
        refused = dict(self._refused(toml.data))
        folder = _folder_of(toml)
        self.ignored, self.notes = (), ()
        if folder in self.folders or self._kept("folders").get(folder) == _hash(refused):
            return toml
        if refused:
            self.ignored = tuple(_printable(".".join(keys), 60) for keys in refused)
            self.notes = (_sentence(toml.path, self.ignored),)
        return replace(toml, data=_without(toml.data, list(refused)), trusted=False)

    def approve(self, folder: Path, before: Sequence[Toml]) -> list[str]:
        """Approve a folder's file as it is now; return what it changes, line by line.

        `before` is as for `accept`. Raises `ConfigError` if the file cannot be read,
        `StoreError` if the approval cannot be written.
        """
        path = folder / TOML_NAME
        if not path.is_file():
            raise ConfigError(f"{folder} has no {TOML_NAME}, so there is nothing to trust.")
        toml = read_toml(path)
        self._know(before)
        refused = dict(self._refused(toml.data))
        self._keep("folders", _folder_of(toml), _hash(refused))
        return [
            _printable(f"{'.'.join(keys)} = {_json(value)}", 200) for keys, value in refused.items()
        ]

    def _know(self, tomls: Sequence[Toml]) -> None:
        known = {}
        for kind, names in self.built_in.items():
            tables = (toml.data.get(kind) for toml in tomls)
            known[kind] = names.union(*(one for one in tables if isinstance(one, Mapping)))
        self._known = known

    def origin_of(self, provider: str) -> str | None:
        """Return the origin that the user set last for a provider: its key may go there."""
        url = self._kept("origins").get(provider)
        return url if isinstance(url, str) else None

    def remember_origin(self, provider: str, base_url: str) -> None:
        """Store the origin that the user set for a provider, so that new kernels resume its jobs.

        An `http` address is not stored, but removes the stored one: in another network, or after
        a restart, another server may answer there.
        """
        parts = urlsplit(base_url.strip())
        kept = f"https://{parts.netloc}" if parts.scheme == "https" else None
        with suppress(StoreError):  # the user can set it again
            if kept != self._kept("origins").get(provider):
                self._keep("origins", provider, kept)

    def _keep(self, kind: str, name: str, value: str | None) -> None:
        kept = {one: self._kept(one) for one in ("folders", "origins")}
        write_private(self.file, json.dumps({**kept, kind: {**kept[kind], name: value}}, indent=1))

    def _kept(self, kind: str) -> dict[str, Any]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))[kind]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _refused(self, data: Mapping[str, Any]) -> Found:
        """Yield the keys that need an approval, with their values, in the order of the file."""
        for name, value in data.items():
            if name == "models" and isinstance(value, Mapping):
                yield from self._refused_models(value)
            elif name == "providers" and isinstance(value, Mapping):
                yield from self._refused_providers(value)
            elif name not in LIMITS:
                # The smallest limit of all layers applies, so a folder can only lower one.
                yield (name,), value

    def _refused_models(self, rows: Mapping[str, Any]) -> Found:
        for name, row in rows.items():
            new = name not in self._known.get("models", ())
            allowed = (NEW_MODEL_FACTS if new else MODEL_FACTS) | {"prices"}
            if not isinstance(row, Mapping):
                yield ("models", name), row
                continue
            yield from ((("models", name, key), row[key]) for key in row if key not in allowed)

    def _refused_providers(self, rows: Mapping[str, Any]) -> Found:
        for name, row in rows.items():
            if not isinstance(row, Mapping):
                yield ("providers", name), row
            elif name in self._known.get("providers", ()):
                bad = (key for key in row if key not in PROVIDER_FACTS)
                yield from ((("providers", name, key), row[key]) for key in bad)
            elif not _is_local(row):
                yield ("providers", name), row


def _sentence(path: str, ignored: Sequence[str]) -> str:
    """Return a line that says what is ignored and how to approve it."""
    some = ", ".join(ignored[:4]) + (", ..." if len(ignored) > 4 else "")  # noqa: PLR2004
    verb = "is" if len(ignored) == 1 else "are"
    return f"{path} is not trusted yet: {some} {verb} ignored. %video trust approves it."


def _is_local(row: Mapping[str, Any]) -> bool:
    """Return whether a new row is a server on this machine that gets no key."""
    url = row.get("base_url")
    if not set(row) <= LOCAL_FACTS or not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.username or parts.password:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        # "localhost" is this machine (RFC 6761); how names below it resolve depends on the system.
        return host == "localhost"


def _without(data: Mapping[str, Any], refused: list[tuple[str, ...]]) -> dict[str, Any]:
    """Return a copy without the refused keys; its prices can only raise an estimate."""
    copy: dict[str, Any] = json.loads(json.dumps(data, default=_plain))
    for *tables, key in refused:
        table = copy
        for name in tables:
            table = table[name]
        del table[key]
    models = copy.get("models", {})
    for row in models.values() if isinstance(models, dict) else ():
        if isinstance(row, dict) and "prices" in row:
            row["least_prices"] = row.pop("prices")
    return copy


def _plain(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _hash(refused: Mapping[tuple[str, ...], Any]) -> str:
    """Return the hash of what an approval covers: equal for equal values in any order."""
    rows = sorted(([list(keys), value] for keys, value in refused.items()), key=lambda row: row[0])
    text = json.dumps(rows, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _folder_of(toml: Toml) -> str:
    return os.path.realpath(Path(toml.path).parent)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _printable(text: str, most: int) -> str:
    """Return a text from an untrusted file on one line, without control characters."""
    line = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, replacing an older one; raises `StoreError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"Could not write {path}: {error.strerror or error}.") from error
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
