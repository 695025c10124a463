"""From evidence to what is published, through the real client and a service that misbehaves."""

import json
import re
from dataclasses import replace

import pytest

from deepkt_irt.rag.azure_openai import client_at
from deepkt_irt.rag.chat import AzureChat
from deepkt_irt.rag.explainer import OFFLINE, Explained, Explainer, explained_offline
from deepkt_irt.rag.grounding import problems_of
from deepkt_irt.rag.limits import Budget
from deepkt_irt.rag.opening import open_explainer
from deepkt_irt.settings import ChatSettings, ExplanationSettings, Settings
from fake_azure_openai import (
    Served,
    data_of,
    failed,
    filtered,
    good_answer,
    obedient,
    refusal,
    response,
    serving,
    token_of,
)
from faulty_model import FaultyModel
from made_up_evidence import SKILL, evidence

SETTINGS = ExplanationSettings()
FAST = {"tokens_per_minute": 10**9, "requests_per_minute": 10**6}


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-a-test")


def explain(answer, *wanted, usd=10.0) -> tuple[Explained, list]:
    given = ChatSettings(
        provider="azure_openai", max_retries=1, timeout_seconds=5, tokens_per_minute=10**9
    )
    with serving(answer) as service:
        client = client_at(
            service.base_url, setting="chat.base_url", timeout_seconds=5, max_retries=0
        )
        chat = AzureChat(client, given, budget=Budget(usd), sleep=lambda _: None)
        return Explainer(SETTINGS, chat, chat).explain(wanted), service.books.requests


def mended(first):
    """Answers first as given, and as it should when asked to mend it."""
    return lambda body, n: (
        obedient(body, n) if "not accepted" in body["instructions"] else first(body)
    )


def with_change(change):
    """Answers as it should, but for a change of the whole."""

    def answer(body):
        whole = good_answer(body)
        change(whole, body)
        return Served(response(json.dumps(whole)))

    return answer


def wrong_number(whole, _):
    whole["summary"][0]["text"] = re.sub(r"\d+", "97", whole["summary"][0]["text"])


def wrong_fact(whole, _):
    whole["summary"][0]["facts"] = ["F42"]


def wrong_source(whole, _):
    whole["steps"][0]["sources"] = ["S42"]


def leaked_token(whole, body):
    whole["summary"][0]["text"] += f" {token_of(body)}"


def link(whole, _):
    whole["next_action"]["text"] += " See https://example.org/x."


def praise(whole, _):
    whole["summary"][0]["text"] = f"{SKILL} is mastered, brilliant."


FAULTS = [wrong_number, wrong_fact, wrong_source, leaked_token, link, praise]


@pytest.mark.parametrize("audience", ["teacher", "student"])
def test_what_a_model_words_well_is_published_with_its_evidence(audience):
    found, requests = explain(obedient, evidence(audience=audience))
    (explanation,) = found.explanations

    assert (explanation.outcome, explanation.reason, explanation.model) == (
        "verified",
        None,
        "gpt-4o",
    )
    assert len(requests) == len(found.calls) == 1
    whose = "your" if audience == "student" else "the student's"
    assert f"3 of {whose} last 4 answers" in explanation.answer.summary[1].text


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
def test_a_fault_is_mended_once(fault):
    found, requests = explain(mended(with_change(fault)), evidence())

    assert [each.outcome for each in found.explanations] == ["verified"]
    assert len(requests) == 2


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
def test_a_fault_that_stays_is_not_published(fault):
    found, requests = explain(lambda body, _: with_change(fault)(body), evidence())
    (explanation,) = found.explanations

    assert explanation.outcome == "offline"
    assert explanation.reason is not None
    assert explanation.reason.startswith("the answer was not verified: ")
    assert explanation.problems
    assert explanation.answer == explained_offline(evidence()).answer
    assert explanation.model == "gpt-4o"  # it would say the same another night
    assert len(requests) == 2


def test_the_second_prompt_names_what_is_wrong_and_quotes_nothing():
    _, requests = explain(lambda body, _: with_change(praise)(body), evidence())

    assert "summary 1: a word judges" in requests[1]["instructions"]
    assert "brilliant" not in json.dumps(requests[1])
    assert token_of(requests[0]) != token_of(requests[1])


