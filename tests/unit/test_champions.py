"""A history of champions in tags: any run that is killed and repeated ends as if it never was."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.errors import UsageError
from deepkt_irt.knowledge_tracing.champions import (
    NameChampion,
    Reign,
    SetTag,
    is_withdrawn,
    promotion,
    reasons_of,
    reigns,
    rollback,
)


@dataclass
class Registry:
    """Tags and alias, written one by one; a kill leaves what was written before it."""

    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    alias: str | None = None

    def write(self, writes, *, killed_after=None):
        for each in writes[:killed_after]:
            if isinstance(each, NameChampion):
                self.alias = each.version
            else:
                self.tags.setdefault(each.version, {})[each.key] = each.value

    def promote(self, version, *, at="t", reason="", killed_after=None):
        writes = promotion(
            reigns(self.tags), current=self.alias, version=version, at=at, reason=reason
        )
        self.write(writes, killed_after=killed_after)

    def roll_back(self, *, at="t", killed_after=None):
        target, writes = rollback(reigns(self.tags), current=self.alias, at=at)
        self.write(writes, killed_after=killed_after)
        return target

    @property
    def line(self):
        return [reign.version for reign in reigns(self.tags) if not reign.until]


def promoted(*versions):
    registry = Registry()
    for version in versions:
        registry.promote(version)
    return registry


def test_rollback_goes_back_one_champion_after_another():
    registry = promoted("1", "2", "5")

    assert [registry.roll_back(), registry.roll_back()] == ["2", "1"]
    with pytest.raises(UsageError, match="version 1 has no champion before it"):
        registry.roll_back()
    assert registry.alias == "1"


def test_rollback_of_a_version_that_was_champion_before_does_not_swing_between_two():
    registry = promoted("1", "2", "1")

    assert [registry.roll_back(), registry.roll_back()] == ["2", "1"]
    with pytest.raises(UsageError):
        registry.roll_back()


def test_promotion_after_rollback_skips_what_was_withdrawn():
    registry = promoted("1", "2")
    registry.roll_back(at="then")
    registry.promote("3")

    assert registry.line == ["1", "3"]
    assert registry.roll_back() == "1"
    assert Reign(2, "2", "t", "then") in reigns(registry.tags)  # what happened stays on record


def test_version_counts_as_withdrawn_until_it_is_promoted_again():
    registry = promoted("1", "2")
    assert not is_withdrawn(reigns(registry.tags), "2")
    registry.roll_back()
    assert is_withdrawn(reigns(registry.tags), "2")
    assert not is_withdrawn(reigns(registry.tags), "1")
    registry.promote("2")
    assert not is_withdrawn(reigns(registry.tags), "2")
    assert not is_withdrawn(reigns(registry.tags), "3")


def test_promoting_the_champion_again_writes_nothing():
    registry = promoted("1", "2")

    assert promotion(reigns(registry.tags), current="2", version="2", at="later") == ()


def test_champion_of_unknown_origin_is_what_the_first_rollback_returns_to():
    registry = Registry(alias="7")  # set before there was a history
    registry.promote("8")

    assert registry.roll_back() == "7"


def test_promotion_moves_the_alias_last():
    writes = promotion((), current=None, version="4", at="2026-03-01", reason="better")

    assert writes == (
        SetTag("4", "champion_reason_1", "better"),
        SetTag("4", "champion_since_1", "2026-03-01"),
        NameChampion("4"),
    )


def test_promotion_begun_and_left_is_withdrawn_by_the_next_one():
    registry = promoted("1")
    registry.promote("2", killed_after=1)
    assert registry.alias == "1"

    registry.promote("3")

    assert registry.line == ["1", "3"]


def test_rollback_after_a_promotion_begun_and_left_starts_from_the_real_champion():
    registry = promoted("1", "2")
    registry.promote("3", killed_after=1)

    assert registry.roll_back() == "1"


def test_reasons_are_given_oldest_first():
    registry = Registry()
    for number in range(12):
        registry.promote(str(number % 2), reason=f"because {number}")

    assert list(reasons_of(registry.tags["1"])) == [f"because {n}" for n in (1, 3, 5, 7, 9, 11)]


ACTIONS = st.tuples(
    st.sampled_from(["1", "2", "3", "back"]), st.lists(st.integers(0, 3), max_size=3)
)


@given(st.lists(ACTIONS, max_size=14))
def test_kills_at_any_write_leave_no_trace_once_repeated(actions):
    registry, expected = Registry(), []
    for action, kills in actions:
        if action == "back":
            if len(expected) < 2:
                continue
            for kill in kills:  # a kill after the last write is no kill
                target, writes = rollback(reigns(registry.tags), current=registry.alias, at="t")
                registry.write(writes, killed_after=min(kill, len(writes) - 1))
                assert target == expected[-2]
            registry.roll_back()
            expected.pop()
        else:
            for kill in kills:
                registry.promote(action, killed_after=kill)
            registry.promote(action)
            expected += [action] if expected[-1:] != [action] else []
        assert registry.line == expected
        assert registry.alias == (expected[-1] if expected else None)
