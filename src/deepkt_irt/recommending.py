"""Recommendations from rows about students: the same code in the daily job and behind an endpoint.

Here the rooms meet: item curves say how likely a right answer is, the bandit decides.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepkt_irt.bandit.context import LEARNT, OWN
from deepkt_irt.bandit.eligibility import Reason
from deepkt_irt.bandit.linear_state import LinearState
from deepkt_irt.bandit.policies import LINUCB, RULE, LinUcbPolicy, Policy, RulePolicy
from deepkt_irt.bandit.reasons import nothing_eligible, sentence
from deepkt_irt.bandit.situation import Catalogue, FloatArray, IntArray, Knowledge, Situation
from deepkt_irt.bandit.slates import Slates, decide, uniforms
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.settings import RecommendationSettings

CANDIDATES = ("candidate_items", "candidate_chances")
SKILLS = ("skills", "mastery", "mastery_low", "mastery_high", "skill_responses", "skill_days")
STUDENT = ("student_key", "recent_items", "ability", "help_rate", "rapid_rate", "hard_run")
"""Columns of a row about a student: lists of the items on offer with the chance of a right answer
by the student's history; lists by practised skill; and the rest."""

DECIDED = (
    "student_key",
    "rank",
    "item_id",
    "skill_id",
    "p_correct",
    "p_irt",
    "p_sakt",
    "information",
    "mastery",
    "ability",
    "score",
    "score_width",
    "propensity",
    "n_eligible",
    "reason",
    "features",
    "usual_features",
    "eligible_hash",
    "eligible_items",
    "eligible_skills",
    "eligible_features",
    "exclusions",
)
"""Columns of what is decided, one row an item; of rank 0 where nothing is eligible."""

_NUMBERS = ("p_correct", "propensity", "score", "score_width")
ANSWERED = ("student_key", "rank", "item_id", "skill_id", *_NUMBERS, "reason")
"""Columns that an endpoint answers with."""

_ARRAYS = "catalogue.npz"
_ABOUT = "recommender.json"
_STATE = "bandit_state"
_HASH = 32  # characters
_CHUNK = 500  # students at a time: what is known by student and skill is a full table


