"""The gateways: apigo, apiyi, aiid, and new-api, the software under many of them.

Sources: the vendors' own pages [D]; a real client of aiid, sancedoknore-create/sanshiman
`src/services/providers/chuhaiyingVideo.ts` (C-aiid); QuantumNous/new-api at 823e263 [S].
"""

from __future__ import annotations

from starlette.responses import JSONResponse, RedirectResponse, Response

from tests.dialects.fakes.base import FILM, Fake, No
from tests.dialects.fakes.openai_like import OpenAI, is_start, png_size

TASK = "json: cannot unmarshal {} into Go struct field TaskSubmitReq.{} of type {}"


GROUPS = {"default": 1, "vip": 1.5, "svip": 9}
PRICING = [
    # model/pricing.go at 0067bd93: `quota_type` 1 has a price, 0 counts tokens.
    {"model_name": "kling-v2-master", "quota_type": 1, "model_price": 0.4, "model_ratio": 0}
    | {"enable_groups": ["default", "vip"], "supported_endpoint_types": ["openai-video"]},
    {"model_name": "seedance-x", "quota_type": 0, "model_price": 0, "model_ratio": 2.5}
    | {"enable_groups": ["default"], "supported_endpoint_types": ["openai-video"]},
    {"model_name": "chat-1", "quota_type": 0, "model_price": 0, "model_ratio": 15}
    | {"enable_groups": ["default"], "supported_endpoint_types": ["openai"]},
]


class Apigo(Fake):
    """mass.apigo.ai [D]: `seconds` as a number in every example, content by `curl -L`."""

    name = provider = "apigo"
    steps = ("pending", "in_progress", "completed")
    ask = {"model": "sora-2", "seconds": 8, "size": "1280x720"}  # noqa: RUF012
    failure = "The upstream model refused the prompt."
    known = frozenset({"model", "prompt", "seconds", "size"})

    def check(self, asked):
        missing = {"model", "prompt"} - set(asked.fields)
        unknown = {*asked.fields, *asked.files} - self.known - {"input_reference"}
        if missing or unknown:
            raise self.refuse(400, f"invalid fields: {sorted(missing | unknown)}")
        # Whether it takes a text is not known [U]; a form knows nothing else.
        if not asked.is_form and type(asked.fields.get("seconds", 8)) is not int:
            raise self.refuse(400, "seconds must be an integer")
        # The page shows no image [U]: taken for what OpenAI takes in a form.
        if "input_reference" in asked.fields:
            raise self.refuse(400, "input_reference must be a file")

    def refuse(self, status, message, **_more):
        told = {"code": "invalid_request", "message": message, "type": "invalid_request_error"}
        return No(status, {"error": told})

    def job(self, job, state):
        told = {"id": job.id, "object": "video", "status": state, "created_at": 1764347090}
        error = {"code": "upstream", "message": self.failure, "type": "server_error"}
        return told | ({"error": error} if state == "failed" else {})

    def film(self, _request, job):
        return RedirectResponse(self.cdn.place(job), 302)


class Apiyi(OpenAI):
    """api.apiyi.com [D]: texts for `seconds`, sizes by model, one file, files kept for a day."""

    name = provider = "apiyi"
    failure = "The provider gave no reason."  # `failed` often comes without an error
    sizes = {  # noqa: RUF012
        "sora-2": ("1280x720", "720x1280"),
        "sora-2-pro": ("1280x720", "720x1280", "1792x1024", "1024x1792", "1920x1080", "1080x1920"),
        "grok-imagine-video": ("1280x720",),
    }

    def check(self, asked):
        fields = asked.fields
        model = fields.get("model")
        if model not in self.sizes:  # the key's group lacks the model: 503, and no outage [D]
            message = f"No available channel for model {model} under group default"
            raise self.refuse(503, message, code="model_not_found", kind="new_api_error")
        if {*fields, *asked.files} - self.known:
            raise self.refuse(400, "unknown parameter")
        if fields.get("seconds", "4") not in {"4", "8", "12"}:  # a number or "10" is refused [D]
            raise self.refuse(400, "seconds must be one of '4', '8', '12'", param="seconds")
        size = fields.get("size", "720x1280")
        if size not in self.sizes[model]:
            raise self.refuse(400, f"size {size} is not supported by {model}", param="size")
        if "input_reference" in fields:  # no remote URL, no text [D]
            raise self.refuse(400, "input_reference must be uploaded as a file")
        files = asked.files.get("input_reference", ())
        if len(files) > 1 or any(png_size(data) != size for data, _ in files):
            raise self.refuse(400, "Inpaint image must match the requested width and height")

    def job(self, job, state):
        told = super().job(job, state)
        kept = ("id", "object", "model", "status", "progress", "created_at", "seconds", "size")
        told = {name: told[name] for name in kept}
        if job.asked.fields["model"].startswith("grok") and state == "completed":
            # Its moderation: completed, billed, and with an error inside [D].
            told["error"] = {"code": "moderation_blocked", "message": "Blocked by moderation."}
        return told

    def other(self, request, parts):
        # No list, no delete, no remix is documented [D].
        return Fake.other(self, request, parts)


