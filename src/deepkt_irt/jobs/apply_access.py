"""Console script apply_access: makes the access rules of the contracts hold in a catalog."""

import argparse
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from deepkt_irt.errors import BackendUnavailable
from deepkt_irt.governance.access import Role, Roles, Statement, statements
from deepkt_irt.jobs.opening import open_target, parse_settings
from deepkt_irt.jobs.scripts import add_settings, target_of
from deepkt_irt.tables.contract import Layer
from deepkt_irt.tables.registry import TABLES, views

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

_WHO = {
    Role.ENGINEER: "account group of data engineers",
    Role.ANALYST: "account group of analysts",
    Role.TEACHER: "account group of teachers",
    Role.PRIVACY_OFFICER: "account group of privacy officers",
    Role.PIPELINE: "user or service principal that runs the jobs",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """One flag per role, and the settings that some views go by."""
    add_settings(parser)
    for role in Role:
        flag = f"--{role.value.replace('_', '-')}"
        parser.add_argument(flag, required=True, metavar="NAME", help=_WHO[role])


def apply_access(flags: argparse.Namespace) -> None:
    """Create all tables and views, and grant what each role may read.

    Run it after every deployment, before data comes in, as the principal that runs the jobs: it
    owns the tables then. Safe to run again; what no contract grants is taken back. In a lake
    folder the tables are created only, because a folder knows no principals.
    """
    made, target = rules_of(flags), target_of(flags)
    opened = open_target(target)
    for table in TABLES:
        opened.store.create(table)
    if target.folder is not None:
        log.info("%d tables exist; %d rules need Unity Catalog", len(TABLES), len(made))
        return
    apply_statements(opened.spark, made)
    log.info("%d tables exist, %d rules hold", len(TABLES), len(made))


def rules_of(flags: argparse.Namespace) -> list[Statement]:
    """The statements that flags ask for.

    Raises:
        UsageError: If roles, names or settings are wrong.
    """
    roles = Roles(**{role.value: getattr(flags, role.value) for role in Role})
    names = target_of(flags).names
    schemas = {layer: names.schema(layer) for layer in Layer}
    return statements(TABLES, roles, schemas, views(parse_settings(flags.set)))


def apply_statements(spark: "SparkSession", made: Iterable[Statement]) -> None:
    """Execute access rules one by one.

    Raises:
        BackendUnavailable: If one is refused; those before it hold.
    """
    from pyspark.errors import PySparkException  # noqa: PLC0415 - start without Spark

    for each in made:
        try:
            spark.sql(each.sql)
        except PySparkException as error:
            first = str(error).splitlines()[0]
            raise BackendUnavailable(f"{each.subject}: {first}; refused: {each.sql}") from error
