"""The explainer that needs no network: its sentences are the facts, its steps are quotations.

Nothing is worded anew, so that nothing can be wrong that the evidence has right.
"""

import re

from deepkt_irt.rag.evidence import Evidence, Source
from deepkt_irt.rag.prompts import Answer, Sentence
from deepkt_irt.rag.screening import cut

_SUMMARY = ("mastery", "recent", "misconception", "reason", "influence")
_MAX_SUMMARY, _MAX_QUOTES, _MAX_QUOTE = 3, 2, 280
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def offline_answer(evidence: Evidence) -> Answer:
    """An explanation of facts as they stand and of passages as they are written."""
    told = [fact for kind in _SUMMARY for fact in evidence.facts if fact.kind == kind]
    chosen = told[:_MAX_SUMMARY]
    (recommended,) = (fact for fact in evidence.facts if fact.kind == "recommendation")
    return Answer(
        summary=[Sentence(text=fact.text, facts=[fact.ref], sources=[]) for fact in chosen],
        steps=[
            Sentence(text=_quote(source), facts=[], sources=[source.ref])
            for source in evidence.sources[:_MAX_QUOTES]
        ],
        next_action=Sentence(text=recommended.text, facts=[recommended.ref], sources=[]),
    )


def _quote(source: Source) -> str:
    """The first sentences of a passage that fit, whole; of a longer one its first words."""
    quote = ""
    for sentence in _SENTENCE.split(source.text):
        longer = f"{quote} {sentence}".strip()
        if len(longer) > _MAX_QUOTE:
            break
        quote = longer
    return quote or f"{cut(source.text, _MAX_QUOTE)} ..."
