"""Every call of every dialect, compared with the stored one."""

import json
from pathlib import Path

import pytest

from ipyreel.errors import VideoError
from ipyreel.wire.dialects import DIALECTS
from ipyreel.wire.writer import create_call, unsupported_fields
from tests.wire.calls import render, request_from

FOLDER = Path(__file__).parent / "fixtures" / "write"


def _cases():
    for path in sorted(FOLDER.glob("*.json")):
        for case in json.loads(path.read_text("utf-8"))["cases"]:
            yield pytest.param(path.stem, case, id=f"{path.stem}: {case['name']}")


@pytest.mark.parametrize(("dialect", "case"), list(_cases()))
def test_a_request_is_written_as_the_dialect_wants(dialect, case):
    request, options = request_from(case["request"]), case.get("options", {})
    assert list(unsupported_fields(request, dialect)) == case.get("left_out", [])
    if "raises" in case:
        with pytest.raises(VideoError) as caught:
            create_call(request, dialect, **options)
        assert type(caught.value).__name__ == case["raises"]
        assert caught.value.message == case["message"]
    else:
        assert render(create_call(request, dialect, **options)) == case["call"]


def test_every_dialect_has_a_file():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(DIALECTS)
