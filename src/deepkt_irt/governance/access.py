"""Who may read what in Unity Catalog, as SQL made from the layers and privacy tags of contracts.

Pure text: nothing here runs a statement. Applied again, the same contracts and roles change
nothing; a table that became more private loses its grants. The tables have to exist first, and
who applies the statements owns them: a view reads tables with the rights of its owner.
Rights on schemas are the bundle's, whose deployment replaces them.

No table has a row filter or a column mask. Unity Catalog sets none on a table with checks, tells
the history of no table that has one, and merges into none whose filter asks another table. So who
may not see all of a table asks a view, which leaves out rows or columns.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass

from deepkt_irt.errors import UsageError
from deepkt_irt.tables.contract import Column, Layer, Privacy, Table, View
from deepkt_irt.tables.ddl import view_ddl
from deepkt_irt.tables.rosters import CLASS_MEMBERSHIPS, ROSTER_TEACHERS, within_today
from deepkt_irt.tables.silver import CLASS_TEACHERS, ERASURE_REQUESTS, USERS

FILTERED_COLUMN = "student_key"
FILTER_FUNCTION = "may_see_student"
CLASS_FUNCTION = "may_see_class"
PRIVACY_TAG = "deepkt_privacy"
LAYER_TAG = "deepkt_layer"
FILLED_BY_OFFICERS = (CLASS_TEACHERS, ERASURE_REQUESTS)  # else only the owner could: the pipeline


class Role(enum.StrEnum):
    """Who reads tables; each is a field of `Roles`."""

    ENGINEER = "engineer"
    ANALYST = "analyst"
    TEACHER = "teacher"
    PRIVACY_OFFICER = "privacy_officer"
    PIPELINE = "pipeline"


READERS = (Role.ENGINEER, Role.ANALYST, Role.TEACHER, Role.PRIVACY_OFFICER)


@dataclass(frozen=True)
class Roles:
    """Account groups of the roles; the pipeline may also be a user or a service principal.

    Raises:
        UsageError: If a name is empty, cannot be quoted or stands for two roles.
    """

    engineer: str
    analyst: str
    teacher: str
    privacy_officer: str
    pipeline: str

    def __post_init__(self) -> None:
        names = astuple(self)
        for role in Role:
            name = self.principal(role)
            if not name.strip() or "`" in name or not name.isprintable():
                raise UsageError(f"{role.value}: {name!r} is no name of a group or principal")
            if names.count(name) > 1:  # grants of one role would undo the other's revokes
                raise UsageError(f"{role.value}: {name!r} is named for another role, too")

    def principal(self, role: Role) -> str:
        """The group or principal that plays a role."""
        return str(getattr(self, role.value))


class Kind(enum.StrEnum):
    """What a statement does, in the order in which they are applied."""

    FUNCTION = "function"
    TAG = "tag"
    VIEW = "view"
    REVOKE = "revoke"
    GRANT = "grant"


@dataclass(frozen=True)
class Statement:
    """One SQL statement, and the function, schema, table, view or column it is about."""

    kind: Kind
    subject: str
    sql: str


def may_read(role: Role, table: Table | View) -> bool:
    """The one rule of who reads what, by its layer and what its columns tell of persons."""
    if role in (Role.PIPELINE, Role.PRIVACY_OFFICER):
        return True
    tags = {column.privacy for column in table.columns}
    if Privacy.IDENTIFIER in tags:
        return False
    if role is Role.ENGINEER:
        return table.layer is not Layer.RESTRICTED
    if role is Role.ANALYST:
        return table.layer in (Layer.SILVER, Layer.GOLD)
    about_runs = isinstance(table, View) and Layer.OPS in {t.layer for t in table.reads}
    of_students = FILTERED_COLUMN in table.column_names or tags != {Privacy.NONE}
    return table.layer is Layer.GOLD and not about_runs and (is_filtered(table) or not of_students)


def readers_of(layer: Layer, tables: Iterable[Table]) -> set[Role]:
    """The roles that read a table of a layer, and so must be let into its schema."""
    inside = [table for table in tables if table.layer is layer]
    return {role for role in READERS if any(may_read(role, table) for table in inside)}


def is_filtered(table: Table | View) -> bool:
    """Whether it keeps the rows of the own classes' students for a teacher, as views do."""
    return isinstance(table, View) and any(FILTERED_COLUMN in t.column_names for t in table.reads)


def masked_columns(table: Table) -> list[Column]:
    """The columns whose values only privacy officers and the pipeline see."""
    return [column for column in table.columns if column.privacy is Privacy.IDENTIFIER]


