"""Reads what each policy would recommend to one student, and which of them runs and why."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from deepkt_irt.bandit.policies import LINUCB, RULE
from deepkt_irt.errors import NoData
from deepkt_irt.jobs.bandit_learning import MODEL
from deepkt_irt.jobs.reading import Read, find_student, item_label
from deepkt_irt.jobs.recommendation_input import students_of
from deepkt_irt.jobs.report_policies import last_judgement, verdict_of
from deepkt_irt.recommending import Recommender
from deepkt_irt.reporting.compare import Comparison, Recommended, Slate
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS
from deepkt_irt.tables.silver import ITEMS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from deepkt_irt.tracking import ModelStore


@dataclass(frozen=True)
class _Looking:
    """Reads any table as of the instant of the last decisions."""

    read_table: Read
    settings: Settings
    as_of: datetime

    def read(self, table: Table) -> "DataFrame":
        """Rows of a table."""
        return self.read_table(table)


def read_comparison(
    read: Read, models: "ModelStore", settings: Settings, student_id: str
) -> Comparison:
    """What the rule and LinUCB would recommend to a student, as of the last decisions.

    Args:
        read: Reads a table.
        models: Registry that the recommender is in.
        settings: Of the run.
        student_id: As in the source's files.

    Raises:
        NoData: If the student is not known, or nothing was ever recommended in the lake.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    key, source = find_student(read, student_id)
    # as a number: a timestamp comes back without its zone, and the same text must draw the same
    last = read(BANDIT_DECISIONS).agg(F.unix_micros(F.max("decided_at"))).collect()[0][0]
    if last is None or models.champion(MODEL) is None:
        raise NoData("nothing was recommended in this lake yet; run recommend_items")
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=last)
    with tempfile.TemporaryDirectory() as scratch:
        version, files = models.champion_files(MODEL, Path(scratch))
        recommender = Recommender.load(files)
    looking = _Looking(read, settings, at)
    student = students_of(looking).filter(F.col("student_key") == key).toPandas()
    if student.empty:
        raise NoData(
            f"no item is on offer for student {student_id}: score_students has predicted none; "
            "run it once a model is champion"
        )
    student = student.assign(asked_at=at.isoformat())
    titles = read(ITEMS).select("item_id", item_label()).collect()
    names = {row["item_id"]: row["label"] for row in titles}
    slates = {
        name: _slate(recommender.decided(student, recommender.policy(name)), names)
        for name in (RULE, LINUCB)
    }
    return Comparison(
        student_id=student_id,
        source=source,
        decided_at=at,
        running=recommender.policy_name,
        version=version.number,
        learnt_until=recommender.learnt_until or None,
        n_rewards=int(recommender.state.n_rewards.sum()),
        slates=slates,
        gate=verdict_of(last_judgement(read)),
    )


def _slate(decided: pd.DataFrame, names: dict[str, str]) -> Slate:
    chosen = decided[decided["rank"] > 0]
    first = decided.iloc[0]
    return Slate(
        items=tuple(
            Recommended(
                rank=int(row["rank"]),
                item=names.get(row["item_id"], row["item_id"]),
                item_id=row["item_id"],
                p_correct=float(row["p_correct"]),
                propensity=float(row["propensity"]),
                score=float(row["score"]),
                reason=row["reason"],
            )
            for row in chosen.to_dict("records")
        ),
        nothing=None if len(chosen) else str(first["reason"]),
        exclusions={each["reason"]: int(each["n"]) for each in first["exclusions"]},
    )
