"""Chooses the two videos that a person judges next, so that few votes are needed.

First each pair of settings is shown once, and each video equally often. Then every second pair
is one of the closest: those whose order is least certain after the votes so far. Left and right
are random. Only votes on the balanced pairs are used for intervals (`results`): the others were
chosen because of earlier votes.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from ipyreel.experiments.ratings import Vote
from ipyreel.experiments.results import bradley_terry, wins_of

LOOKS = 2
"""How often a person sees the same two videos: a third vote would add nothing."""

_RIDGE, _NEAR = 0.5, 0.1
_Two = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two videos by their SHA-256; `balanced` is as in `Vote`."""

    left: str
    right: str
    balanced: bool


class _Tally:
    """How often pairs of videos, pairs of settings and videos were judged."""

    def __init__(self, votes: Iterable[Vote], labels: Mapping[str, str]) -> None:
        self.looks, self.settings = Counter[frozenset[str]](), Counter[frozenset[str]]()
        self.videos = Counter[str]()
        self.balanced = self.adaptive = 0
        for vote in votes:
            pair = (vote.left, vote.right)
            self.looks[frozenset(pair)] += 1
            self.settings[frozenset(labels[video] for video in pair)] += vote.balanced
            self.videos.update(pair)
            self.balanced += vote.balanced
            self.adaptive += not vote.balanced


def next_pair(
    labels: Mapping[str, str], votes: Sequence[Vote], who: str, rng: Random
) -> Pair | None:
    """Return the pair that a person judges next; None: there are no more pairs.

    `labels` has the setting of each video by its SHA-256; videos of one setting are not
    compared. `votes` are those of everyone.
    """
    votes = [vote for vote in votes if is_between(vote, labels)]
    own = _Tally((vote for vote in votes if vote.who == who), labels)
    left = [pair for pair in _pairs(labels) if own.looks[frozenset(pair)] < LOOKS]
    if not left:
        return None
    fresh = [pair for pair in left if not own.looks[frozenset(pair)]]
    rounds = math.comb(len(set(labels.values())), 2)
    closest = rounds > 1 and 0 <= own.balanced - rounds >= own.adaptive
    balanced = bool(fresh) and not closest
    if balanced:
        pair = _balanced(fresh, own, _Tally(votes, labels), labels, rng)
    else:
        pair = _closest(fresh or left, votes, labels, rng)
    first, second = _tossed(pair, rng)
    return Pair(left=first, right=second, balanced=balanced)


def balanced_order(labels: Mapping[str, str], most: int, rng: Random) -> list[_Two]:
    """Return at most `most` (left, right) pairs for a person whose votes are not known here.

    Each round has every pair of settings once, with the videos that were shown least so far.
    """
    order, shown = list[_Two](), Counter[str]()
    left = defaultdict[frozenset[str], list[_Two]](list)
    for pair in _pairs(labels):
        left[frozenset(labels[video] for video in pair)].append(pair)
    while left and len(order) < most:
        for settings in rng.sample(list(left), len(left)):
            pair = min(
                left[settings], key=lambda two: (shown[two[0]] + shown[two[1]], rng.random())
            )
            left[settings].remove(pair)
            if not left[settings]:
                del left[settings]
            shown.update(pair)
            order.append(_tossed(pair, rng))
    return order[:most]


def _pairs(labels: Mapping[str, str]) -> list[_Two]:
    return [pair for pair in combinations(labels, 2) if labels[pair[0]] != labels[pair[1]]]


def _tossed(pair: _Two, rng: Random) -> _Two:
    return pair if rng.random() < 0.5 else pair[::-1]  # noqa: PLR2004 - a coin


def is_between(vote: Vote, labels: Mapping[str, str]) -> bool:
    """Return whether a vote compares two different settings."""
    first, second = labels.get(vote.left), labels.get(vote.right)
    return first is not None and second is not None and first != second


def _balanced(
    pairs: Sequence[_Two], own: _Tally, everyone: _Tally, labels: Mapping[str, str], rng: Random
) -> _Two:
    """Return a pair that was shown least, first to this person, then to everyone."""

    def seen(pair: _Two) -> tuple[float, ...]:
        settings = frozenset(labels[video] for video in pair)
        counts = [
            count
            for tally in (own, everyone)
            for count in (tally.settings[settings], sum(tally.videos[video] for video in pair))
        ]
        return (*counts, rng.random())

    return min(pairs, key=seen)


def _closest(
    pairs: Sequence[_Two], votes: Sequence[Vote], labels: Mapping[str, str], rng: Random
) -> _Two:
    """Return a pair with close, uncertain scores: a vote on it is expected to help most."""
    names = list(dict.fromkeys(labels.values()))
    at = {name: index for index, name in enumerate(names)}
    scores, information = bradley_terry(
        len(names), wins_of(names, votes, labels), ridge=_RIDGE, near=_NEAR
    )
    # From the diagonal only: inverting the matrix would take longer than a person should wait.
    variances = [1 / (row[index] - 1) for index, row in enumerate(information)]

    def gain(pair: _Two) -> tuple[float, float]:
        i, j = (at[labels[video]] for video in pair)
        chance = 1 / (1 + math.exp(scores[i] - scores[j]))
        return chance * (1 - chance) * (variances[i] + variances[j]), rng.random()

    return max(pairs, key=gain)
