"""OpenAI's own API as it was, Azure's copy of it, LiteLLM's proxy, and OpenRouter.

Sources: openai/openai-openapi `openapi.yaml` paths /videos* (OAS); learn.microsoft.com, Azure
AI Foundry video generation; litellm 1.109.1; openrouter 1.3.84 on PyPI.
"""

from __future__ import annotations

import base64
import struct

from starlette.responses import JSONResponse, Response

from tests.dialects.fakes.base import FILM, KEY, START, Asked, Fake, No, read, words

SORA_SECONDS = ("4", "8", "12", "16", "20")  # OAS: 4 8 12; the guide also 16 and 20 [D]
SORA_SIZES = ("720x1280", "1280x720", "1024x1792", "1792x1024")  # OAS
SIBLINGS = {  # OAS
    "remix": {"prompt"},
    "edits": {"prompt", "video"},
    "extensions": {"prompt", "video", "seconds"},
    "characters": {"name", "video"},
}
IMAGES = ("image/jpeg", "image/png", "image/webp")  # OAS
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L" + bytes(18)
JPEG = b"\xff\xd8\xff\xe0" + bytes(60)


def png_size(data):
    return "{}x{}".format(*struct.unpack(">II", data[16:24]))


class OpenAI(Fake):
    """api.openai.com as it was until 2026-09-24."""

    name = provider = "openai"
    ask = {"model": "sora-2", "seconds": 8, "size": "1280x720"}  # noqa: RUF012
    failure = "Your request was blocked by our moderation system."
    known = frozenset({"model", "prompt", "seconds", "size", "input_reference"})
    models = ("sora-2", "sora-2-pro")

    def check(self, asked):
        # OAS: additionalProperties are refused by name.
        for name in (*asked.fields, *asked.files):
            if name not in self.known:
                raise self.refuse(400, f"Unknown parameter: '{name}'.", param=name)
        if "prompt" not in asked.fields:
            raise self.refuse(400, "Missing required parameter: 'prompt'.", param="prompt")
        self.check_model(asked)
        self.check_seconds(asked)
        size = asked.fields.get("size", SORA_SIZES[0])
        if size not in SORA_SIZES:
            raise self.refuse(400, f"Invalid value: '{size}'.", param="size")
        self.check_image(asked, size)

    def check_model(self, asked):
        if asked.fields.get("model", "sora-2") not in self.models:
            raise self.refuse(400, "Invalid value for 'model'.", param="model")

    def check_seconds(self, asked):
        seconds = asked.fields.get("seconds", "4")
        if not isinstance(seconds, str):  # THU-MAIC/OpenMAIC#98 [I]
            raise self.refuse(
                400,
                "Invalid type for 'seconds': expected one of '4', '8', or '12', but got "
                f"{asked.kind('seconds')} instead.",
                param="seconds",
                code="invalid_type",
            )
        if seconds not in SORA_SECONDS:
            raise self.refuse(400, f"Invalid value: '{seconds}'.", param="seconds")

    def check_image(self, asked, size):
        given = asked.fields.get("input_reference")
        if given is not None and asked.is_form:  # chatfire-AI/huobao-drama#49 [I]
            raise self._wrong_image("expected a file, but got a string instead.")
        if given is not None and not isinstance(given, dict):  # lobehub/lobehub#14891 [I]
            kind = asked.kind("input_reference")
            raise self._wrong_image(f"expected an object, but got {kind} instead.")
        if given is not None and set(given) not in ({"image_url"}, {"file_id"}):  # OAS
            raise self._wrong_image("expected image_url or file_id.")
        for data, media_type in asked.files.get("input_reference", ()):
            if media_type not in IMAGES or data[:8] != START[:8]:
                raise self.refuse(400, f"Unsupported mimetype '{media_type}'.")
            if png_size(data) != size:  # MicrosoftLearning/mslearn-ai-vision#78 [I]
                raise self.refuse(400, "Inpaint image must match the requested width and height")

    def _wrong_image(self, text):
        message = f"Invalid type for 'input_reference': {text}"
        return self.refuse(400, message, param="input_reference", code="invalid_type")

    def job(self, job, state):
        asked = job.asked.fields
        error = {"code": "moderation_blocked", "message": self.failure}
        return {
            "id": job.id,
            "object": "video",
            "model": asked.get("model", "sora-2"),
            "status": state,
            "progress": {"queued": 0, "in_progress": 45}.get(state, 100),
            "created_at": 1764347090,
            "completed_at": 1764347190 if state == "completed" else None,
            "expires_at": 1764350690 if state == "completed" else None,
            "error": error if state == "failed" else None,
            "prompt": asked["prompt"],
            "seconds": asked.get("seconds", "4"),
            "size": asked.get("size", "720x1280"),
            "remixed_from_video_id": None,
        }

    def film(self, request, job):
        variant = request.query_params.get("variant", "video")
        if variant == "thumbnail":
            return Response(WEBP, media_type="image/webp")
        if variant == "spritesheet":
            return Response(JPEG, media_type="image/jpeg")
        return super().film(request, job)

    async def other(self, request, parts):
        tail = parts[-1]
        if parts == ["models"] and request.method == "GET":
            rows = [{"id": name, "object": "model"} for name in ("gpt-5", *self.models)]
            return JSONResponse({"object": "list", "data": rows})
        if parts == ["videos"] and request.method == "GET":
            return self.list(request)
        if request.method == "DELETE" and len(parts) == 2 and tail in self.jobs:
            job = self.jobs.pop(tail)
            return JSONResponse({"id": job.id, "object": "video.deleted", "deleted": True})
        if request.method == "POST" and parts[0] == "videos" and tail in SIBLINGS:
            if tail == "remix" and parts[1] not in self.jobs:
                raise self.unknown(parts[1])
            return self.sibling(await read(request), tail)
        raise self.unknown(tail)

    def sibling(self, asked, route):
        """Take what comes out of a video: `video` is {"id"} or a file (OAS)."""
        known, given = SIBLINGS[route], {*asked.fields, *asked.files}
        if route == "characters":
            return self.character(asked)
        if given - known or not known - {"seconds"} <= given:
            raise self.refuse(400, f"Invalid parameters: {sorted(given)}")
        video = asked.fields.get("video")
        if video is not None and (not isinstance(video, dict) or set(video) != {"id"}):
            raise self.refuse(400, "Invalid type for 'video': expected an object.")
        for data, media_type in asked.files.get("video", ()):
            if data != FILM or media_type != "video/mp4":
                raise self.refuse(400, "The video could not be read.")
        self.check_seconds(asked)
        return self.created(self.add(Asked({"model": "sora-2", **asked.fields})))

    def character(self, asked):
        """Take multipart with a name of 1 to 80 characters and a video file (OAS)."""
        name = asked.fields.get("name", "")
        if not asked.is_form or not 1 <= len(name) <= 80 or list(asked.files) != ["video"]:
            raise self.refuse(400, "Invalid parameters.")
        return JSONResponse({"id": "char_1", "name": name, "created_at": 1764347090})

    def list(self, request):
        limit = int(request.query_params.get("limit", 20))
        if not 0 <= limit <= 100:  # OAS
            raise self.refuse(400, "Invalid 'limit'.", param="limit")
        rows = [self.job(job, self.state(job)) for job in reversed(self.jobs.values())]
        ids = [row["id"] for row in rows]
        after = request.query_params.get("after")
        begin = ids.index(after) + 1 if after in ids else 0
        page, more = rows[begin : begin + limit], len(rows) > begin + limit
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return JSONResponse({"object": "list", "data": page, "has_more": more, **ends})


