"""What teachers look at: what classes know, and who needs help today, on what and why."""

from string import Template

from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Column, Layer, Privacy, View
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, STUDENT, STUDENT_MASTERY
from deepkt_irt.tables.rosters import CLASS_MEMBERSHIPS, within_today
from deepkt_irt.tables.silver import ITEMS, SKILLS, USERS

SMALL_GROUP = 10  # means over fewer students are not shown

NO_CLASS = "no class"
CLASS = Column("class_key", "string", "pseudonym of the class; empty: students of no class")
CLASS_NAME = Column("class", "string", f"the class for people: its pseudonym, or {NO_CLASS}")


def _personal(name: str, kind: str, comment: str, unit: str = "") -> Column:
    return Column(name, kind, comment, nullable=True, unit=unit, privacy=Privacy.PERSONAL)


# classes of answers, and those of a roster today; who is in none counts as in one of their own, so
# that nobody is left out
_MEMBERS = f"""
  SELECT u.student_key, u.n_events, u.last_answered_at AS last_seen_at,
         coalesce(p.class_key, '') AS class_key
  FROM {{users}} u LEFT JOIN (
    SELECT student_key, explode(class_keys) AS class_key FROM {{users}}
    UNION
    SELECT student_key, class_key FROM {{class_memberships}}
    WHERE {within_today("member_from", "member_until")}
  ) p USING (student_key)
"""  # noqa: S608 - with names of this package

CLASS_MEMBERS = View(
    layer=Layer.GOLD,
    name="class_members",
    comment="A row for each student and class; part of views and of the report, no view by itself.",
    columns=(
        STUDENT,
        Column("n_events", "bigint", "questions answered", privacy=Privacy.PERSONAL),
        _personal("last_seen_at", "timestamp", "UTC; null if only order is known"),
        CLASS,
    ),
    key=("class_key", "student_key"),
    reads=(USERS, CLASS_MEMBERSHIPS),
    query=_MEMBERS,
)

_CLASS_SKILL_MASTERY = """
WITH members AS ($members)
SELECT m.class_key, $class_name AS class, k.skill_id, s.name AS skill,
       count(*) AS n_students,
       CASE WHEN count(*) >= $small_group THEN avg(k.mastery) END AS mean_mastery,
       CASE WHEN count(*) >= $small_group
            THEN sqrt(sum(pow((k.mastery_high - k.mastery_low) / 2, 2))) / count(*)
       END AS mean_margin,
       count_if(k.mastery_high < $opens_at) AS n_low,
       count_if(k.trend = 'falling') AS n_falling,
       sum(k.n_responses) AS n_responses,
       max(k.scored_at) AS scored_at
FROM {student_mastery} k JOIN members m USING (student_key) JOIN {skills} s USING (skill_id)
GROUP BY m.class_key, k.skill_id, s.name
"""

# what is not known (null) is no sign
_STUDENT_TODAY = """
WITH members AS ($members),
waiting AS (
  SELECT skill_id, count(*) AS n_waiting
  FROM (SELECT explode(prerequisite_ids) AS skill_id FROM {skills}) GROUP BY skill_id
),
lately AS (
  SELECT k.*, coalesce(k.mastery_high < $opens_at, false) AS is_low,
         coalesce(k.wrong_in_a_row >= $wrong_in_a_row, false) AS is_stuck,
         coalesce(k.trend = 'falling', false) AS is_falling
  FROM {student_mastery} k JOIN {users} u USING (student_key)
  WHERE k.last_sequence_number > u.n_events - $recent_events
),
speaking AS (
  SELECT l.*, s.name AS skill, s.prerequisite_ids, coalesce(w.n_waiting, 0) AS n_waiting,
         int(is_low) + int(is_stuck) + int(is_falling) AS n_signs
  FROM lately l JOIN {skills} s USING (skill_id) LEFT JOIN waiting w USING (skill_id)
  WHERE is_low OR is_stuck OR is_falling
),
ordered AS (
  SELECT *, count(*) OVER (PARTITION BY student_key) AS n_skills,
         row_number() OVER (PARTITION BY student_key
                            ORDER BY n_signs DESC, n_waiting DESC, mastery, skill_id) AS place
  FROM speaking
),
worst AS (SELECT * FROM ordered WHERE place = 1),
known AS (SELECT DISTINCT student_key FROM {student_mastery}),
fitting AS (
  SELECT r.student_key, r.item_id, coalesce(i.title, i.source_item_id) AS item, r.rank,
         r.p_correct, r.reason,
         CASE WHEN r.skill_id = w.skill_id THEN 'skill'
              WHEN array_contains(w.prerequisite_ids, r.skill_id) THEN 'prerequisite'
              WHEN w.skill_id IS NOT NULL THEN 'elsewhere' END AS fit
  FROM {bandit_recommendations} r JOIN {items} i USING (item_id)
       LEFT JOIN worst w USING (student_key)
),
offers AS (
  SELECT * FROM (
    SELECT *, row_number() OVER (
      PARTITION BY student_key
      ORDER BY CASE fit WHEN 'skill' THEN 0 WHEN 'prerequisite' THEN 1 ELSE 2 END, rank) AS choice
    FROM fitting)
  WHERE choice = 1
)
SELECT m.class_key, $class_name AS class, m.student_key,
       concat('Student ', left(m.student_key, 8)) AS student,
       m.n_events, m.last_seen_at,
       CASE WHEN k.student_key IS NOT NULL THEN w.student_key IS NOT NULL END AS needs_help,
       w.skill_id, w.skill, coalesce(w.n_skills, 0) AS n_skills, coalesce(w.n_signs, 0) AS n_signs,
       w.is_low, w.is_stuck, w.is_falling, w.n_waiting,
       w.mastery, w.mastery_low, w.mastery_high, w.last_answered_at,
       filter(array(
         CASE WHEN w.is_low THEN concat(
           'mastery is surely below the $opens_percent that opens what follows',
           CASE w.n_waiting WHEN 0 THEN '' WHEN 1 THEN '; one skill waits for it'
                            ELSE concat('; ', w.n_waiting, ' skills wait for it') END) END,
         CASE WHEN w.is_stuck
              THEN concat('the last ', w.wrong_in_a_row, ' answers on it were wrong') END,
         CASE WHEN w.is_falling
              THEN format_string('mastery fell from %.0f%% to %.0f%%',
                                 100 * w.mastery_before, 100 * w.mastery) END
       ), x -> x IS NOT NULL) AS reasons, array_join(reasons, '; ') AS why,
       o.item_id AS next_item_id, o.item AS next_item, o.rank AS next_rank,
       o.p_correct AS next_p_correct, o.reason AS next_reason, o.fit AS next_fit
FROM members m LEFT JOIN known k USING (student_key) LEFT JOIN worst w USING (student_key)
     LEFT JOIN offers o USING (student_key)
"""


