"""Requests from stored JSON, and calls as JSON for comparison."""

from ipyreel.values import Image, VideoRequest


def request_from(stored):
    images = tuple(
        Image(
            source=item.get("url", "photo.jpg"),
            data=item["data"].encode() if "data" in item else None,
            url=item.get("url"),
            media_type=item.get("media_type", "image/jpeg"),
            filename=item.get("filename", "photo.jpg"),
        )
        for item in stored.get("images", ())
    )
    return VideoRequest(**{**stored, "images": images})


def render(call):
    shown = {"method": call.method, "path": call.path}
    if call.query:
        shown["query"] = dict(call.query)
    if call.json is not None:
        shown["json"] = call.json
    if call.form is not None:
        shown["form"] = [_part(part) for part in call.form]
    return shown


def _part(part):
    if part.filename is None:
        return [part.name, part.value]
    return [part.name, part.value.decode(), part.filename, part.media_type]
