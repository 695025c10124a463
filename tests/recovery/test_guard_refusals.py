"""The guard refuses every planted leak by the check meant for it, and no honest model."""

import pytest

from deepkt_irt.knowledge_tracing.guard import examine
from leaking_models import (
    HONEST,
    LEAKING,
    DeafToItem,
    ItemAndPast,
    ItemsOverTest,
    LooksBeyondVisible,
    PastAnswer,
    StudentsOverTest,
    district,
    less_visible,
    one_row_per_skill,
)

pytestmark = pytest.mark.slow


def refusing(report) -> set[str]:
    return {each.name for each in report.findings if not each.passed}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("model", LEAKING, ids=lambda model: model.__name__)
def test_leaking_model_is_refused_by_the_check_meant_for_it(model, seed):
    report = examine(model, *district(seed), seed=seed)

    assert not report.passed
    assert LEAKING[model] in refusing(report)


@pytest.mark.parametrize("model", HONEST, ids=lambda model: model.__name__)
def test_honest_model_is_never_refused_over_twenty_seeds(model):
    refused = {
        seed: report.reasons
        for seed in range(20)
        if not (report := examine(model, *district(seed), seed=seed)).passed
    }

    assert refused == {}


@pytest.mark.parametrize("model", [ItemAndPast, PastAnswer])
def test_expanded_rows_are_refused_whatever_the_model(model):
    report = examine(model, *one_row_per_skill(*district(5)), seed=5)

    assert "duplicated_rows" in refusing(report)


def test_on_expanded_rows_even_coin_flips_can_be_told():
    """Rows of one question share a coin, as they share an answer, so the leak stays to be found."""
    report = examine(PastAnswer, *one_row_per_skill(*district(5)), seed=5)

    assert {"duplicated_rows", "random_labels"} <= refusing(report)


def test_past_that_is_not_visible_counts_as_future():
    histories, split = district(6)
    hidden = less_visible(histories, 5)

    assert examine(ItemAndPast, hidden, split, seed=6).passed
    assert refusing(examine(LooksBeyondVisible, hidden, split, seed=6)) == {"future_edits"}


def test_model_that_does_not_know_what_is_asked_is_refused_by_that_check_alone():
    assert refusing(examine(DeafToItem, *district(7), seed=7)) == {"next_item"}


@pytest.mark.parametrize("model", [ItemsOverTest, StudentsOverTest])
def test_leak_while_fitting_is_found_over_many_seeds(model):
    """The faintest leaks here: nothing but held-out coin flips shows them."""
    found = [examine(model, *district(seed), seed=seed).passed for seed in range(20)]

    assert found.count(False) >= 19
