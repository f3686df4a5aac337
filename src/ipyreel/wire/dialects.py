"""Describes what each server expects in a request: rows of data, used by `writer`.

The rows follow what was measured or read in the servers' sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from ipyreel.errors import ConfigError
from ipyreel.values import Json

SecondsKind = Literal["text", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What one kind of server expects in a request.

    Attributes
    ----------
    encoding
        The encoding of a request without a file; one with a file is always a form.
    seconds
        The fields that carry the length, each as text ("8") or as a number (8).
    whole_seconds
        Whether only whole seconds can be requested.
    size, images
        Names of an entry of `fields.SIZES` and of `fields.IMAGE_WAYS`.
    seed
        Where the seed goes: next to the prompt, into `metadata` ("container"), or nowhere
        because the server does not support it.
    container
        Where further fields go: "" next to the prompt, "metadata" or "provider.options".
    beside
        Names that stay next to the prompt although there is a container.
    known
        All further fields that the server supports, if it refuses any other.
    swallowed
        Further fields that the server ignores or must not be sent.
    upper
        Fields whose text is written in upper case.
    modes
        What `mode` is without images, with one, and with more.
    fixed
        Fields that are always sent.
    list_query
        The query that a list needs.
    models_path
        Where the server lists its models.
    gateway
        The name of the `offers.GATEWAYS` row for its prices and balances, if it has them.
    inline
        Whether the reply to a submission contains the finished video: there is no job to poll.
    key_header
        The header that carries the key ("Authorization": with "Bearer").
    """

    name: str
    encoding: Literal["json", "form"] = "json"
    seconds: tuple[tuple[str, SecondsKind], ...] = (("seconds", "text"),)
    whole_seconds: bool = False
    size: str = "size"
    images: str = "file"
    seed: Literal["beside", "container", "nowhere"] = "beside"
    container: Literal["", "metadata", "provider.options"] = ""
    beside: frozenset[str] = frozenset()
    known: frozenset[str] | None = None
    swallowed: frozenset[str] = frozenset()
    upper: frozenset[str] = frozenset()
    modes: tuple[str, ...] = ()
    fixed: Mapping[str, Json] = field(default_factory=dict)
    list_query: Mapping[str, str] = field(default_factory=dict)
    models_path: str = "/models"
    gateway: str = ""
    inline: bool = False
    key_header: str = "Authorization"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BOTH: tuple[tuple[str, SecondsKind], ...] = (("seconds", "text"), ("duration", "number"))
_DURATION: tuple[tuple[str, SecondsKind], ...] = (("duration", "number"),)
_SECONDS_NUMBER: tuple[tuple[str, SecondsKind], ...] = (("seconds", "number"),)

# The names of the request itself, which an extra field may override in its own place.
_CORE = _words("model prompt seconds duration size image images input_reference mode metadata")

# Listed by aiid's reference page as fields of their own.
_AIID = _CORE | _words(
    "aspect_ratio ratio quality resolution fps image_url image_urls reference_images "
    "end_image_url last_image_url video video_urls audio_urls function_mode content callback_url "
    "external_task_id parameters width height seed n response_format user generate_audio"
)

_OPENROUTER = _words(
    "model prompt duration size resolution aspect_ratio seed frame_images input_references "
    "generate_audio callback_url previous_job_id provider"
)

# VideoGenerationRequest, which forbids all others: NVIDIA/TensorRT-LLM
# tensorrt_llm/serve/openai_protocol.py at 0076e9390e1ed11515f149eec356f5a03f4a00d8.
_TRTLLM = _words(
    "prompt response_format format seed image_reference video_reference audio_reference "
    "input_reference size width height num_frames seconds frame_rate fps num_inference_steps "
    "guidance_scale max_sequence_length negative_prompt extra_params model"
)