def masked_view(table: Table) -> View | None:
    """What others ask instead of a table with identifiers; None if they may not, or need not."""
    if table.layer is Layer.RESTRICTED or not masked_columns(table):
        return None
    shown = tuple(c for c in table.columns if c.privacy is not Privacy.IDENTIFIER)
    names = [column.name for column in shown]
    return View(
        layer=table.layer,
        name=f"{table.name}_masked",
        comment=f"{table.comment} Without identifiers.",
        columns=shown,
        key=tuple(name for name in table.key if name in names),
        reads=(table,),
        query=f"SELECT {', '.join(names)} FROM {{{table.name}}}",  # noqa: S608
    )


def may_see_student(roles: Roles, student_key: str, *, schemas: Mapping[Layer, str]) -> str:
    """The condition under which rows of a student are shown.

    Classes are those of events and, on the day of asking, those of a roster; so are who teaches.

    Args:
        roles: Who sees all students.
        student_key: SQL expression of the key; qualified, or the mapping's own column is meant.
        schemas: Schema of each layer.
    """
    trusted = _is_one_of(roles, (Role.ENGINEER, Role.ANALYST, Role.PRIVACY_OFFICER))
    taught = f"({_members(schemas)}) AS u JOIN ({_teachers(schemas)}) AS t USING (class_key)"
    own = f"t.teacher = lower(current_user()) AND u.student_key = {student_key}"
    return f"{trusted} OR EXISTS (SELECT 1 FROM {taught} WHERE {own})"  # noqa: S608


def may_see_class(roles: Roles, class_key: str, *, schemas: Mapping[Layer, str]) -> str:
    """The condition under which a class is shown: a student may be in others, too.

    Args:
        roles: Who sees all classes.
        class_key: SQL expression of the key.
        schemas: Schema of each layer.
    """
    trusted = _is_one_of(roles, (Role.ENGINEER, Role.ANALYST, Role.PRIVACY_OFFICER))
    own = f"t.teacher = lower(current_user()) AND t.class_key = {class_key}"
    return f"{trusted} OR EXISTS (SELECT 1 FROM ({_teachers(schemas)}) AS t WHERE {own})"  # noqa: S608


def _members(schemas: Mapping[Layer, str]) -> str:
    told = (
        f"{_name(CLASS_MEMBERSHIPS, schemas)} WHERE {within_today('member_from', 'member_until')}"
    )
    return (
        f"SELECT student_key, explode(class_keys) AS class_key FROM {_name(USERS, schemas)} "  # noqa: S608
        f"UNION ALL SELECT student_key, class_key FROM {told}"
    )


def _teachers(schemas: Mapping[Layer, str]) -> str:
    told = (
        f"{_name(ROSTER_TEACHERS, schemas)} WHERE {within_today('teaches_from', 'teaches_until')}"
    )
    return (
        f"SELECT class_key, lower(teacher) AS teacher FROM {_name(CLASS_TEACHERS, schemas)} "  # noqa: S608
        f"UNION ALL SELECT class_key, teacher FROM {told}"
    )


def statements(
    tables: Iterable[Table],
    roles: Roles,
    schemas: Mapping[Layer, str],
    views: Iterable[View] = (),
) -> list[Statement]:
    """Every statement of the access rules: first what is asked, grants last.

    Args:
        tables: Contracts; all of them exist in the catalog.
        roles: Who plays which role.
        schemas: Schema of each layer, as the store has it.
        views: Made anew, beside those that leave out identifiers.
    """
    tables = tuple(tables)
    views = (*views, *(view for table in tables if (view := masked_view(table))))
    readable: tuple[Table | View, ...] = (*tables, *views)
    made = [
        *_functions(roles, schemas),
        *(each for table in tables for each in _on_columns(table, schemas)),
        *(each for table in tables for each in _on_table(table, schemas)),
        *(_view(view, schemas) for view in views),
        *(each for table in readable for each in _rights(table, roles, schemas)),
    ]
    return sorted(made, key=lambda each: list(Kind).index(each.kind))


def _view(view: View, schemas: Mapping[Layer, str]) -> Statement:
    """A view over the rows that who looks may see.

    It asks itself whose rows these are: a view reads tables with the rights of its owner.
    """
    sql = view_ddl(view, _name(view, schemas), view.sql(lambda table: rows_seen(table, schemas)))
    return Statement(Kind.VIEW, f"{schemas[view.layer]}.{view.name}", sql)