WITHHELD = {
    "refusal": (Served(refusal()), "the model refused", "gpt-4o", 1),
    "filter": (filtered(), "the content filter of the service withheld it", "gpt-4o", 1),
    "down": (failed(500, "down"), "the service did not answer", OFFLINE, 2),
    "cut off": (
        Served(response("{", status="incomplete", reason="max_output_tokens")),
        "the answer was cut off twice",
        "gpt-4o",
        2,
    ),
    "no JSON": (
        Served(response("Sure! Here you are.")),
        "the answer was not verified: schema",
        "gpt-4o",
        2,
    ),
}


@pytest.mark.parametrize("case", WITHHELD)
def test_what_does_not_come_is_explained_offline_with_the_reason(case):
    served, reason, model, n_requests = WITHHELD[case]
    found, requests = explain(lambda *_: served, evidence())
    (explanation,) = found.explanations

    assert (explanation.outcome, explanation.reason) == ("offline", reason)
    assert explanation.model == model  # `offline`: another night may word it
    assert len(requests) == n_requests


def test_without_money_nobody_is_asked():
    found, requests = explain(obedient, evidence(), usd=0.0)

    assert found.explanations[0].reason == "the budget of the run was spent"
    assert requests == []
    assert found.calls == ()


def test_without_a_passage_it_abstains_and_says_why():
    why = "nothing in the content library is near enough (0.11, needed 0.20)"
    found, requests = explain(obedient, replace(evidence(texts=()), no_sources=why))

    assert found.explanations[0].reason == why
    assert requests == []


def test_the_same_evidence_is_asked_about_once():
    found, requests = explain(obedient, evidence(), evidence(mastery=0.3), evidence())

    assert len(requests) == 2
    assert found.explanations[0] == found.explanations[2] != found.explanations[1]


def test_a_prompt_holds_evidence_only():
    """Who a student is cannot be in a request: the evidence does not know it."""
    _, requests = explain(obedient, evidence())
    data = data_of(requests[0])

    assert set(data) == {"skill", "item", "facts", "sources"}
    assert set(data["facts"][0]) == {"ref", "text"}
    assert set(data["sources"][0]) == {"ref", "title", "text"}


def test_what_is_published_is_always_verified_or_offline():
    found, _ = explain(
        lambda body, n: with_change(FAULTS[n % len(FAULTS)])(body) if n % 2 else obedient(body, n),
        *(evidence(mastery=n / 100, mastery_low=0.0, mastery_high=1.0) for n in range(40)),
    )

    for each in found.explanations:
        problems = list(problems_of(each.answer, each.evidence, SETTINGS, token="0" * 24))
        assert problems == []
        assert (each.outcome == "offline") == (each.reason is not None)


def test_under_every_fault_nothing_false_is_published_and_the_books_agree():
    model = FaultyModel(share=0.5, seed=3)
    wanted = [
        evidence(mastery=n / 100, mastery_low=0.0, mastery_high=1.0, audience=audience)
        for n in range(40)
        for audience in ("teacher", "student")
    ]
    given = ChatSettings(provider="azure_openai", timeout_seconds=0.6, concurrency=4, **FAST)
    with serving(model) as service:
        chat = given.model_copy(update={"base_url": service.base_url})
        explainer = open_explainer(Settings(chat=chat))
        assert explainer is not None
        found, books = explainer.explain(wanted), service.books
    answers = [each.answer for each in found.explanations]
    told = {s.text for a in answers for s in (*a.summary, *a.steps, a.next_action)}
    usages = [call.usage for call in found.calls if call.usage]

    assert len(model.met) > 15
    assert told & model.wrong == set()
    assert all(e.outcome == "verified" or e.reason for e in found.explanations)
    assert sum(e.outcome == "verified" for e in found.explanations) > 40
    assert len(found.calls) == len(books.requests)
    assert sum(usage.input for usage in usages) == books.input_tokens
    assert sum(usage.output for usage in usages) == books.output_tokens
    assert books.peak <= 4


def test_offline_nobody_is_opened():
    assert open_explainer(Settings()) is None
