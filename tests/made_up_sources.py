"""Files of every source in the catalogue: the same two students, in small; nothing in them is real.

A source without files here fails the tests that hold all sources to the same rules.
"""

import csv
import io
import json

from deepkt_irt.sources.layout import Layout, Source
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS
from made_up_statements import HOME, caliper, envelope, lines, voiding
from made_up_statements import xapi as statement

ANN, BEN = "ann-4711", "ben-4712"
NO_RESPONSES = ("one_roster",)  # sources that tell who students are, not what they answered
ANSWER = "secret-answer"  # given by students: it stands with what they did, and nowhere else
START = 1_767_258_000


def student(source: str, name: str) -> str:
    """A student's id as the source has it."""
    return {"xapi": f"{HOME}|{name}", "caliper": f"{HOME}/user/{name}"}.get(source, name)


def logs(name: str) -> tuple[str, ...]:
    """Assignment logs of a student of the EDM Cup's files."""
    return (f"log-{name}",)


def _table(*rows: dict[str, object], header: tuple[str, ...] = ()) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, header or tuple(rows[0]), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _headers(source: Source, file: str) -> tuple[str, ...]:
    layout: Layout | None = source.layout_of(file)
    assert layout is not None, f"{source.name} has no file {file}"
    return (*(field.header for field in layout.fields), *layout.needed)


def _edm_cup(source: Source) -> dict[str, str]:
    def action(name: str, at: int, problem: str, what: str) -> dict[str, object]:
        log = {"assignment_log_id": f"log-{name}", "problem_id": problem, "action": what}
        return log | {"timestamp": START + at}

    actions = [
        action(name, 60 * n + seconds, f"p{n}", what)
        for name in (ANN, BEN)
        for n in (1, 2)
        for seconds, what in ((0, "problem_started"), (9, "wrong_response"))
    ]
    details = [
        {"assignment_log_id": f"log-{name}", "student_id": name, "class_id": "c"}
        for name in (ANN, BEN)
    ]
    problems = [{"problem_id": f"p{n}", "problem_skill_code": "6.A"} for n in (1, 2)]
    made = {
        "action_logs.csv": actions,
        "assignment_details.csv": details,
        "problem_details.csv": problems,
    }
    return {file: _table(*rows, header=_headers(source, file)) for file, rows in made.items()}


def _responses() -> list[dict[str, object]]:
    return [
        {
            "student_id": name,
            "item_id": f"i{n}",
            "correct": n % 2,
            "answered_at": f"2026-02-02T09:0{n}:00Z",
            "skill_ids": "adding",
            "answer": ANSWER,
        }
        for n in (1, 2)
        for name in (ANN, BEN)
    ]


def _assistments(source: Source) -> dict[str, str]:
    rows = [
        {"user_id": name, "problem_id": f"p{n}", "correct": n % 2, "order_id": n, "skill_id": 7}
        | {"hint_count": 0, "ms_first_response": 900, "answer_text": ANSWER}
        for n in (1, 2)
        for name in (ANN, BEN)
    ]
    return {"skill_builder.csv": _table(*rows, header=_headers(source, "skill_builder.csv"))}


def _dbe_kt22(source: Source) -> dict[str, str]:
    answers = [
        {"student_id": name, "question_id": n, "kc_ids": "5", "correct": n % 2, "seq_pos": n}
        | {"timestamp": START + n}
        for n in (1, 2)
        for name in (ANN, BEN)
    ]
    return {
        "interactions.csv": _table(*answers, header=_headers(source, "interactions.csv")),
        "questions.csv": _table(*({"id": n, "question_text": f"What is {n}?"} for n in (1, 2))),
        "kcs.csv": _table({"id": 5, "name": "Sets", "description": "what sets are"}),
    }


def _xapi() -> dict[str, str]:
    made = [
        statement(
            2 * n + place, who=name, item=f"q{n}", minute=n,
            result={"success": n == 1, "response": ANSWER, "duration": "PT9S"},
        )
        for n in (1, 2, 3)
        for place, name in enumerate((ANN, BEN))
    ]  # fmt: skip
    taken_back = [voiding(90, target=6), voiding(91, target=7)]
    return {"statements.jsonl": lines(*made, *taken_back)}


def _caliper() -> dict[str, str]:
    made = []
    for n in (1, 2):
        for place, name in enumerate((ANN, BEN)):
            one = {"who": name, "item": f"q{n}", "minute": n}
            answered = caliper(
                10 * n + place, "AssessmentItemEvent", "Completed", value=ANSWER, **one
            )
            graded = caliper(50 * n + place, "GradeEvent", "Graded", given=n - 1, **one)
            made += [answered, graded]
    return {"events.json": json.dumps(envelope(*made), indent=1)}


def _one_roster() -> dict[str, str]:
    users = [
        {"sourcedId": name, "username": name, "grades": "07", "enabledUser": "true"}
        for name in (ANN, BEN)
    ]
    users.append({"sourcedId": "t-1", "email": "miller@district.example", "enabledUser": "true"})
    users.append({"sourcedId": "g-1", "agentSourcedIds": ANN, "enabledUser": "true"})
    roles = [("r-1", ANN, "student"), ("r-2", BEN, "student"), ("r-3", "t-1", "teacher")]
    kinds = ("orgs", "academicSessions", "courses", "classes", "users", "roles", "enrollments")
    manifest = {f"file.{kind}": "bulk" for kind in kinds} | {"oneroster.version": "1.2"}
    term = {"sourcedId": "term-1", "type": "term", "title": "Spring"}
    a_class = {"sourcedId": "c-1", "title": "Mrs Miller's", "courseSourcedId": "math"}
    made: dict[str, list[dict[str, object]]] = {
        "manifest": [{"propertyName": name, "value": said} for name, said in manifest.items()],
        "orgs": [{"sourcedId": "s-1", "name": "A School", "type": "school"}],
        "academicSessions": [term | {"startDate": "2026-02-01", "endDate": "2026-07-01"}],
        "courses": [{"sourcedId": "math", "title": "Maths", "grades": "07", "subjects": "maths"}],
        "classes": [a_class | {"schoolSourcedId": "s-1", "termSourcedIds": "term-1"}],
        "users": [{"agentSourcedIds": "", "email": "", **each} for each in users],
        "roles": [
            {"sourcedId": own, "userSourcedId": user, "role": role, "orgSourcedId": "s-1"}
            for own, user, role in roles
        ],
        "enrollments": [
            {"sourcedId": f"e-{own}", "classSourcedId": "c-1", "userSourcedId": user, "role": role}
            for own, user, role in roles
        ],
    }
    return {
        f"{kind}.csv": _table(*rows, header=tuple(dict.fromkeys(n for row in rows for n in row)))
        for kind, rows in made.items()
    }


def files(source: Source) -> dict[str, str]:
    """Texts of a source's files by name.

    Raises:
        KeyError: If there are none for the source.
    """
    copied = {"responses.csv": _table(*_responses(), header=COPIED_COLUMNS)}
    made = {
        "edm_cup": lambda: _edm_cup(source),
        "simulator": lambda: _edm_cup(source),
        "assistments": lambda: _assistments(source),
        "responses_csv": lambda: {"answers.csv": _table(*_responses())},
        "dbe_kt22": lambda: _dbe_kt22(source),
        "rest_api": lambda: copied,
        "sql_server": lambda: copied,
        "xapi": _xapi,
        "caliper": _caliper,
        "one_roster": _one_roster,
    }
    return made[source.name]()