@dataclass(frozen=True)
class Recommender:
    """Everything that decides what to recommend, but the students.

    Attributes:
        catalogue: Items and skills.
        curves: Of the items in the same order; NaN where not calibrated.
        recommendation: What may be recommended.
        policy_name: Which policy decides.
        state: What the bandit has learnt, and its settings, by which every policy's preferences
            become chances; it goes on learning while another policy decides.
        learnt_until: Instant of the last reward it learnt from, ISO 8601; empty if none.
        reward_kind: What rewards it learnt from.
    """

    catalogue: Catalogue
    curves: ItemParameters
    recommendation: RecommendationSettings
    policy_name: str
    state: LinearState
    learnt_until: str = ""
    reward_kind: str = ""

    @cached_property
    def deciding(self) -> Policy:
        """The policy that decides; solved once."""
        return self.policy(self.policy_name)

    def policy(self, name: str) -> Policy:
        """A policy by its name, ready to decide about these items."""
        if name == RULE:
            return RulePolicy()
        if name == LINUCB:
            return LinUcbPolicy.of(self.state, self.catalogue.item_ids)
        raise ValueError(f"there is no policy {name!r}")

    def decided(self, students: pd.DataFrame, policy: Policy | None = None) -> pd.DataFrame:
        """Recommendations for students, as rows of `DECIDED`.

        Args:
            students: Rows with the columns CANDIDATES, SKILLS and STUDENT; where is_logged is
                true the eligible items and their features are given, too, by which other policies
                are judged.
            policy: That decides; None: the one of this recommender.

        Raises:
            ValueError: A column is missing, or an item or a skill is not in the catalogue.
        """
        absent = [c for c in (*CANDIDATES, *SKILLS, *STUDENT) if c not in students]
        if absent:
            raise ValueError(f"rows about students lack {', '.join(absent)}")
        found = [
            row
            for start in range(0, len(students), _CHUNK)
            for row in self._rows(students.iloc[start : start + _CHUNK], policy or self.deciding)
        ]
        return pd.DataFrame(found, columns=list(DECIDED))

    def answered(self, students: pd.DataFrame) -> pd.DataFrame:
        """What an endpoint answers: the rows of `decided` with the columns ANSWERED."""
        found = self.decided(students)[list(ANSWERED)]
        return found.astype(dict.fromkeys(_NUMBERS, np.float64))

    def example(self) -> pd.DataFrame:
        """A row about a student that this catalogue can answer, with nothing empty."""
        items, skills = self.catalogue.item_ids[:2], self.catalogue.skill_ids[-1:]
        lists = {
            "candidate_items": items.tolist(),
            "candidate_chances": [0.7] * len(items),
            "skills": skills.tolist(),
            "mastery": [0.6],
            "mastery_low": [0.4],
            "mastery_high": [0.8],
            "skill_responses": [8.0],
            "skill_days": [1.0],
            "recent_items": items[-1:].tolist(),
        }
        row = {"student_key": "s1", "ability": 0.0, "help_rate": 0.1, "rapid_rate": 0.0}
        return pd.DataFrame([{**lists, **row, "hard_run": 0, "asked_at": "2026-03-01"}])

    def slates(self, students: pd.DataFrame, policy: Policy) -> Slates:
        """What a policy decides for some students; the same instant decides the same."""
        asked = students["asked_at"] if "asked_at" in students else [""] * len(students)
        keys = [f"{key}|{at}" for key, at in zip(students["student_key"], asked, strict=True)]
        return decide(
            self.situation(students),
            policy,
            uniforms(keys, self.recommendation.per_student),
            recommendation=self.recommendation,
            bandit=self.state.settings,
        )

    def situation(self, students: pd.DataFrame) -> Situation:
        """Rows about students as arrays."""
        listed = [_listed(each) for each in students["candidate_items"]]
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in listed])]).astype(np.int64)
        item = self._numbers(pd.Index(self.catalogue.item_ids), listed, "item")
        student = np.repeat(np.arange(len(students)), np.diff(offsets))
        ability = _column(students, "ability")
        p_irt, information = self.curves.take(item).paired(ability[student])
        return Situation(
            catalogue=self.catalogue,
            knowledge=self._knowledge(students),
            ability=ability,
            help_rate=_column(students, "help_rate"),
            rapid_rate=_column(students, "rapid_rate"),
            hard_run=np.nan_to_num(_column(students, "hard_run")).astype(np.int64),
            offsets=offsets,
            item=item,
            is_recent=_is_recent(listed, students["recent_items"]),
            p_irt=p_irt,
            p_sakt=_flat(students["candidate_chances"]),
            information=information,
        )

    def _knowledge(self, students: pd.DataFrame) -> Knowledge:
        listed = [_listed(each) for each in students["skills"]]
        skill = self._numbers(pd.Index(self.catalogue.skill_ids), listed, "skill")
        student = np.repeat(np.arange(len(students)), [len(each) for each in listed])
        shape = (len(students), self.catalogue.n_skills + 1)

        def table(column: str, otherwise: float) -> FloatArray:
            made = np.full(shape, otherwise)
            made[student, skill] = _flat(students[column])
            return made

        return Knowledge(
            mastery=table("mastery", np.nan),
            low=table("mastery_low", np.nan),
            high=table("mastery_high", np.nan),
            n_responses=table("skill_responses", 0.0),
            days_since=table("skill_days", np.nan),
        )

    def _numbers(self, known: pd.Index, listed: Sequence[list[str]], what: str) -> IntArray:
        wanted = [each for part in listed for each in part]
        found: IntArray = known.get_indexer(pd.Index(wanted, dtype=object)).astype(np.int64)
        if (found < 0).any():
            raise ValueError(f"{what} {wanted[int(np.argmin(found))]!r} is not in the catalogue")
        return found

    def _rows(self, students: pd.DataFrame, policy: Policy) -> list[tuple[object, ...]]:
        slates = self.slates(students, policy)
        offsets, excluded = slates.offered.offsets, slates.excluded
        ends = np.cumsum([len(_listed(each)) for each in students["candidate_items"]])
        reasons = np.split(excluded, ends[:-1])
        logged = students["is_logged"] if "is_logged" in students else [False] * len(students)
        rows: list[tuple[object, ...]] = []
        for student, (key, in_full) in enumerate(zip(students["student_key"], logged, strict=True)):
            n = int((slates.chosen.row[student] >= 0).sum())
            told = _exclusions(reasons[student])
            if not n:
                rows.append(_nothing(key, nothing_eligible(reasons[student]), told))
            whole = slice(offsets[student], offsets[student + 1])
            items = self.catalogue.item_ids[slates.offered.item[whole]].tolist()
            named = hashlib.sha256("\n".join(items).encode()).hexdigest()[:_HASH]
            for slot in range(n):
                alternatives: tuple[object, ...] = (None, None, None)
                if in_full and slot == 0:
                    skills = self.catalogue.skill_ids[slates.offered.skill[whole]].tolist()
                    alternatives = items, skills, slates.shared[whole].ravel().tolist()
                values = self._row(slates, student, slot, policy.name)
                rows.append((key, *values, named, *alternatives, told if slot == 0 else []))
        return rows

    def _row(self, slates: Slates, student: int, slot: int, policy: str) -> tuple[object, ...]:
        row = int(slates.chosen.row[student, slot])
        offered, known = slates.offered, self.catalogue
        skill = int(offered.skill[row])
        target = self.recommendation.target_success
        return (
            slot + 1,
            str(known.item_ids[offered.item[row]]),
            str(known.skill_ids[skill]),
            float(offered.p_correct[row]),
            _known(offered.p_irt[row]),
            _known(offered.p_sakt[row]),
            _known(offered.information[row]),
            _known(slates.mastery_of_skill[row]),
            _known(offered.ability[student]),
            float(slates.scores.mean[row]),
            float(slates.scores.width[row]),
            float(slates.chosen.propensity[student, slot]),
            int(slates.chosen.n_open[student, slot]),
            sentence(slates, student, slot, policy=policy, target=target),
            slates.shared[row].tolist(),
            slates.chosen.usual[student, slot].tolist(),
        )

    def save(self, folder: Path) -> None:
        """Write everything to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        known, edges = self.catalogue, self.catalogue.needs.tocoo()
        np.savez(
            folder / _ARRAYS,
            item_ids=known.item_ids,
            skill_ids=known.skill_ids,
            skill_names=known.skill_names,
            skills=known.skills,
            needs=np.stack(edges.coords),
            difficulty=known.difficulty,
            help_rate=known.help_rate,
            flags=np.stack([known.is_blocked, known.is_unhealthy, known.is_guessed]),
            thresholds=self.curves.thresholds,
            slope=self.curves.slope,
            guessing=self.curves.guessing,
        )
        about = {
            "recommendation": self.recommendation.model_dump(),
            "policy": self.policy_name,
            "learnt_until": self.learnt_until,
            "reward_kind": self.reward_kind,
        }
        (folder / _ABOUT).write_text(json.dumps(about, indent=2, sort_keys=True) + "\n")
        self.state.save(folder / _STATE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read one from a folder.

        Raises:
            BadFile: If the bandit's state was learnt on other features.
        """
        about = json.loads((folder / _ABOUT).read_text())
        with np.load(folder / _ARRAYS, allow_pickle=False) as kept:
            curves = ItemParameters(kept["thresholds"], kept["slope"], kept["guessing"])
            catalogue = Catalogue(
                item_ids=kept["item_ids"],
                skill_ids=kept["skill_ids"],
                skill_names=kept["skill_names"],
                skills=kept["skills"],
                needs=needs_of(kept["needs"], len(kept["skill_ids"])),
                difficulty=kept["difficulty"],
                help_rate=kept["help_rate"],
                is_blocked=kept["flags"][0],
                is_unhealthy=kept["flags"][1],
                is_guessed=kept["flags"][2],
            )
        return cls(
            catalogue=catalogue,
            curves=curves,
            recommendation=RecommendationSettings(**about["recommendation"]),
            policy_name=about["policy"],
            state=LinearState.load(folder / _STATE, shared_names=LEARNT, own_names=OWN),
            learnt_until=about["learnt_until"],
            reward_kind=about["reward_kind"],
        )


