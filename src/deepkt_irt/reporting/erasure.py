"""What an erasure found and left, for people and for machines; names no student."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Proof:
    """The report of a concluded erasure, and where it lies."""

    report: dict[str, Any]
    path: Path


def as_json(proofs: Sequence[Proof]) -> list[dict[str, Any]]:
    """The reports."""
    return [proof.report for proof in proofs]


def render_text(proofs: Sequence[Proof]) -> str:
    """The reports in short: what was found and is gone, and which models are to be renewed."""
    if not proofs:
        return "Nobody is to be forgotten."
    return "\n\n".join(_one(proof) for proof in proofs)


def _one(proof: Proof) -> str:
    told = proof.report
    signed = told["signed_off_by"]
    return "\n".join(
        [
            f"Erasure {told['erasure_id']} is done.",
            *_listed("Found, and gone", told["found"]),
            *_listed("Files written again without the student", told["rewritten"]),
            *(f"  {line['place']}: {_renewal(line)}" for line in told["model"]),
            *(f"{line['detail']}: {line['n']} found." for line in _files(told["left"])),
            f"Signed off by {signed}."
            if signed
            else "Not signed off; --officer NAME says by whom.",
            f"Proof: {proof.path}",
        ]
    )


def _listed(title: str, lines: list[dict[str, Any]]) -> list[str]:
    some = [f"  {line['place']}: {line['n']:,}" for line in lines if line["n"]]
    return [f"{title}:", *some] if some else [f"{title}: nothing."]


def _renewal(line: dict[str, Any]) -> str:
    due = f"; to be trained anew by {line['retrain_by'][:10]}" if "retrain_by" in line else ""
    return f"{line['detail']}{due}"


def _files(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["place"] == "files"]
