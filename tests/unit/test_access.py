"""Access rules follow the contracts' tags: nothing personal is left without its lock."""

import re
from collections import Counter
from dataclasses import replace

import pytest
import sqlglot
from sqlglot import expressions

from conftest import REPOSITORY
from deepkt_irt.errors import UsageError
from deepkt_irt.governance.access import (
    Kind,
    Role,
    Roles,
    Statement,
    is_filtered,
    masked_columns,
    masked_view,
    may_read,
    readers_of,
    rows_seen,
    statements,
)
from deepkt_irt.governance.access_page import page
from deepkt_irt.jobs.apply_access import rules_of
from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Layer, Privacy, Table
from deepkt_irt.tables.gold import SKILL_VOCABULARY, STUDENT_MASTERY
from deepkt_irt.tables.gold_items import ITEM_PARAMETERS
from deepkt_irt.tables.ops import QUARANTINE
from deepkt_irt.tables.registry import TABLES, views
from deepkt_irt.tables.rosters import CLASS_MEMBERSHIPS, ROSTER_TEACHERS
from deepkt_irt.tables.silver import CLASS_TEACHERS, STUDENT_KEYS, USERS

ROLES = Roles("engineers", "analysts", "dept's teachers", "privacy officers", "app-id")
SCHEMAS = {layer: f"dev_{layer.value}" for layer in Layer}
VIEWS = views(Settings())
ALL = statements(TABLES, ROLES, SCHEMAS, VIEWS)

NAME = r"`\w+`\.`\w+`"
SHAPES = {  # what sqlglot has no tree for
    Kind.TAG: rf"ALTER TABLE {NAME}( ALTER COLUMN `\w+`)? SET TAGS \('deepkt_\w+' = '\w+'\)",
}
TREES = {
    Kind.FUNCTION: expressions.Create,
    Kind.VIEW: expressions.Create,
    Kind.GRANT: expressions.Grant,
    Kind.REVOKE: expressions.Revoke,
}


def name(table: Table) -> str:
    return f"dev_{table.layer.value}.{table.name}"


def of(kind: Kind, made: list[Statement] = ALL) -> list[Statement]:
    return [each for each in made if each.kind is kind]


def readers(table: Table) -> set[Role]:
    return {role for role in Role if may_read(role, table)}


def selected(kind: Kind, principal: str) -> set[str]:
    """Tables whose SELECT is granted to, or revoked from, a principal."""
    end = re.compile(rf"SELECT(, MODIFY)? ON TABLE .* (TO|FROM) `{re.escape(principal)}`$")
    return {each.subject for each in of(kind) if end.search(each.sql)}


def with_privacy(table: Table, column: str, privacy: Privacy) -> Table:
    columns = [replace(c, privacy=privacy) if c.name == column else c for c in table.columns]
    return replace(table, columns=tuple(columns))


@pytest.mark.parametrize("kind", Kind)
def test_statements_parse(kind):
    assert of(kind)
    for each in of(kind):
        if kind in SHAPES:
            assert re.fullmatch(SHAPES[kind], each.sql), each.sql
        parsed = sqlglot.parse(each.sql, dialect="databricks")
        fallback = (expressions.Command, expressions.Alter)
        assert len(parsed) == 1, each.sql
        assert isinstance(parsed[0], TREES.get(kind, fallback)), each.sql


def test_statements_hide_before_they_grant():
    kinds = [each.kind for each in ALL]

    assert kinds == sorted(kinds, key=list(Kind).index)


def test_statements_are_the_same_again_and_none_stands_twice():
    assert statements(iter(TABLES), ROLES, SCHEMAS, iter(VIEWS)) == ALL
    assert [sql for sql, n in Counter(each.sql for each in ALL).items() if n > 1] == []


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified_name)
def test_identifiers_are_for_officers_and_the_pipeline_and_a_view_leaves_them_out(table):
    if not masked_columns(table):
        assert masked_view(table) is None
        return
    view = masked_view(table)

    assert readers(table) == {Role.PRIVACY_OFFICER, Role.PIPELINE}
    if table.layer is Layer.RESTRICTED:
        assert view is None
        return
    assert may_read(Role.ENGINEER, view)
    assert not may_read(Role.TEACHER, view)
    (made,) = (each.sql for each in of(Kind.VIEW) if each.subject == name(view))
    shown = made.partition(" AS SELECT ")[2].partition(" FROM ")[0].split(", ")
    kept = [c.name for c in table.columns if c.privacy is not Privacy.IDENTIFIER]
    assert shown == list(view.column_names) == kept


def test_no_table_gets_a_filter_or_a_mask():
    # Unity Catalog: none with checks, and none whose history is read or that is merged into
    assert not [each.sql for each in ALL if "ROW FILTER" in each.sql or "SET MASK" in each.sql]


