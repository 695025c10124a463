"""How each command on the pages is tried: `python tests/doc_commands.py` counts them.

Rules are asked in their order, and the first that matches a command says how it is tried. Every
`deepkt` command and console script is parsed by its own parser besides, whatever its way.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # as a script

from doc_pages import PAGES, Command, commands


class Way(Enum):
    """How a command is tried."""

    HERE = "executed by test_doc_commands.py, in every run"
    NIGHTLY = "executed by tests/e2e/test_doc_commands.py, nightly"
    ELSEWHERE = "what it calls is executed by another test"
    CI = "a verb that CI runs"
    NOT_HERE = "cannot run here"


@dataclass(frozen=True)
class Rule:
    """A way for commands.

    Attributes:
        begins: Regular expression that their beginning matches.
        way: How they are tried.
        why: The test that executes it as PATH::NAME, the file that has the verb, or why it cannot
            run here.
    """

    begins: str
    way: Way
    why: str = ""


_FIRST_TIME = "tests/infra/test_first_time.py::"
_WORKSPACE = "tests/bundle/test_workspace.py::"

RULES = (
    # verbs
    Rule("make demo", Way.ELSEWHERE, "tests/e2e/test_demo.py::"
         "test_demo_every_task_succeeded_once_with_rows"),
    Rule(r"make (test|bundle|infra|test-connect|site)(\s|$)", Way.CI, ".ci/run"),
    Rule("make fast", Way.CI, ".github/workflows/checks.yml"),
    Rule("make nightly", Way.CI, ".github/workflows/nightly.yml"),
    Rule(r"make connect(\s|$)", Way.CI, "Makefile"),
    # one lake, one command after another
    Rule(r"\.venv/bin/deepkt demo", Way.NIGHTLY),
    Rule("deepkt run --source (sql_server)", Way.ELSEWHERE, "tests/spark/test_pull_database.py::"
         "test_a_window_is_read_in_parts_by_the_server_and_lands_as_files"),
    Rule("deepkt run --source (rest_api)", Way.ELSEWHERE, "tests/unit/test_pull_rest_api.py::"
         "test_run_pulls_what_a_connection_file_names_before_it_runs_the_tasks"),
    Rule("deepkt (run|stream|ask|explain|models|replay|forget|evaluate|serve) ", Way.NIGHTLY),
    Rule("deepkt (status|show)", Way.NIGHTLY),
    Rule("deepkt settings", Way.ELSEWHERE, "tests/unit/test_table_commands.py::"
         "test_settings_of_a_part_have_default_range_and_meaning"),
    Rule("(score_students|recommend_items|publish_report) ", Way.NIGHTLY),
    Rule("mv answers-1042", Way.NIGHTLY),
    Rule(r"\.venv/bin/python -m pdb", Way.NIGHTLY),
    Rule("curl ", Way.NIGHTLY),
    Rule("deepkt rollback", Way.ELSEWHERE, "tests/e2e/test_two_weeks.py::"
         "test_second_week_is_judged_and_a_rollback_brings_the_first_weeks_predictions_back"),
    # without Spark
    Rule("deepkt cost", Way.HERE),
    Rule("(export|me=|schemas=|mkdir|cat >)", Way.HERE),
    Rule("printf '%s.n' (wandb|numpy|pillow)", Way.HERE),
    Rule("source .venv", Way.HERE),
    # through a local Connect server
    Rule(r"\.venv/bin/python scripts/connect_server", Way.CI, ".ci/run"),
    Rule("SPARK_REMOTE=", Way.CI, ".ci/run"),
    Rule("kill %1", Way.NOT_HERE, "ends the server that the command above it started"),
    # the bundle
    Rule("deepkt bundle-run ", Way.ELSEWHERE, "tests/e2e/test_bundle_run.py::"
         "test_dropped_files_become_the_tables_of_a_direct_run"),
    Rule("deepkt bundle-verify", Way.ELSEWHERE,
         f"{_WORKSPACE}test_bundle_verify_says_what_is_missing_and_fails"),
    Rule("deepkt bundle-start", Way.ELSEWHERE,
         f"{_WORKSPACE}test_bundle_start_runs_only_the_tasks_named"),
    Rule("deepkt bundle-land", Way.ELSEWHERE,
         f"{_WORKSPACE}test_land_checks_then_uploads_with_the_mapping_first"),
    # scripts of the guide, against stand-ins for az and databricks
    Rule("infra/first_time/01", Way.ELSEWHERE,
         f"{_FIRST_TIME}test_bootstrap_registers_what_the_templates_use_and_deploys_once"),
    Rule("infra/first_time/02", Way.ELSEWHERE,
         f"{_FIRST_TIME}test_serverless_network_reaches_lake_and_models_and_is_used_by_the_workspace"),
    Rule("infra/first_time/03", Way.ELSEWHERE,
         f"{_FIRST_TIME}test_connections_are_approved_only_when_told_to"),
    Rule("infra/first_time/04", Way.ELSEWHERE,
         f"{_FIRST_TIME}test_principals_are_made_and_let_in"),
    Rule("infra/first_time/05", Way.ELSEWHERE,
         f"{_FIRST_TIME}test_catalog_rests_on_the_containers_of_the_lake"),
    Rule("infra/first_time/07", Way.ELSEWHERE,
         f"{_FIRST_TIME}test_secrets_reach_the_vault_and_no_argument"),
    Rule("infra/first_time/08", Way.ELSEWHERE,
         f"{_FIRST_TIME}test_key_of_the_runtime_is_printed_alone"),
    Rule("infra/first_time/check", Way.ELSEWHERE,
         f"{_FIRST_TIME}test_check_of_a_whole_environment_finds_nothing_missing_and_changes_nothing"),
    # what is not here
    Rule("(az|FACTORY=)", Way.NOT_HERE, "needs a subscription of Azure"),
    Rule("(databricks|for name in)", Way.NOT_HERE, "needs a workspace and its command line"),
    Rule(r"\.venv-connect/bin/python -m pdb", Way.NOT_HERE, "needs a workspace"),
    Rule("gh ", Way.NOT_HERE, "needs a repository on GitHub"),
    Rule("(read -rs|sqlcmd)", Way.NOT_HERE, "needs a SQL Server and its password"),
    Rule("(code|pycharm) ", Way.NOT_HERE, "needs an editor"),
    Rule("(uv pip compile|echo checkov|printf)", Way.NOT_HERE, "asks the package index"),
)  # fmt: skip


def rule_of(command: Command) -> Rule | None:
    """The rule of a command; None if nobody said how it is tried."""
    return next((rule for rule in RULES if re.match(rule.begins, command.text)), None)


def every_command() -> list[Command]:
    """The commands of all pages, in order."""
    return [command for page in PAGES for command in commands(page)]


def of_way(way: Way) -> list[Command]:
    """Commands that are tried in one way, in the order of the pages."""
    ruled = ((command, rule_of(command)) for command in every_command())
    return [command for command, rule in ruled if rule is not None and rule.way is way]


def main() -> None:
    """Print how many commands are tried in which way."""
    counts = Counter(rule.way for each in every_command() if (rule := rule_of(each)))
    lines = [f"{counts.total()} commands", *(f"{counts[way]:4} {way.value}" for way in Way)]
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