_ROWS = (
    Dialect(name="openai", images="file or object", seed="nowhere"),
    Dialect(name="azure", images="file or object", seed="nowhere", key_header="api-key"),
    Dialect(name="apigo", seconds=_SECONDS_NUMBER, whole_seconds=True, seed="nowhere"),
    Dialect(name="apiyi", gateway="new-api", seed="nowhere"),
    Dialect(
        name="new-api",
        gateway="new-api",
        seconds=_BOTH,
        whole_seconds=True,
        images="image and images",
        container="metadata",
        beside=_CORE,
        seed="container",
    ),
    Dialect(
        name="aiid",
        gateway="new-api",
        seconds=_BOTH,
        whole_seconds=True,
        size="size and ratio",
        images="image and images",
        container="metadata",
        beside=_AIID,
    ),
    Dialect(
        name="litellm",
        gateway="litellm",
        swallowed=_words("metadata"),
        list_query=MappingProxyType({"custom_llm_provider": "openai"}),
    ),
    Dialect(
        name="sglang",
        seconds=_SECONDS_NUMBER,
        whole_seconds=True,
        images="file or reference_url",
        swallowed=_words("output_path variant"),
    ),
    Dialect(name="vllm-omni", encoding="form", whole_seconds=True, images="files or text"),
    Dialect(
        name="trtllm",
        seconds=_SECONDS_NUMBER,
        images="file or image_reference",
        # By default it may answer with an AVI, which no browser plays.
        fixed=MappingProxyType({"format": "mp4"}),
        known=_TRTLLM,
    ),
    Dialect(
        name="openrouter",
        gateway="openrouter",
        seconds=_DURATION,
        whole_seconds=True,
        size="size or resolution",
        images="frame_images",
        models_path="/videos/models",
        container="provider.options",
        beside=_OPENROUTER,
    ),
    Dialect(
        name="dynamo",
        seconds=_SECONDS_NUMBER,
        whole_seconds=True,
        images="text",
        # By default it may name a file on its own disk.
        fixed=MappingProxyType({"response_format": "b64_json"}),
        inline=True,
    ),
    Dialect(name="generic"),
    Dialect(name="demo", images="file or object"),
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType({row.name: row for row in _ROWS})
"""Every dialect by its name."""

_HAPPYHORSE: Mapping[str, Any] = {"seconds": _DURATION, "size": "size and metadata"}

SHAPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "sora": {"size": "size", "images": "file or text"},
        "grok": {
            "seconds": (("seconds", "text"),),
            "size": "ratio and RESOLUTION",
            "images": "reference_images",
            "upper": _words("resolution"),
        },
        "veo": {"seconds": _DURATION, "images": "image or images"},
        "omni": {
            "seconds": _DURATION,
            "images": "image or images",
            "modes": ("t2v", "r2v"),
            "fixed": MappingProxyType({"n": 1, "response_format": "url"}),
        },
        "seedance": {
            "seconds": _DURATION,
            "size": "size, named ratio and resolution",
            "images": "images",
        },
        "happyhorse": {
            **_HAPPYHORSE,
            "images": "image or images",
            "modes": ("t2v", "i2v", "r2v"),
        },
        "happyhorse-r2v": {**_HAPPYHORSE, "images": "images", "modes": ("r2v",)},
        "happyhorse-edit": {**_HAPPYHORSE, "images": "images", "modes": ("video_edit",)},
        "vidu": {
            "seconds": _DURATION,
            "size": "size, ratio and resolution",
            "images": "images",
        },
        "hailuo": {
            "seconds": _DURATION,
            "size": "size and RESOLUTION",
            "images": "image or images",
        },
    }
)
"""What the families of models change in the row of aiid.

grok, veo and omni follow a real client (sancedoknore-create/sanshiman
`src/services/providers/chuhaiyingVideo.ts`); the others follow the provider's page.
"""

_SHAPED = frozenset({"aiid"})


def dialect_named(name: str, shape: str = "") -> Dialect:
    """Return the row of a dialect, changed for a family of models if it has families.

    A family that is not in `SHAPES` changes nothing.

    Raises
    ------
    ConfigError
        No row has that name.
    """
    row = DIALECTS.get(name)
    if row is None:
        raise ConfigError(f"There is no dialect {name!r}. Known are {', '.join(DIALECTS)}.")
    changes = SHAPES.get(shape) if name in _SHAPED else None
    return replace(row, **changes) if changes else row
