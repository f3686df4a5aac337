"""Sends the POST that may cost money: once, and again only if it was certainly not accepted."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ipyreel.catalog import Provider
from ipyreel.client.http import Http
from ipyreel.client.retry import RetryPolicy, Sleep, backoff
from ipyreel.client.stream import MAX_REPLY
from ipyreel.errors import (
    AuthenticationFailed,
    PaymentRequired,
    ProviderError,
    RateLimited,
    RequestRejected,
    SubmissionUnknown,
    TransportError,
    VideoError,
    WireError,
)
from ipyreel.values import HttpCall, HttpReply, VideoJob
from ipyreel.wire.dialects import dialect_named
from ipyreel.wire.reader import read_job
from ipyreel.wire.refusals import names_error, read_error

OnSend = Callable[[bool], None]
"""Called with True right before bytes may be sent, with False once this attempt surely failed."""

MAX_INLINE = 256 * 2**20
"""The largest reply, in bytes, of a server that sends the video in it."""

SEE_OTHER, REFUSED, TOO_MANY, BROKEN = 303, 400, 429, 500

NO_ANSWER = frozenset({408, 499})
"""Statuses of a proxy that stopped waiting: a timeout, and nginx's for a client that went away."""


def ignore_send(_leaving: bool) -> None:  # noqa: FBT001 - the shape of OnSend
    """Do nothing: the `OnSend` of callers that keep no record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Sends POSTs that start jobs to one provider; `timeout` in seconds for one of them.

    `sleep`, `clock` (seconds since the epoch) and `rng` are time and randomness; `advice` says
    how to look for a job that may or may not have been accepted. `limit` is the largest reply,
    in bytes.
    """

    http: Http
    name: str
    retry: RetryPolicy
    sleep: Sleep
    clock: Callable[[], float]
    rng: Callable[[], float]
    timeout: float
    advice: str
    limit: int = MAX_REPLY

    @classmethod
    def to(cls, provider: Provider, **given: Any) -> Submission:
        """Return the `Submission` for a provider, with its name, its advice and its limit."""
        where = "in the list of jobs" if "list" in provider.routes else f"at {provider.title}"
        inline = dialect_named(provider.dialect).inline
        return cls(
            name=provider.title,
            advice=f"Look for it {where} first.",
            limit=MAX_INLINE if inline else MAX_REPLY,
            **given,
        )

    async def post(self, call: HttpCall, on_send: OnSend) -> HttpReply:
        """Send one POST and return its reply, with any status except 429.

        It is sent again, a limited number of times, after a failure to connect and after a 429.
        Raises `TransportError` or `RateLimited` if that did not help, and `SubmissionUnknown`
        if the POST may have arrived and no reply was received.
        """
        # Before `on_send` reports it as sent: reading certificates takes time.
        self.http.open()
        for attempt in itertools.count(1):
            on_send(True)  # noqa: FBT003 - the shape of OnSend
            policy, retry_after = self.retry, None
            try:
                reply = await self._send(call)
            except SubmissionUnknown:
                raise
            except VideoError as error:
                on_send(False)  # noqa: FBT003 - the shape of OnSend
                if not isinstance(error, TransportError) or attempt >= policy.attempts:
                    raise
            else:
                if reply.status_code != TOO_MANY:
                    return reply
                on_send(False)  # noqa: FBT003 - the shape of OnSend
                refusal = read_error(reply, now=self.clock())
                # OpenAI's 429 "insufficient_quota" is not about speed: waiting does not help.
                if not isinstance(refusal, RateLimited) or attempt >= policy.busy_attempts:
                    raise refusal
                policy = replace(policy, base=policy.busy_base)
                retry_after = refusal.retry_after
            await self.sleep(backoff(attempt, policy, self.rng, retry_after=retry_after))
        raise AssertionError("the loop always returns or raises")

    async def _send(self, call: HttpCall) -> HttpReply:
        """Send once; raises `SubmissionUnknown` if it may have been accepted."""
        try:
            return await self.http.send(call, timeout=self.timeout, limit=self.limit)
        except TransportError as error:
            if error.sent:
                raise self.unknown(error) from error
            raise
        except WireError as error:
            raise self.unknown(error) from error
        except ProviderError as error:
            # "See Other": the POST was processed, and its result is elsewhere (RFC 9110, 15.4.4).
            if error.status_code == SEE_OTHER:
                raise self.unknown(error) from error
            raise

    async def start(self, call: HttpCall, on_send: OnSend) -> VideoJob:
        """Send one POST and read the job from its reply; raises what `post` and `read` raise."""
        return self.read(await self.post(call, on_send), on_send)

    def read(self, reply: HttpReply, on_send: OnSend) -> VideoJob:
        """Read the job from the reply to a submission.

        Raises a `ProviderError` for a refusal; `SubmissionUnknown` for 5xx, 408 and 499, and for a
        2xx that names no job, since the job may still exist.
        """
        try:
            return read_job(reply, now=self.clock(), creating=True)
        except WireError as error:
            raise self.unknown(error) from error
        except ProviderError as error:
            if not (_is_refusal(reply.status_code, error) or names_error(reply)):
                raise self.unknown(error) from error
            on_send(False)  # noqa: FBT003 - the shape of OnSend
            raise

    def unknown(self, error: VideoError) -> SubmissionUnknown:
        """Return the error for a POST that may have arrived, with what is known about it."""
        status = f" (HTTP {error.status_code})" if isinstance(error, ProviderError) else ""
        excerpt = error.excerpt[:300] if isinstance(error, WireError) else ""
        sent = f" It sent: {excerpt}" if excerpt else ""
        if isinstance(error, WireError) and error.hint:
            sent += f" {error.hint}"
        unknown = SubmissionUnknown(
            f"{self.name} may or may not have accepted the job{status}: {error.message}{sent}",
            hint=f"It is not sent again automatically, since you may pay for it. {self.advice}",
        )
        unknown.reply = error.reply
        return unknown


def _is_refusal(status_code: int, error: ProviderError) -> bool:
    """Return whether a reply means that no job was made."""
    if REFUSED <= status_code < BROKEN:
        return status_code not in NO_ANSWER
    if status_code >= BROKEN:
        # apiyi and new-api send 503 for a model that the key may not use; the error code says so.
        return isinstance(error, RequestRejected)
    # An error in a 200 may be about something behind a gateway that has accepted the job.
    return status_code < REFUSED and isinstance(
        error, (AuthenticationFailed, PaymentRequired, RateLimited)
    )
