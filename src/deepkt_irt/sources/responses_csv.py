"""Any CSV file with one graded response a row, through a mapping given or guessed."""

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path

from deepkt_irt.errors import BadFile, UsageError
from deepkt_irt.sources.layout import Field, Layout, Source, graded, number, share
from deepkt_irt.sources.reader import read_header, read_rows
from deepkt_irt.sources.responses import canonical
from deepkt_irt.tables.bronze import RAW_RESPONSES

# header names met in the wild, the likeliest first; compared in lower case
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "student_id": ("student_id", "user_id", "student", "user", "anon_student_id", "learner_id"),
    "item_id": ("item_id", "problem_id", "question_id", "exercise_id", "item", "question"),
    "correct": ("correct", "is_correct", "correctness", "answered_correctly", "outcome"),
    "score": ("score", "partial_score", "credit"),
    "skill_ids": ("skill_ids", "skill_id", "kc_ids", "kc_id", "skills", "skill", "concept_id"),
    "skill_names": ("skill_names", "skill_name", "kc_names", "kc_name"),
    "answered_at": ("answered_at", "timestamp", "time", "datetime", "created_at", "date_time"),
    # a running number over all rows may have gaps, so the position within the student is first
    "response_order": ("response_order", "seq_pos", "sequence_number", "order", "order_id"),
    "latency_ms": ("latency_ms", "ms_first_response", "ms_first_response_time", "response_time_ms"),
    "attempt_count": ("attempt_count", "attempts", "n_attempts"),
    "hint_count": ("hint_count", "hints", "n_hints", "hints_used"),
    "first_action": ("first_action",),
    "bottom_hint": ("bottom_hint",),
    "item_type": ("item_type", "problem_type", "answer_type", "question_type"),
    "assignment_id": ("assignment_id", "assignment_log_id"),
    "class_id": ("class_id", "student_class_id", "class"),
}
_NEEDED = ("student_id", "item_id", "correct")
FILE_ORDER = "_row"  # response_order=_row: the order of the rows in the file
_SEPARATORS = (";", "|", "~~", ",")
_SAMPLED_ROWS = 2_000


def parse_mapping(text: str) -> dict[str, str]:
    """A mapping from `student_id=user_id …`, as text or as the path of a file with such lines.

    Raises:
        UsageError: If a part is no `name=header`, or the name is not known.
    """
    path = Path(text)
    if "=" not in text and not path.is_file():
        raise UsageError(f"--map {text}: no such file, and no text like student_id=user_id")
    parts = (path.read_text() if path.is_file() else text).replace(",", " ").split()
    mapping = {}
    for part in parts:
        name, equals, header = part.partition("=")
        if not equals or name not in {*_SYNONYMS, "separator"}:
            known = ", ".join((*_SYNONYMS, "separator"))
            raise UsageError(f"--map {part!r}: write name=header; the names are {known}")
        mapping[name] = header
    return mapping


def complete_mapping(path: Path, given: Mapping[str, str] | None) -> dict[str, str]:
    """Canonical name to header, from what was given and else from the header's names.

    Raises:
        BadFile: If student, item, result, or both time and order cannot be found.
    """
    header = read_header(path)
    mapping = dict(given or {})
    by_lower = {name.lower(): name for name in header}
    for name, synonyms in _SYNONYMS.items():
        found = next((by_lower[s] for s in synonyms if s in by_lower), None)
        if name not in mapping and found is not None and found not in mapping.values():
            mapping[name] = found
    absent = [h for n, h in mapping.items() if n != "separator" and h not in {*header, FILE_ORDER}]
    missing = [name for name in _NEEDED if name not in mapping]
    if "answered_at" not in mapping and "response_order" not in mapping:
        missing.append("answered_at or response_order")
    if absent or missing:
        what = f"no column {', '.join(absent)}" if absent else f"no {', '.join(missing)} found"
        raise BadFile(
            path.name,
            f"{what} among its columns {', '.join(header)}",
            "name them, as in --map 'student_id=… item_id=… correct=… answered_at=…' "
            f"(response_order={FILE_ORDER} takes the order of the rows)",
        )
    if "skill_ids" in mapping and "separator" not in mapping:
        mapping["separator"] = _separator(path, header.index(mapping["skill_ids"]))
    return mapping


def mapped_layout(mapping: Mapping[str, str]) -> Layout:
    """The layout of a file under a complete mapping."""
    rules = {
        "correct": graded,
        "score": share,
        "answered_at": _instant,
        "response_order": number,
        "latency_ms": number,
        "attempt_count": number,
        "hint_count": number,
    }
    ordering = [name for name in ("answered_at", "response_order") if name in mapping]
    # what orders the responses must be there, unless the other can stand in
    filled = {*_NEEDED, *(ordering if len(ordering) == 1 else ())}
    fields = tuple(
        Field(header, name, rule=rules.get(name), filled=name in filled)
        for name, header in mapping.items()
        if name != "separator" and header != FILE_ORDER
    )
    constants = {"skill_separator": mapping["separator"]} if mapping.get("separator") else {}
    return Layout(
        table=RAW_RESPONSES,
        patterns=("*.csv",),
        fields=fields,
        rest="extras",
        constants=constants,
        row_number="response_order" if mapping.get("response_order") == FILE_ORDER else "",
    )


def _separator(path: Path, at: int) -> str:
    """What joins several skills in a column, judged by its first rows; empty if nothing does."""
    values = {
        row[at] for row in islice(read_rows(path), _SAMPLED_ROWS) if len(row) > at and row[at]
    }
    for separator in _SEPARATORS:
        if any(separator in value for value in values):
            return separator
    joined = any("_" in value for value in values)
    numeric = all(re.fullmatch(r"\d+(_\d+)*", value) for value in values)
    return "_" if joined and numeric else ""


def _instant(value: str) -> str | None:
    if number(value) is None:
        return None
    try:
        datetime.fromisoformat(value.strip())
    except ValueError:
        return "expected epoch seconds, epoch milliseconds or ISO 8601"
    return None


SOURCE = Source(
    name="responses_csv",
    layouts=(Layout(table=RAW_RESPONSES, patterns=("*.csv",), fields=()),),
    canonical=canonical,
    mapped=True,
)
