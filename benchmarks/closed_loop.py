"""Policies that recommend for two months in simulated schools: what students learn with each."""

import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from deepkt_irt.bandit.decision_log import DecisionLog
from deepkt_irt.bandit.eligibility import exclusions
from deepkt_irt.bandit.gate import Evidence, judge
from deepkt_irt.bandit.policies import (
    LINUCB,
    RANDOM,
    RULE,
    LinUcbPolicy,
    Policy,
    RandomPolicy,
    RulePolicy,
    fresh_state,
    rewards_of,
)
from deepkt_irt.bandit.rewards import learning_gain
from deepkt_irt.bandit.situation import Situation
from deepkt_irt.bandit.slates import Slates, decide, uniforms
from deepkt_irt.errors import NoData
from deepkt_irt.settings import (
    BanditSettings,
    OffPolicySettings,
    RecommendationSettings,
    RewardSettings,
)
from learning_answers import Answers, joined
from learning_platform import Platform
from learning_policies import ORACLE, PLAIN, OraclePolicy, PlainPolicy
from learning_school import HELP_EFFECT
from learning_world import LearningWorld
from page import table

_ITEMS, _SKILLS = 120, 8
_SLOTS = 4
_JUDGED_EVERY = 10
NOBODY, GATED = "assigned work alone", "gated"
ARMS = (NOBODY, RANDOM, PLAIN, RULE, LINUCB, GATED, ORACLE)
_RECOMMENDATION = RecommendationSettings(per_student=_SLOTS)
_BANDIT = BanditSettings()
_REWARD = RewardSettings()
_OFF_POLICY = OffPolicySettings()


@dataclass(frozen=True)
class Schools:
    """Schools of one kind.

    Attributes:
        n_students: Of each.
        help_effect: What an explanation adds to the log of what an item teaches.
        seeds: One school each.
        arms: Policies that are tried.
    """

    n_students: int
    help_effect: float
    seeds: range
    arms: tuple[str, ...]


@dataclass
class Decided:
    """Decisions of one day that wait for their reward; arrays over recommendations."""

    day: int
    student: NDArray[np.int64]
    slot: NDArray[np.int64]
    item: NDArray[np.int64]
    skill: NDArray[np.int64]
    shared: NDArray[np.float64]
    usual: NDArray[np.float64]
    before: NDArray[np.float64]
    slates: Slates
    reward: NDArray[np.float64]
    probes: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]
    n_probes: NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What one policy did in one school.

    Attributes:
        gain: Rise of true mastery, mean over students and skills.
        success: Share of right answers to recommended items; NaN without any.
        distinct: Different items recommended.
        shared: Share of slates that another student had on the same day.
        live_from: Day from which LinUCB ran under the gate; NaN if never.
    """

    gain: float
    success: float
    distinct: int
    shared: float
    live_from: float


def section(*, seeds: int = 20, few: int = 5, days: int = 60, workers: int = 2) -> str:
    """The section of the page.

    Args:
        seeds: Schools as they are planted.
        few: Large schools in which explanations matter more.
        days: Days of each.
        workers: Schools at a time, each in a process of one thread.
    """
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    usual = Schools(400, HELP_EFFECT, range(seeds), ARMS)
    telling = Schools(2_000, 1.0, range(200, 200 + few), (RANDOM, RULE, LINUCB, GATED, ORACLE))
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        found, told = (_all(pool, schools, days) for schools in (usual, telling))
    return f"""## Recommendations in a closed loop

{seeds} simulated schools of {usual.n_students} students, {_ITEMS} items and {_SKILLS} skills,
{days} days each (`benchmarks/learning_world.py` says what is planted: practice teaches most at a
challenge of its own for each learner, items teach more or less well whatever their difficulty,
guessing teaches nothing, skills fade). Everybody does two assigned items on a day in school; a
policy adds {_SLOTS} recommended ones. Rules, features, policies, chances, rewards (learning gain)
and the gate are the package's, with its default settings; the platform knows students by a Kalman
filter of their abilities. Arms of a school share all chance in answers. `{LINUCB}` decides from the
first day; `{GATED}` is the package's way: the rule decides until the gate lets LinUCB go live,
judged every {_JUDGED_EVERY} days. Gain: rise of true mastery, mean over students and skills, in
points of 100, with the 95% interval over schools; the difference to the rule is paired by school.

