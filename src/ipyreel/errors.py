"""The exceptions of ipyreel, named after the cause of the error.

    VideoError
    ├─ ConfigError                  a setting is invalid or missing
    │   ├─ MissingKey
    │   ├─ UnknownProvider
    │   └─ UnknownModel
    ├─ InvalidRequest (ValueError)  refused before anything was sent
    ├─ ProviderError                the server refused
    │   ├─ AuthenticationFailed     401, 403
    │   ├─ PaymentRequired          402
    │   ├─ RateLimited              429
    │   ├─ RequestRejected          400, 413, 415, 422 and other 4xx
    │   ├─ JobNotFound              404, 410
    │   └─ ServerBroken             5xx
    ├─ TransportError               no answer: DNS, connection, TLS, timeout
    ├─ SubmissionUnknown            the POST may have arrived; never sent again automatically
    ├─ WireError                    an answer could not be read
    ├─ JobFailed                    the job failed or was cancelled
    ├─ WaitTimeout (TimeoutError)   waiting ended, the job continues
    ├─ DownloadError                the file is incomplete, wrong, or not a video
    └─ StoreError                   the library could not be read or written

A name in parentheses is a second base class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipyreel.values import Failure, HttpReply

if TYPE_CHECKING:
    from types import TracebackType

    from ipyreel.values import JobSnapshot


class VideoError(Exception):
    """The base of all errors of ipyreel; `hint` is a sentence that says what to do.

    `reply` is the server's answer, if there was one: status, headers and the beginning of the
    body, with the key masked. It is not part of any message.

    IPython shows one or two lines instead of a traceback. The cell still fails, so that
    "Run All" stops.
    """

    reply: HttpReply | None = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message and the hint on one line."""
        return f"{self.message} {self.hint}" if self.hint else self.message

    def _render_traceback_(
        self,
        _etype: type[BaseException] | None = None,
        _evalue: BaseException | None = None,
        _tb: TracebackType | None = None,
        _tb_offset: int | None = None,
    ) -> list[str]:
        """Return the lines that IPython prints instead of a traceback (it calls this by name)."""
        lines = [f"{type(self).__name__}: {self.message}"]
        if self.hint:
            lines.append(self.hint)
        return lines

    def failure(self) -> Failure:
        """Return the error as a value that can be stored and shown."""
        return Failure(message=self.message, hint=self.hint)


class ConfigError(VideoError):
    """A setting is invalid or missing; the message names the places that were searched."""


class MissingKey(ConfigError):
    """The provider needs a key and none was found."""


class UnknownProvider(ConfigError):
    """The catalog has no row of that name."""


class UnknownModel(ConfigError):
    """An unknown model was named where a known one is needed."""


class InvalidRequest(VideoError, ValueError):
    """The request was refused by ipyreel before anything was sent."""


class ProviderError(VideoError):
    """The server refused the request.

    `status_code` is the HTTP status, `code` the server's error code, `param` the field it
    refers to, `request_id` the id that the provider's support asks for.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status_code = status_code
        self.code = code
        self.param = param
        self.request_id = request_id

    def failure(self) -> Failure:
        """Return the error as a value, with the server's code and request id."""
        return Failure(
            message=self.message,
            code=self.code,
            status_code=self.status_code,
            request_id=self.request_id,
            hint=self.hint,
        )


class AuthenticationFailed(ProviderError):
    """401 or 403: the key is wrong or lacks permission."""


class PaymentRequired(ProviderError):
    """402: the account has insufficient credit."""


class RateLimited(ProviderError):
    """429: too many requests; `retry_after` is the wait in seconds, if the server named one."""

    retry_after: float | None = None


class RequestRejected(ProviderError):
    """400, 413, 415, 422 and other 4xx: the server does not accept the request."""


class JobNotFound(ProviderError):
    """404 or 410: the server does not know the job or no longer has its file."""


class ServerBroken(ProviderError):
    """5xx: the server, or a proxy in front of it, failed."""


class TransportError(VideoError):
    """No answer: DNS, connection refused, TLS, timeout.

    `sent` says whether the request may have reached the server.
    """

    def __init__(self, message: str, *, sent: bool = False, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class SubmissionUnknown(VideoError):
    """The POST may have arrived, but no answer did; it is never sent again automatically."""


class WireError(VideoError):
    """An answer could not be read; `excerpt` has its first 500 characters."""

    def __init__(self, message: str, *, excerpt: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.excerpt = excerpt[:500]


class JobFailed(VideoError):
    """The job failed or was cancelled; `job` is its last snapshot, `reason` a sentence."""

    def __init__(self, reason: str, *, job: JobSnapshot, hint: str | None = None) -> None:
        super().__init__(reason, hint=hint)
        self.reason = reason
        self.job = job


class WaitTimeout(VideoError, TimeoutError):
    """Waiting ended; the job continues."""


class DownloadError(VideoError):
    """The download is incomplete, wrong or not a video; `path` is the part kept, if any."""

    def __init__(self, message: str, *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class StoreError(VideoError):
    """The library, or a file beside it, could not be read or written."""
