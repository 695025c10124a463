"""A thousand explanations by a language model behind a service that fails in every way it may."""

import importlib
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from deepkt_irt.jobs.evidence_input import Material, evidence_of_row
from deepkt_irt.rag.evidence import Audience, Evidence, Source, sources_of
from deepkt_irt.rag.explainer import Explained, Explainer
from deepkt_irt.rag.grounding import problems_of
from deepkt_irt.rag.index import Chunk, Hit
from deepkt_irt.rag.limits import WINDOW_SECONDS
from deepkt_irt.rag.opening import open_explainer
from deepkt_irt.settings import ChatSettings, ExplanationSettings, Settings
from deepkt_irt.settings.language_models import PRICES
from deepkt_irt.sources.simulator_lessons import skill_lessons
from deepkt_irt.sources.simulator_world import CURRICULUM
from page import REPOSITORY, table

_SEED, _SHARE = 7, 0.35
_N = 1_000
_REQUESTS_PER_MINUTE, _CONCURRENCY = 3_000, 8
_SMALL_BUDGET = 0.5
_FIRST = ("Ann", "Jonathan", "Mehmet", "Zoe", "Liang", "Priya")
_LAST = ("Miller", "Okafor", "Schmidt", "Novak", "Garcia", "Tanaka")
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What came of one run: explanations, the service's books, its faults, seconds."""

    wanted: list[Evidence]
    explained: Explained
    books: Any
    model: Any
    seconds: float


def section(*, n: int = _N) -> str:
    """The section of the page.

    Args:
        n: Explanations; fewer for a trial.
    """
    rows, material = _rows(n), _material()
    wanted = [evidence_of_row(row, row["audience"], material) for row in rows]
    run = _explained(wanted, ChatSettings().budget_usd * 10)
    small = _explained(wanted, _SMALL_BUDGET)
    return f"""## Explanations by a language model that is not to be relied on

{n:,} explanations, half of them for teachers, of made-up figures on the simulated district's
{len(CURRICULUM)} skills, with its lessons as passages. The real openai client asks a service on
this machine that keeps its own books; {_SHARE:.0%} of the requests meet one of {len(run.model.met)}
faults, seed {_SEED}. Limits: {_CONCURRENCY} requests together, {_REQUESTS_PER_MINUTE:,} a minute.
The model words facts a little anew and quotes passages, so how often a real one is verified is not
measured here.

{_outcomes(run)}

Of {len(run.model.wrong):,} sentences of faulty answers, {_published_wrong(run)} were published.
There are {_unmarked(run)} explanations that are neither verified nor marked offline, and
{_unsound(run)} published ones in which a check finds anything.

{_accounts(run)}

{_limits(run)}

With a budget of {_SMALL_BUDGET:.2f} US dollars for the same: {_budget(small)}

Searched for in everything that was sent, {len(_raw(run)):,} bytes of bodies and headers, and in
everything that came of it: {_leaks(run, rows)} occurrences of the {len(_secrets(rows)):,} ids,
keys, names and free answers of the students.

Faults met: {_faults(run)}.
"""


def _rows(n: int) -> list[Row]:
    """Rows of figures as the task has them, with who the students are beside."""
    rng = np.random.default_rng(_SEED)
    return [_row(rng, number) for number in range(n)]


def _row(rng: np.random.Generator, number: int) -> Row:
    mastery = float(rng.uniform(0.05, 0.95))
    width = float(rng.uniform(0.02, 0.2))
    practised = rng.random() < 0.9
    common = rng.random() < 0.2
    audience: Audience = "teacher" if number % 2 else "student"
    skill = CURRICULUM[rng.integers(len(CURRICULUM))]
    return {
        "student_key": rng.bytes(16).hex(),
        "student_id": f"pupil-{rng.integers(10**9)}",
        "name": f"{_FIRST[rng.integers(6)]} {_LAST[rng.integers(6)]}-{number}",
        "answer": f"my own words {rng.integers(10**9)}",
        "audience": audience,
        "skill_id": skill.code,
        "item_id": f"item-{number}",
        "skill": skill.name,
        "item": f"{skill.name} {rng.integers(1, 40)}",
        "p_correct": float(rng.uniform(0.4, 0.9)),
        "reason": f"Practise {skill.name}: expected success 0.71, near the target 0.70.",
        "mastery": mastery if practised else None,
        "mastery_low": max(0.0, mastery - width) if practised else None,
        "mastery_high": min(1.0, mastery + width) if practised else None,
        "n_responses": int(rng.integers(1, 60)) if practised else None,
        "recent": list(rng.random(int(rng.integers(0, 5))) < mastery) if practised else None,
        "n_raising": int(rng.integers(0, 6)) if practised else None,
        "n_lowering": int(rng.integers(0, 6)) if practised else None,
        "common_item": f"{skill.name} {rng.integers(1, 40)}" if common else None,
        "common_share": float(rng.uniform(0.3, 0.9)) if common else None,
        "common_n": int(rng.integers(20, 400)) if common else None,
    }


class _Lessons(dict[tuple[str, str, Audience], tuple[tuple[Source, ...], str]]):
    """The passages of a skill, whatever the item."""

    def __missing__(self, key: tuple[str, str, Audience]) -> tuple[tuple[Source, ...], str]:
        return self[key[0], "", key[2]]


