"""Variables, overrides, development mode and references, as the command line tool does them."""

import json

import pytest

from conftest import REPOSITORY
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.errors import BadFile, UsageError

JO = Choices(user="jo.smith@example.org", placeholders=True)
SMALL = """
bundle: {name: small}
include: [more/*.yml]
variables:
  plain: {default: by default}
  bare: {description: has none}
  many: {type: complex, default: [a]}
targets:
  dev:
    default: true
    mode: development
    variables: {plain: by target, many: [b], bare: x}
  prod:
    mode: production
    variables: {bare: x}
    resources:
      jobs:
        work:
          tasks: [{task_key: one, timeout_seconds: 9}, {task_key: three}]
"""
MORE = """
resources:
  schemas:
    gold: {catalog_name: main, name: gold}
  volumes:
    files: {catalog_name: main, schema_name: "${resources.schemas.gold.name}", name: files}
  jobs:
    work:
      name: "work ${var.plain} in ${bundle.target}"
      schedule: {quartz_cron_expression: x}
      trigger: {pause_status: UNPAUSED}
      email_notifications: {on_failure: "${var.many}"}
      parameters: [{name: folder, default: "${resources.volumes.files.volume_path}"}]
      tasks: [{task_key: one, max_retries: 1, libraries: [{whl: ../dist/*.whl}]}, {task_key: two}]
"""


@pytest.fixture
def small(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "databricks.yml").write_text(SMALL)
    (tmp_path / "more" / "all.yml").write_text(MORE)
    return tmp_path


def work(folder, target=None, choices=JO):
    return resolve(folder, target, choices).resources["jobs"]["work"]


def test_development_mode_renames_tags_and_pauses_what_is_not_set(small):
    job = work(small)

    assert job["name"] == "[dev jo_smith] work by target in dev"
    assert job["tags"] == {"dev": "jo_smith"}
    assert job["schedule"]["pause_status"] == "PAUSED"
    assert job["trigger"]["pause_status"] == "UNPAUSED"  # the trap: what is set stays
    assert job["max_concurrent_runs"] == 4


def test_references_carry_the_new_names_and_volumes_keep_theirs(small):
    assert work(small)["parameters"][0]["default"] == "/Volumes/main/dev_jo_smith_gold/files"
    assert work(small, "prod")["parameters"][0]["default"] == "/Volumes/main/gold/files"


def test_variables_are_taken_by_precedence(small, monkeypatch):
    def plain(choices=JO):
        return work(small, "dev", choices)["name"].split("work ")[1].split(" in")[0]

    assert plain() == "by target"
    stored = small / ".databricks" / "bundle" / "dev" / "variable-overrides.json"
    stored.parent.mkdir(parents=True)
    stored.write_text(json.dumps({"plain": "by file"}))
    assert plain() == "by file"
    monkeypatch.setenv("BUNDLE_VAR_plain", "by environment")
    assert plain() == "by environment"
    assert plain(Choices(variables={"plain": "by hand"})) == "by hand"


def test_complex_variable_is_replaced_whole_and_not_from_the_environment(small, monkeypatch):
    monkeypatch.setenv("BUNDLE_VAR_many", "c")

    assert work(small)["email_notifications"]["on_failure"] == ["b"]
    assert work(small, "prod")["email_notifications"]["on_failure"] == ["a"]


def test_target_is_merged_task_by_task(small):
    tasks = work(small, "prod")["tasks"]

    assert [each["task_key"] for each in tasks] == ["one", "two", "three"]
    assert tasks[0]["timeout_seconds"] == 9
    assert tasks[0]["max_retries"] == 1


def test_paths_are_relative_to_the_file_they_stand_in(small):
    assert work(small)["tasks"][0]["libraries"] == [{"whl": "./dist/*.whl"}]


def test_variable_without_value_is_refused_unless_a_placeholder_will_do(small):
    text = (small / "databricks.yml").read_text().replace(", bare: x", "")
    (small / "databricks.yml").write_text(text)

    with pytest.raises(UsageError, match="BUNDLE_VAR_bare"):
        resolve(small, "dev", Choices())
    assert resolve(small, "dev", JO).placeholders == ("bare",)


def test_unknown_target_and_unknown_variable_are_named(small):
    with pytest.raises(UsageError, match="there are: dev, prod"):
        resolve(small, "test", JO)
    with pytest.raises(UsageError, match="variable other"):
        resolve(small, "dev", Choices(variables={"other": "x"}))


def test_references_in_a_circle_are_refused(small):
    text = SMALL.replace("by target", "'${var.bare}'").replace("bare: x", "bare: '${var.plain}'")
    (small / "databricks.yml").write_text(text)

    with pytest.raises(UsageError, match="circle"):
        resolve(small, "dev", JO)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("resources: {}\n---\nresources: {}\n", "one document"),
        ("resources: {}\nresources: {}\n", "stands twice, again in line 2"),
        ("resorces: {}\n", "unknown key resorces"),
        ("- a\n", "no mapping"),
    ],
)
def test_file_that_is_none_is_named_with_its_fault(small, text, problem):
    (small / "more" / "all.yml").write_text(text)

    with pytest.raises(BadFile, match=rf"more/all\.yml: .*{problem}"):
        resolve(small, "dev", JO)


def test_include_that_matches_nothing_is_refused(small):
    (small / "more" / "all.yml").unlink()

    with pytest.raises(BadFile, match="matches no file"):
        resolve(small, "dev", JO)


def test_prod_resolves_only_with_what_the_deployment_brings():
    with pytest.raises(UsageError, match="BUNDLE_VAR_storage_account"):
        resolve(REPOSITORY, "prod", Choices())
