"""Writes a request as the HTTP call that a server's dialect expects.

Fields that were not given are left out: no null, no "".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from ipyreel.errors import InvalidRequest
from ipyreel.values import FormPart, HttpCall, Image, Json, VideoRequest
from ipyreel.wire.dialects import DIALECTS, Dialect, SecondsKind, dialect_named
from ipyreel.wire.fields import IMAGE_WAYS, SIZES, Fields, file_part
from ipyreel.wire.urls import encode_id

LONGEST_NAME = 80
"""Most characters of the name of a character."""

_VIDEOS = "/videos"
_METADATA = "metadata"


def create_call(
    request: VideoRequest, dialect: str, *, as_form: bool = False, shape: str = ""
) -> HttpCall:
    """Return the call for a submission.

    The fields that `unsupported_fields` names are left out. Extra fields override ours of the
    same name.

    Parameters
    ----------
    request
        The request, complete: nothing is filled in here.
    dialect
        A name of `DIALECTS`.
    as_form
        Send a multipart form even without a file (some servers require one).
    shape
        The family of the model, if a gateway expects other fields for it (see `SHAPES`).

    Raises
    ------
    InvalidRequest
        The dialect cannot express it: an image by its URL if only files are accepted, too many
        images, a fraction of a second, a value that is not JSON.
    ConfigError
        No dialect has that name.
    """
    row = dialect_named(dialect, shape)
    form = as_form or row.encoding == "form"
    fields, files = _compose(request, row, form=form)
    _check_json(fields)
    if form or files:
        return _post_form(_VIDEOS, (*_parts(fields), *files))
    return HttpCall(method="POST", path=_VIDEOS, json=fields)


def needs_image_bytes(dialect: str) -> bool:
    """Return whether the dialect takes input images only as files, so a URL must be fetched."""
    return IMAGE_WAYS[dialect_named(dialect).images].needs_bytes


def unsupported_fields(request: VideoRequest, dialect: str) -> tuple[str, ...]:
    """Return the names of fields that are not sent, since the server refuses or ignores them."""
    row = dialect_named(dialect)
    names = [name for name, value in request.extra.items() if not _blank(value)]
    unknown = [name for name in names if not _allowed(name, row)]
    return (*(("seed",) if request.seed is not None and row.seed == "nowhere" else ()), *unknown)


def _allowed(name: str, row: Dialect) -> bool:
    return name not in row.swallowed and (row.known is None or name in row.known)


def _blank(value: Json) -> bool:
    return value is None or value == ""


def _compose(request: VideoRequest, row: Dialect, *, form: bool) -> Fields:
    """Return the fields in the order they are sent, and the files."""
    fields: dict[str, Json] = {"model": request.model, "prompt": request.prompt}
    fields |= _seconds(request.seconds, row)
    fields |= SIZES[row.size](request.size) if request.size else {}
    shown, files = _images(request.images, row, form=form)
    fields |= shown
    fields |= dict(row.fixed)
    if row.modes:
        fields["mode"] = row.modes[min(len(request.images), len(row.modes) - 1)]
    _place_extras(fields, request, row)
    for name in row.upper & fields.keys():
        fields[name] = str(fields[name]).upper()
    return {name: value for name, value in fields.items() if not _blank(value)}, files


def _seconds(seconds: float | None, row: Dialect) -> dict[str, Json]:
    if seconds is None:
        return {}
    if not math.isfinite(seconds) or seconds <= 0:
        raise InvalidRequest(f"seconds={seconds} is not a length of a video.")
    if row.whole_seconds and not float(seconds).is_integer():
        raise InvalidRequest(
            f"seconds={seconds:g}: this provider takes whole seconds.",
            hint=f"Ask for {math.floor(seconds) or 1} or {math.ceil(seconds)}.",
        )
    return {name: _spell(seconds, kind) for name, kind in row.seconds}


def _spell(seconds: float, kind: SecondsKind) -> str | float:
    value = int(seconds) if float(seconds).is_integer() else float(seconds)
    return f"{value}" if kind == "text" else value


def _images(images: tuple[Image, ...], row: Dialect, *, form: bool) -> Fields:
    if not images:
        return {}, ()
    way = IMAGE_WAYS[row.images]
    if way.most is not None and len(images) > way.most:
        raise InvalidRequest(
            f"{len(images)} input images were given, this provider takes {way.most}."
        )
    fields, files = way.show(images)
    if form and row.encoding == "json" and not files:
        # There, a form is read for files only, not for addresses and objects.
        return {}, tuple(file_part(image) for image in images)
    return fields, files


def _place_extras(fields: dict[str, Json], request: VideoRequest, row: Dialect) -> None:
    """Put the seed and the extra fields where the dialect expects them."""
    extra = {
        name: value
        for name, value in request.extra.items()
        if not _blank(value) and _allowed(name, row)
    }
    inside = {name: extra.pop(name) for name in list(extra) if _goes_inside(name, row)}
    if request.seed is not None and row.seed == "container":
        fields[_METADATA] = {**fields.get(_METADATA, {}), "seed": request.seed}
    elif request.seed is not None and row.seed == "beside":
        fields["seed"] = request.seed
    whole = extra.pop(_METADATA, None) if row.container == _METADATA else None
    fields.update(extra)
    if row.container == _METADATA:
        _into_metadata(fields, whole, inside)
    elif inside:
        _into_options(fields, inside)


def _goes_inside(name: str, row: Dialect) -> bool:
    return bool(row.container) and name not in row.beside


def _into_metadata(fields: dict[str, Json], whole: Json, inside: dict[str, Json]) -> None:
    """Merge the user's own `metadata` and the fields for it into the existing one."""
    if whole is not None and not isinstance(whole, Mapping):
        raise InvalidRequest(
            f"metadata must be an object, not {type(whole).__name__}.",
            hint='Write it as {"name": value}.',
        )
    merged = {**fields.get(_METADATA, {}), **(whole or {}), **inside}
    if merged:
        fields[_METADATA] = merged


