"""`python -m ipyreel.demo`: start the demo server by hand, or as the child of a kernel."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs

from ipyreel.demo.faults import Faults
from ipyreel.demo.process import INSTALL, KEY_VARIABLE

try:
    from ipyreel.demo import server
    from ipyreel.demo.dialects import DIALECTS
    from ipyreel.demo.render_queue import renderer
except ImportError as error:  # the packages of the extra "demo"; --help works without
    MISSING: ImportError | None = error
else:
    MISSING = None

END_WITHIN = 3.0
"""Seconds for a child to end after its owner has ended; a later server renders the rest."""

EPILOG = """\
On start it prints one line of JSON: {"url": "http://127.0.0.1:8000/v1", "pid": 4711, "key": "..."}.
The key goes into every request as "Authorization: Bearer KEY". Set IPYREEL_DEMO_KEY to choose it.
Jobs are kept in DIR/demo; the next server on the same DIR continues them.

A file of faults is a JSON list of rules; the first that matches is played:
  [{"step": "create", "count": 2, "do": {"status": 429, "headers": {"retry-after": "2"}}},
   {"step": "content", "count": 1, "do": {"cut": 100000}}]
Steps and actions are described in ipyreel/demo/README.md, as are the routes under /__demo__/
that read the requests seen, add faults and move the clock.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ipyreel.demo",
        description="A /v1/videos server on this machine that renders real MP4s without any AI "
        "model: for trying things out, for tests, and for demonstrations without a network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=_port, default=8000, help="port; 0 takes a free one (%(default)s)")
    add("--host", default="127.0.0.1", help="address to listen on; others may then reach it")
    add("--no-key", action="store_true", help="/v1 accepts any key or none; only on 127.0.0.1")
    add("--home", type=Path, metavar="DIR", help="where jobs are kept (IPYREEL_HOME, or user data)")
    add("--speed", type=_positive, default=1.0, help="divides every job's duration (%(default)s)")
    add(
        "--dialect",
        default="demo",
        metavar="NAME",
        help="the vendor to play: demo (OpenAI's shapes, lenient), openai, apigo, apiyi, aiid",
    )
    add("--expire", type=_positive, default=86400.0, metavar="SECONDS", help="keep videos so long")
    add("--faults", type=Path, metavar="FILE", help="rules of misbehaviour, see below")
    add("--stub", action="store_true", help="render nothing: one tiny video for all jobs")
    add("--threads", type=int, choices=(1, 2), default=1, help="videos rendered at a time")
    add("--exit-with-stdin", action="store_true", help="end when standard input is closed")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return value


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text} is not a port: 0 to 65535")
    return int(text)


def find_home() -> Path:
    """Return IPYREEL_HOME, or the user's data folder."""
    named = os.environ.get("IPYREEL_HOME")
    return Path(named) if named else Path(platformdirs.user_data_dir("ipyreel", appauthor=False))


def watch_owner(end: Callable[[], None]) -> None:
    """Call `end` when the owner has ended: standard input closes, or the parent changes.

    The pipe alone is not enough: children that the owner forked keep its end open.
    """
    owner = os.getppid()

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            while sys.stdin.buffer.read(4096):
                pass
        end()

    def look() -> None:
        while os.getppid() == owner:
            time.sleep(1)
        end()

    for watch in (read, look):
        threading.Thread(target=watch, daemon=True).start()


def run(options: argparse.Namespace, home: Path) -> None:
    """Serve with these options until the server is stopped."""
    if options.dialect not in DIALECTS:
        names = ", ".join(DIALECTS)
        raise ValueError(f"--dialect {options.dialect} is not one of: {names}")
    if options.no_key and options.host != "127.0.0.1":
        raise ValueError("--no-key works on 127.0.0.1 only: others could use your server.")
    if not options.stub:
        renderer()  # now, not with the first job, so that missing packages are reported here
    key = os.environ.pop(KEY_VARIABLE, "") or secrets.token_urlsafe(24)
    config = server.DemoConfig(
        home=home,
        dialect=options.dialect,
        speed=options.speed,
        expire=options.expire,
        key=None if options.no_key else key,
        control_key=key,
        host=options.host,
        stub=options.stub,
        threads=options.threads,
        faults=Faults.load(options.faults) if options.faults else Faults(),
    )
    sock = server.bind(options.port, options.host)
    url = f"http://{options.host}:{sock.getsockname()[1]}/v1"

    def ready() -> None:
        print(json.dumps({"url": url, "pid": os.getpid(), "key": key}), flush=True)  # noqa: T201
        if not options.exit_with_stdin:
            print(f"Jobs are kept in {home / 'demo'}. Ctrl-C ends it.", file=sys.stderr)  # noqa: T201

    listener = server.Listener(server.create_app(config), sock, ready=ready)

    def end() -> None:
        listener.stop()
        time.sleep(END_WITHIN)
        os._exit(0)

    if options.exit_with_stdin:
        watch_owner(end)
    with contextlib.suppress(KeyboardInterrupt):
        listener.serve_forever()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until it is interrupted, or its owner has ended; return the exit code."""
    options = make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    if MISSING is not None:
        return complain(f"{MISSING}.", INSTALL)
    try:
        run(options, options.home or find_home())
    except ImportError as error:
        return complain(f"{error}.", INSTALL)
    except OSError as error:
        return complain(f"{error.strerror or error} (port {options.port}, home {options.home}).")
    except ValueError as error:
        return complain(str(error))
    return 0


def complain(reason: str, hint: str | None = None) -> int:
    """Report an error, to the owner as JSON and to people as text; return the exit code 1."""
    print(json.dumps({"error": reason, "hint": hint}), flush=True)  # noqa: T201 - the contract
    print(f"{reason} {hint or ''}".rstrip(), file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
