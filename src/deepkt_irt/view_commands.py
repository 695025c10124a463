"""The commands that only look: one student, one item, classes, content."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.ask import MODES, read_answer
from deepkt_irt.jobs.compare import read_comparison
from deepkt_irt.jobs.content_index import ContentPlace
from deepkt_irt.jobs.explain import read_explanations
from deepkt_irt.jobs.gaming import read_gaming
from deepkt_irt.jobs.item import read_dossier
from deepkt_irt.jobs.models import open_models
from deepkt_irt.jobs.opening import Target, checked, open_runner, parse_settings
from deepkt_irt.jobs.status import read_status
from deepkt_irt.jobs.trace import read_trace
from deepkt_irt.lake_commands import JsonOption, LakeOption, SetOption, existing, show
from deepkt_irt.rag.index import KINDS
from deepkt_irt.reporting import ask as ask_view
from deepkt_irt.reporting import compare as compare_view
from deepkt_irt.reporting import explanation as explanation_view
from deepkt_irt.reporting import gaming as gaming_view
from deepkt_irt.reporting import item_dossier, student_trace
from deepkt_irt.reporting import status as status_view
from deepkt_irt.settings import BehaviourSettings


def trace(
    student_id: Annotated[str, typer.Option(help="Student id, as in the source's files.")],
    topic: Annotated[str | None, typer.Option(help="Skill name, or a part of it.")] = None,
    lake: LakeOption = Path("lake"),
    as_json: JsonOption = False,
) -> None:
    """Show one student: the evidence, what it says, and what to practise next."""
    settings = parse_settings([])
    runner = open_runner(Target(lake=existing(lake)), settings=settings)
    found = read_trace(
        runner.store.read, student_id=student_id, topic=topic, settings=settings.behaviour
    )
    show(student_trace, found, as_json=as_json)


def item(
    item_: Annotated[
        str, typer.Argument(metavar="ITEM", help="Item id, id in the source, or title.")
    ],
    lake: LakeOption = Path("lake"),
    as_json: JsonOption = False,
) -> None:
    """Show one item: how it behaves, what is amiss with it, and what to do."""
    runner = open_runner(Target(lake=existing(lake)), settings=parse_settings([]))
    found = read_dossier(runner.store.read, item_)
    show(item_dossier, found, as_json=as_json)


def gaming(
    student_id: Annotated[
        str | None, typer.Option(help="One student, by the id in the source's files.")
    ] = None,
    class_: Annotated[
        str | None,
        typer.Option("--class", metavar="KEY", help="One class, by its key or its source's id."),
    ] = None,
    min_responses: Annotated[
        int, typer.Option(help="Questions that a verdict on a student needs.")
    ] = BehaviourSettings().min_responses,
    lake: LakeOption = Path("lake"),
    as_json: JsonOption = False,
) -> None:
    """Show how questions were answered: rapid guesses, answers asked for early, how often."""
    if student_id is not None and class_ is not None:
        raise UsageError("give --student-id or --class, not both")
    settings = checked(
        BehaviourSettings, {"min_responses": "--min-responses"}, min_responses=min_responses
    )
    runner = open_runner(Target(lake=existing(lake)), settings=parse_settings([]))
    found = read_gaming(runner.store.read, settings=settings, student_id=student_id, class_=class_)
    show(gaming_view, found, as_json=as_json)


def status(
    lake: LakeOption = Path("lake"),
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how the lake is, and what is late, broken or expensive; 1 if something needs a look."""
    settings = parse_settings(set_ or [])
    runner = open_runner(Target(lake=existing(lake)), settings=settings)
    found = read_status(runner.store.read, settings, now=datetime.now(UTC))
    show(status_view, found, as_json=as_json)
    if found.firing:
        raise typer.Exit(1)


def compare_recs(
    student_id: Annotated[
        str, typer.Argument(metavar="STUDENT", help="Student id, as in the source's files.")
    ],
    lake: LakeOption = Path("lake"),
    as_json: JsonOption = False,
) -> None:
    """Show what the rule and the bandit would recommend to one student, and why."""
    target, settings = Target(lake=existing(lake)), parse_settings([])
    runner = open_runner(target, settings=settings)
    found = read_comparison(runner.store.read, open_models(target), settings, student_id)
    show(compare_view, found, as_json=as_json)


def ask(
    question: Annotated[str, typer.Argument(help="What is to be found, in your own words.")],
    k: Annotated[int, typer.Option("--k", help="Passages shown.")] = 5,
    mode: Annotated[str, typer.Option(help=f"How to search: {', '.join(MODES)}.")] = "hybrid",
    kind: Annotated[str, typer.Option(help=f"Only one of: {', '.join(KINDS)}.")] = "",
    lake: LakeOption = Path("lake"),
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the content library has on a question, word for word, with what to cite it by."""
    settings = parse_settings(set_ or [])
    runner = open_runner(Target(lake=existing(lake)), settings=settings)
    store = runner.store
    place = ContentPlace(store.read, store.full_name, runner.place.embedders)
    found = read_answer(place, settings.content, question, k=k, mode=mode, kind=kind)
    show(ask_view, found, as_json=as_json)


def explain(
    student_id: Annotated[
        str, typer.Argument(metavar="STUDENT", help="Student id, as in the source's files.")
    ],
    audience: Annotated[
        str | None, typer.Option(help="Only what one of teacher and student is told.")
    ] = None,
    lake: LakeOption = Path("lake"),
    as_json: JsonOption = False,
) -> None:
    """Show why a student is recommended what comes next, and what each sentence rests on."""
    if audience not in (None, "teacher", "student"):
        raise UsageError(f"--audience {audience!r}: there are teacher, student")
    runner = open_runner(Target(lake=existing(lake)), settings=parse_settings([]))
    found = read_explanations(runner.store.read, student_id, audience=audience)
    show(explanation_view, found, as_json=as_json)


COMMANDS = (status, trace, item, gaming, compare_recs, ask, explain)
