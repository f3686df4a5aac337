"""Pairs are balanced first and then close; those chosen because of votes are marked."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest

from ipyreel.experiments.pairs import Pair, balanced_order, next_pair
from ipyreel.experiments.ratings import Vote
from ipyreel.experiments.results import results_of


def labels_of(settings, samples):
    return {f"{name}{take}": name for name in settings for take in range(samples)}


def judge(labels, number, *, who="Ann", votes=(), answer=None, seed=1):
    """Return the pairs that a person is asked for, who by default takes the later letter."""
    rng, votes, pairs = random.Random(seed), list(votes), list[Pair]()  # noqa: S311 - a simulation
    for _ in range(number):
        pair = next_pair(labels, votes, who, rng)
        if pair is None:
            break
        pairs.append(pair)
        winner = answer or ("left" if pair.left > pair.right else "right")
        votes.append(Vote(id="0", left=pair.left, right=pair.right, winner=winner, who=who,
                          at=len(votes), balanced=pair.balanced))  # fmt: skip
    return pairs, votes


def names(labels, pairs):
    return Counter(frozenset((labels[one.left], labels[one.right])) for one in pairs)


@pytest.mark.parametrize(("settings", "samples"), [("ab", 3), ("abc", 2), ("abcdef", 1),
                                                   ("abcdef", 4)])  # fmt: skip
def test_the_first_round_has_each_pair_of_settings_once_and_each_video_as_often(settings, samples):
    labels = labels_of(settings, samples)
    every = {frozenset(two) for two in combinations(settings, 2)}
    for seed in range(20):
        pairs, _ = judge(labels, len(every), seed=seed)
        assert names(labels, pairs) == dict.fromkeys(every, 1)
        assert all(pair.balanced for pair in pairs)
        shown = Counter(video for one in pairs for video in (one.left, one.right))
        counts = [shown[video] for video in labels]
        assert max(counts) - min(counts) <= 1


def test_sides_are_random():
    lefts = [judge({"a": "a", "b": "b"}, 1, seed=seed)[0][0].left for seed in range(200)]
    assert 70 < lefts.count("a") < 130


def test_then_every_second_pair_is_a_close_one():
    labels = labels_of("abcd", 4)
    pairs, votes = judge(labels, 30)
    assert [one.balanced for one in pairs] == [True] * 6 + [False, True] * 12
    balanced = names(labels, [one for one in pairs if one.balanced])
    assert set(balanced.values()) == {3}
    # d won all, a lost all: b and c differ by as little as any, and a and d by most.
    close = names(labels, [one for one in pairs if not one.balanced])
    assert close[frozenset("ad")] < min(close[frozenset(two)] for two in ("ab", "bc", "cd"))
    others, _ = judge(labels, 6, who="Bo", votes=votes)
    assert all(one.balanced for one in others)  # a round of his own
    assert {frozenset((one.left, one.right)) for one in others} != {
        frozenset((one.left, one.right)) for one in pairs[:6]
    }


@pytest.mark.parametrize(("settings", "pairs_of_videos"), [("ab", 4), ("abc", 12)])
def test_nobody_is_asked_more_than_twice_and_second_looks_are_marked(settings, pairs_of_videos):
    labels = labels_of(settings, 2)
    pairs, votes = judge(labels, 100)
    looks = Counter(frozenset((one.left, one.right)) for one in pairs)
    assert set(looks.values()) == {2}
    assert len(looks) == pairs_of_videos
    assert not any(one.balanced for one in pairs[pairs_of_videos:])
    found = results_of(votes, {video: {"x": name} for video, name in labels.items()}, labels)
    assert found.adaptive == pairs_of_videos  # of two that were both chosen so, the last counts


def test_a_library_without_two_settings_has_no_pair():
    assert judge(labels_of("a", 3), 1) == ([], [])


@pytest.mark.parametrize(("settings", "samples"), [("ab", 3), ("abc", 2), ("abcdef", 4)])
def test_an_order_for_strangers_is_balanced_round_by_round(settings, samples):
    labels = labels_of(settings, samples)
    rounds = len([*combinations(settings, 2)])
    order = balanced_order(labels, 1000, random.Random(5))  # noqa: S311 - a simulation
    assert len({frozenset(pair) for pair in order}) == len(order) == rounds * samples**2
    for start in range(0, len(order), rounds):
        met = {frozenset(labels[video] for video in pair) for pair in order[start : start + rounds]}
        assert len(met) == rounds
    shown = Counter(video for pair in order[: rounds * samples] for video in pair)
    assert max(shown.values()) - min(shown[video] for video in labels) <= 2
    assert balanced_order(labels, 2, random.Random(5)) == order[:2]  # noqa: S311
