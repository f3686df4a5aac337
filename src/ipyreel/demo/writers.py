"""How each vendor writes its job and error objects, and how it says no to an id.

Pure; may import nothing of ipyreel but `values`, `orders` and `state`.
"""

from __future__ import annotations

from ipyreel.demo.requests import Refused
from ipyreel.demo.state import JobRecord, View
from ipyreel.demo.tables import models_of
from ipyreel.values import Json


def openai_job(record: JobRecord, seen: View, _url: str) -> dict[str, Json]:
    """Write a job as OpenAI's schema `VideoResource` has it."""
    failed = seen.status == "failed"
    error = {"code": "video_generation_failed", "message": record.failure} if failed else None
    return {
        "id": record.id,
        "object": "video",
        "model": record.model,
        "status": seen.status,
        "progress": seen.progress,
        "created_at": int(record.created_at),
        "completed_at": _whole(seen.completed_at),
        "expires_at": _whole(seen.expires_at),
        "error": error,
        "prompt": record.prompt,
        "seconds": record.seconds_text,
        "size": record.size,
        "remixed_from_video_id": record.remixed_from,
    }


def openai_error(refused: Refused) -> Json:
    """Write OpenAI's error object."""
    return {
        "error": {
            "message": refused.message,
            "type": refused.kind,
            "param": refused.param,
            "code": refused.code,
        }
    }


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def openai_unknown(job_id: str) -> Refused:
    """Say that there is no such job."""
    return Refused(404, f"Video with id '{job_id}' not found.", param="video_id")


def openai_not_ready(_job_id: str) -> Refused:
    """Say that a job's content is not there yet (sentence: litellm issue 32602)."""
    return Refused(404, "Video is not ready yet, use GET /v1/videos/{video_id} to check status.")


def openai_gone(job_id: str) -> Refused:
    """Say that a job's content was removed."""
    return Refused(404, f"Video content for '{job_id}' has expired.", param="video_id")


def apigo_job(record: JobRecord, seen: View, url: str) -> dict[str, Json]:
    """Write a job with that page's word for waiting: pending."""
    job = openai_job(record, seen, url)
    if seen.status == "queued":
        job["status"] = "pending"
    return {name: value for name, value in job.items() if value is not None}


def apigo_error(refused: Refused) -> Json:
    """Write {error: {code, message, type}}."""
    code = refused.code or "invalid_request"
    return {"error": {"code": code, "message": refused.message, "type": refused.kind}}


def apiyi_job(record: JobRecord, seen: View, _url: str) -> dict[str, Json]:
    """Write a job as the page's three samples have it; a failed one says no reason."""
    job: dict[str, Json] = {
        "id": record.id,
        "object": "video",
        "model": record.model,
        "status": seen.status,
        "progress": seen.progress,
        "created_at": int(record.created_at),
        "size": record.size,
        "seconds": record.seconds_text,
    }
    if seen.status == "queued":
        job["quality"] = models_of("apiyi").get(record.model, {}).get("quality")
    if seen.status == "completed":
        job["completed_at"] = _whole(seen.completed_at)
    return job


def aiid_job(record: JobRecord, seen: View, url: str) -> dict[str, Json]:
    """Write a job with `task_id`, times in milliseconds, and the address once it is done."""
    job: dict[str, Json] = {
        "id": record.id,
        "task_id": record.id,
        "object": "video",
        "model": record.model,
        "status": seen.status,
        "progress": seen.progress,
        "created_at": round(record.created_at * 1000),
        "seconds": record.seconds_text,
        "size": record.size,
    }
    if seen.completed_at is not None:
        job["completed_at"] = round(seen.completed_at * 1000)
    if seen.status == "completed":
        job["expires_at"] = round((seen.expires_at or 0) * 1000)
        job["video_url"] = url
    if seen.status == "failed":
        job["error"] = {"code": "task_failed", "message": record.failure}
    return job


def aiid_error(refused: Refused) -> Json:
    """Write {error: {message, type, code}}, as the gateway software beneath does."""
    return {"error": {"message": refused.message, "type": refused.kind, "code": refused.code or ""}}


def aiid_unknown(_job_id: str) -> Refused:
    """Say that there is no such job: 400, as new-api's `controller/relay.go` does."""
    word = "task_not_exist"
    return Refused(400, word, body={"code": word, "message": word, "data": None})


def aiid_not_ready(_job_id: str) -> Refused:
    """Say that a job's content is not there yet (sentence: new-api `video_proxy.go`)."""
    return Refused(400, "Task is not completed yet, current status: IN_PROGRESS")
