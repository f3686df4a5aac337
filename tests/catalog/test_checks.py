"""Refusals, estimates and warnings before anything is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipyreel.catalog import (
    Catalog,
    check_request,
    complete_request,
    estimate,
    warnings,
)
from ipyreel.errors import InvalidRequest
from ipyreel.values import Image, VideoRequest, to_usd

IMAGE = Image(source="a.png", data=b"x")


@pytest.fixture
def ask(catalog):
    """Ask for a video; returns the request, its provider and what is known of the model."""

    def make(provider, model, count=0, **values):
        row = catalog.provider(provider)
        request = VideoRequest(prompt="a dog", model=model, images=(IMAGE,) * count, **values)
        return request, row, catalog.model(model, row)

    return make


REFUSED = [
    ("apiyi", "sora-2", 0, {"seconds": 10}, "--seconds 10: sora-2 at apiyi takes 4, 8 or 12."),
    (
        *("apiyi", "sora-2", 0, {"size": "1920x1080"}),
        "--size 1920x1080: sora-2 at apiyi takes 720x1280 or 1280x720. (sora-2-pro takes it.)",
    ),
    ("apiyi", "sora-2", 2, {}, "--image (2 given): sora-2 at apiyi takes at most 1 image."),
    ("demo", "demo-1", 0, {"seconds": 61}, "--seconds 61: demo-1 at demo takes 1 to 60."),
    (
        *("aiid", "viduq3-turbo", 0, {"seconds": 2.5}),
        "--seconds 2.5: viduq3-turbo at aiid takes whole seconds, 1 to 16.",
    ),
    (
        *("aiid", "happyhorse-1.0-r2v", 0, {}),
        (
            "--image (0 given): happyhorse-1.0-r2v at aiid needs 1 to 9 images."
            " (happyhorse-1.0-t2v, happyhorse-1.0-video-edit and happyhorse-1.0 take it.)"
        ),
    ),
    (
        *("new-api", "sora-2-pro", 0, {"size": "1920x1080"}),
        "--size 1920x1080: sora-2-pro at new-api takes 720x1280, 1280x720, 1024x1792 or 1792x1024.",
    ),
    ("generic", None, 0, {"seconds": 0}, "--seconds 0: takes a number above 0."),
    ("generic", None, 0, {"seconds": float("nan")}, "--seconds nan: takes a number above 0."),
]


@pytest.mark.parametrize(("provider", "model", "count", "values", "message"), REFUSED)
def test_a_refusal_names_option_value_and_what_is_allowed(
    ask, catalog, provider, model, count, values, message
):
    with pytest.raises(InvalidRequest) as caught:
        check_request(*ask(provider, model, count, **values), catalog=catalog)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("provider", "model", "count", "values"),
    [
        ("apiyi", "sora-2", 1, {"seconds": 8, "size": "1280x720"}),
        ("apiyi", "sora-2", 0, {"seconds": 8.0}),
        ("demo", "demo-1", 1, {"seconds": 2.5, "size": "640x360"}),
        ("demo", "sora-2", 7, {"seconds": 999, "size": "1x1"}),
        ("apiyi", "never-heard-of", 9, {"seconds": 3.75, "size": "small"}),
        ("aiid", "kling-video", 0, {"size": "1000x1000"}),
        ("aiid", "veo3-frames", 0, {"extra": {"image": "https://example.org/a.png"}}),
    ],
)
def test_what_passes(ask, provider, model, count, values):
    check_request(*ask(provider, model, count, **values))


def test_an_empty_prompt_is_refused(ask):
    request, provider, model = ask("generic", None)
    with pytest.raises(InvalidRequest, match="prompt is empty"):
        check_request(replace(request, prompt=" \n"), provider, model)


def test_only_the_default_model_is_filled_in(ask):
    request, provider, _ = ask("apiyi", None)
    assert complete_request(request, provider) == replace(request, model="sora-2")
    request, provider, _ = ask("sglang", None)
    assert complete_request(request, provider) == request
    request, provider, _ = ask("apiyi", "mine")
    assert complete_request(request, provider) == request


@pytest.mark.parametrize(
    ("extra", "like"),
    [
        ({"seconds": 12}, {"seconds": 12}),
        ({"seconds": "12"}, {"seconds": 12}),
        ({"duration": 12}, {"seconds": 12}),
        ({"n_seconds": 12}, {"seconds": 12}),
        ({"metadata": {"videoDuration": 12}}, {"seconds": 12}),
        ({"metadata": {"duration": 2}}, {"seconds": 4}),
        ({"num_frames": 192, "fps": 16}, {"seconds": 12}),
        ({"parameters": [{"frames": 192, "frame_rate": 16}]}, {"seconds": 12}),
        ({"fps": 60, "seed": 3, "num_inference_steps": 50, "audio": False}, {}),
        ({"size": "1792x1024"}, {"size": "1792x1024"}),
        ({"metadata": {"size": "1792x1024"}}, {"size": "1792x1024"}),
        ({"metadata": '{"seconds": "12"}'}, {"seconds": 12}),
        ({"negative_prompt": "{seconds: 12}"}, {}),
    ],
)
def test_the_estimate_follows_the_extra_fields_that_are_sent(ask, extra, like):
    asked = ask("apiyi", "sora-2-pro", 0, seconds=4, size="1280x720", extra=extra)
    same = ask("apiyi", "sora-2-pro", 0, **{"seconds": 4, "size": "1280x720", **like})
    assert estimate(*asked).usd == estimate(*same).usd is not None


def test_several_videos_of_one_request_cost_as_many(ask):
    one, row, model = ask("apiyi", "sora-2", 0, seconds=4)
    usd = estimate(one, row, model).usd
    for extra in ({"n": 3}, {"metadata": {"num_videos": 3}}, {"n": 3, "count": 1}):
        assert estimate(replace(one, extra=extra), row, model).usd == 3 * usd


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ({"seconds": "long"}, "seconds"),
        ({"seconds": -4}, "seconds"),
        ({"metadata": {"duration": 1e9}}, "metadata.duration"),
        ({"n": True}, "n"),
        ({"n": 10**400}, "n"),
        ({"num_frames": 96}, "num_frames"),
        ({"num_frames": 96, "fps": 0}, "fps"),
        ({"size": 5}, "size"),
        ({"quality": "high"}, "quality"),
        ({"quantity": 4}, "quantity"),
        ({"options": [[{"tier": "pro"}]]}, "options.tier"),
        ({"a": [{"b": {"maxClips": 2}}]}, "a.b.maxClips"),
        ({"options": {"model": "dearer"}}, "options.model"),
        ({"generate_audio": True}, "generate_audio"),
    ],
)
def test_an_extra_field_that_cannot_be_priced_leaves_no_known_price(ask, extra, path):
    found = estimate(*ask("apiyi", "sora-2", 0, seconds=4, extra=extra))
    assert (found.usd, found.unpriced) == (None, path)


@pytest.mark.parametrize(
    ("provider", "model", "count", "values", "usd"),
    [
        ("apiyi", "sora-2", 0, {"seconds": 8}, 0.8),
        ("apiyi", "sora-2", 0, {}, 0.4),
        ("demo", "whatever", 0, {"seconds": 8}, 0.0),
        ("sglang", None, 0, {"seconds": 8}, None),
        ("aiid", "doubao-seedance-2-0-260128", 0, {"seconds": 10, "size": "864x496"}, 0.66),
        ("aiid", "doubao-seedance-2-0-260128", 0, {"seconds": 10, "size": "1470x630"}, 1.42),
        ("aiid", "doubao-seedance-2-0-260128", 0, {"extra": {"resolution": "1080P"}}, 1.77),
        ("litellm", "veo-3.1-generate-preview", 0, {"size": "3840x2160"}, 4.8),
        ("litellm", "veo-3.1-generate-preview", 0, {"size": "500x500"}, None),
        ("new-api", "grok-imagine-video", 2, {"seconds": 10, "size": "1280x720"}, 0.704),
        ("litellm", "MiniMax-H3", 7, {"seconds": 10}, 0.88),
    ],
)
def test_the_estimate(ask, provider, model, count, values, usd):
    found = estimate(*ask(provider, model, count, **values)).usd
    assert found == (None if usd is None else to_usd(usd))


def test_an_estimate_says_where_the_price_is_from(ask):
    found = estimate(*ask("apiyi", "sora-2", seconds=4))
    assert "openai.com" in found.source
    assert found.checked == "2026-11-21"


def test_a_providers_own_price_goes_before_the_list(own):
    path = own(
        """
        [models.sora-2]
        prices = [
            { usd_per_second = 0.1 },
            { usd_per_video = 0.25, provider = "apiyi" },
        ]
        """
    )
    catalog = Catalog.load(path)
    request = VideoRequest(prompt="a", model="sora-2", seconds=8)

    def usd(name):
        row = catalog.provider(name)
        return estimate(request, row, catalog.model("sora-2", row)).usd

    assert (usd("apiyi"), usd("aiid")) == (to_usd("0.25"), to_usd("0.8"))


GROK = "grok-imagine-video-1.5-preview"


@pytest.mark.parametrize(
    ("provider", "model", "values", "words"),
    [
        ("apiyi", "sora-2", {}, ["2026-09-24"]),  # it was shut down
        ("aiid", "kling-video", {"size": "1000x1000"}, ["1:1"]),
        ("aiid", "kling-video", {"size": "1280x720"}, []),
        ("aiid", "kling-video", {}, []),
        ("aiid", GROK, {}, ["", ""]),  # both are billed without being asked for
        ("aiid", GROK, {"seconds": 5, "size": "1280x720"}, []),
        ("aiid", "gemini-omni", {"size": "500x500"}, ["500x500: gemini-omni makes 1280x720,"]),
        ("aiid", "gemini-omni", {"size": "720p"}, []),
        ("aiid", "hailuo-video", {"size": "1366x768"}, []),
        (
            *("aiid", "gemini-omni", {"extra": {"aspect_ratio": "1:1"}}),
            ["-x aspect_ratio=1:1: gemini-omni accepts 16:9 or 9:16."],
        ),
    ],
)
def test_warnings(ask, provider, model, values, words):
    found = warnings(*ask(provider, model, **values))
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))
