"""NVIDIA Dynamo: the answer to the POST is the video, and there are no jobs."""

from __future__ import annotations

import base64

from starlette.responses import JSONResponse

from tests.dialects.fakes.base import FILM, Fake


class Dynamo(Fake):
    """Its frontend [S], typed as serde reads it.

    ai-dynamo/dynamo lib/llm/src/protocols/openai/videos.rs: NvCreateVideoRequest, which ignores
    what it does not know, and NvVideosResponse.
    """

    name = provider = "dynamo"
    takes_key = False
    ask = {"model": "wan", "seconds": 4, "size": "832x480"}  # noqa: RUF012
    failure = "CUDA out of memory"
    types = {  # noqa: RUF012
        "prompt": str,
        "model": str,
        "input_reference": str,
        "seconds": int,
        "size": str,
        "user": str,
        "response_format": str,
        "output_format": str,
        "nvext": dict,
    }

    def check(self, asked):
        if asked.is_form:
            raise self.refuse(415, "Expected request with `Content-Type: application/json`")
        if not {"prompt", "model"} <= set(asked.fields):
            raise self.refuse(400, "missing field")
        for name, value in asked.fields.items():
            if name in self.types and type(value) is not self.types[name]:
                raise self.refuse(400, f"{name}: invalid type, expected i32")

    def created(self, job):
        told = {"id": job.id, "object": "video", "model": job.asked.fields["model"], "progress": 0}
        told |= {"created": 1_764_347_090, "data": []}
        if self.fails:
            return JSONResponse({**told, "status": "failed", "error": self.failure})
        if job.asked.fields.get("response_format") == "b64_json":
            film = {"b64_json": base64.b64encode(FILM).decode()}
        else:
            film = {"url": self.cdn.place(job)}
        data = [{"output_format": "mp4", **film}]
        return JSONResponse({**told, "status": "completed", "progress": 100, "data": data})

    def _retrieve(self, _job):
        raise self.refuse(404, "Not Found")

    def _content(self, _request, _job):
        raise self.refuse(404, "Not Found")