class Azure(OpenAI):
    """Azure OpenAI: another base path, another header, names of deployments as models."""

    name = provider = "azure"
    base = "/openai/v1"
    key_header = "api-key"
    models = ("my-sora-deployment",)
    ask = {"model": "my-sora-deployment", "seconds": 8, "size": "1280x720"}  # noqa: RUF012

    def wrong_key(self):
        message = "Access denied due to invalid subscription key or wrong API endpoint."
        return No(401, {"error": {"code": "401", "message": message}})


class LiteLLM(OpenAI):
    """LiteLLM's proxy in front of OpenAI [V]: long ids, no delete, a list that wants a name."""

    name = provider = "litellm"
    steps = ("queued", "processing", "completed")

    def new_id(self):
        inner = "litellm:custom_llm_provider:openai;model_id:sora-2;video_id:"
        inner += "~~~???>>>" * 3 + f";deployment_id:{len(self.jobs) + 1:0124x}"
        encoded = base64.b64encode(inner.encode()).decode()
        assert {"+", "/", "="} <= set(encoded)
        assert 290 <= len(encoded) <= 310  # about 300 characters [V]
        return f"video_{encoded}"

    def refuse(self, status, message, **more):
        # The code is the status, as a text [V].
        more = {"param": more.get("param"), "code": str(status)}
        return super().refuse(status, message, **more)

    def check(self, asked):
        if not asked.is_form and "input_reference" in asked.fields:
            # A text is uploaded as a bogus PNG, an object is a 400 [V]: neither is the picture.
            raise self.refuse(400, "input_reference must be uploaded as a file")
        super().check(Asked({**asked.fields}, asked.files, asked.is_form))

    def job(self, job, state):
        told = super().job(job, "in_progress" if state == "processing" else state)
        # fal behind it: created_at 0 [V].
        return {**told, "status": state, "created_at": 0}

    def created(self, job):
        cost = {"x-litellm-response-cost": "0.8", "x-litellm-call-id": "call-1"}  # [V]
        return JSONResponse(self.job(job, "queued"), headers=cost)

    def film(self, _request, _job):
        return Response(FILM, media_type="video/mp4")  # `variant` is not forwarded [V]

    def at_root(self, request, path):
        # proxy/management_endpoints/key_management_endpoints.py (1.108.7): info_key_fn [S].
        if path == "/key/info":
            self.check_key(request)
            info = {"spend": 1.25, "max_budget": 4.0, "budget_duration": "30d", "models": []}
            return JSONResponse({"key": KEY, "info": info})  # the key, echoed as it came
        return super().at_root(request, path)

    async def other(self, request, parts):
        if parts == ["model", "info"]:  # proxy/proxy_server.py: model_info_v1 [S]
            facts = {"mode": "video_generation", "output_cost_per_second": 0.3}
            facts |= {"output_cost_per_second_1080p": 0.5, "max_tokens": None}
            rows = [("veo-x", facts), ("chat-1", {"mode": "chat", "output_cost_per_token": 1e-6})]
            told = [{"model_name": name, "model_info": info} for name, info in rows]
            return JSONResponse({"data": told})
        if request.method == "DELETE":  # [V]
            raise No(405, {"detail": "Method Not Allowed"})
        if parts == ["videos"] and not request.query_params.get("custom_llm_provider"):  # [V]
            raise self.refuse(400, "custom_llm_provider is required")
        return await super().other(request, parts)