def _into_options(fields: dict[str, Json], inside: dict[str, Json]) -> None:
    """Put fields that OpenRouter does not document into `provider.options`."""
    given = fields.get("provider")
    provider = dict(given) if isinstance(given, Mapping) else {}
    options = provider.get("options")
    provider["options"] = {**inside, **(options if isinstance(options, Mapping) else {})}
    fields["provider"] = provider


def _check_json(fields: Mapping[str, Json]) -> None:
    bad = next((name for name, value in fields.items() if not _is_json(value)), None)
    if bad is not None:
        raise InvalidRequest(f"The value of {bad} cannot be written as JSON.")


def _is_json(value: Json) -> bool:
    """Return whether a value can be sent: no NaN, no Python object, no invalid text."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _parts(fields: Mapping[str, Json]) -> Iterable[FormPart]:
    return (FormPart(name=name, value=_as_text(value)) for name, value in fields.items())


def _as_text(value: Json) -> str:
    """Return a value as a field of a form: objects and lists as JSON text."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _post_form(path: str, parts: tuple[FormPart, ...]) -> HttpCall:
    return HttpCall(method="POST", path=path, form=parts)


def _job_path(remote_id: str, tail: str = "") -> str:
    return f"{_VIDEOS}/{encode_id(remote_id)}{tail}"


def retrieve_call(remote_id: str, polling_url: str | None = None) -> HttpCall:
    """Return the call for one poll of a job; `polling_url`, if given, replaces its URL.

    Pass it only if it is on the API's own origin (`same_origin`): the key is sent there.
    """
    return HttpCall(method="GET", path=polling_url or _job_path(remote_id))


def content_call(remote_id: str, *, variant: str | None = None) -> HttpCall:
    """Return the call for the file; `variant` only if given: SGLang answers it with 404."""
    query = {"variant": variant} if variant else {}
    return HttpCall(method="GET", path=_job_path(remote_id, "/content"), query=query)


def list_call(limit: int = 20, after: str | None = None, *, dialect: str = "generic") -> HttpCall:
    """Return the call for one page of jobs, the newest first."""
    query = {"limit": str(limit), **dialect_named(dialect).list_query}
    if after:
        query["after"] = after
    return HttpCall(method="GET", path=_VIDEOS, query=query)


def models_call(dialect: str = "generic") -> HttpCall:
    """Return the call for the models that the server offers to this key."""
    return HttpCall(method="GET", path=dialect_named(dialect).models_path)


def delete_call(remote_id: str) -> HttpCall:
    """Return the call to delete a job; the server decides whether its work also stops."""
    return HttpCall(method="DELETE", path=_job_path(remote_id))


def remix_call(remote_id: str, prompt: str) -> HttpCall:
    """Return the call for a finished video with another prompt."""
    return HttpCall(method="POST", path=_job_path(remote_id, "/remix"), json={"prompt": prompt})


def chain_call(request: VideoRequest) -> HttpCall:
    """Return the call for a video made from a finished one; `request.chain` says how."""
    how, source = request.chain or ("", "")
    if how == "remix":
        return remix_call(source, request.prompt)
    if how == "edit":
        return edit_call(request.prompt, video=source)
    if how == "extend":
        return extension_call(request.prompt, video=source, seconds=request.seconds)
    raise InvalidRequest("The request is not based on another video.")


def edit_call(prompt: str, *, video: str | FormPart) -> HttpCall:
    """Return the call to change a video: the id of a finished one, or a file part."""
    return _with_video("edits", {"prompt": prompt}, video)


def extension_call(prompt: str, *, video: str | FormPart, seconds: float | None = None) -> HttpCall:
    """Return the call to continue a video by `seconds` (as text: "8")."""
    fields = {"prompt": prompt, **_seconds(seconds, DIALECTS["openai"])}
    return _with_video("extensions", fields, video)


def _with_video(route: str, fields: dict[str, Json], video: str | FormPart) -> HttpCall:
    path = f"{_VIDEOS}/{route}"
    if isinstance(video, FormPart):
        return _post_form(path, (*_parts(fields), video))
    return HttpCall(method="POST", path=path, json={**fields, "video": {"id": video}})


def character_call(name: str, video: FormPart) -> HttpCall:
    """Return the call for a character from a video; raises `InvalidRequest` for the name."""
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidRequest(f"A character's name has 1 to {LONGEST_NAME} characters.")
    return _post_form(f"{_VIDEOS}/characters", (FormPart(name="name", value=name), video))
