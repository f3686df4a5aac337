"""Engines on one's own machine, and servers of which nothing is known beforehand.

Sources: sglang 0.5.23 `multimodal_gen/runtime/entrypoints/openai/video_api.py` [V]; vllm-omni
0.30.0 `entrypoints/openai/api_server.py`, `protocol/videos.py` [V]; NVIDIA/TensorRT-LLM
`tensorrt_llm/serve/openai_video_routes.py`, `openai_protocol.py` [S].
"""

from __future__ import annotations

import re
from uuid import UUID

from starlette.responses import JSONResponse, Response

from tests.dialects.fakes.base import FILM, Fake, No, words
from tests.dialects.fakes.openai_like import OpenAI

SIZE = re.compile(r"\d+x\d+")


class Engine(Fake):
    """What SGLang and vLLM-Omni have in common: FastAPI's refusals, and their sentences."""

    def refuse(self, status, message, **_more):
        return No(status, {"detail": message})

    def unknown(self, _segment):
        return self.refuse(404, "Video not found")

    def not_ready(self, _job):
        return self.refuse(404, "Generation is still in-progress")

    def expired(self, _job):
        return self.refuse(404, "Video file not found")


class SGLang(Engine):
    """SGLang [V]: JSON or a form, no key, unknown fields taken, all forgotten at a restart."""

    name = provider = "sglang"
    takes_key = False
    ask = {  # noqa: RUF012
        "seconds": 5,
        "size": "832x480",
        "seed": 7,
        "extra": {"num_inference_steps": 4, "negative_prompt": "rain"},
    }

    def check(self, asked):
        fields = asked.fields
        if "prompt" not in fields:
            raise No(422, {"detail": [{"loc": ["body", "prompt"], "msg": "Field required"}]})
        seconds = str(fields.get("seconds", "4"))
        if not seconds.isdigit():  # "8" is taken for 8; "8.5" is not
            raise self.refuse(422 if asked.is_form else 400, "seconds: not a valid integer")
        reference = fields.get("input_reference", "")
        if not isinstance(reference, str):  # JSON: a text, never an object
            raise self.refuse(400, "input_reference: Input should be a valid string")
        if "output_path" in fields:  # writes where the client says, on the server
            raise self.refuse(400, "output_path")
        self.check_picture(asked)

    def new_id(self):
        return str(UUID(int=len(self.jobs) + 1))

    def job(self, job, state):
        return {
            "id": job.id,
            "object": "video",
            "model": "wan-stub",
            "status": state,
            "progress": {"queued": 0, "in_progress": 55, "failed": 55}.get(state, 100),
            "created_at": 1795300000,
            "size": job.asked.fields.get("size"),
            "seconds": "3",  # worked out anew from frames and fps
            "url": None,
            "urls": None,
            "error": {"message": self.failure} if state == "failed" else None,  # no code
            "file_path": f"/srv/out/{job.id}.mp4",  # a path on the server
            "num_outputs": 1,
        }

    def no_film(self, _job):
        return self.refuse(404, "Video variant None not found")

    def film(self, request, _job):
        if request.query_params.get("variant", "0") != "0":  # the index of an output
            raise self.refuse(404, "Video variant video not found")
        return Response(FILM, media_type="video/mp4")

    def other(self, request, parts):
        if parts == ["videos"] and request.method == "GET":
            if not 1 <= int(request.query_params.get("limit", 20)) <= 100:
                raise self.refuse(422, "limit")
            return self.listed()
        if request.method == "DELETE" and parts[1] in self.jobs:
            # The video itself with another status; the work goes on.
            return JSONResponse(self.job(self.jobs.pop(parts[1]), "deleted"))
        raise self.unknown("")


