"""Work on whole students in Spark workers: predictions, candidates, mastery, influences."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.gold.mastery import mastery_interval, trends

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from deepkt_irt.knowledge_tracing.histories import Histories
    from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer

_SHARES = 100  # of the students that are worked on together
_EXPLAINED_SKILLS = 3  # the last practised ones

EVENT_ROWS = (
    "student_key string, sequence_number bigint, item_index int, event_id string, split string, "
    "p_correct double, correct boolean, item_known boolean"
)
MASTERY_ROWS = (
    "student_key string, skill_index int, mastery double, mastery_low double, "
    "mastery_high double, n_reference_items int, mastery_before double, n_responses_before bigint, "
    "trend string"
)
INFLUENCE_ROWS = (
    "student_key string, skill_index int, influences array<struct<event_id:string,item_id:string,"
    "correct:boolean,weight:double,signed_effect:double>>"
)


@dataclass(frozen=True)
class Catalogue:
    """What the workers must know of items and skills; small beside students and events.

    Attributes:
        item_ids: Id of every item index, (items + 1,).
        item_skills: Skill indexes of every item index, 0 where fewer, (items + 1, skills).
        candidates: Item indexes by skill index, to be offered.
        references: Item indexes by skill index, to judge the skill by.
    """

    item_ids: NDArray[Any]
    item_skills: NDArray[np.int64]
    candidates: dict[int, list[int]]
    references: dict[int, list[int]]


Work = Callable[["KnowledgeTracer", pd.DataFrame], pd.DataFrame]


def by_student(sequences: "DataFrame", files: Path, work: Work, columns: str) -> "DataFrame":
    """Work on whole students in Spark workers, many at a time, with the model loaded once."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    def run(frame: pd.DataFrame) -> pd.DataFrame:
        return work(_loaded(str(files)), frame)

    share = F.pmod("bucket", F.lit(_SHARES)).alias("share")
    return sequences.groupBy(share).applyInPandas(run, columns)


@cache
def _loaded(folder: str) -> "KnowledgeTracer":
    import torch  # noqa: PLC0415 - in the worker only

    from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer  # noqa: PLC0415 - imports torch

    torch.set_num_threads(1)  # Spark runs one worker per core
    return KnowledgeTracer.load(Path(folder))


def _opened(frame: pd.DataFrame) -> tuple[pd.DataFrame, "Histories"]:
    """One row a student, and their whole histories in the same order."""
    from deepkt_irt.knowledge_tracing.sequences import histories_in_order  # noqa: PLC0415

    ordered = frame.sort_values(["student_key", "window_index"], ignore_index=True)
    return ordered.drop_duplicates("student_key"), histories_in_order(ordered)[0]


def _own(frame: pd.DataFrame, name: str) -> NDArray[Any]:
    """A column of arrays as one, in the order of the histories; what windows repeat, once."""
    ordered = frame.sort_values(["student_key", "window_index"], ignore_index=True)
    windows = zip(ordered[name], ordered["context_length"], strict=True)
    return np.concatenate([np.asarray(window)[n:] for window, n in windows])


def answered(scorer: "KnowledgeTracer", frame: pd.DataFrame) -> pd.DataFrame:
    """Every answered event with its probability from the history before it."""
    students, histories = _opened(frame)
    return pd.DataFrame(
        {
            "student_key": np.repeat(students["student_key"].to_numpy(), histories.lengths),
            "sequence_number": _own(frame, "sequence_numbers"),
            "item_index": histories.item,
            "event_id": _own(frame, "event_ids"),
            "split": np.repeat(students["split"].to_numpy(), histories.lengths),
            "p_correct": scorer.predict(histories, histories.asked),
            "correct": histories.correct == 1,
            "item_known": scorer.knows(histories.item),
        }
    )