def _material() -> Material:
    lessons = skill_lessons(CURRICULUM)
    found = _Lessons()
    for code, own in lessons.groupby("skill_code"):
        rows = own.head(ExplanationSettings().n_sources).to_dict("records")
        hits = [Hit(_chunk(row), 1.0, 1, 1, 1.0) for row in rows]
        sources = sources_of(hits, max_characters=ExplanationSettings().max_source_characters)
        found[str(code), "", "teacher"] = found[str(code), "", "student"] = (sources, "")
    return found


def _chunk(row: Row) -> Chunk:
    return Chunk(
        chunk_id=row["lesson_id"],
        source="simulator",
        kind=row["kind"],
        item_id=None,
        skill_ids=(row["skill_code"],),
        grade=row["grade"],
        locale=row["locale"],
        licence=row["licence"],
        title=row["title"],
        text=row["text"],
        content_hash="",
    )


def _explained(wanted: list[Evidence], usd: float) -> Run:
    os.environ["AZURE_OPENAI_API_KEY"] = "key-of-a-benchmark"
    sys.path.insert(0, str(REPOSITORY / "tests"))
    service_module = importlib.import_module("fake_azure_openai")
    model = importlib.import_module("faulty_model").FaultyModel(share=_SHARE, seed=_SEED)
    with service_module.serving(model) as service:
        chat = ChatSettings(
            provider="azure_openai",
            base_url=service.base_url,
            timeout_seconds=0.6,
            concurrency=_CONCURRENCY,
            requests_per_minute=_REQUESTS_PER_MINUTE,
            tokens_per_minute=100_000_000,
            budget_usd=usd,
        )
        explainer = cast("Explainer", open_explainer(Settings(chat=chat)))
        began = time.perf_counter()
        explained = explainer.explain(wanted)
        return Run(wanted, explained, service.books, model, time.perf_counter() - began)


def _outcomes(run: Run) -> str:
    found = run.explained.explanations
    told = Counter(each.reason or "verified" for each in found)
    rows = [(reason, f"{n:,}", f"{n / len(found):.1%}") for reason, n in told.most_common()]
    return table(("published as verified, or offline because", "explanations", "share"), rows)


def _texts(run: Run) -> set[str]:
    answers = [each.answer for each in run.explained.explanations]
    return {s.text for a in answers for s in (*a.summary, *a.steps, a.next_action)}


def _published_wrong(run: Run) -> int:
    return len(_texts(run) & run.model.wrong)


def _unmarked(run: Run) -> int:
    found = run.explained.explanations
    return sum(each.outcome == "offline" and not each.reason for each in found) + (
        len(run.wanted) - len(found)
    )


def _unsound(run: Run) -> int:
    return sum(
        bool(list(problems_of(e.answer, wanted, ExplanationSettings(), token="0" * 24)))
        for e, wanted in zip(run.explained.explanations, run.wanted, strict=True)
    )


def _accounts(run: Run) -> str:
    usages = [call.usage for call in run.explained.calls if call.usage]
    books, price = run.books, PRICES[ChatSettings().model]
    ours = (sum(u.input for u in usages), sum(u.output for u in usages))
    cost = sum(call.cost_usd for call in run.explained.calls)
    theirs = price.cost(books.input_tokens, books.output_tokens)
    rows = [
        ("requests", f"{len(run.explained.calls):,}", f"{len(books.requests):,}"),
        ("tokens in", f"{ours[0]:,}", f"{books.input_tokens:,}"),
        ("tokens out", f"{ours[1]:,}", f"{books.output_tokens:,}"),
        ("US dollars", f"{cost:.6f}", f"{theirs:.6f}"),
    ]
    return table(("account", "ops.llm_calls", "the service's books"), rows)


def _limits(run: Run) -> str:
    times = sorted(run.books.started_at)
    most = max(
        sum(start <= each < start + WINDOW_SECONDS for each in times[i:])
        for i, start in enumerate(times)
    )
    allowed = int(_REQUESTS_PER_MINUTE * WINDOW_SECONDS / 60)
    return (
        f"At most {run.books.peak} requests were served together, and {most} began in any "
        f"{WINDOW_SECONDS:.0f} s, where {allowed} may; in all {run.seconds:.0f} s."
    )


def _budget(run: Run) -> str:
    cost = sum(call.cost_usd for call in run.explained.calls)
    price = PRICES[ChatSettings().model]
    theirs = price.cost(run.books.input_tokens, run.books.output_tokens)
    told = Counter(each.reason or "verified" for each in run.explained.explanations)
    over = told["the budget of the run was spent"]
    return (
        f"{cost:.4f} were spent by our account and {theirs:.4f} by the service's; "
        f"{told['verified']:,} verified, {over:,} offline since the budget was spent. What a "
        "request may cost at most is set aside before it, and stays so after a timeout, which may "
        "have been charged; so the last part of a budget is not used."
    )


def _raw(run: Run) -> bytes:
    return b"\n".join(run.books.raw) + repr(run.books.headers).encode()


def _secrets(rows: list[Row]) -> set[str]:
    return {row[name] for row in rows for name in ("student_key", "student_id", "name", "answer")}


def _leaks(run: Run, rows: list[Row]) -> int:
    came = repr(run.explained).encode()
    everything = _raw(run) + came
    return sum(everything.count(secret.encode()) for secret in _secrets(rows))


def _faults(run: Run) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(run.model.met.items()))


if __name__ == "__main__":
    print(section())