class VllmOmni(Engine):
    """vLLM-Omni [V]: forms only; a failed job answers with its error code as HTTP status."""

    name = provider = "vllm-omni"
    served = "Wan-stub"
    ask = {  # noqa: RUF012
        "seconds": 4,
        "size": "832x480",
        "seed": 7,
        "extra": {"guidance_scale": 4.5, "extra_params": {"sampler": "unipc"}},
    }

    def wrong_key(self):
        return No(401, {"error": "Unauthorized"})  # vLLM's --api-key

    def check(self, asked):
        fields = asked.fields
        if not asked.is_form or "prompt" not in fields:
            missing = {"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}
            raise No(422, {"detail": [missing]})
        if fields.get("model", self.served) != self.served:
            raise self.refuse(400, f"Model mismatch: this server serves {self.served}")
        if not re.fullmatch(r"[1-9]\d*", fields.get("seconds", "4")):
            raise self.refuse(422, "seconds: String should match pattern '^[1-9]\\d*$'")
        if not SIZE.fullmatch(fields.get("size", "1x1")):
            raise self.refuse(422, "size: String should match pattern '^\\d+x\\d+$'")
        self.check_picture(asked)

    def new_id(self):
        return f"video_gen_{len(self.jobs) + 1:032x}"

    def job(self, job, state):
        return {
            "id": job.id,
            "object": "video",
            "model": self.served,
            "status": state,
            "progress": 100 if state == "completed" else 0,  # nothing in between
            "created_at": 1795300000,
            "prompt": job.asked.fields["prompt"],
            "seconds": job.asked.fields.get("seconds"),
            "size": job.asked.fields.get("size"),
            "error": {"code": 500, "message": self.failure} if state == "failed" else None,
            "media_type": "video/mp4",
            "file_name": f"{job.id}.mp4" if state == "completed" else None,
        }

    def answered(self, job, state):
        return JSONResponse(self.job(job, state), 500 if state == "failed" else 200)

    def no_film(self, _job):
        return self.refuse(422, "Video generation failed. Check job status for details.")

    async def other(self, request, parts):
        if request.method == "DELETE" and parts[1] in self.jobs:
            job = self.jobs[parts[1]]
            if self.state(job) in {"queued", "in_progress"}:  # it is stopped
                raise self.refuse(409, "Cancellation in progress")
            del self.jobs[parts[1]]
            return JSONResponse({"id": job.id, "object": "video.deleted", "deleted": True})
        if parts == ["videos"] and request.method == "GET":
            return self.listed(has_more=False)
        if parts == ["models"]:
            return JSONResponse({"object": "list", "data": [{"id": self.served}]})
        raise self.unknown("")


class Trtllm(Fake):
    """trtllm-serve [S]: unknown fields forbidden, 202, its own words, errors as plain text.

    What it takes is `VideoGenerationRequest` and `MediaReferenceItem` of NVIDIA/TensorRT-LLM
    tensorrt_llm/serve/openai_protocol.py at 0076e9390e1ed11515f149eec356f5a03f4a00d8.
    """

    name = provider = "trtllm"
    takes_key = False
    steps = ("queued", "generating", "postprocessing", "completed")
    ask = {"seconds": 2.5, "size": "832x480", "seed": 7, "extra": {"fps": 24}}  # noqa: RUF012
    failure = "Generation failed: CUDA out of memory"
    texts = words("prompt negative_prompt model")
    numbers = {  # noqa: RUF012 - the largest value that is allowed, None: any above 0
        "seconds": 60,
        "frame_rate": 120,
        "fps": 120,
        "num_frames": 7200,
        "width": None,
        "height": None,
        "num_inference_steps": None,
        "guidance_scale": None,
        "max_sequence_length": None,
    }
    choices = {  # noqa: RUF012
        "format": {"mp4", "avi", "auto", "safetensors", "pt"},
        "response_format": {"file", "path"},
    }
    references = words("image_reference video_reference audio_reference")
    others = words("seed size extra_params input_reference")

    def check(self, asked):
        known = {*self.texts, *self.numbers, *self.choices, *self.references, *self.others}
        unknown = {*asked.fields, *asked.files} - known  # pydantic: extra="forbid"
        if unknown:
            raise self.refuse(400, f"Extra inputs are not permitted: {sorted(unknown)}")
        for name, value in asked.fields.items():
            if not self.fits(name, value):
                raise self.refuse(400, f"{name}: Input should be valid")
        if ("width" in asked.fields) != ("height" in asked.fields):
            raise self.refuse(400, "width and height must be sent together")
        self.check_picture(asked, "image_reference")

    def fits(self, name, value):
        if name in self.texts:
            return isinstance(value, str)
        if name in self.numbers:
            most = self.numbers[name]
            return float(value) > 0 and (most is None or float(value) <= most)
        if name in self.choices:
            return value in self.choices[name]
        if name in self.references:
            items = value if isinstance(value, list) else [value]
            return all(isinstance(item, dict) and self.is_reference(item) for item in items)
        return name != "size" or value == "auto" or bool(SIZE.fullmatch(value))

    @staticmethod
    def is_reference(item):
        form = item.get("format")
        known = {"content", "format", "role"}
        return form in {"path", "url", "base64"} and "content" in item and {*item} <= known

    def created(self, job):
        return JSONResponse(self.job(job, "queued"), 202)

    def job(self, job, state):
        error = self.failure if state == "failed" else None
        told = {"id": job.id, "object": "video", "status": state, "progress": None}
        return {**told, "duration": 5.0, "fps": 24, "error": error}

    def not_ready(self, _job):
        return self.refuse(400, "Video generation is not completed")

    def other(self, request, parts):
        if request.method == "DELETE" and parts[1] in self.jobs:
            del self.jobs[parts[1]]
            return JSONResponse({"deleted": True})  # nothing else
        if parts == ["videos"] and request.method == "GET":  # no paging
            return self.listed()
        return super().other(request, parts)


class Generic(OpenAI):
    """A reseller that nobody has read: ids with `:`, content as JSON (anyfast, starrise [I])."""

    name = provider = "generic"

    def new_id(self):
        return f"sora-2:task_{len(self.jobs) + 1}/a+b="

    def film(self, _request, job):
        return JSONResponse({"code": 0, "url": self.cdn.place(job)})


class GenericForm(VllmOmni):
    """A server of which it turns out only then that it wants a form."""

    name, provider = "generic-form", "generic"
    ask = {"model": "Wan-stub", "seconds": 4, "size": "832x480"}  # noqa: RUF012


class GenericMedia(GenericForm):
    """The same, said with a 415."""

    name = "generic-415"

    def check(self, asked):
        if not asked.is_form:
            raise self.refuse(415, "Unsupported Media Type")
        super().check(asked)
