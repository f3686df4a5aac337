"""The fields of the form; their choices depend on the provider and model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ipyreel.catalog import Catalog, Model, Provider
from ipyreel.errors import InvalidRequest
from ipyreel.images import read_image
from ipyreel.media import thumbnail
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import element
from ipyreel.notebook.panels.panel import Choice, bar, button, hint_html, typed, webp_uri
from ipyreel.sweeps import read_field
from ipyreel.values import NOTHING, Image, Json, VideoRequest

MOST = 20
"""Jobs that one Submit may send at most, to limit what a typing error can cost."""


class Fields(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The fields of the form; `on_change` is called when any of them changes."""

    def __init__(self, catalog: Catalog, on_change: Callable[[Any], None]) -> None:
        self._catalog = catalog
        auto = widgets.Layout(width="auto")
        self.provider = widgets.Dropdown(
            description="Provider",
            options=[(f"{row.title}", name) for name, row in catalog.providers.items()],
            layout=auto,
        )
        self.model = widgets.Combobox(description="Model", ensure_option=False, layout=auto)
        self.prompt = widgets.Textarea(
            description="Prompt",
            placeholder="Describe the video (Ctrl+Enter submits)",
            rows=4,
            layout=auto,
        )
        self.size, self.seconds = Choice("Size"), Choice("Seconds")
        self.seed = widgets.Text(description="Seed", placeholder="any", layout=auto)
        self.count = widgets.BoundedIntText(description="Videos", value=1, min=1, max=MOST)
        self.count.layout.width = "auto"
        self.pictures = Pictures(on_change)
        self.extra = widgets.Textarea(
            description="Extra fields (JSON)", placeholder='{"style": "anime"}', rows=2
        )
        self.extra.layout.width = "auto"
        self.help = widgets.HTML()
        self.prompt.add_class("ipyreel-sends")
        self.extra.add_class("ipyreel-code")
        prompt, extra = typed(self.prompt), typed(self.extra)
        for field in (prompt, self.pictures, extra, self.help):
            field.add_class("ipyreel-wide")
        in_tab_order = (
            self.provider, typed(self.model), prompt, self.size, self.seconds, typed(self.seed),
            self.count, self.pictures, extra, self.help,
        )  # fmt: skip
        super().__init__(in_tab_order, _dom_classes=("ipyreel-fields",))
        for field in (self.provider, self.model, self.prompt, self.seed, self.count, self.extra):
            field.observe(on_change, "value")
        for choice in (self.size, self.seconds):
            choice.watch(on_change)

    # ---- what may be chosen -------------------------------------------------------------

    @property
    def row(self) -> Provider:
        """The chosen provider."""
        return self._catalog.provider(self.provider.value)

    def follow(self, model: Model | None, defaults: Mapping[str, Any]) -> str:
        """Offer what the model accepts; return a sentence on a choice that was removed.

        `defaults` are the session's: model, size and seconds; None if not set.
        """
        row = self.row
        self.model.options = self._catalog.model_names(row)
        self.model.placeholder = (
            defaults.get("model") or row.default_model or f"chosen by {row.name}"
        )
        sizes = model.sizes_at(row) if model else ()
        size = defaults.get("size") or (model.default_size if model else None)
        free = model is None or not sizes or model.open_sizes
        lost = [self.size.offer(sizes, free=free, default=_default(size))]
        lost.append(self._follow_seconds(model, defaults.get("seconds")))
        self.pictures.allow(model.images if model else None)
        self.help.value = _extra_help(model)
        gone = [
            f"{what} {value}" for what, value in zip(("size", "length"), lost, strict=True) if value
        ]
        return f"{model.name} does not support {' or '.join(gone)}." if model and gone else ""

    def _follow_seconds(self, model: Model | None, usual: float | None) -> str:
        lengths = model.seconds_at(self.row) if model else None
        usual = usual or (model.default_seconds if model else None)
        default = _default(None if usual is None else f"{usual:g}")
        if model and lengths is None and model.seconds_range:
            default = "{:g} to {:g}".format(*model.seconds_range) + f", {default}"
        offers = [f"{one:g}" for one in lengths or ()]
        return self.seconds.offer(offers, free=lengths is None, default=default)

    # ---- reading and writing ------------------------------------------------------------

    def request(self) -> VideoRequest:
        """Return the request; raises `InvalidRequest` for a field that cannot be read."""
        return VideoRequest(
            prompt=self.prompt.value.strip(),
            model=self.model.value.strip() or None,
            seconds=_read("seconds", self.seconds.value),
            size=self.size.value.lower().replace("×", "x").replace(" ", "") or None,
            seed=_read("seed", self.seed.value.strip()),
            images=self.pictures.images,
            extra=_extra(self.extra.value),
        )

    def fill(self, request: VideoRequest, provider: str) -> str:
        """Fill the fields from a request; return a sentence on what could not be filled in."""
        if provider in self._catalog.providers:
            self.provider.value = provider
        self.model.value = request.model or ""
        self.prompt.value = request.prompt
        self.size.value = request.size or ""
        self.seconds.value = "" if request.seconds is None else f"{request.seconds:g}"
        self.seed.value = "" if request.seed is None else str(request.seed)
        self.extra.value = json.dumps(dict(request.extra), indent=1) if request.extra else ""
        return self.pictures.fill(request.images)


