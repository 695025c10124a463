"""The script creates every table, and names the rule that a catalog refuses."""

import pytest

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.governance.access import Kind, Statement
from deepkt_irt.jobs.apply_access import apply_statements
from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.jobs.opening import CATALOGS_VARIABLE
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.store import TableStore

pytestmark = pytest.mark.spark

ROLES = ["--engineer=e", "--analyst=a", "--teacher=t", "--privacy-officer=o", "--pipeline=p"]


def run(*arguments):
    script = SCRIPTS["apply_access"]
    script.run(script.parser().parse_args([*ROLES, *arguments]))


@pytest.mark.nightly
@pytest.mark.connect
def test_folder_gets_every_table_and_again_nothing_new(spark, tmp_path, monkeypatch):
    monkeypatch.setenv(CATALOGS_VARIABLE, str(tmp_path))
    run("--catalog=main")
    store = TableStore(spark, lake=tmp_path / "main")
    versions = {table.qualified_name: store.version(table) for table in TABLES}

    run("--catalog=main")

    assert set(versions.values()) == {0}
    assert {table.qualified_name: store.version(table) for table in TABLES} == versions


def test_role_for_two_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(UsageError, match="named for another role"):
        run("--lake", str(tmp_path / "lake"), "--teacher=a")

    assert not (tmp_path / "lake").exists()


def test_refused_rule_is_named_with_its_statement(spark):
    # only Unity Catalog knows grants
    refused = Statement(Kind.GRANT, "gold.item_parameters", "GRANT SELECT ON TABLE gold.x TO `a`")

    with pytest.raises(BackendUnavailable, match=r"gold\.item_parameters: .*GRANT SELECT ON TABLE"):
        apply_statements(spark, [refused])