def test_tables_that_say_who_sees_whom_are_closed_to_teachers():
    for table in (USERS, CLASS_MEMBERSHIPS):
        assert readers(table) == {Role.ENGINEER, Role.ANALYST, Role.PRIVACY_OFFICER, Role.PIPELINE}
    for table in (CLASS_TEACHERS, ROSTER_TEACHERS):
        assert readers(table) == {Role.PRIVACY_OFFICER, Role.PIPELINE}


def test_statements_tag_every_column_that_tells_of_a_person():
    tags = {(each.subject, each.sql.split("'")[3]) for each in of(Kind.TAG)}
    columns = {
        (f"{name(table)}.{column.name}", column.privacy.value)
        for table in TABLES
        for column in table.columns
        if column.privacy is not Privacy.NONE
    }

    assert tags == columns | {(name(table), table.layer.value) for table in TABLES}


def test_statements_grant_or_revoke_each_table_for_each_reader():
    everything = {name(table) for table in TABLES}
    for role in set(Role) - {Role.PIPELINE}:
        granted = selected(Kind.GRANT, ROLES.principal(role))
        revoked = selected(Kind.REVOKE, ROLES.principal(role))
        assert granted == {name(table) for table in TABLES if may_read(role, table)}
        assert granted | revoked == everything
        assert not granted & revoked


def test_officers_fill_the_tables_that_people_fill_and_nobody_else_writes():
    writing = {each.sql for each in ALL if "MODIFY" in each.sql}

    assert writing == {
        f"GRANT SELECT, MODIFY ON TABLE `dev_restricted`.`{table}` TO `privacy officers`"
        for table in ("class_teachers", "erasure_requests")
    }


def test_layers_are_open_to_those_who_read_in_them():
    numbers = {layer.value: len(readers_of(layer, TABLES)) for layer in Layer}

    assert numbers == {"bronze": 2, "silver": 3, "gold": 4, "ops": 2, "restricted": 1}


def test_restricted_is_read_by_privacy_officers_and_the_pipeline_only():
    restricted = [table for table in TABLES if table.layer is Layer.RESTRICTED]

    assert STUDENT_KEYS in restricted
    assert all(readers(table) == {Role.PRIVACY_OFFICER, Role.PIPELINE} for table in restricted)


def test_teachers_read_tables_of_gold_that_are_about_no_person():
    read = [table for table in TABLES if may_read(Role.TEACHER, table)]
    tags = {table.name: {column.privacy for column in table.columns} for table in read}

    assert {ITEM_PARAMETERS, SKILL_VOCABULARY} <= set(read)
    assert STUDENT_MASTERY not in read
    assert {table.layer for table in read} == {Layer.GOLD}
    assert all(found == {Privacy.NONE} for found in tags.values())


def test_what_was_refused_is_for_those_who_see_everything_and_why_for_engineers():
    assert readers(QUARANTINE) == {Role.PRIVACY_OFFICER, Role.PIPELINE}
    why = masked_view(QUARANTINE)
    assert readers(why) == {Role.ENGINEER, Role.PRIVACY_OFFICER, Role.PIPELINE}
    assert {"stage", "source", "file", "column", "reason"} <= set(why.column_names)
    assert "received" not in why.column_names


@pytest.mark.parametrize("privacy", [Privacy.PERSONAL, Privacy.PSEUDONYM, Privacy.IDENTIFIER])
def test_column_that_gains_a_tag_closes_its_table_to_teachers(privacy):
    planted = with_privacy(ITEM_PARAMETERS, "model", privacy)
    before, after = (statements([t], ROLES, SCHEMAS) for t in (ITEM_PARAMETERS, planted))
    added = [each for each in after if each not in before]
    removed = [each for each in before if each not in after]

    closed = ["dept's teachers"]
    if privacy is Privacy.IDENTIFIER:
        closed = ["engineers", "analysts", *closed]
    table = "TABLE `dev_gold`.`item_parameters`"
    taken = [f"SELECT ON {table} FROM `{group}`" for group in closed]  # noqa: S608
    assert [each.sql for each in of(Kind.REVOKE, added)] == [f"REVOKE {each}" for each in taken]
    assert [each.sql for each in removed] == [
        f"GRANT {each.replace(' FROM ', ' TO ')}" for each in taken
    ]
    assert len(of(Kind.TAG, added)) == 1
    assert len(of(Kind.VIEW, added)) == (privacy is Privacy.IDENTIFIER)


def test_identifier_beside_students_is_left_out_for_teachers_who_ask_of_own_classes():
    planted = with_privacy(STUDENT_MASTERY, "skill_id", Privacy.IDENTIFIER)
    view = masked_view(planted)

    assert readers(planted) == {Role.PRIVACY_OFFICER, Role.PIPELINE}
    assert readers(view) == set(Role)
    (made,) = of(Kind.VIEW, statements([planted], ROLES, SCHEMAS))
    assert "`may_see_student`(student_key)" in made.sql


