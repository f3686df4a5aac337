"""`python -m ipyreel.demo`: the demo provider by hand, or as the child of a notebook's kernel."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import platformdirs

from ipyreel.demo.faults import Faults
from ipyreel.demo.process import INSTALL

try:
    from ipyreel.demo import server
    from ipyreel.demo.dialects import DIALECTS
except ImportError as error:  # the packages of the extra "demo"; --help does without
    MISSING: ImportError | None = error
else:
    MISSING = None

END_WITHIN = 3.0
"""Seconds an owner's child has to end tidily; a video in work is made by a later server."""

EPILOG = """\
On start it prints one line of JSON: {"url": "http://127.0.0.1:8000/v1", "pid": 4711}.
Jobs are kept in DIR/demo; the next server on the same DIR goes on with them.

A file of faults is a JSON list of rules, the first that matches is played:
  [{"step": "create", "count": 2, "do": {"status": 429, "headers": {"retry-after": "2"}}},
   {"step": "content", "count": 1, "do": {"cut": 100000}}]
Steps and actions are described in ipyreel/demo/faults.py.
"""


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ipyreel.demo",
        description="A video provider on loopback that speaks /v1/videos and renders real MP4s "
        "without any AI model: for trying things out, for tests and for shows without network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--port",
        type=_port,
        default=8000,
        help="port on 127.0.0.1; 0 takes a free one (%(default)s)",
    )
    add("--home", type=Path, metavar="DIR", help="where jobs are kept (IPYREEL_HOME, or user data)")
    add(
        "--speed", type=_positive, default=1.0, help="divides the length of every job (%(default)s)"
    )
    add(
        "--dialect",
        default="demo",
        metavar="NAME",
        help="the vendor to play: demo (OpenAI's shapes, lenient), openai, apigo, apiyi, aiid",
    )
    add("--expire", type=_positive, default=86400.0, metavar="SECONDS", help="keep videos so long")
    add("--key", help="take only this key; without it any key, or none, is taken")
    add("--faults", type=Path, metavar="FILE", help="rules of misbehaviour, see below")
    add("--log", action="store_true", help="serve the requests seen at /__demo__/log")
    add("--stub", action="store_true", help="render nothing: one tiny video for all (load tests)")
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
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return int(text)


def find_home() -> Path:
    """Return IPYREEL_HOME, or the user's data folder."""
    named = os.environ.get("IPYREEL_HOME")
    return Path(named) if named else Path(platformdirs.user_data_dir("ipyreel", appauthor=False))


def watch_owner(end: Callable[[], None]) -> None:
    """Call `end` when the owner is gone: standard input closes, or the parent changes.

    The pipe alone would do, were it not for children that the owner forked: they hold its
    end of the pipe open.
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
    """Serve as the options say until the end is called for."""
    if options.dialect not in DIALECTS:
        raise ValueError(f"--dialect {options.dialect} is none of: {', '.join(DIALECTS)}")
    faults = Faults.load(options.faults) if options.faults else Faults()
    config = server.DemoConfig(
        home=home,
        dialect=options.dialect,
        speed=options.speed,
        expire=options.expire,
        key=options.key,
        stub=options.stub,
        log=options.log,
        threads=options.threads,
        faults=faults,
    )
    sock = server.bind(options.port)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"

    def ready() -> None:
        print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)  # noqa: T201
        if not options.exit_with_stdin:
            print(f"Jobs are kept in {home / 'demo'}. Ctrl-C ends it.", file=sys.stderr)  # noqa: T201

    listener = server.Listener(server.create_app(config), sock, ready=ready)

    def end() -> None:
        listener.should_exit = True
        time.sleep(END_WITHIN)
        os._exit(0)

    if options.exit_with_stdin:
        watch_owner(end)
    with contextlib.suppress(KeyboardInterrupt):
        listener.serve_forever()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until it is interrupted, or its owner is gone. Returns the exit code."""
    options = make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    if MISSING is not None:
        return complain(f"{MISSING}.", INSTALL)
    try:
        run(options, options.home or find_home())
    except OSError as error:
        return complain(f"{error.strerror or error} (port {options.port}, home {options.home}).")
    except ValueError as error:
        return complain(str(error))
    return 0


def complain(reason: str, hint: str | None = None) -> int:
    """Say what went wrong, to the owner as JSON and to people as text; the exit code is 1."""
    print(json.dumps({"error": reason, "hint": hint}), flush=True)  # noqa: T201 - the contract
    print(f"{reason} {hint or ''}".rstrip(), file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
