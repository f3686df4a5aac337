"""Results agree with published numbers, intervals cover as they should, and undecided is said."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest

from ipyreel.experiments.ratings import Vote
from ipyreel.experiments.results import bradley_terry, results_of, wilson

# Citations among four journals of statistics (Stigler, Statistical Science 9, 1994), with the
# scores of R's BradleyTerry2 (citeModel): relative to Biometrika.
CITED = [[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]
PUBLISHED = [0.0, -2.9491, -0.4796, 0.2690]


def test_scores_are_those_that_were_published():
    wins = {(i, j): float(CITED[i][j]) for i in range(4) for j in range(4) if i != j}
    scores, _ = bradley_terry(4, wins)
    assert [round(score - scores[0], 4) for score in scores] == pytest.approx(PUBLISHED, abs=1e-4)
    assert sum(scores) == pytest.approx(0)


def test_intervals_are_wilsons():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def vote(left, right, winner, who="Ann", at=0.0, *, balanced=True):
    return Vote(id="0", left=left, right=right, winner=winner, who=who, at=at, balanced=balanced)


SETTINGS = {
    f"{mood}{seconds}{take}": {"mood": mood, "seconds": float(seconds)}
    for mood in ("calm", "wild") for seconds in (4, 8) for take in (1, 2)
}  # fmt: skip
LABELS = {video: f"{one['mood']} · {one['seconds']:g} s" for video, one in SETTINGS.items()}


def cast(wins, losses, ties=0):
    """Return votes for wild against calm, each by another person."""
    pairs = itertools.cycle([(f"wild{s}{a}", f"calm{s}{b}") for s in (4, 8) for a in (1, 2)
                             for b in (1, 2)])  # fmt: skip
    words = ["left"] * wins + ["right"] * losses + ["tie"] * ties
    return [
        vote(*pair, word, who=f"p{at}")
        for at, (pair, word) in enumerate(zip(pairs, words, strict=False))
    ]


def test_a_field_is_compared_by_itself_and_the_sentence_is_honest():
    found = results_of(cast(14, 6), SETTINGS, LABELS)
    (mood,) = [one for one in found.contrasts if one.field == "mood"]
    assert (mood.better, mood.worse, mood.matched) == ("wild", "calm", True)
    assert str(mood).startswith(
        "mood=wild beats calm 14:6, 95 % interval 0.48-0.85: not yet decided"
    )
    assert mood.rate.needed == 5
    more = results_of(cast(18, 7), SETTINGS, LABELS).contrasts[0]
    assert more.rate.decided
    assert "decided." in str(more)
    even = results_of(cast(5, 5, ties=4), SETTINGS, LABELS).contrasts[0]
    assert even.rate.rate == 0.5
    assert even.rate.needed is None
    assert "equals" in str(even)
    assert "5:5 with 4 ties" in str(even)
    assert "no difference so far" in str(even)


def test_where_the_model_has_no_answer_it_says_so():
    found = results_of(cast(20, 0), SETTINGS, LABELS)
    assert "No scores yet" in found.why_no_scores
    assert all(one.score is None for one in found.standings)
    assert found.contrasts[0].rate.decided
    nothing = results_of([], SETTINGS, LABELS)
    assert (nothing.votes, nothing.standings, nothing.contrasts) == (0, (), ())
    assert "no votes" in nothing.why_no_scores


def test_only_the_last_vote_of_a_person_on_a_pair_counts():
    votes = [vote("wild41", "calm41", "right", at=1), vote("calm41", "wild41", "right", at=2)]
    votes += [vote("wild41", "calm41", "left", who="Bo", at=0)]
    found = results_of(votes, SETTINGS, LABELS)
    assert (found.votes, found.voters) == (2, 2)
    assert found.contrasts[0].rate.wins == 2


def test_votes_on_other_videos_and_within_a_setting_change_no_score():
    votes = [vote("wild41", "wild42", "left"), vote("wild41", "elsewhere", "left")]
    found = results_of(votes, SETTINGS, LABELS)
    assert (found.votes, found.standings) == (1, ())


def test_pairs_chosen_by_earlier_votes_bias_no_interval():
    close = [vote("wild41", "calm41", "left", who=f"q{at}", balanced=False) for at in range(30)]
    found = results_of([*cast(5, 5), *close], SETTINGS, LABELS)
    assert found.contrasts[0].rate.votes == 10
    assert (found.votes, found.adaptive) == (40, 30)
    # Nor does a second look at a close pair take the place of the balanced vote on it.
    both = [vote("wild41", "calm41", "left"), vote("wild41", "calm41", "right", balanced=False)]
    assert results_of(both, SETTINGS, LABELS).contrasts[0].rate.wins == 1
    alone = results_of(close, SETTINGS, LABELS).contrasts[0]
    assert (alone.rate.low, alone.rate.high, alone.rate.needed) == (0, 1, None)
    assert "not yet decided, no balanced pairs" in str(alone)
    # The scores have them, their margins do not.
    ring = [vote(f"{a}1", f"{b}1", side, who=str(at)) for at in range(9) for a, b, side in (
        ("calm4", "calm8", "left"), ("calm8", "wild4", "left"), ("wild4", "wild8", "left"),
        ("wild8", "calm4", "left" if at % 3 else "tie"))]  # fmt: skip
    before = results_of(ring, SETTINGS, LABELS).standings[0]
    after = results_of([*ring, *close], SETTINGS, LABELS).standings
    assert all(one.margin >= before.margin / 2 for one in after)
    moved = [one.score for one in after if one.setting == before.setting]
    assert moved != [before.score]
    assert {
        one.margin
        for one in results_of(
            [replace(one, balanced=False) for one in ring], SETTINGS, LABELS
        ).standings
    } == {None}


def test_mixed_comparisons_are_named_as_such():
    found = results_of([vote("wild41", "calm81", "left")], SETTINGS, LABELS)
    assert {one.field for one in found.contrasts} == {"mood", "seconds"}
    assert all("other fields also differed" in str(one) for one in found.contrasts)
    assert {one.worse for one in found.contrasts} == {"calm", "8"}


@pytest.mark.parametrize(("chance", "number"), [(0.5, 20), (0.7, 30), (0.6, 80)])
def test_intervals_cover(chance, number):
    rng = random.Random(7)  # noqa: S311 - a simulation
    runs = Counter(sum(rng.random() < chance for _ in range(number)) for _ in range(1000))
    hits = 0
    for wins, times in runs.items():
        rate = results_of(cast(wins, number - wins), SETTINGS, LABELS).contrasts[0].rate
        won = wins / number
        low, high = (rate.low, rate.high) if won == rate.rate else (1 - rate.high, 1 - rate.low)
        hits += times * (low <= chance <= high)
    assert 920 <= hits <= 980


def test_votes_that_follow_the_pair_widen_the_interval():
    # Each of eight pairs is always decided alike: eight facts, not eighty.
    names = [f"p{at}" for at in range(10)]
    pairs = [(f"wild{s}{a}", f"calm{s}{b}") for s in (4, 8) for a in (1, 2) for b in (1, 2)]
    votes = [vote(*pair, "left" if at < 6 else "right", who=who)
             for at, pair in enumerate(pairs) for who in names]  # fmt: skip
    rate = results_of(votes, SETTINGS, LABELS).contrasts[0].rate
    assert rate.votes == 80
    assert rate.high - rate.low > 0.4
    assert not rate.decided