{_table(found, usual.arms)}

{_said(found)}

There is little to find: what even the oracle adds is about a thousandth of mastery a
recommendation, beside a reward whose SD is .2. In {few} schools of {telling.n_students:,} students
where items with an explanation teach {np.exp(2 * telling.help_effect):.1f} times as much as those
without (above: {np.exp(2 * usual.help_effect):.1f} times) there is more:

{_table(told, telling.arms)}

{_said(told)}
"""


def _all(pool: ProcessPoolExecutor, schools: Schools, days: int) -> list[dict[str, Outcome]]:
    n = len(schools.seeds)
    return list(pool.map(_school, schools.seeds, [schools] * n, [days] * n))


def _school(seed: int, schools: Schools, days: int) -> dict[str, Outcome]:
    found = {arm: run(arm, seed, schools, days) for arm in schools.arms}
    sys.stderr.write(
        f"school {seed}: { ({a: round(100 * o.gain, 2) for a, o in found.items()}) }\n"
    )
    return found


def run(arm: str, seed: int, schools: Schools, days: int) -> Outcome:
    """Let one policy recommend in one school."""
    world = LearningWorld.drawn(
        seed,
        n_students=schools.n_students,
        n_items=_ITEMS,
        n_skills=_SKILLS,
        help_effect=schools.help_effect,
    )
    loop = Loop(arm, world, seed)
    start = world.true_mastery()
    for day in range(days):
        present = world.present(day)
        answers = [world.practise_assigned(present)]
        loop.platform.learn(answers[0])
        if arm != NOBODY:
            answers.append(loop.recommend(present, day))
        world.end_of_day()
        loop.platform.end_of_day()
        loop.reward(joined(answers))
    return loop.outcome(float((world.true_mastery() - start).mean()))


class Loop:
    """One policy at work: decides, waits for rewards, learns, and is judged if it is gated.

    Args:
        arm: Name of the policy.
        world: The school.
        seed: Of the policy's own chance.
    """

    def __init__(self, arm: str, world: LearningWorld, seed: int) -> None:
        self.arm, self.world, self.seed = arm, world, seed
        self.platform = Platform(world)
        self.state = fresh_state(self.platform.catalogue.item_ids, _BANDIT)
        self._total, self._n = np.full(_ITEMS, 5.0), np.full(_ITEMS, 10.0)
        self._running = RULE
        self._waiting: list[Decided] = []
        self._done: list[Decided] = []
        self._right: list[NDArray[np.bool_]] = []
        self._live_from = float("nan")

    def recommend(self, present: NDArray[np.int64], day: int) -> Answers:
        """Recommend to those who are there; they answer."""
        situation = self.platform.situation(present, day)
        keys = [f"{student}|{day}|{self.seed}" for student in present]
        slates = decide(
            situation,
            self._policy(situation, present),
            uniforms(keys, _SLOTS),
            recommendation=_RECOMMENDATION,
            bandit=_BANDIT,
        )
        place, slot = np.nonzero(slates.chosen.row >= 0)
        rows = slates.chosen.row[place, slot]
        student, item = present[place], slates.offered.item[rows]
        skill = slates.offered.skill[rows]
        answers = self.world.answer(student, item)
        self.platform.learn(answers)
        self._right.append(answers.right)
        self._waiting.append(
            Decided(
                day=day,
                student=student,
                slot=slot,
                item=item,
                skill=skill,
                shared=slates.shared[rows],
                usual=slates.chosen.usual[place, slot],
                before=slates.mastery_of_skill[rows],
                slates=slates,
                reward=np.full(len(rows), np.nan),
                probes=[],
                n_probes=np.zeros(len(rows)),
            )
        )
        return answers

    def reward(self, answers: Answers) -> None:
        """Probes of a day for the decisions of those before it; learn from rewards that come."""
        left = []
        for each in self._waiting:
            if each.day < answers.day[0]:
                self._probe(each, answers)
                new = np.isnan(each.reward) & (each.n_probes >= _REWARD.min_probes)
                each.reward[new] = self._gain(each)[new]
                self._learn(each, new)
            expired = answers.day[0] - each.day >= _REWARD.horizon_days
            (self._done if expired else left).append(each)
        self._waiting = left
        self.state = self.state.discounted()
        day = int(answers.day[0])
        if self.arm == GATED and (day + 1) % _JUDGED_EVERY == 0:
            self._judge(day)

    def _gain(self, each: Decided) -> NDArray[np.float64]:
        decision, item, right = (np.concatenate(part) for part in zip(*each.probes, strict=True))
        gain = self.platform.scale.gain(each.skill, each.before, decision, item, right)
        return learning_gain(gain, each.n_probes, min_probes=_REWARD.min_probes)

    def _probe(self, each: Decided, answers: Answers) -> None:
        """Hold a day's earnest answers on a decision's skill against its mastery then."""
        known, width = self.platform.catalogue, self.world.n_skills + 1
        skills = known.skills[answers.item]
        alone = ~self.platform.is_rapid(answers) & ((skills > 0).sum(axis=1) == 1)
        row, column = np.nonzero(skills * alone[:, None])
        key = answers.student[row] * width + skills[row, column]
        order = np.argsort(key, kind="stable")
        wanted = each.student * width + each.skill
        first = np.searchsorted(key[order], wanted)
        n = np.searchsorted(key[order], wanted, side="right") - first
        decision = np.repeat(np.arange(len(wanted)), n)
        place = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
        probe = row[order[place]]
        other = answers.item[probe] != each.item[decision]
        decision, probe = decision[other], probe[other]
        item = answers.item[probe]
        each.probes.append((decision, item, answers.right[probe].astype(np.float64)))
        each.n_probes += np.bincount(decision, minlength=len(wanted))

    def outcome(self, gain: float) -> Outcome:
        """Figures of the whole time."""
        every = [*self._done, *self._waiting]
        if not every:
            return Outcome(gain, float("nan"), 0, float("nan"), self._live_from)
        return Outcome(
            gain=gain,
            success=float(np.concatenate(self._right).mean()),
            distinct=len(np.unique(np.concatenate([each.item for each in every]))),
            shared=mean(_share_alike(each) for each in every),
            live_from=self._live_from,
        )

    def _policy(self, situation: Situation, present: NDArray[np.int64]) -> Policy:
        name = self._running if self.arm == GATED else self.arm
        if name == RANDOM:
            return RandomPolicy()
        if name == RULE:
            return RulePolicy()
        if name == PLAIN:
            return PlainPolicy(self._total, self._n, _BANDIT.alpha)
        if name == LINUCB:
            return LinUcbPolicy.of(self.state, self.platform.catalogue.item_ids)
        return OraclePolicy(self._true_gain(situation, present))

    def _true_gain(self, situation: Situation, present: NDArray[np.int64]) -> NDArray[np.float64]:
        gain = self.world.expected_gain(present[:, None], np.arange(_ITEMS)).ravel()
        return gain[exclusions(situation, _RECOMMENDATION) == 0]

    def _learn(self, each: Decided, new: NDArray[np.bool_]) -> None:
        item, reward = each.item[new], each.reward[new]
        np.add.at(self._total, item, reward)
        np.add.at(self._n, item, 1.0)
        self.state = self.state.updated(
            rewards_of(each.shared[new], each.usual[new], item, reward, _BANDIT)
        )

    def _judge(self, day: int) -> None:
        """What the daily job does with its log."""
        evidence = _evidence([*self._done, *self._waiting], self.platform.catalogue.item_ids)
        if int(evidence.log.has_reward.sum()) < _OFF_POLICY.min_decisions:
            return
        try:
            verdict = judge(evidence, self._running, bandit=_BANDIT, settings=_OFF_POLICY)
        except NoData:
            return
        if verdict.policy == LINUCB and self._running == RULE:
            self._live_from = float(day + 1)
        self._running = verdict.policy


def _evidence(decided: list[Decided], item_ids: NDArray[np.str_]) -> Evidence:
    """First choices with all that was eligible, and rewards of all ranks."""
    parts = [each for each in decided if len(each.item)]
    students, sizes, items, skills, chosen, propensity, reward, shared = ([] for _ in range(8))
    begin = 0
    for each in parts:
        offered, first = each.slates.offered, np.flatnonzero(each.slot == 0)
        rows = each.slates.chosen.row[:, 0]
        place = np.flatnonzero(rows >= 0)
        n = np.diff(offered.offsets)[place]
        kept = np.concatenate(
            [np.arange(offered.offsets[p], offered.offsets[p + 1]) for p in place]
        )
        starts = begin + np.concatenate([[0], np.cumsum(n)[:-1]])
        students.append(each.student[first])
        sizes.append(n)
        items.append(offered.item[kept])
        skills.append(offered.skill[kept])
        shared.append(each.slates.shared[kept])
        chosen.append(starts + rows[place] - offered.offsets[place])
        propensity.append(each.slates.chosen.propensity[place, 0])
        reward.append(each.reward[first])
        begin += len(kept)
    log = DecisionLog(
        student=np.concatenate(students),
        offsets=np.concatenate([[0], np.cumsum(np.concatenate(sizes))]),
        item=np.concatenate(items),
        chosen=np.concatenate(chosen),
        propensity=np.concatenate(propensity),
        reward=np.concatenate(reward),
    )
    known = [(each, np.isfinite(each.reward)) for each in parts]
    return Evidence(
        log=log,
        shared=np.concatenate(shared),
        skill=np.concatenate(skills),
        usual=np.concatenate([each.usual[each.slot == 0] for each in parts]),
        item_ids=item_ids,
        learnt=rewards_of(
            np.concatenate([each.shared[has] for each, has in known]),
            np.concatenate([each.usual[has] for each, has in known]),
            np.concatenate([each.item[has] for each, has in known]),
            np.concatenate([each.reward[has] for each, has in known]),
            _BANDIT,
        ),
        learnt_student=np.concatenate([each.student[has] for each, has in known]),
    )


def _share_alike(each: Decided) -> float:
    """Share of a day's slates that another student had, too."""
    order = np.lexsort((each.item, each.student))
    sets: dict[int, list[int]] = {}
    for student, item in zip(each.student[order].tolist(), each.item[order].tolist(), strict=True):
        sets.setdefault(student, []).append(item)
    told = [tuple(items) for items in sets.values()]
    return sum(told.count(one) > 1 for one in told) / len(told)