def _asked(
    scorer: "KnowledgeTracer",
    histories: "Histories",
    asked: list[NDArray[np.int64]],
    catalogue: Catalogue,
    *,
    visible: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Chance of a right answer on each student's items if asked next, in one row."""
    from deepkt_irt.knowledge_tracing.scoring import with_candidates  # noqa: PLC0415

    given = with_candidates(histories, asked, catalogue.item_skills, visible=visible)
    return scorer.predict(*given)


def offered(catalogue: Catalogue) -> Work:
    """Candidates of the open skills, as if asked next."""

    def work(scorer: "KnowledgeTracer", frame: pd.DataFrame) -> pd.DataFrame:
        students, histories = _opened(frame)
        asked = [_items_of(skills, catalogue.candidates) for skills in students["open_skills"]]
        n = [len(each) for each in asked]
        items = np.concatenate([np.zeros(0, dtype=np.int64), *asked])
        last = frame.groupby("student_key")["sequence_numbers"].agg(lambda w: max(map(max, w)))
        return pd.DataFrame(
            {
                "student_key": np.repeat(students["student_key"].to_numpy(), n),
                "sequence_number": np.repeat(last[students["student_key"]].to_numpy() + 1, n),
                "item_index": items,
                "event_id": None,
                "split": np.repeat(students["split"].to_numpy(), n),
                "p_correct": _asked(scorer, histories, asked, catalogue),
                "correct": None,
                "item_known": scorer.knows(items),
            }
        )

    return work


def judged(catalogue: Catalogue) -> Work:
    """Mastery of practised skills: the mean chance on each skill's reference items.

    Skills that were practised both until `earlier_until` and since are judged as they were then,
    too: by what the model would have said of the same items.
    """

    def work(scorer: "KnowledgeTracer", frame: pd.DataFrame) -> pd.DataFrame:
        students, histories = _opened(frame)
        now = _masteries(scorer, histories, students["practised_skills"], catalogue)
        moved = students["earlier_skills"].map(len).to_numpy() > 0
        before: list[dict[int, float]] = [{} for _ in now]
        then = _masteries(
            scorer,
            histories.segments(moved),
            students["earlier_skills"][moved],
            catalogue,
            visible=_n_until(students, histories, _own(frame, "sequence_numbers"))[moved],
        )
        for place, mastery in zip(np.flatnonzero(moved), then, strict=True):
            before[place] = mastery
        names = (
            "student_key",
            "practised_skills",
            "practised_counts",
            "earlier_skills",
            "earlier_counts",
        )
        rows: list[tuple[object, ...]] = []
        for key, skills, counts, earlier, n_earlier, mastery, was in zip(
            *(students[name] for name in names), now, before, strict=True
        ):
            n_before = dict(zip(earlier, n_earlier, strict=True))
            for skill, n in zip(skills, counts, strict=True):
                used = len(catalogue.references.get(skill, []))
                rows.append(
                    (key, skill, mastery[skill], n, used, was.get(skill), n_before.get(skill))
                )
        return _with_uncertainty(rows)

    return work


def _n_until(
    students: pd.DataFrame, histories: "Histories", sequence_numbers: NDArray[Any]
) -> NDArray[np.int64]:
    """Responses of each student up to `earlier_until`, (students,)."""
    until = students["earlier_until"].to_numpy()[histories.segment]
    n = np.bincount(histories.segment, sequence_numbers <= until, histories.n_segments)
    return n.astype(np.int64)


def _masteries(
    scorer: "KnowledgeTracer",
    histories: "Histories",
    skills: "pd.Series[Any]",
    catalogue: Catalogue,
    *,
    visible: NDArray[np.int64] | None = None,
) -> list[dict[int, float]]:
    """Of each segment, the mastery of some skills, after its first `visible` responses or all."""
    asked = [_items_of(each, catalogue.references) for each in skills]
    sizes = [len(items) for items in asked]
    seen = histories.lengths if visible is None else visible
    found = _asked(scorer, histories, asked, catalogue, visible=np.repeat(seen, sizes))
    parts = (found[a:b] for a, b in pairwise(np.cumsum([0, *sizes])))
    chances = [
        dict(zip(items.tolist(), p.tolist(), strict=True))
        for items, p in zip(asked, parts, strict=True)
    ]
    return [
        {
            int(skill): float(
                np.mean([chance[item] for item in catalogue.references.get(skill, [])])
            )
            for skill in each
        }
        for each, chance in zip(skills, chances, strict=True)
    ]


def _with_uncertainty(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    columns = (
        "student_key",
        "skill_index",
        "mastery",
        "n",
        "n_reference_items",
        "mastery_before",
        "n_responses_before",
    )
    judged = pd.DataFrame(rows, columns=list(columns))
    now, n, before, n_before = (
        judged[name].to_numpy(dtype=float)
        for name in ("mastery", "n", "mastery_before", "n_responses_before")
    )
    low, high = mastery_interval(now, n)
    moved = np.array(trends(now, n, before, n_before), dtype=object)
    found = judged.drop(columns="n").assign(mastery_low=low, mastery_high=high, trend=moved)
    return found.astype({"mastery_before": "float64", "n_responses_before": "Int64"})


def _items_of(skills: object, by_skill: dict[int, list[int]]) -> NDArray[np.int64]:
    """Distinct items of some skills, in order; none if there is no skill."""
    listed = [] if skills is None else np.asarray(skills, dtype=np.int64).tolist()
    found = sorted({item for skill in listed for item in by_skill.get(skill, [])})
    return np.array(found, dtype=np.int64)


def explained(catalogue: Catalogue) -> Work:
    """Past answers that move the prediction on each lately practised skill most."""

    def run(scorer: "KnowledgeTracer", frame: pd.DataFrame) -> pd.DataFrame:
        from deepkt_irt.knowledge_tracing.influence import influences  # noqa: PLC0415
        from deepkt_irt.knowledge_tracing.scoring import with_candidates  # noqa: PLC0415

        students, histories = _opened(frame)
        lately = [_last_skills(histories, n, catalogue) for n in range(histories.n_segments)]
        # a skill's reference items are all of typical difficulty, so any of them will do
        asked = [
            np.array([catalogue.references[skill][0] for skill in skills]) for skills in lately
        ]
        extended, chosen = with_candidates(
            histories, [items.astype(np.int64) for items in asked], catalogue.item_skills
        )
        found = influences(scorer, extended, chosen)
        event = np.empty(len(extended), dtype=object)
        event[~chosen] = _own(frame, "event_ids")
        effects = [
            [
                {
                    "event_id": event[at],
                    "item_id": catalogue.item_ids[extended.item[at]],
                    "correct": bool(extended.correct[at]),
                    "weight": float(weight),
                    "signed_effect": float(effect),
                }
                for at, weight, effect in zip(responses, weights, signed, strict=True)
                if at >= 0
            ]
            for responses, weights, signed in zip(
                found.response, found.attention, found.effect, strict=True
            )
        ]
        return pd.DataFrame(
            {
                "student_key": np.repeat(students["student_key"].to_numpy(), list(map(len, asked))),
                "skill_index": [skill for skills in lately for skill in skills],
                "influences": effects,
            }
        )

    return run


def _last_skills(histories: "Histories", segment: int, catalogue: Catalogue) -> list[int]:
    """Lately practised skills that have reference items, the last one first."""
    begin, end = histories.offsets[segment], histories.offsets[segment + 1]
    met = histories.skills[begin:end][::-1].ravel()
    known = [skill for skill in dict.fromkeys(met.tolist()) if catalogue.references.get(skill)]
    return known[:_EXPLAINED_SKILLS]
