"""Choices by a key: the same everywhere, even, and without end."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from udfs.draws import Draw


def test_the_choices_of_a_key_are_frozen() -> None:
    """Prompts of every lakehouse hang on them: another number here is another revision of the writer."""
    draw = Draw("a key")
    assert [draw.below(1000) for _ in range(5)] == [976, 480, 336, 110, 605]
    assert Draw("another key").below(1000) == 84


@given(st.text(), st.lists(st.integers(1, 10**6), max_size=200))
def test_a_choice_is_below_its_bound_and_the_same_again(key: str, bounds: list[int]) -> None:
    one, other = Draw(key), Draw(key)
    for bound in bounds:
        assert 0 <= (found := one.below(bound)) < bound
        assert other.below(bound) == found


@given(st.text(), st.lists(st.integers(), min_size=1, max_size=30), st.data())
def test_a_sample_takes_no_place_twice(key: str, items: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(0, len(items)))
    numbered = list(enumerate(items))
    taken = Draw(key).sample(numbered, k)
    assert len(set(taken)) == k
    assert set(taken) <= set(numbered)


def test_choices_are_even() -> None:
    """10,000 keys, six faces: each within four standard deviations of a sixth; one long draw too."""
    first = Counter(Draw(str(number)).below(6) for number in range(10_000))
    draw = Draw("long")
    long = Counter(draw.below(6) for _ in range(10_000))
    for counts in (first, long):
        assert all(abs(counts[face] - 10_000 / 6) < 4 * 37.3 for face in range(6))


def test_a_chance_is_of_a_hundred() -> None:
    draw = Draw("chance")
    assert not any(draw.chance(0) for _ in range(100))
    assert all(draw.chance(100) for _ in range(100))
    assert 250 < sum(draw.chance(30) for _ in range(1000)) < 350