def _interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half width of its 95% interval."""
    known = np.array([value for value in values if np.isfinite(value)])
    if len(known) < 2:
        return float(known.mean()) if len(known) else float("nan"), float("nan")
    half = student_t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return float(known.mean()), float(half)


def _table(found: list[dict[str, Outcome]], arms: tuple[str, ...]) -> str:
    rows = []
    for arm in arms:
        own = [each[arm] for each in found]
        gain = _interval(100 * each.gain for each in own)
        less = _interval(100 * (each[arm].gain - each[RULE].gain) for each in found)
        success = _interval(each.success for each in own)
        rows.append(
            (
                arm,
                f"{gain[0]:.2f} ± {gain[1]:.2f}",
                "" if arm == RULE else f"{less[0]:+.2f} ± {less[1]:.2f}",
                f"{success[0]:.3f}" if np.isfinite(success[0]) else "",
                f"{mean(each.distinct for each in own):.0f}",
                f"{mean(each.shared for each in own):.3f}" if arm != NOBODY else "",
            )
        )
    header = ("policy", "gain", "less the rule's", "success", "distinct items", "slates shared")
    return table(header, rows)


def _said(found: list[dict[str, Outcome]]) -> str:
    live = [each[GATED].live_from for each in found]
    days = sorted(day for day in live if np.isfinite(day))
    told = f"The gate let LinUCB go live in {len(days)} of {len(found)} schools"
    return f"{told}, on days {', '.join(f'{day:.0f}' for day in days)}." if days else f"{told}."


if __name__ == "__main__":
    print(section())
