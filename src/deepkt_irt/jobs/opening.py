"""Opens a lake or a catalog: session, store, place and runner, ready for tasks.

The only place that decides whether a catalog's name means Unity Catalog or a folder: with
`DEEPKT_CATALOGS` set, catalog `main` is the lake folder `$DEEPKT_CATALOGS/main`, with the volumes'
files in `<schema>/<volume>/` as below `/Volumes/main`.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from deepkt_irt import session
from deepkt_irt.errors import UsageError
from deepkt_irt.java import Profile
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.names import Names
from deepkt_irt.jobs.runner import LogReporter, Reporter, Runner
from deepkt_irt.settings import Settings
from deepkt_irt.tables.lake_folder import open_lake_folder
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CATALOGS_VARIABLE = "DEEPKT_CATALOGS"
NO_CHANGE = "defaults"
_CATALOG = re.compile(r"[\w-]+", re.ASCII)
_MEDIUM_LANDING_BYTES = 15_000_000  # from here on compiled queries pay for their compiling,
_LARGE_LANDING_BYTES = 50_000_000  # and from here on the optimising compiler for its start
_UNPACKED_TIMES = 8  # what a byte of a compressed log unpacks to


@dataclass(frozen=True)
class Target:
    """Where to work: a local lake folder or a Unity Catalog catalog, never both."""

    lake: Path | None = None
    catalog: str | None = None
    names: Names = field(default_factory=Names)

    def __post_init__(self) -> None:
        if bool(self.lake) == bool(self.catalog):
            raise UsageError("give either --lake FOLDER or --catalog NAME")
        if self.catalog and not _CATALOG.fullmatch(self.catalog):
            raise UsageError(f"--catalog {self.catalog!r}: letters, digits, - and _ only")

    @property
    def folder(self) -> Path | None:
        """The lake folder; None where a real catalog is meant."""
        catalogs = os.environ.get(CATALOGS_VARIABLE)
        return Path(catalogs) / str(self.catalog) if self.catalog and catalogs else self.lake


Lasting = Literal["seconds", "minutes", "hours"]
_OF_LITTLE: dict[Lasting, Profile] = {"seconds": "small", "minutes": "steady", "hours": "medium"}
"""Profiles where little has landed."""


@dataclass(frozen=True)
class Opened:
    """A lake or catalog with a session on it."""

    spark: "SparkSession"
    store: TableStore
    place: Place


def open_target(target: Target, *, lasting: Lasting = "seconds") -> Opened:
    """A session on the target, its tables and its files.

    Args:
        target: Where to work.
        lasting: How long the session is to work: after a minute it pays that the JVM compiles
            itself well, after more that queries are compiled.

    Raises:
        BackendUnavailable: If Spark cannot start or the lake cannot be written.
    """
    names, folder = target.names, target.folder
    if folder is not None:
        lake = open_lake_folder(folder)
        place = (Place.of_folder if target.catalog else Place.of_lake)(lake, names)
        profile = profile_of(place.landing)
        if profile == "small":
            profile = _OF_LITTLE[lasting]
        spark = session.folder_session(profile=profile)
        return Opened(spark, TableStore(spark, lake=lake, schemas=names.schemas), place)
    catalog = str(target.catalog)
    spark = session.workspace_session()
    store = TableStore(spark, catalog=catalog, schemas=names.schemas)
    return Opened(spark, store, Place.of_catalog(catalog, names))


def open_runner(
    target: Target,
    *,
    settings: Settings,
    as_of: datetime | None = None,
    reporter: Reporter | None = None,
    lasting: Lasting = "seconds",
) -> Runner:
    """A runner over the target, in a session that is to work for so long.

    Raises:
        BackendUnavailable: If Spark cannot start or the lake cannot be written.
    """
    opened = open_target(target, lasting=lasting)
    return Runner(
        spark=opened.spark,
        store=opened.store,
        place=opened.place,
        settings=settings,
        as_of=as_of or datetime.now(UTC).replace(microsecond=0),
        as_of_given=as_of is not None,
        reporter=reporter or LogReporter(),
    )


def profile_of(landing: Path) -> Profile:
    """How to start local Spark for what lies in a landing folder, by its size unpacked."""
    files = (path for path in landing.rglob("*") if path.is_file())
    packed = {".gz": _UNPACKED_TIMES, ".zip": _UNPACKED_TIMES}
    n_bytes = sum(path.stat().st_size * packed.get(path.suffix, 1) for path in files)
    if n_bytes > _LARGE_LANDING_BYTES:
        return "large"
    return "medium" if n_bytes > _MEDIUM_LANDING_BYTES else "small"


def parse_as_of(text: str | None) -> datetime | None:
    """An ISO 8601 instant; without an offset it is UTC.

    Raises:
        UsageError: If the text is no instant.
    """
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--as-of {text!r} is no ISO 8601 instant like 2026-03-01T02:00"
        ) from error
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)


def parse_settings(assignments: Iterable[str]) -> Settings:
    """Settings from `part.name=value` texts; what is not given keeps its default.

    A text may hold several, with commas between: a job has one parameter for them. The word
    `defaults` changes nothing: an empty parameter would not survive deployment.

    Raises:
        UsageError: If a name is unknown or a value is not allowed.
    """
    values: dict[str, Any] = {}
    for text in (each for given in assignments for each in given.split(",")):
        if text == NO_CHANGE:
            continue
        name, equals, value = text.partition("=")
        part, dot, field = name.partition(".")
        if not (equals and dot):
            raise UsageError(f"--set {text!r}: write it as part.name=value, as sakt.max_epochs=5")
        values.setdefault(part, {})[field] = value
    return checked(Settings, **values)


def checked[T: BaseModel](
    kind: type[T], options: Mapping[str, str] | None = None, /, **values: object
) -> T:
    """A settings value from what a person gave.

    Args:
        kind: The settings.
        options: What a person calls a setting that has an option of its own, by its name.
        values: What was given, by name.

    Raises:
        UsageError: If a name is unknown or a value is not allowed.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UsageError(_unknown(kind, where)) from error
        where = (options or {}).get(where, where)
        raise UsageError(f"{where}: {first['msg']}, not {first['input']!r}") from error


def _unknown(kind: type[BaseModel], name: str) -> str:
    part, _, _ = name.rpartition(".")
    there: Any = kind.model_fields[part].annotation if part else kind
    known = ", ".join(there.model_fields)
    return f"no setting {name}; {f'{part} has' if part else 'there are'}: {known}"
