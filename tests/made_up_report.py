"""An invented report on which every section has something to say, for tests of the whole page."""

from dataclasses import replace

from deepkt_irt.reporting.help_today import ClassHelp, HelpOnSkill, NeedsHelp
from deepkt_irt.reporting.operations import Operations, TableFiles, TableUpkeep
from deepkt_irt.reporting.policy_report import Gap, GroupShare, PolicyReport
from deepkt_irt.reporting.report_data import (
    Cell,
    Evaluation,
    Evaluations,
    FileAccount,
    HeatMap,
    Refusal,
    ReportData,
)
from deepkt_irt.reporting.student_data import Answer, Next, SkillMastery, Student
from made_up_items import full_report

SKILLS = ("Fractions", "Ratios, first part", "<Union> & 'more'")
ITEMS = ("Halves and quarters", "Thirds", "Which is <larger>?")
LOW = (0.34, 0.21, 0.48)


def needs_help(label: str, skill: str, item: str | None) -> NeedsHelp:
    """A student who needs help on a skill, and is offered an item or nothing."""
    offer = Next(1, item, 0.71, "near the target of 70%") if item else None
    worst = HelpOnSkill(skill, ("the last 5 answers on it were wrong",), LOW, "2026-02-27")
    return NeedsHelp(label, label, worst, 0, None, offer, None, None if item else "all is mastered")


def student(label: str, *classes: str, skills: tuple[str, ...] = SKILLS) -> Student:
    """A student with an answer on each of some skills."""
    return Student(
        label=label,
        classes=classes,
        split="test",
        ability=(-0.4, 0.3),
        n_events=len(skills),
        mastery=tuple(SkillMastery(each, 0.5, 0.3, 0.7, 9) for each in skills),
        answers=tuple(
            Answer(f"2026-02-{day:02} 10:00", item, (skill,), day % 2 == 0, 0, 9.5 * day, 0.5)
            for day, (skill, item) in enumerate(zip(skills, ITEMS, strict=False), start=9)
        ),
        next_items=(Next(1, ITEMS[0], 0.7, "near the target"),),
    )


HELP = (
    ClassHelp(
        "class-a",
        24,
        2,
        0,
        (
            needs_help("Student 1a", SKILLS[0], ITEMS[0]),
            needs_help("Student 2b", SKILLS[1], ITEMS[1]),
        ),
    ),
    ClassHelp("class-b", 23, 1, 0, (needs_help("Student 3c", SKILLS[0], None),)),
    ClassHelp("class-c", 9, 0, 1, ()),
)
STUDENTS = (
    student("Student 1a", "class-a"),
    student("Student 4d", "class-a", "class-b", skills=SKILLS[1:]),
    student("Student 5e", skills=()),
)
HEAT = HeatMap(
    skills=SKILLS,
    rows=(
        ("class-a", 24, (Cell(0.62, 24), Cell(0.41, 12), Cell(None, 3))),
        ("class-b", 23, (Cell(0.09, 20), Cell(None, 0), Cell(0.88, 11))),
        ("class-c", 9, (Cell(0.71, 20), Cell(1.0, 14), Cell(0.5, 10))),
    ),
    n_skills_in_all=3,
    n_classes_in_all=3,
    classes_known=True,
)
POLICY = PolicyReport(
    policy="the rule",
    decided_at="2026-03-01 02:00 UTC",
    n_students=1_200,
    n_without=3,
    exclusions=(("recent", 40), ("mastered", 1_009)),
    n_rewards=800,
    n_pending=4_000,
    verdict="2026-03-01: the rule stays live",
    gaps=(Gap("the rule", "sndr", (0.002, -0.004, 0.008), -0.007, 700, 90, 410.4, decides=True),),
    groups=(GroupShare("A", 60, 500, 40, (0.7, 0.68, 0.72), (0.5, None, None)),),
    gate_confidence=0.99,
    confidence=0.95,
)


def evaluated(model: str, auc: float | None, version: str | None = None) -> Evaluation:
    """A model's figures on held-out students; a registered model has a version."""
    return Evaluation(
        model=model,
        version=version,
        run_id="0123456789" if version else None,
        auc=auc,
        interval=None,
        accuracy=0.7,
        log_loss=0.58,
        ece=0.02,
        n_students=60,
        n_responses=1_000,
        is_champion=version is not None,
        bins=((0.2, 0.25, 40), (0.7, 0.68, 90)),
    )


def table(name: str, n_bytes: int) -> TableUpkeep:
    """The files of a table after its upkeep."""
    files = TableFiles(n_bytes * 3, 2, 1, n_bytes, None, 0.0)
    return TableUpkeep(name, 0, replace(files, n_files=40), files, ("optimize",), None, (), 2.0)


def whole_report() -> ReportData:
    """A report with something in every section."""
    models = (evaluated("SAKT", 0.9, "3"), evaluated("1PL", None), evaluated("mean", 0.85))
    return replace(
        full_report(),
        files=tuple(FileAccount("s", f"{n}.csv", n, n, 0) for n in (1_200, 90, 7)),
        refusals=(Refusal("bronze", "correct", "expected 0 or 1", 3),),
        evaluations=(Evaluations("SAKT", "students", "abc", 1, models),),
        heat_map=HEAT,
        students=STUDENTS,
        help_today=HELP,
        policy=POLICY,
        operations=Operations(
            "2026-03-01", (table("gold.a", 900), table("gold.b", 5_000_000), table("gold.c", 40))
        ),
    )
