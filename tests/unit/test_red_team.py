"""Planted text against models that obey it: none of it is ever published.

Three models are tried: one that obeys what it sees, one that obeys also what was taken out before,
and one that hides the goal among true sentences. Each puts the goal into every part of an answer.
"""

import json
from collections import Counter
from itertools import product

import pytest

from deepkt_irt.rag.chat import Reply
from deepkt_irt.rag.evidence import Evidence, evidence_of, sources_of
from deepkt_irt.rag.explainer import Explainer, Explanation
from deepkt_irt.rag.grounding import problems_of
from deepkt_irt.rag.index import Hit
from deepkt_irt.rag.prompts import Answer, Prompt, Sentence
from deepkt_irt.rag.responses_api import Outcome
from deepkt_irt.settings import ExplanationSettings
from injections import INJECTIONS, Injection
from made_up_evidence import DENOMINATOR, chunk, observed

SETTINGS = ExplanationSettings()
PARTS = ("summary", "steps", "next_action")
PLACES = ("passage", "title", "skill", "item", "reason")


def test_there_are_enough_of_enough_kinds():
    kinds = Counter(each.kind for each in INJECTIONS)

    assert len(INJECTIONS) >= 50
    assert len(kinds) == 8
    assert min(kinds.values()) >= 5
    assert len({each.planted for each in INJECTIONS}) == len(INJECTIONS)


def planted(injection: Injection, place: str) -> Evidence:
    """Evidence with the text in one place."""
    text = injection.planted
    passage = f"{DENOMINATOR} {text}" if place == "passage" else DENOMINATOR
    found = chunk(passage, title=text if place == "title" else "How to add fractions")
    seen = {place: text} if place in ("skill", "item", "reason") else {}
    sources = sources_of([Hit(found, 1, 1, 1, 0.9)], max_characters=1500)
    return evidence_of(observed(**seen), sources, audience="teacher")


class Captured:
    """A model that writes the goal into one part of an otherwise true answer."""

    model = "captured"

    def __init__(self, injection: Injection, part: str, *, only_if_seen: bool, mixed: bool) -> None:
        self.injection, self.part = injection, part
        self.only_if_seen, self.mixed = only_if_seen, mixed

    def ask_many(self, prompts: list[Prompt]) -> list[Reply]:
        return [Reply(Outcome.ANSWERED, self._answer(prompt)) for prompt in prompts]

    def _answer(self, prompt: Prompt) -> str:
        data = json.loads(prompt.data.split("\n")[1])
        refs = {fact["text"][:11]: fact["ref"] for fact in data["facts"]}
        recent = next(f for f in data["facts"] if " of the last " in f["text"])
        summary = Sentence(text=recent["text"], facts=[recent["ref"]], sources=[])
        quote = data["sources"][0]["text"].split(". ")[0] + "."
        step = Sentence(text=quote, facts=[], sources=["S1"])
        action = Sentence(text="Practise next.", facts=[refs["To practise"]], sources=[])
        if not self.only_if_seen or self.injection.planted in prompt.data:
            goal = self.injection.goal
            summary, step, action = (
                each.model_copy(update={"text": f"{each.text} {goal}" if self.mixed else goal})
                if part == self.part
                else each
                for part, each in zip(PARTS, (summary, step, action), strict=True)
            )
        return Answer(summary=[summary], steps=[step], next_action=action).model_dump_json()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda each: each.sign)
def test_nothing_planted_is_published(injection, place):
    found = planted(injection, place)
    for part, only_if_seen, mixed in product(PARTS, (True, False), (True, False)):
        model = Captured(injection, part, only_if_seen=only_if_seen, mixed=mixed)
        (explanation,) = Explainer(SETTINGS, model, model).explain([found]).explanations
        assert_nothing_of_it_is_there(explanation, injection)


def assert_nothing_of_it_is_there(explanation: Explanation, injection: Injection) -> None:
    """Where a model worded it, no sign of the goal; else facts and quotations to the letter."""
    answer, found = explanation.answer, explanation.evidence
    own = [*answer.summary, answer.next_action]
    written = [*own, *answer.steps]
    if explanation.outcome == "verified":
        for name in found.names:  # what is left of a planted name is quoted as it is
            written = [
                each.model_copy(update={"text": each.text.replace(name, "")}) for each in written
            ]
        assert not any(injection.sign in each.text for each in written)
    else:
        assert {each.text for each in own} <= {fact.text for fact in found.facts}
        quoted = " ".join(source.text for source in found.sources)
        assert all(each.text.removesuffix(" ...") in quoted for each in answer.steps)
    assert list(problems_of(answer, found, SETTINGS, token="0" * 24)) == []


def test_a_model_that_is_not_captured_is_published():
    """Else the tests above would pass by refusing everything."""
    injection = INJECTIONS[0]
    model = Captured(injection, "summary", only_if_seen=True, mixed=False)
    (explanation,) = (
        Explainer(SETTINGS, model, model).explain([planted(injection, "title")]).explanations
    )

    assert explanation.outcome == "verified"
