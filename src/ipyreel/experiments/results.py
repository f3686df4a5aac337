"""Computes the results of votes: win rates with intervals, and a score for each setting.

Rates count a tie as half a win. Intervals are Wilson's (95 %), widened if votes for the same
pair of videos agree more than by chance. Scores are those of the Bradley-Terry model, with
intervals from its Fisher information, widened in the same way. Votes on pairs that were chosen
because of earlier votes are not used for any interval.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ipyreel.experiments.ratings import Vote

Z = 1.959964
"""Standard normal quantile of a 95 % interval."""

MOST_SCORES = 150
"""Most settings that get a score: the model inverts a matrix of that size."""

Setting = Mapping[str, Hashable]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often one side won: `rate` counts ties as half; `low` to `high` is the interval.

    `needed` is how many more votes would decide it at the same rate (None: not known, since
    both sides are equal so far). `balanced`: the pairs were not chosen because of earlier
    votes; otherwise there is no interval, so it is 0 to 1.
    """

    wins: int
    losses: int
    ties: int
    rate: float
    low: float
    high: float
    needed: int | None
    balanced: bool = True

    @property
    def votes(self) -> int:
        """The number of votes."""
        return self.wins + self.losses + self.ties

    @property
    def decided(self) -> bool:
        """Whether the interval excludes one half."""
        return not self.low <= 0.5 <= self.high  # noqa: PLR2004 - even odds


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One setting against all others; `score` is on a log scale with mean 0, or None."""

    setting: str
    rate: Rate
    score: float | None
    margin: float | None
    """Half the width of the score's 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Two values of one field; `matched`: all other fields of the compared videos were equal."""

    field: str
    better: str
    worse: str
    rate: Rate
    matched: bool

    def __str__(self) -> str:
        """Return a sentence: which value leads, by how much, and whether that is decided."""
        rate = self.rate
        sure = "decided" if rate.decided else "not yet decided"
        if not rate.decided and rate.needed is not None:
            sure += f", about {rate.needed} more votes needed"
        elif not rate.decided:
            sure += ", no difference so far" if rate.balanced else ", no balanced pairs"
        verb = "beats" if rate.rate > 0.5 else "equals"  # noqa: PLR2004 - even odds
        ties = f" with {rate.ties} tie{'s' if rate.ties > 1 else ''}" if rate.ties else ""
        mixed = "" if self.matched else "; other fields also differed"
        return (
            f"{self.field}={self.better} {verb} {self.worse} {rate.wins}:{rate.losses}{ties}, "
            f"95 % interval {rate.low:.2f}-{rate.high:.2f}: {sure}{mixed}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The results of votes, best setting first; `why_no_scores` is a sentence or ""."""

    votes: int
    adaptive: int
    """How many of them were on pairs that were chosen because of earlier votes."""
    voters: int
    standings: tuple[Standing, ...]
    contrasts: tuple[Contrast, ...]
    why_no_scores: str


def results_of(
    votes: Iterable[Vote], settings: Mapping[str, Setting], labels: Mapping[str, str]
) -> Results:
    """Return the results of the votes for settings.

    `settings` has the varied fields of each video by its SHA-256, `labels` the name of its
    setting: videos with the same label are samples of one setting. Of several votes of one
    person on one pair the last counts. Votes on pairs that were chosen because of earlier votes
    are used for the scores, but not for intervals and rates, which they would bias.
    """
    counted = _last_of_each(vote for vote in votes if {vote.left, vote.right} <= settings.keys())
    between = [vote for vote in counted if labels[vote.left] != labels[vote.right]]
    names = list(dict.fromkeys(labels.values()))
    scores, why = _scores(names, between, labels)
    standings = []
    for name in names:
        own = [vote for vote in between if name in {labels[vote.left], labels[vote.right]}]
        if own:
            rate = _rate_of(own, {video for video, label in labels.items() if label == name})
            score, margin = scores.get(name, (None, None))
            standings.append(Standing(setting=name, rate=rate, score=score, margin=margin))
    standings.sort(key=lambda one: (one.score or 0.0, one.rate.rate), reverse=True)
    return Results(
        votes=len(counted),
        adaptive=sum(not vote.balanced for vote in counted),
        voters=len({vote.who for vote in counted}),
        standings=tuple(standings),
        contrasts=tuple(_contrasts(_sound(between), settings)),
        why_no_scores=why,
    )


def _last_of_each(votes: Iterable[Vote]) -> list[Vote]:
    last: dict[tuple[frozenset[str], str, bool], Vote] = {}
    for vote in sorted(votes, key=lambda one: one.at):
        # A second vote on a close pair must not replace the balanced vote on it.
        last[frozenset((vote.left, vote.right)), vote.who, vote.balanced] = vote
    return list(last.values())


def _sound(votes: Sequence[Vote]) -> Sequence[Vote]:
    """Return the votes on balanced pairs, or all votes if there are none."""
    return [vote for vote in votes if vote.balanced] or votes


def _contrasts(votes: Sequence[Vote], settings: Mapping[str, Setting]) -> Iterable[Contrast]:
    """Return each pair of values of each field that was voted on."""
    fields = dict.fromkeys(name for setting in settings.values() for name in setting)
    for field in fields:
        pairs: dict[frozenset[Hashable], list[Vote]] = defaultdict(list)
        for vote in votes:
            left, right = settings[vote.left].get(field), settings[vote.right].get(field)
            if left != right:
                pairs[frozenset((left, right))].append(vote)
        for values, some in pairs.items():
            matched = [vote for vote in some if _alike(vote, settings, field)]
            both = []
            for value in values:
                ours = {video for video, one in settings.items() if one.get(field) == value}
                text = f"{value:g}" if isinstance(value, float) else str(value)
                both.append((_rate_of(matched or some, ours), text))
            (_, worse), (rate, better) = sorted(both, key=lambda one: (one[0].rate, one[1]))
            yield Contrast(
                field=field, better=better, worse=worse, rate=rate, matched=bool(matched)
            )


def _alike(vote: Vote, settings: Mapping[str, Setting], field: str) -> bool:
    """Return whether all but one field is equal in the videos of a vote."""
    left, right = ({**settings[one], field: None} for one in (vote.left, vote.right))
    return left == right


def _rate_of(votes: Sequence[Vote], ours: Collection[str]) -> Rate:
    """Return how often `ours` won; by the balanced votes only, if there are any."""
    votes = _sound(votes)
    points: dict[frozenset[str], list[float]] = defaultdict(list)
    wins = losses = ties = 0
    for vote in votes:
        side = "left" if vote.left in ours else "right"
        point = 0.5 if vote.winner == "tie" else float(vote.winner == side)
        wins, ties, losses = wins + (point == 1), ties + (point == 0.5), losses + (point == 0)  # noqa: PLR2004
        points[frozenset((vote.left, vote.right))].append(point)
    number, effect = len(votes), _design_effect(points.values())
    rate = (wins + ties / 2) / number
    balanced = votes[0].balanced
    low, high = wilson(rate, number / effect) if balanced else (0.0, 1.0)
    needed = None
    if rate != 0.5 and balanced:  # noqa: PLR2004 - even odds
        needed = max(0, math.ceil(effect * Z**2 / 4 / (rate - 0.5) ** 2) - number)
    return Rate(
        wins=wins, losses=losses, ties=ties, rate=rate,
        low=low, high=high, needed=needed, balanced=balanced,
    )  # fmt: skip


def wilson(rate: float, number: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a rate in `number` trials (JASA 22, 1927)."""
    middle = (rate + Z**2 / (2 * number)) / (1 + Z**2 / number)
    half = Z / (1 + Z**2 / number)
    half *= math.sqrt(rate * (1 - rate) / number + Z**2 / (4 * number**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _design_effect(pairs: Collection[Sequence[float]]) -> float:
    """Return how many votes on the same pairs of videos are worth one vote on a new pair."""
    number, groups = sum(map(len, pairs)), len(pairs)
    rate = sum(map(sum, pairs)) / number
    plain = rate * (1 - rate) / number
    if groups < 5 or groups == number or not plain:  # noqa: PLR2004 - fewer do not show the spread
        return 1.0
    spread = sum((sum(points) - len(points) * rate) ** 2 for points in pairs)
    return max(1.0, spread * groups / (groups - 1) / number**2 / plain)


# Bradley and Terry: P(i beats j) = 1 / (1 + exp(s_j - s_i)).


def _scores(
    names: Sequence[str], votes: Sequence[Vote], labels: Mapping[str, str]
) -> tuple[dict[str, tuple[float, float | None]], str]:
    if not votes:
        return {}, "There are no votes between different settings yet."
    if len(names) > MOST_SCORES:
        return {}, f"Scores are computed for at most {MOST_SCORES} settings."
    wins = wins_of(names, votes, labels)
    if not _connected(len(names), wins):
        return {}, (
            "No scores yet: some settings only won, only lost, or were never compared, so no "
            "number describes how much better they are."
        )
    scores, _ = bradley_terry(len(names), wins)
    errors = _errors(names, scores, [vote for vote in votes if vote.balanced], labels)
    margins = [None] * len(names) if errors is None else [Z * error for error in errors]
    return dict(zip(names, zip(scores, margins, strict=True), strict=True)), ""


def wins_of(
    names: Sequence[str], votes: Iterable[Vote], labels: Mapping[str, str]
) -> dict[tuple[int, int], float]:
    """Return how often each setting beat each other one, by their indexes in `names`."""
    wins: dict[tuple[int, int], float] = defaultdict(float)
    at = {name: index for index, name in enumerate(names)}
    for vote in votes:
        left, right = at[labels[vote.left]], at[labels[vote.right]]
        wins[left, right] += _SHARE[vote.winner]
        wins[right, left] += 1 - _SHARE[vote.winner]
    return wins


_SHARE: Mapping[str, float] = MappingProxyType({"left": 1.0, "right": 0.0, "tie": 0.5})


def _errors(
    names: Sequence[str], scores: Sequence[float], votes: Sequence[Vote], labels: Mapping[str, str]
) -> list[float] | None:
    """Return the standard errors by these votes; None if they do not link all settings.

    The larger of two: by the Fisher information, and by the spread between pairs of videos,
    whose votes are grouped (White, Econometrica 50, 1982).
    """
    wins, number = wins_of(names, votes, labels), len(names)
    if not _connected(number, dict.fromkeys(wins, 1.0)):
        return None
    at = {name: index for index, name in enumerate(names)}
    surprises: dict[tuple[str, str], float] = defaultdict(float)
    for vote in votes:
        share, first, second = _SHARE[vote.winner], vote.left, vote.right
        if second < first:
            share, first, second = 1 - share, second, first
        off = scores[at[labels[second]]] - scores[at[labels[first]]]
        surprises[first, second] += share - 1 / (1 + math.exp(off))
    _, information = _slope(scores, wins)
    inverse = _solve(information, [[float(i == j) for j in range(number)] for i in range(number)])
    known = [(at[labels[a]], at[labels[b]], size) for (a, b), size in surprises.items()]
    few = len(known) / max(1, len(known) - 1)
    return [
        math.sqrt(max(
            row[i] - 1 / number**2,
            few * sum((size * (row[a] - row[b])) ** 2 for a, b, size in known),
        ))
        for i, row in enumerate(inverse)
    ]  # fmt: skip


def _connected(number: int, wins: Mapping[tuple[int, int], float]) -> bool:
    """Return whether each beat each other, directly or through others: else no maximum exists."""
    for pairs in (wins, {(j, i): share for (i, j), share in wins.items()}):
        reached, waiting = {0}, [0]
        beats = defaultdict(list)
        for (i, j), share in pairs.items():
            if share:
                beats[i].append(j)
        while waiting:
            new = set(beats[waiting.pop()]) - reached
            reached |= new
            waiting += new
        if len(reached) < number:
            return False
    return True


def bradley_terry(
    number: int, wins: Mapping[tuple[int, int], float], *, ridge: float = 0.0, near: float = 1e-10
) -> tuple[list[float], list[list[float]]]:
    """Return the scores, with mean 0, and their information matrix.

    `wins[i, j]` is how often i beat j. Uses Newton's method until a step is below `near`; the
    information is singular along a common shift, so that direction is filled in, which does not
    change the others. With a `ridge` (the precision of a prior around 0) scores always exist.
    """
    scores, information = [0.0] * number, list[list[float]]()
    for _ in range(100):
        slope, information = _slope(scores, wins)
        for at, score in enumerate(scores):
            slope[at] -= ridge * score
            information[at][at] += ridge
        step = _solve(information, [[value] for value in slope])
        size = max(abs(one[0]) for one in step)
        damped = min(1.0, 2.0 / size) if size else 1.0
        scores = [score + damped * one[0] for score, one in zip(scores, step, strict=True)]
        if size < near:
            break
    mean = sum(scores) / number
    return [score - mean for score in scores], information


def _slope(
    scores: Sequence[float], wins: Mapping[tuple[int, int], float]
) -> tuple[list[float], list[list[float]]]:
    number = len(scores)
    slope = [0.0] * number
    # Ones everywhere: the information of the mean, which votes do not determine.
    information = [[1.0] * number for _ in range(number)]
    for (i, j), share in wins.items():
        if i < j or (j, i) not in wins:
            back = wins.get((j, i), 0.0)
            chance = 1 / (1 + math.exp(scores[j] - scores[i]))
            gain = share - (share + back) * chance
            weight = (share + back) * chance * (1 - chance)
            slope[i] += gain
            slope[j] -= gain
            information[i][i] += weight
            information[j][j] += weight
            information[i][j] -= weight
            information[j][i] -= weight
    return slope, information


def _solve(
    matrix: Sequence[Sequence[float]], right: Sequence[Sequence[float]]
) -> list[list[float]]:
    """Solve a positive definite system by elimination; `right` has one column or several."""
    rows = [[*line, *side] for line, side in zip(matrix, right, strict=True)]
    number = len(rows)
    for at, pivot in enumerate(rows):
        for row in rows[at + 1 :]:
            _subtract(row, pivot, row[at] / pivot[at], at)
    for at in reversed(range(number)):
        pivot = rows[at] = [value / rows[at][at] for value in rows[at]]
        for row in rows[:at]:
            _subtract(row, pivot, row[at], number)
    return [row[number:] for row in rows]


def _subtract(row: list[float], other: Sequence[float], factor: float, start: int) -> None:
    """Subtract a multiple of another row, from column `start` on."""
    if factor:
        row[start:] = [
            mine - factor * theirs for mine, theirs in zip(row[start:], other[start:], strict=True)
        ]
