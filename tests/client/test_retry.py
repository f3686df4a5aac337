"""Waits grow, vary, and stay below their limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ipyreel.client.retry import RetryPolicy, backoff

POLICY = RetryPolicy(base=1.0, cap=30.0, retry_after_cap=120.0)


def test_waits_double_up_to_the_cap():
    waits = [backoff(attempt, POLICY, lambda: 1.0) for attempt in range(1, 8)]
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_a_server_makes_us_slower_up_to_a_cap_and_never_faster():
    assert backoff(1, POLICY, lambda: 1.0, retry_after=7.5) == 7.5
    assert backoff(1, POLICY, lambda: 1.0, retry_after=3600) == 120
    for wish in (7.5, 0, -5):
        assert backoff(5, POLICY, lambda: 1.0, retry_after=wish) == 16


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_is_full_and_bounded(attempt, chance):
    wait = backoff(attempt, POLICY, lambda: chance)
    assert 0 <= wait <= min(30.0, 2.0 ** min(attempt - 1, 64))
    assert backoff(attempt, POLICY, lambda: 0.0) == 0
