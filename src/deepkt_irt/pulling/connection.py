"""Connection files: where responses are pulled from, and what of them is new.

A file holds no secret: it says where one is kept. Whatever goes into a query is refused unless it
is a plain name, or is quoted.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, ValidationError, field_validator, model_validator

from deepkt_irt.errors import BadFile, UsageError
from deepkt_irt.settings.frozen import Frozen
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MONTH_DAYS = 31

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
"""Of a connection; it begins the names of its landing files, so it never changes."""
Identifier = Annotated[str, Field(pattern=r"^[^\W\d][\w$#@ -]{0,126}$")]
"""A column as the database has it; always quoted, so that blanks and capitals are kept."""
DatabaseName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,126}$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Member = Annotated[str, Field(pattern=r"^[^\s.][^.]*(\.[^.]+)*$")]
"""A place in JSON: names of members with dots between, as `learner.id`."""


class Secret(Frozen):
    """Where a secret is kept: an environment variable, or a key of a Databricks secret scope."""

    env: str = ""
    scope: str = ""
    key: str = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.env) == bool(self.scope and self.key) or bool(self.scope) != bool(self.key):
            raise ValueError("write {env = …}, or {scope = …, key = …}")
        return self


class TimeWatermark(Frozen):
    """What is new by a time that the source gives a record when it takes it in.

    Attributes:
        start: Instant that the first pull begins at.
        overlap_seconds: How far a pull goes back behind the last one, for records that came late.
        settle_seconds: How long a record is left alone, as others of its time may be on their way.
    """

    kind: Literal["time"]
    start: AwareDatetime
    overlap_seconds: int = Field(3_600, ge=0)
    settle_seconds: int = Field(60, ge=0)

    @field_validator("start")
    @classmethod
    def _utc(cls, value: datetime) -> datetime:
        return value.astimezone(UTC)


class NumberWatermark(Frozen):
    """What is new by a whole number that grows from record to record.

    Attributes:
        start: Number that the first pull begins at.
        overlap: How many numbers a pull goes back, for records that were written out of order.
    """

    kind: Literal["number"]
    start: int = Field(0, ge=0)
    overlap: int = Field(0, ge=0)


class TimeColumn(TimeWatermark):
    """A time column of a table; one without a zone is in UTC."""

    column: Identifier


class NumberColumn(NumberWatermark):
    """A whole-number column of a table."""

    column: Identifier


class Connection(Frozen):
    """What every connection has."""

    name: Name


class Database(Connection):
    """A table or view of a database.

    Attributes:
        table: Its name with the schema's, as `dbo.deepkt_responses`.
        columns: Column by canonical name; those not named are found by that name itself.
        rows_per_file: Rows of a landing file; so many parts are read side by side.
        rows_per_fetch: Rows that one round trip to the server brings.
        driver_jar: JDBC driver of a laptop; without it, one is fetched once.
    """

    product: Literal["sql_server", "postgresql"] = "sql_server"
    host: Host
    port: int | None = Field(None, ge=1, le=65_535)
    database: DatabaseName
    table: str
    user: Annotated[str, Field(min_length=1)]
    password: Secret
    watermark: Annotated[TimeColumn | NumberColumn, Field(discriminator="kind")]
    columns: dict[str, Identifier] = Field(default_factory=dict)
    rows_per_file: int = Field(1_000_000, ge=1)
    rows_per_fetch: int = Field(10_000, ge=1)
    timeout_seconds: int = Field(600, ge=1)
    driver_jar: Path | None = None

    @field_validator("table")
    @classmethod
    def _quotable(cls, value: str) -> str:
        parts = value.split(".")
        if len(parts) > 2 or not all(_is_identifier(part) for part in parts):
            raise ValueError("write schema.table, each of letters, digits and _$#@- or blanks")
        return value

    @field_validator("columns")
    @classmethod
    def _canonical(cls, value: dict[str, str]) -> dict[str, str]:
        return _known(value)


class Bearer(Frozen):
    """A token in the header Authorization."""

    kind: Literal["bearer"]
    token: Secret


class ApiKey(Frozen):
    """A key in a header of its own."""

    kind: Literal["header"]
    header: HeaderName
    value: Secret


class ClientCredentials(Frozen):
    """OAuth 2.0 client credentials (RFC 6749, 4.4): a token that is fetched, and again when old.

    Attributes:
        client_in: Where id and secret are sent: Basic authentication, or the body.
    """

    kind: Literal["oauth2"]
    token_url: str
    client_id: str
    client_secret: Secret
    scope: str = ""
    client_in: Literal["basic", "body"] = "basic"

    @field_validator("token_url")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        return safe_url(value)


class OnePage(Frozen):
    """All records in one answer."""

    kind: Literal["none"] = "none"


class NextUrl(Frozen):
    """The answer names the address of the next page; null or nothing on the last."""

    kind: Literal["next_url"]
    member: Member


class LinkHeader(Frozen):
    """The header Link names it, with rel="next" (RFC 8288)."""

    kind: Literal["link"]


class Cursor(Frozen):
    """The answer has a cursor that asks for the next page; null or nothing on the last."""

    kind: Literal["cursor"]
    member: Member
    parameter: str


class PageNumber(Frozen):
    """Pages are counted; one without records is the end."""

    kind: Literal["page"]
    parameter: str
    first: int = Field(1, ge=0)


class Offset(Frozen):
    """Records are skipped by their number; a page without records is the end."""

    kind: Literal["offset"]
    parameter: str


class TimeParameter(TimeWatermark):
    """Times that a request names; `until` is empty where the interface takes no end.

    Attributes:
        window_days: Days of one landing file; a long history comes file by file.
    """

    since: Annotated[str, Field(min_length=1)]
    until: str = ""
    written: Literal["iso", "epoch_seconds", "epoch_milliseconds"] = "iso"
    window_days: int = Field(_MONTH_DAYS, ge=1)


class NumberParameter(NumberWatermark):
    """The number that a request names, from which on it wants records, and where they have it."""

    since: Annotated[str, Field(min_length=1)]
    member: Member


class RestApi(Connection):
    """A REST interface that gives responses as JSON, page by page.

    Attributes:
        url: Where they are; https, or a host of this machine.
        records: Member that lists them; empty: the answer itself is the list.
        parameters: Sent with every request.
        fields: Member by canonical name; those not named are found by that name itself.
    """

    url: str
    records: Annotated[str, Field(pattern=r"^([^\s.][^.]*(\.[^.]+)*)?$")] = ""
    parameters: dict[str, str] = Field(default_factory=dict)
    auth: Annotated[Bearer | ApiKey | ClientCredentials | None, Field(discriminator="kind")] = None
    pages: Annotated[
        OnePage | NextUrl | LinkHeader | Cursor | PageNumber | Offset,
        Field(discriminator="kind"),
    ] = OnePage()
    watermark: Annotated[TimeParameter | NumberParameter, Field(discriminator="kind")]
    fields: dict[str, Member] = Field(default_factory=dict)
    timeout_seconds: float = Field(60, gt=0)
    attempts: int = Field(6, ge=1)
    longest_wait_seconds: float = Field(300, ge=0)
    max_page_bytes: int = Field(67_108_864, ge=1)
    max_pages: int = Field(100_000, ge=1)

    @field_validator("url")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        return safe_url(value)

    @field_validator("fields")
    @classmethod
    def _canonical(cls, value: dict[str, str]) -> dict[str, str]:
        return _known(value)


KINDS: dict[str, type[Database | RestApi]] = {"sql_server": Database, "rest_api": RestApi}
"""What a connection file of a source holds."""


def is_connection(data: Path) -> bool:
    """Whether data names a connection file rather than files to land."""
    return data.suffix.lower() == ".toml"


def read_connection(path: Path, source: str) -> Database | RestApi:
    """The connection that a file describes.

    Args:
        path: A TOML file.
        source: Source system it is for.

    Raises:
        UsageError: If nothing can be pulled from that source.
        BadFile: If the file cannot be read, or a key is unknown, missing or wrong.
    """
    if source not in KINDS:
        raise UsageError(f"{path.name}: pulled are {', '.join(KINDS)}, not {source}; give files")
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadFile(str(path), f"it cannot be read ({error.strerror})", "check --data") from error
    except ValueError as error:  # of TOML and of UTF-8
        raise BadFile(path.name, f"it is no TOML ({error})", "see docs/sources.md") from error
    try:
        return KINDS[source].model_validate(values)
    except ValidationError as error:
        problems = _problems(error, values)
    # not from the error, which shows what was written, and that may be a secret in a wrong place
    raise BadFile(path.name, problems, "see docs/sources.md for its keys")


def safe_url(value: str) -> str:
    """The address, if what is sent there cannot be read on the way.

    Raises:
        ValueError: If it is no https address, nor http to this machine, or holds a password.
    """
    parts = urlsplit(value)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise ValueError("write an address like https://quiz.example.org/responses")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("only https: a secret would be sent in the clear")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no user and password in an address: use auth")
    return value


def _is_identifier(part: str) -> bool:
    """Whether a part of a name can be quoted as it is."""
    plain = part.replace("_", "a", 1) if part.startswith("_") else part
    return bool(plain) and plain[0].isalpha() and all(_may_stand(each) for each in plain)


def _may_stand(character: str) -> bool:
    return character.isalnum() or character in "_$#@ -"


def _known(mapping: dict[str, str]) -> dict[str, str]:
    unknown = [name for name in mapping if name not in COPIED_COLUMNS]
    if unknown:
        raise ValueError(f"no name {', '.join(unknown)}; there are {', '.join(COPIED_COLUMNS)}")
    return mapping


def _problems(error: ValidationError, values: object) -> str:
    """What is wrong by key, without the values."""
    told = []
    for each in error.errors(include_input=False, include_url=False):
        key = ".".join(_keys(each["loc"], values))
        told.append(f"{key}: {each['msg'].removeprefix('Value error, ')}")
    return "; ".join(told)


def _keys(steps: Sequence[str | int], values: object) -> Iterator[str]:
    """The steps to a key as the file has them, without the kinds that pydantic names between."""
    for number, step in enumerate(steps, start=1):
        if isinstance(values, Mapping) and step in values:
            values = values[step]
        elif number < len(steps):
            continue
        yield str(step)
