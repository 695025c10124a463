"""From evidence to an explanation that may be published: asked, held against it, mended once.

What a model words is published only if nothing is wrong with it. Everything else is explained
offline, marked as such, with the reason.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from deepkt_irt.rag.chat import Call, Chat, Reply
from deepkt_irt.rag.evidence import Evidence, Source, sources_of
from deepkt_irt.rag.grounding import Checked, checked, grade_of, told
from deepkt_irt.rag.index import Filters, Hit, Index
from deepkt_irt.rag.offline import offline_answer
from deepkt_irt.rag.prompts import VERSION, Answer, Prompt, explanation_prompt
from deepkt_irt.rag.responses_api import Outcome
from deepkt_irt.settings import ExplanationSettings
from deepkt_irt.tables.gold_explanations import NOT_ASKED

OFFLINE = "offline"
"""What stands for the model of an explanation that no model was asked for."""

_SPARE = 2  # times as many passages are searched for as may be cited: some are left out
_MENDABLE = frozenset({Outcome.ANSWERED, Outcome.TRUNCATED})
_REASONS = {
    Outcome.REFUSED: "the model refused",
    Outcome.CONTENT_FILTER: "the content filter of the service withheld it",
    Outcome.OVER_BUDGET: "the budget of the run was spent",
    Outcome.GIVEN_UP: "the service did not answer",
    Outcome.TRUNCATED: "the answer was cut off twice",
}
_LATER = frozenset({Outcome.OVER_BUDGET, Outcome.GIVEN_UP})
"""Outcomes that say nothing of the evidence: another night may word it."""


@dataclass(frozen=True)
class Explanation:
    """One explanation as it is published.

    Attributes:
        answer: What it says; every reference is of the evidence.
        evidence: What it rests on.
        outcome: Whether a model worded it and it was verified, or it is made of fixed sentences.
        reason: Why it is offline; None if it is verified.
        problems: Kinds of problems of the last answer that was refused; empty if none was.
        model: Deployment that was asked; `offline` if none was, or none answered.
        prompt_version: Wording of the instructions.
        grade: Flesch-Kincaid grade.
    """

    answer: Answer
    evidence: Evidence
    outcome: Literal["verified", "offline"]
    reason: str | None
    problems: str
    model: str
    prompt_version: str
    grade: float


@dataclass(frozen=True)
class Round:
    """One time that a model was asked for an explanation.

    Attributes:
        prompt: What it was asked.
        reply: What came.
        checked: What is wrong with the answer; None without one.
        checked_ns: Wall clock before and after the check, in nanoseconds.
    """

    prompt: Prompt
    reply: Reply
    checked: Checked | None
    checked_ns: tuple[int, int]

    @property
    def is_verified(self) -> bool:
        """Whether its answer may be published."""
        return self.checked is not None and self.checked.is_verified


@dataclass(frozen=True)
class Account:
    """How an explanation that a model was asked for came to be; the first round is no repair."""

    explanation: Explanation
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class Explained:
    """What came of some evidence.

    Attributes:
        explanations: In the order of the evidence.
        accounts: One for each evidence that a model was asked about.
    """

    explanations: tuple[Explanation, ...]
    accounts: tuple[Account, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every request that was sent."""
        rounds = [one for account in self.accounts for one in account.rounds]
        return tuple(call for one in rounds for call in one.reply.calls)


def explained_offline(evidence: Evidence, reason: str = NOT_ASKED) -> Explanation:
    """The explanation that no model was asked for."""
    return _offline(evidence, reason, model=OFFLINE)


