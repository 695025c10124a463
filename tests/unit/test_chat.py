"""The real openai client against a service on this machine that fails in every way it may."""

import json
import time

import pytest
from openai.lib._pydantic import to_strict_json_schema

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.rag.azure_openai import client_at
from deepkt_irt.rag.batch_chat import BatchChat
from deepkt_irt.rag.chat import AzureChat
from deepkt_irt.rag.limits import Budget
from deepkt_irt.rag.prompts import Answer, Prompt, explanation_prompt
from deepkt_irt.rag.responses_api import Outcome, most_input_tokens, request_body
from deepkt_irt.settings import ChatSettings, ExplanationSettings
from deepkt_irt.settings.language_models import PRICES
from fake_azure_openai import (
    Served,
    failed,
    filtered,
    good_answer,
    obedient,
    refusal,
    response,
    serving,
)
from made_up_evidence import evidence


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-a-test")


def settings(**changes) -> ChatSettings:
    usual = {"timeout_seconds": 2.0, "max_retries": 2, "tokens_per_minute": 10**9}
    return ChatSettings(**usual | changes)


def prompt() -> Prompt:
    return explanation_prompt(evidence(), ExplanationSettings())


def client_of(service, given):
    return client_at(
        service.base_url,
        setting="chat.base_url",
        timeout_seconds=given.timeout_seconds,
        max_retries=0,
    )


def ask(answer, *, n=1, given=None, sleep=lambda _: None, budget=None):
    given = given or settings()
    with serving(answer) as service:
        chat = AzureChat(
            client_of(service, given), given, budget=budget or Budget(10.0), sleep=sleep
        )
        return chat.ask_many([prompt() for _ in range(n)]), service.books


def test_an_answer_comes_with_its_account():
    (reply,), books = ask(obedient)
    (call,) = reply.calls

    assert reply.outcome is Outcome.ANSWERED
    assert Answer.model_validate_json(reply.text or "")
    assert call.usage is not None
    assert (call.usage.input, call.usage.output) == (books.input_tokens, books.output_tokens)
    assert call.usage.reasoning == 40
    assert call.cost_usd == PRICES["gpt-5.4-mini"].cost(books.input_tokens, books.output_tokens)
    assert call.served_model == "gpt-5.4-mini-2026-03-18"
    assert call.latency_ms is not None
    assert books.headers[0]["authorization"] == "Bearer key-of-a-test"


def test_the_body_is_what_the_interface_takes():
    body = request_body(prompt(), "gpt-4o", settings(effort="low"))

    assert body["text"]["format"]["schema"] == to_strict_json_schema(Answer)
    assert body["text"]["format"]["strict"]
    assert body["store"] is False
    assert body["reasoning"] == {"effort": "low"}
    assert "reasoning" not in request_body(prompt(), "gpt-4o", settings())
    assert not {"temperature", "top_p", "max_tokens", "tools"} & body.keys()


def in_turn(*served):
    """Answers requests one after the other."""
    return lambda _, number: served[min(number, len(served) - 1)]


def test_what_the_service_asks_to_wait_is_waited_by_all():
    waited = []
    limited = failed(429, "rate_limit_exceeded", retry_after="7")
    good = Served(response(json.dumps({"ok": True})))
    given = settings(concurrency=1)
    with serving(in_turn(limited, good)) as service:
        clock = [0.0]

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            clock[0] += seconds

        chat = AzureChat(
            client_of(service, given), given, budget=Budget(1), clock=lambda: clock[0], sleep=sleep
        )
        (reply,) = chat.ask_many([prompt()])

    assert reply.outcome is Outcome.ANSWERED
    assert [call.outcome for call in reply.calls] == [Outcome.RATE_LIMITED, Outcome.ANSWERED]
    assert waited == [7.0]


def test_milliseconds_to_wait_go_before_seconds():
    waited = []
    limited = failed(500, "overloaded", retry_after="9", retry_after_ms="250")
    (reply,), _ = ask(in_turn(limited, Served(response("{}"))), sleep=waited.append)

    assert reply.outcome is Outcome.ANSWERED
    assert waited == [0.25]