def rows_seen(table: Table, schemas: Mapping[Layer, str]) -> str:
    """What a view asks instead of a table: the own students, and of their classes the own ones."""
    name, columns = _name(table, schemas), table.column_names
    sees, teaches = (_quoted(schemas[Layer.OPS], f) for f in (FILTER_FUNCTION, CLASS_FUNCTION))
    if FILTERED_COLUMN not in columns:
        return name
    conditions = f"{sees}({FILTERED_COLUMN})"
    if "class_key" in columns:
        conditions += f" AND {teaches}(class_key)"
    if "class_keys" not in columns:
        return f"(SELECT * FROM {name} WHERE {conditions})"  # noqa: S608
    # the function asks a table, which nothing inside of filter(class_keys, …) may do
    single = f"SELECT {FILTERED_COLUMN}, explode(class_keys) AS class_key FROM {name}"  # noqa: S608
    own = (
        f"SELECT {FILTERED_COLUMN}, collect_list(class_key) AS class_keys FROM ({single}) "  # noqa: S608
        f"WHERE {teaches}(class_key) GROUP BY {FILTERED_COLUMN}"
    )
    return (
        f"(SELECT u.* EXCEPT (class_keys), coalesce(c.class_keys, array()) AS class_keys "  # noqa: S608
        f"FROM {name} AS u LEFT JOIN ({own}) AS c ON u.{FILTERED_COLUMN} = c.{FILTERED_COLUMN} "
        f"WHERE {sees}(u.{FILTERED_COLUMN}))"
    )


def _functions(roles: Roles, schemas: Mapping[Layer, str]) -> Iterator[Statement]:
    student = may_see_student(roles, f"{FILTER_FUNCTION}.{FILTERED_COLUMN}", schemas=schemas)
    taught = may_see_class(roles, f"{CLASS_FUNCTION}.class_key", schemas=schemas)
    for name, signature, body in (
        (FILTER_FUNCTION, f"({FILTERED_COLUMN} STRING) RETURNS BOOLEAN", student),
        (CLASS_FUNCTION, "(class_key STRING) RETURNS BOOLEAN", taught),
    ):
        sql = f"{_quoted(schemas[Layer.OPS], name)}{signature} RETURN {body}"
        subject = f"{schemas[Layer.OPS]}.{name}"
        yield Statement(Kind.FUNCTION, subject, f"CREATE OR REPLACE FUNCTION {sql}")


def _on_columns(table: Table, schemas: Mapping[Layer, str]) -> Iterator[Statement]:
    for column in table.columns:
        alter = f"ALTER TABLE {_name(table, schemas)} ALTER COLUMN {_quoted(column.name)}"
        subject = f"{schemas[table.layer]}.{table.name}.{column.name}"
        if column.privacy is not Privacy.NONE:
            tag = f"{_text(PRIVACY_TAG)} = {_text(column.privacy.value)}"
            yield Statement(Kind.TAG, subject, f"{alter} SET TAGS ({tag})")


def _on_table(table: Table, schemas: Mapping[Layer, str]) -> Iterator[Statement]:
    name, subject = _name(table, schemas), f"{schemas[table.layer]}.{table.name}"
    tag = f"{_text(LAYER_TAG)} = {_text(table.layer.value)}"
    yield Statement(Kind.TAG, subject, f"ALTER TABLE {name} SET TAGS ({tag})")


def _rights(table: Table | View, roles: Roles, schemas: Mapping[Layer, str]) -> Iterator[Statement]:
    name, subject = _name(table, schemas), f"{schemas[table.layer]}.{table.name}"
    what = "VIEW" if isinstance(table, View) else "TABLE"
    for role in READERS:
        kind, to = (Kind.GRANT, "TO") if may_read(role, table) else (Kind.REVOKE, "FROM")
        fills = role is Role.PRIVACY_OFFICER and table in FILLED_BY_OFFICERS
        rights = "SELECT, MODIFY" if fills else "SELECT"
        sql = f"{kind.upper()} {rights} ON {what} {name} {to} {_quoted(roles.principal(role))}"
        yield Statement(kind, subject, sql)


def _is_one_of(roles: Roles, groups: tuple[Role, ...]) -> str:
    """Whether the pipeline or a member of the groups asks; a service principal is no group."""
    pipeline = f"current_user() = {_text(roles.pipeline)}"
    names = [roles.principal(role) for role in (*groups, Role.PIPELINE)]
    members = (f"is_account_group_member({_text(name)})" for name in names)
    return f"({' OR '.join([pipeline, *members])})"


def _name(table: Table | View, schemas: Mapping[Layer, str]) -> str:
    return _quoted(schemas[table.layer], table.name)


def _quoted(*parts: str) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