class Explainer:
    """Words explanations with a language model.

    Args:
        settings: Limits of an explanation.
        chat: Who is asked first.
        repairs: Who is asked again about an answer that was not accepted.
    """

    def __init__(self, settings: ExplanationSettings, chat: Chat, repairs: Chat) -> None:
        self._settings, self._chat, self._repairs = settings, chat, repairs

    @property
    def model(self) -> str:
        """The deployment that is asked first."""
        return self._chat.model

    def explain(self, wanted: Sequence[Evidence]) -> Explained:
        """One explanation for each; evidence that is the same is asked about once.

        Raises:
            UsageError: If the service does not know the deployment or the way it is asked.
            BackendUnavailable: If the service does not let us in.
        """
        distinct = {each.hash: each for each in wanted}
        asked = {key: each for key, each in distinct.items() if each.sources}
        first = self._round(self._chat, asked, {})
        again = {
            key: [problem.text for problem in one.checked.problems] if one.checked else ["too long"]
            for key, one in first.items()
            if one.reply.outcome in _MENDABLE and not one.is_verified
        }
        second = self._round(self._repairs, {key: asked[key] for key in again}, again)
        rounds = {
            key: tuple(one for r in (first, second) if (one := r.get(key))) for key in distinct
        }
        found = {key: self._explanation(each, rounds[key]) for key, each in distinct.items()}
        return Explained(
            tuple(found[each.hash] for each in wanted),
            tuple(Account(found[key], rounds[key]) for key in asked),
        )

    def _round(
        self, chat: Chat, wanted: Mapping[str, Evidence], problems: Mapping[str, list[str]]
    ) -> dict[str, Round]:
        prompts = [
            explanation_prompt(each, self._settings, problems=problems.get(key, ()))
            for key, each in wanted.items()
        ]
        replies = chat.ask_many(prompts) if prompts else []
        return {
            key: self._checked(each, prompt, reply)
            for (key, each), prompt, reply in zip(wanted.items(), prompts, replies, strict=True)
        }

    def _checked(self, evidence: Evidence, prompt: Prompt, reply: Reply) -> Round:
        found, started = None, time.time_ns()
        if reply.text is not None:
            found = checked(reply.text, evidence, self._settings, token=prompt.token)
        return Round(prompt, reply, found, (started, time.time_ns()))

    def _explanation(self, evidence: Evidence, rounds: Sequence[Round]) -> Explanation:
        if not rounds:
            return _offline(evidence, evidence.no_sources or NOT_ASKED, model=OFFLINE)
        last = rounds[-1]
        if last.checked and last.checked.is_verified and last.checked.answer:
            return Explanation(
                answer=last.checked.answer,
                evidence=evidence,
                outcome="verified",
                reason=None,
                problems="",
                model=self._chat.model,
                prompt_version=VERSION,
                grade=last.checked.grade or 0.0,
            )
        problems = next((told(one.checked.problems) for one in reversed(rounds) if one.checked), "")
        reason = _REASONS.get(last.reply.outcome, f"the answer was not verified: {problems}")
        model = OFFLINE if last.reply.outcome in _LATER else self._chat.model
        return _offline(evidence, reason, model=model, problems=problems)


def _offline(evidence: Evidence, reason: str, *, model: str, problems: str = "") -> Explanation:
    answer = offline_answer(evidence)
    return Explanation(
        answer=answer,
        evidence=evidence,
        outcome="offline",
        reason=reason,
        problems=problems,
        model=model,
        prompt_version=VERSION,
        grade=grade_of(answer, evidence),
    )


def passages(
    index: Index, *, skill_id: str, question: str, settings: ExplanationSettings
) -> list[Hit]:
    """What the content library has on a skill that is near a question, best first.

    Args:
        index: Over the content library.
        skill_id: Passages must be about it.
        question: What is searched for.
        settings: How many, in which language.

    Raises:
        BackendUnavailable: If the embedder or the index does not answer.
    """
    if not question.strip():
        return []
    filters = Filters(
        kinds=("skill", "hint", "explanation", "document"),
        skill_ids=(skill_id,),
        locales=(settings.locale,),
    )
    return index.search(question, k=_SPARE * settings.n_sources, filters=filters)


def sources_among(
    hits: Sequence[Hit], *, hidden_item: str | None, settings: ExplanationSettings
) -> tuple[tuple[Source, ...], str]:
    """Passages that an explanation may cite, or why there are none.

    Args:
        hits: What was found, best first.
        hidden_item: Item whose own passages are left out, as they tell its answer; None: none is.
        settings: How many, how near, how long.
    """
    fitting = [hit for hit in hits if hidden_item is None or hit.chunk.item_id != hidden_item]
    if not fitting:
        return (), "the content library has nothing on this skill"
    floor = settings.min_similarity
    near = [hit for hit in fitting if hit.similarity is None or hit.similarity >= floor]
    if not near:
        best = max(hit.similarity for hit in fitting if hit.similarity is not None)
        return (), f"nothing in the content library is near enough ({best:.2f}, needed {floor:.2f})"
    how_first = sorted(near, key=lambda hit: hit.chunk.kind == "skill")  # which says what it is
    sources = sources_of(how_first, max_characters=settings.max_source_characters)
    if not sources:
        return (), "what was found speaks to a model, or says too little"
    return sources[: settings.n_sources], ""
