"""What a table promises: its name, columns, key, checks and properties, as plain values.

Refuses a contract that contradicts itself. Knows nothing of Spark sessions or paths.
"""

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter

_NAME = re.compile(r"^[a-z_][a-z0-9_]*$")


class Layer(enum.StrEnum):
    """The schema a table lives in."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    OPS = "ops"
    RESTRICTED = "restricted"


class Privacy(enum.StrEnum):
    """How a column relates to a person; access rules are made from it."""

    NONE = "none"  # says nothing about a person
    PSEUDONYM = "pseudonym"  # random key of a person
    PERSONAL = "personal"  # behaviour or estimate tied to a pseudonym, or text that may quote one
    IDENTIFIER = "identifier"  # an id or text that came from outside


@dataclass(frozen=True)
class Column:
    """One column: SQL type as Spark prints it, and what the value means."""

    name: str
    type: str
    comment: str
    nullable: bool = False
    unit: str = ""
    privacy: Privacy = Privacy.NONE

    @property
    def full_comment(self) -> str:
        """The comment as stored in the table, with the unit."""
        return f"{self.comment} [{self.unit}]" if self.unit else self.comment

    @property
    def is_key(self) -> bool:
        """Whether the value by itself leads to a person."""
        return self.privacy in (Privacy.PSEUDONYM, Privacy.IDENTIFIER)


@dataclass(frozen=True)
class Check:
    """A rule every row obeys, as a SQL condition; null counts as obeyed."""

    name: str
    condition: str

    @property
    def sql(self) -> str:
        """The condition as Delta needs it, which takes null for a violation."""
        return f"coalesce({self.condition}, true)"


@dataclass(frozen=True)
class Relation:
    """What a table and a view have in common.

    Attributes:
        layer: Schema it lives in.
        columns: In order.
        key: Columns that tell its rows apart.
    """

    layer: Layer
    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def qualified_name(self) -> str:
        """`schema.table`, the same text locally and after USE CATALOG."""
        return f"{self.layer.value}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: If there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.qualified_name} has no column {name}")


@dataclass(frozen=True)
class Table(Relation):
    """A table declared once; the store enforces it on every write.

    Attributes:
        change_feed: Whether Delta tells which rows came, went or changed since a version.
        deletion_vectors: Whether a row that goes is marked, so that its file is not written anew.
    """

    checks: tuple[Check, ...] = ()
    cluster_by: tuple[str, ...] = ()
    change_feed: bool = False
    deletion_vectors: bool = False
    append_only: bool = False

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        wrong = [name for name in (self.name, *names) if not _NAME.match(name)]
        wrong += [f"{name} twice" for name in set(names) if names.count(name) > 1]
        wrong += [f"key {name}" for name in self.key if name not in names]
        wrong += [f"cluster {name}" for name in self.cluster_by if name not in names]
        # clustering needs statistics, which stay readable in the log after an erasure
        wrong += [f"cluster {c.name}, which names a person" for c in self._clustered if c.is_key]
        wrong += [f"{c.name} has no comment" for c in self.columns if not c.comment.strip()]
        if wrong:
            raise ValueError(f"{self.qualified_name}: {', '.join(wrong)}")

    @property
    def _clustered(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.name in self.cluster_by)


@dataclass(frozen=True)
class View(Relation):
    """A question asked of tables, declared once for everybody who looks at the answer.

    Attributes:
        reads: Tables it asks.
        query: SQL, in which a table stands as its name in braces.
    """

    reads: tuple[Table, ...]
    query: str

    def __post_init__(self) -> None:
        asked = {name for _, name, _, _ in Formatter().parse(self.query) if name is not None}
        declared = {table.name for table in self.reads}
        names = [column.name for column in self.columns]
        wrong = [f"asks {name}, which it does not declare" for name in sorted(asked - declared)]
        wrong += [f"declares {name} and does not ask it" for name in sorted(declared - asked)]
        wrong += [f"key {name}" for name in self.key if name not in names]
        wrong += [f"{name} twice" for name in sorted(set(names)) if names.count(name) > 1]
        if wrong:
            raise ValueError(f"{self.qualified_name}: {', '.join(wrong)}")

    def sql(self, name_of: Callable[[Table], str]) -> str:
        """The query with what SQL calls each table."""
        return self.query.format(**{table.name: name_of(table) for table in self.reads})
