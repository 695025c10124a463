"""What language models cost, when they retire, and what the doctor says of the one that is set."""

from datetime import timedelta

import pytest

from deepkt_irt.jobs.doctor import language_model
from deepkt_irt.settings import ChatSettings
from deepkt_irt.settings.language_models import (
    PRICES,
    PRICES_AS_OF,
    RETIREMENTS,
    RETIREMENTS_AS_OF,
    Price,
)


def azure(model: str = "gpt-5.4-mini", **changes) -> ChatSettings:
    return ChatSettings(provider="azure_openai", model=model, **changes)


def test_price_is_by_million_tokens_and_half_in_a_batch():
    price = Price(0.75, 4.5)

    assert price.cost(900, 250) == pytest.approx(0.0018)
    assert price.cost(900, 250, in_batch=True) == pytest.approx(0.0009)


def test_the_default_model_has_a_price_and_is_not_retired_when_the_table_was_read():
    model = ChatSettings().model

    assert model in PRICES
    assert RETIREMENTS[model] > RETIREMENTS_AS_OF > PRICES_AS_OF


@pytest.mark.parametrize(
    ("days", "ok", "told"),
    [(61, True, "retires on"), (60, False, "retires on"), (-1, False, "d on")],
)
def test_a_model_that_retires_soon_is_amiss(days, ok, told):
    retires = RETIREMENTS["gpt-5.4-mini"]
    found = language_model(azure(), retires - timedelta(days=days))

    assert (found.ok, told in found.found) == (ok, True)
    assert "deploy another model as gpt-4o" in found.mend


def test_gpt_4o_may_be_set_and_its_retirement_is_told():
    found = language_model(azure("gpt-4o"), RETIREMENTS["gpt-4o"] + timedelta(days=50))

    assert not found.ok
    assert "gpt-4o retired on 2026-10-01" in found.found


def test_a_model_without_a_price_is_amiss_until_one_is_given():
    today = RETIREMENTS_AS_OF

    assert "without a price" in language_model(azure("gpt-6"), today).found
    own = azure("gpt-6", input_price=1, output_price=2)
    assert language_model(own, today).ok
    assert "not known here" in language_model(own, today).found


def test_offline_no_model_is_looked_at():
    assert language_model(ChatSettings(model="gpt-4o"), RETIREMENTS["gpt-4o"]).ok