OPENROUTER_VEO = {
    # components/videomodel.py of openrouter 1.3.84; the names of prices: as third parties saw them.
    "id": "google/veo-3.1-fast",
    "supported_durations": [4, 6, 8],
    "supported_resolutions": ["720p", "1080p", "4K"],
    "supported_sizes": None,
    "pricing_skus": {
        "duration_seconds_with_audio": "0.12",
        "duration_seconds_without_audio": "0.10",
        "duration_seconds_with_audio_4k": "0.30",
        "cents_per_second_output_720p": "8",
        "video_tokens": "0.000007",
    },
}


class OpenRouter(Fake):
    """OpenRouter [S]: JSON only, `duration`, 202, a URL to ask at, cost in the answer."""

    name = provider = "openrouter"
    base = "/api/v1"
    steps = ("pending", "in_progress", "completed")
    ask = {  # noqa: RUF012
        "model": "google/veo-3.1-fast",
        "seconds": 8,
        "size": "720p",
        "seed": 7,
        "extra": {"aspect_ratio": "16:9", "generate_audio": True},
    }
    failure = "The upstream provider refused the prompt"
    known = words(
        "model prompt duration size resolution aspect_ratio frame_images input_references "
        "generate_audio seed callback_url previous_job_id provider"
    )

    def refuse(self, status, message, **_more):
        return No(status, {"error": {"code": status, "message": message}})

    def check(self, asked):
        if asked.is_form:
            raise self.refuse(400, "Expected application/json")
        fields = asked.fields
        wrong = set(fields) - self.known
        if wrong or not {"model", "prompt"} <= set(fields):
            raise self.refuse(400, f"Invalid fields: {sorted(wrong)}")
        if "duration" in fields and type(fields["duration"]) is not int:
            raise self.refuse(400, "duration: expected number, received string")
        for frame in fields.get("frame_images", ()):
            url = frame.get("image_url", {}).get("url", "")
            first = frame.get("frame_type") in {"first_frame", "last_frame"}
            if frame.get("type") != "image_url" or not first or not is_start(url):
                raise self.refuse(400, "frame_images: Invalid input")

    def new_id(self):
        return f"gen-vid-{len(self.jobs) + 1}-Xy9"

    def created(self, job):
        place = {"polling_url": f"{self.url}/videos/{job.id}"}
        return JSONResponse({**self.job(job, "pending"), **place}, 202)

    def job(self, job, state):
        told = {"id": job.id, "status": state}
        if state == "completed":
            place = f"{self.url}/videos/{job.id}/content?index=0"
            told |= {"unsigned_urls": [place], "usage": {"cost": 0.8}}
        return told | ({"error": self.failure} if state == "failed" else {})

    def not_ready(self, _job):
        return self.refuse(409, "Video generation is not completed")

    def expired(self, _job):
        return self.refuse(410, "Video content has expired")

    def other(self, request, parts):
        if parts == ["videos", "models"]:
            return JSONResponse({"data": [OPENROUTER_VEO]})
        if parts == ["key"]:  # operations/getcurrentkey.py
            told = {"label": "sk-or-v1-…", "usage": 2.5, "limit": 10, "limit_remaining": 7.5}
            return JSONResponse({"data": told})
        return super().other(request, parts)


def is_start(url):
    """Tell whether a URL is that of the picture: at the CDN, or its data under their real type."""
    if url.startswith("http://127.0.0.1:") and url.endswith("/start.png"):
        return True
    head, _, text = url.partition(",")
    return head == "data:image/png;base64" and base64.b64decode(text) == START