class NewApi(Fake):
    """new-api with a channel that is not Sora's [S/V]: its Go structs decide what is taken."""

    name = provider = "new-api"
    steps = ("unknown", "queued", "in_progress", "completed")
    ask = {  # noqa: RUF012
        "model": "kling-v2-master",
        "seconds": 5,
        "size": "1280x720",
        "seed": 7,
        "extra": {"negative_prompt": "rain"},
    }
    failure = "the prompt was refused by the channel"
    shows_prices = True
    unlimited = False

    def task_error(self, status, code, message):
        return No(status, {"code": code, "message": message, "data": None})

    def wrong_key(self):
        message = "Invalid token (request id: 20261121000000)"
        return No(401, {"error": {"message": message, "type": "new_api_error", "code": ""}})

    def check(self, asked):
        fields = asked.fields
        if asked.is_form:  # multipart files are read for Sora and Ali channels only [S]
            raise self.task_error(400, "invalid_request", "image is required")
        for name, kind, go in (
            ("seconds", str, "string"),  # a number is a 400 [V]
            ("input_reference", str, "string"),  # an object is a 400 [V]
            ("image", str, "string"),
            ("images", list, "[]string"),  # a text is a 400 [V]
            ("metadata", (dict, str), "map[string]interface {}"),
        ):
            if name in fields and not isinstance(fields[name], kind):
                got = {int: "number", float: "number", dict: "object", str: "string"}
                message = TASK.format(got[type(fields[name])], name, go)
                raise self.task_error(400, "invalid_request", message)
        if "prompt" not in fields or "model" not in fields:
            raise self.task_error(400, "invalid_request", "prompt is required")
        # Kling takes `duration` only, and `image` only; anything else at the top is dropped [S].
        if fields.get("duration") not in {5, 10}:
            raise self.task_error(400, "invalid_request", "duration must be 5 or 10")
        if "images" in fields and not is_start(fields.get("image", "")):
            raise self.task_error(400, "invalid_request", "image is required")

    def new_id(self):
        return f"task_{len(self.jobs) + 1:032d}"

    def created(self, job):
        told = {"id": job.id, "task_id": job.id, "object": "video", "status": "queued"}
        model = job.asked.fields["model"]
        return JSONResponse({**told, "model": model, "progress": 0, "created_at": 1764347090})

    def job(self, job, state):
        ended = state in {"completed", "failed"}
        place = self.cdn.place(job) if state == "completed" and not self.late else ""
        return {
            "id": job.id,
            "object": "video",
            "model": "",  # kling: not filled in [S]
            "status": state,
            "progress": {"queued": 10, "in_progress": 50}.get(state, 100 if ended else 0),
            "created_at": 1764347090922,  # kling: milliseconds [S]
            "completed_at": 1764347190922,  # updated_at, also while it is queued [S]
            # The text of the failure, when there is no URL (`model/task.go`: GetResultURL) [S].
            "metadata": {"url": self.failure if state == "failed" else place},
        }

    def unknown(self, _segment):  # HTTP 400 [S]
        return self.task_error(400, "task_not_exist", "task_not_exist")

    def not_ready(self, _job):  # `controller/video_proxy.go` [S]
        return self.refuse(400, "Task is not completed yet, current status: IN_PROGRESS")

    def expired(self, _job):  # the upstream did not say 200 [S]
        return self.refuse(502, "upstream returned 404", kind="server_error")

    def film(self, _request, _job):
        return Response(FILM, media_type="video/mp4", headers={"Cache-Control": "public"})

    def at_root(self, request, path):
        """Answer the routes of the console (router/api-router.go at 002f9122) [S]."""
        if path == "/api/pricing" and self.shows_prices:  # controller/pricing.go at 09e9618a
            return JSONResponse({"success": True, "data": PRICING, "group_ratio": GROUPS})
        if path == "/api/status":  # controller/misc.go at 002f9122: public
            told = {"quota_per_unit": 500000, "quota_display_type": "USD"}
            return JSONResponse({"success": True, "message": "", "data": told})
        if path == "/api/usage/token/":  # controller/token.go at 0533f389; the slash belongs to it
            self.check_key(request)
            told = {"object": "token_usage", "name": "mine", "unlimited_quota": self.unlimited}
            told |= {"total_granted": 5000000, "total_used": 900000, "total_available": 4100000}
            return JSONResponse({"code": True, "message": "ok", "data": told})
        return super().at_root(request, path)

    def other(self, _request, parts):
        if parts == ["models"]:  # controller/model.go at 053f9ded: what each one is for
            names = {row["model_name"]: row["supported_endpoint_types"] for row in PRICING}
            rows = [{"id": name, "supported_endpoint_types": told} for name, told in names.items()]
            return JSONResponse({"success": True, "object": "list", "data": rows})
        if parts[0] == "videos" and len(parts) == 2:
            raise self.unknown(parts[1])
        raise No(404, {"error": {"message": "Invalid URL", "type": "invalid_request_error"}})