def test_a_wait_that_is_too_long_is_not_waited():
    limited = failed(429, "rate_limit_exceeded", retry_after="3600")
    (reply,), books = ask(in_turn(limited), sleep=pytest.fail)

    assert reply.outcome is Outcome.GIVEN_UP
    assert len(books.requests) == 1


TRANSIENT = {
    "server error": (failed(500, "internal"), Outcome.SERVER_ERROR),
    "no JSON": (Served(b"<html>gateway</html>"), Outcome.INVALID),
    "another shape": (Served({"object": "list", "data": []}), Outcome.INVALID),
    "no text": (Served(response("") | {"output": []}), Outcome.INVALID),
    "cut connection": (Served(response("{}"), is_cut=True), Outcome.UNREACHABLE),
}


@pytest.mark.parametrize("case", TRANSIENT)
def test_what_may_pass_is_tried_again_and_every_request_is_on_record(case):
    served, outcome = TRANSIENT[case]
    (reply,), books = ask(in_turn(served, obedient_once()))

    assert reply.outcome is Outcome.ANSWERED
    assert [call.outcome for call in reply.calls] == [outcome, Outcome.ANSWERED]
    assert [call.attempt for call in reply.calls] == [1, 2]
    assert len(books.requests) == 2


def obedient_once() -> Served:
    return Served(response("{}"))


def test_a_request_that_takes_too_long_is_given_up_and_tried_again():
    slow = Served(response("{}"), seconds=0.6)
    given = settings(timeout_seconds=0.2)
    (reply,), _ = ask(in_turn(slow, obedient_once()), given=given)

    assert [call.outcome for call in reply.calls] == [Outcome.TIMEOUT, Outcome.ANSWERED]


def test_a_service_that_stays_down_is_left_alone_after_a_while():
    given = settings(max_retries=0, max_failures=3, concurrency=1)
    replies, books = ask(in_turn(failed(500, "down")), n=10, given=given)

    assert {reply.outcome for reply in replies} == {Outcome.GIVEN_UP}
    assert len(books.requests) == 3


WITHHELD = {
    "refusal": (Served(refusal()), Outcome.REFUSED),
    "prompt filtered": (filtered(), Outcome.CONTENT_FILTER),
    "answer filtered": (
        Served(response("some", status="incomplete", reason="content_filter")),
        Outcome.CONTENT_FILTER,
    ),
    "cut off": (
        Served(response('{"sum', status="incomplete", reason="max_output_tokens")),
        Outcome.TRUNCATED,
    ),
}


@pytest.mark.parametrize("case", WITHHELD)
def test_what_the_service_withholds_is_an_outcome_and_not_tried_again(case):
    served, outcome = WITHHELD[case]
    (reply,), books = ask(in_turn(served))

    assert (reply.outcome, reply.text) == (outcome, None)
    assert len(books.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, BackendUnavailable, "Cognitive Services OpenAI User"),
        (403, BackendUnavailable, "let us in"),
        (404, UsageError, "deployment gpt-4o"),
        (400, UsageError, "status 400"),
    ],
)
def test_a_mistake_of_ours_ends_the_run(status, error, told):
    with pytest.raises(error, match=told):
        ask(in_turn(failed(status, "wrong")), n=20)


def test_no_more_requests_are_under_way_than_may_be():
    def slowly(body, number):
        time.sleep(0.02)
        return obedient(body, number)

    replies, books = ask(slowly, n=24, given=settings(concurrency=4))

    assert len(replies) == 24
    assert 2 <= books.peak <= 4


def test_a_budget_holds_and_what_is_beyond_it_is_not_sent():
    most = PRICES["gpt-5.4-mini"].cost(
        most_input_tokens(request_body(prompt(), "gpt-4o", settings())), 2000
    )
    budget = Budget(most * 1.5)
    replies, books = ask(obedient, n=12, given=settings(concurrency=3), budget=budget)
    outcomes = [reply.outcome for reply in replies]

    assert Outcome.ANSWERED in outcomes
    assert Outcome.OVER_BUDGET in outcomes
    assert budget.spent <= most * 1.5
    assert len(books.requests) == outcomes.count(Outcome.ANSWERED)
    assert budget.spent == pytest.approx(sum(c.cost_usd for r in replies for c in r.calls))