def test_student_key_without_its_tag_stays_closed_to_teachers():
    columns = [replace(c, privacy=Privacy.NONE) for c in STUDENT_MASTERY.columns]

    assert not may_read(Role.TEACHER, replace(STUDENT_MASTERY, columns=tuple(columns)))


def test_functions_ask_for_the_right_groups_and_escape_their_names():
    roles = replace(ROLES, privacy_officer=r"o'ne\il", teacher="teachers")
    seen, taught = of(Kind.FUNCTION, statements([], roles, SCHEMAS))
    groups = [
        {
            literal.this
            for call in sqlglot.parse_one(each.sql, dialect="databricks").find_all(
                expressions.Anonymous
            )
            if call.name.lower() == "is_account_group_member"
            for literal in call.find_all(expressions.Literal)
        }
        for each in (seen, taught)
    ]

    subjects = [each.subject.removeprefix("dev_ops.") for each in (seen, taught)]
    assert subjects == ["may_see_student", "may_see_class"]
    trusted = {"engineers", "analysts", r"o'ne\il", "app-id"}
    assert groups == [trusted, trusted]
    assert "t.class_key = may_see_class.class_key" in taught.sql
    assert "u.student_key = may_see_student.student_key" in seen.sql
    assert "`dev_silver`.`users`" in seen.sql
    assert "`dev_silver`.`class_memberships`" in seen.sql
    assert "`dev_restricted`.`class_teachers`" in seen.sql
    assert "`dev_restricted`.`roster_teachers`" in seen.sql


@pytest.mark.parametrize("bad", ["", "  ", "a`b", "a\nb"])
@pytest.mark.parametrize("role", Role)
def test_role_with_a_bad_name_is_refused(role, bad):
    with pytest.raises(UsageError, match=rf"{role.value}: .* is no name"):
        replace(ROLES, **{role.value: bad})


def test_one_name_for_two_roles_is_refused():
    with pytest.raises(UsageError, match="named for another role"):
        replace(ROLES, teacher="analysts")


def test_page_of_access_is_up_to_date_and_names_every_table():
    assert (REPOSITORY / "docs" / "access.md").read_text() == page()
    assert all(f"| {table.qualified_name} |" in page() for table in TABLES)
    assert f"| {STUDENT_KEYS.qualified_name} |  |  |  | all rows |" in page()
    assert f"| {CLASS_TEACHERS.qualified_name} |  |  |  | all rows, writes |" in page()
    assert f"| {QUARANTINE.qualified_name} | masked |  |  | all rows |" in page()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_asks_itself_whose_rows_it_may_show(view):
    made = statements([], ROLES, SCHEMAS, [view])
    (sql,) = (each.sql for each in made if each.kind is Kind.VIEW)

    assert sql.startswith(f"CREATE OR REPLACE VIEW `{SCHEMAS[Layer.GOLD]}`.`{view.name}` (")
    assert sqlglot.parse_one(sql, dialect="databricks").key == "create"
    for table in view.reads:
        name = f"`{SCHEMAS[table.layer]}`.`{table.name}`"
        asked = rows_seen(table, SCHEMAS)
        assert asked in sql
        rest = sql.replace(asked, "")
        assert name not in rest
        assert ("may_see_student" in asked) == ("student_key" in table.column_names)
        of_classes = {"class_key", "class_keys"} & set(table.column_names)
        assert ("may_see_class" in asked) == bool(of_classes)


def test_teachers_see_their_classes_in_views_and_nothing_of_runs_and_costs():
    of_teachers = {view.name: is_filtered(view) for view in VIEWS if may_read(Role.TEACHER, view)}

    assert of_teachers == {
        "class_skill_mastery": True,
        "student_today": True,
        "item_watchlist": False,
        "model_quality": True,
        "policy_quality": True,
        "explanation_quality": True,
    }


def test_views_go_by_the_settings_that_the_job_is_given():
    script = SCRIPTS["apply_access"]
    roles = ["--engineer=e", "--analyst=a", "--teacher=t", "--privacy-officer=o", "--pipeline=p"]

    def asked(*flags):
        made = rules_of(script.parser().parse_args([*roles, "--catalog=main", *flags]))
        views = {each.subject: each.sql for each in of(Kind.VIEW, made)}
        return views["gold.student_today"]

    assert asked("--set=defaults") == asked()
    assert asked("--set=help.wrong_in_a_row=17") != asked()
    assert "17" in asked("--set=help.wrong_in_a_row=17")


def test_a_view_is_granted_after_it_is_made():
    kinds = [each.kind for each in statements([], ROLES, SCHEMAS, VIEWS)]
    assert kinds.index(Kind.GRANT) > kinds.index(Kind.VIEW)
    assert kinds == sorted(kinds, key=list(Kind).index)