def needs_of(edges: IntArray, n_skills: int) -> csr_array:
    """Which skill needs which first.

    Args:
        edges: Skills, and below them the ones they need, (2, edges).
        n_skills: With the 0 that stands for none.
    """
    ones = np.ones(edges.shape[1])
    return csr_array((ones, (edges[0], edges[1])), shape=(n_skills, n_skills))


def _exclusions(excluded: NDArray[np.int8]) -> list[dict[str, object]]:
    """How many of a student's rows each reason kept out, in the order of the rules."""
    counts = np.bincount(excluded, minlength=len(Reason))
    return [
        {"reason": reason.name.lower(), "n": int(counts[reason])}
        for reason in Reason
        if reason and counts[reason]
    ]


def _nothing(key: str, reason: str, told: list[dict[str, object]]) -> tuple[object, ...]:
    nothing = {"student_key": key, "rank": 0, "n_eligible": 0, "reason": reason, "exclusions": told}
    return tuple(nothing.get(column) for column in DECIDED)


def _is_recent(listed: list[list[str]], recent: "pd.Series[Any]") -> NDArray[np.bool_]:
    found = [
        np.isin(np.asarray(items, dtype=object), np.asarray(_listed(lately), dtype=object))
        for items, lately in zip(listed, recent, strict=True)
    ]
    return np.concatenate([np.zeros(0, dtype=np.bool_), *found])


def _flat(lists: "pd.Series[Any]") -> FloatArray:
    """Numbers of lists one after another; what is unknown is NaN."""
    parts = [np.asarray(_listed(each), dtype=np.float64) for each in lists]
    return np.concatenate([np.zeros(0), *parts])


def _column(students: pd.DataFrame, name: str) -> FloatArray:
    values: FloatArray = pd.to_numeric(students[name]).to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _listed(values: Any) -> list[Any]:  # noqa: ANN401 - arrays come as numpy arrays, or as None
    return [] if values is None or isinstance(values, float) else list(values)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