def test_what_may_have_been_charged_without_a_word_stays_set_aside():
    most = PRICES["gpt-5.4-mini"].cost(
        most_input_tokens(request_body(prompt(), "gpt-4o", settings())), 2000
    )
    budget = Budget(most * 1.5)
    given = settings(timeout_seconds=0.1, max_retries=3)
    (reply,), _ = ask(in_turn(Served(response("{}"), seconds=0.3)), given=given, budget=budget)

    assert [call.outcome for call in reply.calls] == [Outcome.TIMEOUT]
    assert reply.outcome is Outcome.OVER_BUDGET


def test_a_model_without_a_price_is_refused_before_anything_is_sent():
    given = settings(model="gpt-6-unheard-of")
    with serving() as service, pytest.raises(UsageError, match="input_price"):
        AzureChat(client_of(service, given), given, budget=Budget(1.0))


def test_a_price_of_ones_own_is_taken():
    given = settings(model="gpt-6-unheard-of", input_price=1.0, output_price=2.0)
    (reply,), books = ask(obedient, given=given)

    cost = (books.input_tokens + 2 * books.output_tokens) / 1e6
    assert reply.calls[0].cost_usd == pytest.approx(cost)


def test_one_price_alone_is_refused():
    with pytest.raises(ValueError, match="or neither"):
        settings(input_price=1.0)


def test_without_an_address_it_says_which_setting():
    with pytest.raises(UsageError, match=r"chat\.base_url"):
        client_at("", setting="chat.base_url", timeout_seconds=1, max_retries=0)


def batched(answer, *, n=3, given=None, budget=None):
    given = given or settings(batch_deployment="gpt-4o-batch")
    waited = []
    with serving(answer) as service:
        chat = BatchChat(
            client_of(service, given), given, budget=budget or Budget(10.0), sleep=waited.append
        )
        return chat.ask_many([prompt() for _ in range(n)]), service.books, waited


def test_a_batch_answers_in_our_order_at_half_the_price_and_leaves_nothing_there():
    def numbered(body, number):
        return Served(response(json.dumps(good_answer(body) | {"n": number})))

    replies, books, waited = batched(numbered)

    assert [json.loads(reply.text or "")["n"] for reply in replies] == [0, 1, 2]
    full = [PRICES["gpt-5.4-mini"].cost(*tokens) for tokens in books.batch_tokens]
    assert [r.calls[0].cost_usd for r in replies] == pytest.approx([c / 2 for c in full])
    assert all(reply.calls[0].in_batch for reply in replies)
    assert {body["model"] for body in books.requests} == {"gpt-4o-batch"}
    assert books.files == {}
    assert waited == [60.0, 60.0]


def test_in_a_batch_some_may_fail_and_the_others_count():
    def some(body, number):
        return [obedient(body, 0), filtered(), failed(500, "internal")][number]

    replies, _, _ = batched(some)

    assert [reply.outcome for reply in replies] == [
        Outcome.ANSWERED,
        Outcome.CONTENT_FILTER,
        Outcome.GIVEN_UP,
    ]


def test_a_batch_that_is_not_done_in_time_is_cancelled():
    given = settings(batch_deployment="b", batch_wait_hours=1e-9)
    replies, books, _ = batched(obedient, given=given)

    assert {reply.outcome for reply in replies} <= {Outcome.GIVEN_UP, Outcome.ANSWERED}
    assert [batch["status"] for batch in books.batches.values()] == ["cancelled"]
    assert books.files == {}


def test_a_batch_sends_only_what_the_budget_holds():
    body = request_body(prompt(), "gpt-4o-batch", settings())
    most = PRICES["gpt-5.4-mini"].cost(most_input_tokens(body), 2000, in_batch=True)
    replies, books, _ = batched(obedient, n=5, budget=Budget(most * 2.5))

    outcomes = [reply.outcome for reply in replies]
    assert outcomes == [Outcome.ANSWERED] * 2 + [Outcome.OVER_BUDGET] * 3
    assert len(books.requests) == 2
