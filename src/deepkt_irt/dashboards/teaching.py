"""The dashboard of teachers: who needs help today, on what and why; what classes know."""

from deepkt_irt.dashboards.rows import (
    NUMBER,
    columns,
    counted,
    counter_row,
    filter_row,
    narrowed,
    text_row,
    whole_row,
)
from deepkt_irt.dashboards.widgets import (
    FILTER_BY_ONE,
    Dashboard,
    Dataset,
    Field,
    Order,
    Page,
    Row,
    Widget,
)

_COUNTERS = ("students", "students_needing_help", "students_without_item")
# rows are classes and skills, whose students cannot be told apart any more
_TWICE = "With no class chosen, a student of two classes counts in each."

TEACHING = Dashboard(
    name="teaching",
    title="Teaching: who needs help today",
    decides="A teacher decides whom to help first, and with what.",
    datasets=(
        counted("students", "Students and what they need", _COUNTERS, ("class",)),
        Dataset("needing", "Students who need help", """
SELECT class, student, skill, why, n_signs, n_waiting, mastery,
       mastery_low, mastery_high, coalesce(next_item, 'nothing is offered') AS next_item,
       next_p_correct, next_reason
FROM {student_today} WHERE needs_help
ORDER BY n_signs DESC, n_waiting DESC, mastery, student
"""),
        Dataset("classes", "Classes and skills", """
SELECT class, skill, n_students, mean_mastery,
       mean_margin, n_low, n_falling
FROM {class_skill_mastery}
"""),
    ),
    pages=(
        Page("today", "Today", (
            text_row("today_how", "A student is listed for a skill practised lately whose "
                  "mastery is surely too low, whose last answers were all wrong, or whose "
                  "mastery has surely fallen. Most signs come first."),
            counter_row(*(narrowed(name, "students") for name in _COUNTERS)),
            filter_row("today_class", "Class", ("students", "needing"), "class"),
            whole_row(10, Widget("who", "table", "Who needs help, on what and why", "needing",
                columns(
                Field("Class", "`class`"), Field("Student", "`student`"),
                Field("On", "`skill`"), Field("Why", "`why`"),
                Field("Mastery", "`mastery`", NUMBER, "percent"),
                Field("at least", "`mastery_low`", NUMBER, "percent"),
                Field("at most", "`mastery_high`", NUMBER, "percent"),
                Field("Practise next", "`next_item`"),
                Field("Expected success", "`next_p_correct`", NUMBER, "percent"),
                Field("Because", "`next_reason`")))),
        )),
        Page("classes", "Classes", (
            filter_row("classes_class", "Class", ("classes",), "class", FILTER_BY_ONE),
            whole_row(8, Widget("know", "heatmap", "Mean mastery; empty below ten students",
                "classes", (
                    ("x", Field("Skill", "`skill`")),
                    ("y", Field("Class", "`class`")),
                    ("color", Field("Mean mastery", "AVG(`mean_mastery`)", NUMBER, "percent")),
                ), aggregated=True)),
            Row(7, (
                (6, Widget("behind", "bar", "Students surely below what the next skill needs",
                    "classes", (
                        ("x", Field("Students", "SUM(`n_low`)", NUMBER)),
                        ("y", Field("Skill", "`skill`", order=Order.LARGEST_FIRST)),
                    ), aggregated=True,
                    description=f"Teach the topmost again before going on. {_TWICE}")),
                (6, Widget("falling", "bar", "Students whose mastery has fallen", "classes", (
                    ("x", Field("Students", "SUM(`n_falling`)", NUMBER)),
                    ("y", Field("Skill", "`skill`", order=Order.LARGEST_FIRST)),
                ), aggregated=True, description=f"Repeat the topmost first. {_TWICE}")),
            )),
        )),
    ),
)  # fmt: skip