def _default(value: str | None) -> str:
    return f"default ({value.replace('x', '×')})" if value else "default"


def _extra_help(model: Model | None) -> str:
    if model is None or not model.extra:
        return ""
    parts: list[Any] = [f"{model.name} knows: "]
    for name, text in model.extra.items():
        parts += [element("code", name), f" {text}; "]
    return hint_html(*parts)


def _read(name: str, text: str) -> Any:
    return read_field(name, text, "") if text else None


def _extra(text: str) -> Mapping[str, Json]:
    if not text.strip():
        return NOTHING
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"Extra fields: not valid JSON ({error}).") from None
    if not isinstance(found, dict):
        raise InvalidRequest('Extra fields: give a JSON object, such as {"style": "anime"}.')
    return found


class Pictures(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The input images: upload, thumbnails, and a button that removes them."""

    def __init__(self, on_change: Callable[[Any], None]) -> None:
        self.images: tuple[Image, ...] = ()
        self._tell = on_change
        self.upload = widgets.FileUpload(description="Add images", accept="image/*", multiple=True)
        self._clear = button("Remove images", "", lambda _button: self._set(()))
        self._clear.disabled = True
        self._preview = widgets.HTML()
        super().__init__((bar(self.upload, self._clear, self._preview),))

    def allow(self, bounds: tuple[int, int] | None) -> None:
        """Offer the upload if the model takes images; (least, most), None: not known."""
        none = bounds is not None and bounds[1] == 0
        self.upload.disabled = none
        self.upload.tooltip = "This model takes no image" if none else "Images to start from"
        self.upload.description = "No images" if none else "Add images"

    def fill(self, images: tuple[Image, ...]) -> str:
        """Set the images of an older request; those that are files are read again."""
        found = [_read_again(image) for image in images]
        self._set(tuple(image for image in found if image is not None))
        gone = [old.source for old, new in zip(images, found, strict=True) if new is None]
        return f"The library does not store images; add again: {', '.join(gone)}." if gone else ""

    def take(self, uploads: Sequence[Mapping[str, Any]]) -> None:
        """Add the uploads; raises `InvalidRequest` for a file that is not an image."""
        if not uploads:
            return
        try:
            new = tuple(_image(item) for item in uploads)
        finally:
            # Emptied, so that a file can be chosen again after it was removed.
            self.upload.value = ()
        self._set((*self.images, *new))

    def _set(self, images: tuple[Image, ...]) -> None:
        self.images = images
        self._clear.disabled = not images
        self._preview.value = element(
            "div", *map(_thumb, images), class_="ipyreel-thumbs", role="group",
            aria_label=f"{len(images)} images" if images else None,
        ) if images else ""  # fmt: skip
        self._tell({"name": "images", "new": images})


def _read_again(image: Image) -> Image | None:
    if image.data or image.url:
        return image
    try:
        return read_image(image.source)
    except InvalidRequest:
        return None


def _image(item: Mapping[str, Any]) -> Image:
    try:
        image = read_image(bytes(item["content"]))
    except InvalidRequest:
        raise InvalidRequest(
            f"{item['name']} is not a PNG, JPEG, WebP or GIF image; it was not added."
        ) from None
    ending = Path(image.filename).suffix
    stem = Path(job_text.one_line(item["name"])).stem or "image"
    return replace(image, source=item["name"], filename=f"{stem}{ending}")


def _thumb(image: Image) -> Any:
    small = thumbnail(image.data) if image.data else None
    if small is None:
        return element("span", job_text.one_line(image.source, 40))
    return element("img", src=webp_uri(small), alt=image.source, title=image.source)
