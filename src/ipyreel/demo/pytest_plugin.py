"""The pytest fixture `video_server`; nothing else is loaded until a test uses it.

    def test_my_client(video_server):
        client = OpenAI(base_url=video_server.url, api_key=video_server.key)

`@pytest.mark.video_server(dialect="apiyi", faults=[...])` sets the options of
`ipyreel.demo.testing.video_server` for a test, a class or a module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ipyreel.demo.testing import VideoServer

INSTALL = 'The fixture video_server needs: pip install "ipyreel[mock]", or "ipyreel[demo]".'


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "video_server(**options): options of the fixture video_server (ipyreel)"
    )


@pytest.fixture(name="video_server")
def serve_videos(request: pytest.FixtureRequest) -> Iterator[VideoServer]:
    """Yield a separate `/v1/videos` server for a test (`ipyreel.demo.testing.VideoServer`)."""
    try:
        from ipyreel.demo.testing import video_server  # noqa: PLC0415 - loads a web server
    except ImportError as error:
        pytest.fail(f"{error}. {INSTALL}", pytrace=False)
    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("video_server"))):
        options |= mark.kwargs  # the mark of the test itself comes last
    with video_server(**options) as server:
        yield server
