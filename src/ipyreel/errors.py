"""What can go wrong, named after whose fault it is.

May import `values` and the standard library only.

    VideoError
    ├─ ConfigError                  a setting is bad or missing
    │   ├─ MissingKey
    │   ├─ UnknownProvider
    │   └─ UnknownModel
    ├─ InvalidRequest (ValueError)  refused before anything was sent
    ├─ ProviderError                the server answered, and it was no
    │   ├─ AuthenticationFailed     401, 403
    │   ├─ PaymentRequired          402
    │   ├─ RateLimited              429
    │   ├─ RequestRejected          400, 413, 415, 422 and other 4xx
    │   ├─ JobNotFound              404, 410
    │   └─ ServerBroken             5xx
    ├─ TransportError               no answer at all; surely nothing was accepted
    ├─ SubmissionUnknown            the POST may have arrived; never sent again by itself
    ├─ WireError                    an answer that could not be read
    ├─ JobFailed                    the job ended badly
    ├─ WaitTimeout (TimeoutError)   we stopped waiting, the job did not stop
    ├─ DownloadError                short, wrong, or not a video
    └─ StoreError                   the library could not be read or written
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipyreel.values import Failure

if TYPE_CHECKING:
    from types import TracebackType

    from ipyreel.values import JobSnapshot


class VideoError(Exception):
    """The root of every error raised here; `hint` is a sentence with what to do.

    Shows in IPython as one or two lines instead of a traceback, and fails the cell all the
    same, so that "Run All" stops.
    """

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
        """Give IPython the lines to print instead of a traceback (it looks for this name)."""
        lines = [f"{type(self).__name__}: {self.message}"]
        if self.hint:
            lines.append(self.hint)
        return lines

    def failure(self) -> Failure:
        """Return the error as a value that can be stored and shown."""
        return Failure(message=self.message, hint=self.hint)


class ConfigError(VideoError):
    """A setting is bad or missing; the text names where it was looked for."""


class MissingKey(ConfigError):
    """The provider wants a key and none was found."""


class UnknownProvider(ConfigError):
    """No row of the catalog has that name."""


class UnknownModel(ConfigError):
    """A model was named where a known one is needed."""


class InvalidRequest(VideoError, ValueError):
    """The request was refused here, before anything was sent."""


class ProviderError(VideoError):
    """The server answered, and it was no.

    `status_code` is the HTTP status, `code` the server's own word for the trouble, `param`
    the field it complains of, `request_id` what its support will ask for.
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
    """401 or 403: the key is wrong, or it may not do this."""


class PaymentRequired(ProviderError):
    """402: the account has no money for this."""


class RateLimited(ProviderError):
    """429: too many requests; `retry_after` is the wait in seconds where it was told."""

    retry_after: float | None = None


class RequestRejected(ProviderError):
    """400, 413, 415, 422 and other 4xx: the server does not want the request as it is."""


class JobNotFound(ProviderError):
    """404 or 410: the server does not know the job, or no longer keeps its file."""


class ServerBroken(ProviderError):
    """5xx: the server, or something before it, is in trouble."""


class TransportError(VideoError):
    """No answer: DNS, refused, TLS, timeout.

    `sent` tells whether the request may have reached the server before that.
    """

    def __init__(self, message: str, *, sent: bool = False, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class SubmissionUnknown(VideoError):
    """The POST may have arrived and the answer did not; it is never sent again by itself."""


class WireError(VideoError):
    """An answer that could not be read; `excerpt` keeps its first 500 characters."""

    def __init__(self, message: str, *, excerpt: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.excerpt = excerpt[:500]


class JobFailed(VideoError):
    """The job ended badly; `job` is its last snapshot, `reason` the sentence."""

    def __init__(self, reason: str, *, job: JobSnapshot, hint: str | None = None) -> None:
        super().__init__(reason, hint=hint)
        self.reason = reason
        self.job = job


class WaitTimeout(VideoError, TimeoutError):
    """We stopped waiting; the job goes on."""


class DownloadError(VideoError):
    """What came is short, wrong, or not a video; `path` is what was kept of it, if any."""

    def __init__(self, message: str, *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class StoreError(VideoError):
    """The library could not be read or written."""