def class_skill_mastery(settings: Settings) -> View:
    """A row for each class and skill that one of its students practised."""
    return View(
        layer=Layer.GOLD,
        name="class_skill_mastery",
        comment="What each class knows per practised skill, how sure that is, and who is behind.",
        columns=(
            CLASS,
            CLASS_NAME,
            Column("skill_id", "string", "joins silver.skills"),
            Column("skill", "string", "name for people"),
            Column("n_students", "bigint", "students of the class who practised it"),
            Column("mean_mastery", "double", f"their mean; null below {SMALL_GROUP} students",
                   nullable=True),
            Column("mean_margin", "double", "half the width of its 95% interval, as far as each "
                   "student's mastery is unsure; students taken as independent", nullable=True),
            Column("n_low", "bigint", "students surely below the mastery that opens what follows"),
            Column("n_falling", "bigint", "students whose mastery has surely fallen"),
            Column("n_responses", "bigint", "graded responses it rests on"),
            Column("scored_at", "timestamp", "as-of instant of the newest figure, UTC"),
        ),
        key=("class_key", "skill_id"),
        reads=(*CLASS_MEMBERS.reads, STUDENT_MASTERY, SKILLS),
        query=_filled(_CLASS_SKILL_MASTERY, settings),
    )  # fmt: skip


def student_today(settings: Settings) -> View:
    """A row for each student and class.

    A skill is looked at if it is among the student's last events; it speaks for help by a mastery
    that is surely too low, by wrong answers alone lately, or by a mastery that has surely fallen.
    Most signs first, then skills that most others wait for.
    """
    return View(
        layer=Layer.GOLD,
        name="student_today",
        comment="Who needs help today, on which skill most and why, and what to practise next.",
        columns=(
            CLASS,
            CLASS_NAME,
            STUDENT,
            Column("student", "string", "shortened pseudonym", privacy=Privacy.PSEUDONYM),
            Column("n_events", "bigint", "questions answered", privacy=Privacy.PERSONAL),
            _personal("last_seen_at", "timestamp", "UTC; null if only order is known"),
            _personal("needs_help", "boolean", "a sign holds; null if no mastery is known"),
            _personal("skill_id", "string", "skill that speaks for it most; null if none does"),
            _personal("skill", "string", "its name"),
            Column("n_skills", "bigint", "skills that do", privacy=Privacy.PERSONAL),
            Column("n_signs", "int", "signs on the skill, 0 to 3", privacy=Privacy.PERSONAL),
            _personal("is_low", "boolean", "mastery is surely too low to open what follows"),
            _personal("is_stuck", "boolean", "all of the last answers on it were wrong"),
            _personal("is_falling", "boolean", "mastery has fallen further than it is unsure"),
            _personal("n_waiting", "bigint", "skills that come after it"),
            _personal("mastery", "double", "of the skill"),
            _personal("mastery_low", "double", "lower end of the 95% interval"),
            _personal("mastery_high", "double", "upper end of the 95% interval"),
            _personal("last_answered_at", "timestamp", "when it was practised last, UTC"),
            Column("reasons", "array<string>", "a sentence for each sign",
                   privacy=Privacy.PERSONAL),
            Column("why", "string", "the same as one text; empty without a sign",
                   privacy=Privacy.PERSONAL),
            _personal("next_item_id", "string", "what to practise; null if nothing is offered"),
            _personal("next_item", "string", "its title, or else its id in the source"),
            _personal("next_rank", "int", "its rank among the recommendations"),
            _personal("next_p_correct", "double", "expected success"),
            _personal("next_reason", "string", "why this item"),
            _personal("next_fit", "string", "skill, prerequisite or elsewhere: what of the "
                      "recommendations comes nearest to the skill; null without one"),
        ),
        key=("class_key", "student_key"),
        reads=(*CLASS_MEMBERS.reads, STUDENT_MASTERY, SKILLS, BANDIT_RECOMMENDATIONS, ITEMS),
        query=_filled(_STUDENT_TODAY, settings),
    )  # fmt: skip


def _filled(query: str, settings: Settings) -> str:
    opens_at = settings.recommendation.prerequisite_at
    return Template(query).substitute(
        members=_MEMBERS,
        class_name=f"CASE m.class_key WHEN '' THEN '{NO_CLASS}' ELSE m.class_key END",
        small_group=SMALL_GROUP,
        opens_at=opens_at,
        opens_percent=f"{opens_at:.0%}",
        wrong_in_a_row=settings.help.wrong_in_a_row,
        recent_events=settings.help.recent_events,
    )