class Aiid(NewApi):
    """api.aiid.edu.kg [D, C-aiid]: new-api beneath; each family of models has its own fields."""

    name = provider = "aiid"
    steps = ("queued", "in_progress", "completed")
    ask = {"model": "sora-2", "seconds": 8, "size": "1280x720"}  # noqa: RUF012

    def check(self, asked):
        fields = asked.fields
        if not {"model", "prompt"} <= set(fields):
            raise self.task_error(400, "invalid_request", "model is required")
        if not asked.is_form:
            if not isinstance(fields.get("seconds", ""), str):  # [D]: "seconds" is a text
                message = TASK.format("number", "seconds", "string")
                raise self.task_error(400, "invalid_seconds", message)
            if type(fields.get("duration", 1)) is not int:
                raise self.task_error(400, "invalid_seconds", "duration must be an integer")
        self.check_family(asked)

    def check_family(self, asked):
        self.check_picture(asked)

    def wrong(self, message):
        return self.task_error(400, "invalid_request", message)

    def created(self, job):
        return JSONResponse({**self.job(job, "queued"), "task_id": job.id})

    def job(self, job, state):
        told = {
            "id": job.id,
            "task_id": job.id,
            "object": "video",
            "model": job.asked.fields["model"],
            "status": state,
            "progress": {"in_progress": 50, "completed": 100}.get(state, 0),
            "created_at": 1764347090922,  # the page's sample: milliseconds [D]
        }
        if state == "completed":
            told["video_url"] = self.cdn.place(job)
        if state == "failed":
            told["error"] = {"message": self.failure, "code": "task_failed"}
        return told

    def expired(self, _job):
        return self.refuse(404, "video not found")


class AiidGrok(Aiid):
    """Its Grok models: upper-case `resolution`, a list `reference_images`, `seconds` as text."""

    name = "aiid-grok"
    ask = {"model": "grok-imagine-1.0-video", "seconds": 6, "size": "1280x720"}  # noqa: RUF012

    def check_family(self, asked):
        fields = asked.fields
        if asked.is_form or "image" in fields or "images" in fields:
            raise self.wrong("grok takes reference_images")
        if not fields.get("seconds", "").isdigit() or "duration" in fields:
            raise self.wrong("grok takes seconds")
        if fields.get("resolution") not in {"720P", "1080P"} or fields["aspect_ratio"] != "16:9":
            raise self.wrong("grok takes resolution and aspect_ratio")
        if not all(map(is_start, fields.get("reference_images", ()))):
            raise self.wrong("reference_images cannot be read")


class AiidVeo(Aiid):
    """Its Veo models: `duration` as a number, `size` and `aspect_ratio` both, one `image`."""

    name = "aiid-veo"
    ask = {"model": "veo3.1", "seconds": 8, "size": "1280x720"}  # noqa: RUF012

    def check_family(self, asked):
        fields = asked.fields
        if asked.is_form or "images" in fields or "seconds" in fields:
            raise self.wrong("veo takes image and duration")
        if (fields.get("duration"), fields.get("aspect_ratio")) != (8, "16:9"):
            raise self.wrong("veo takes duration and aspect_ratio")
        if "image" in fields and not is_start(fields["image"]):
            raise self.wrong("image cannot be read")


class Qiling(Aiid):
    """A fork that wraps its answers [S C-aiid]: two statuses, of which the inner one lags."""

    name = "aiid-wrapped"

    def created(self, job):
        inner = {"id": job.id, "status": "queued", "progress": 0, "metadata": {"url": ""}}
        return JSONResponse({"code": "success", "status": "QUEUED", "data": inner})

    def answered(self, job, state):
        words = {"completed": "success", "failed": "FAILURE", "in_progress": "IN_PROGRESS"}
        progress = "100%" if state == "completed" else "57%"
        inner = {"id": job.id, "status": "queued", "progress": progress}
        if state == "completed":
            inner["result_url"] = self.cdn.place(job)
        if state == "failed":
            inner |= {"status": "failed", "message": self.failure}
        return JSONResponse({"status": words.get(state, "QUEUED"), "data": inner})
