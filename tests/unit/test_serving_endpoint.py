"""Endpoints follow the champions, in a workspace that speaks the REST calls, faults included."""

import argparse
import json
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.jobs import serving_endpoint
from deepkt_irt.jobs.serving_endpoint import (
    Served,
    add_flags,
    follow,
    parse_endpoints,
    serve_champions,
)
from deepkt_irt.tracking import Version
from fake_workspace import Answer, FakeWorkspace, Fault, refusal, serving

ENDPOINTS = r"/api/2\.0/serving-endpoints"
NAME, ENTITY = "deepkt-sakt-prod", "deepkt.gold.sakt"


@dataclass
class WithEndpoints(FakeWorkspace):
    """A workspace that serves models; versions in `broken` cannot be started."""

    endpoints: dict[str, dict] = field(default_factory=dict)
    asked: dict[str, dict] = field(default_factory=dict)
    rights: dict[str, list] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def _routes(self):
        yield ENDPOINTS, "POST", self._create
        yield rf"{ENDPOINTS}/([\w-]+)", "GET", self._get
        yield rf"{ENDPOINTS}/([\w-]+)/config", "PUT", self._configure
        yield r"/api/2\.0/permissions/serving-endpoints/([\w-]+)", "PATCH", self._permit
        yield from super()._routes()

    def _create(self, *, query, body):
        self.asked = json.loads(body)
        made = {"name": self.asked["name"], "id": f"id-of-{self.asked['name']}"}
        self.endpoints[made["name"]] = made
        return self._serve(made, self.asked["config"]["served_entities"])

    def _configure(self, name, *, query, body):
        return self._serve(self.endpoints[name], json.loads(body)["served_entities"])

    def _serve(self, endpoint, entities):
        starts = not self.broken & {each["entity_version"] for each in entities}
        if starts:
            endpoint["config"] = {"served_entities": entities}
        endpoint["state"] = {"config_update": "NOT_UPDATING" if starts else "UPDATE_FAILED"}
        return Answer(endpoint)

    def _get(self, name, *, query, body):
        if name not in self.endpoints:
            return refusal(404, "RESOURCE_DOES_NOT_EXIST", f"endpoint {name} does not exist")
        return Answer(self.endpoints[name])

    def _permit(self, number, *, query, body):
        self.rights[number] = json.loads(body)["access_control_list"]
        return Answer({"object_id": number})

    def serves(self, name=NAME):
        (entity,) = self.endpoints[name]["config"]["served_entities"]
        return entity["entity_version"]


@pytest.fixture
def workspace():
    with serving(WithEndpoints()) as running:
        yield running


@pytest.fixture
def client(workspace):
    config = Config(
        host=workspace.url,
        token="x",  # noqa: S106 - of the fake
        auth_type="pat",
        retry_timeout_seconds=3,
        http_timeout_seconds=5,
    )
    return WorkspaceClient(config=config)


def served(version):
    return Served(NAME, ENTITY, version, "deepkt-engineers", {"target": "prod"})


def test_first_champion_gets_a_small_endpoint_that_sleeps_and_the_group_may_ask(workspace, client):
    assert follow(client, served("3"))

    assert workspace.asked["config"]["served_entities"] == [
        {
            "name": "champion",
            "entity_name": ENTITY,
            "entity_version": "3",
            "workload_size": "Small",
            "scale_to_zero_enabled": True,
        }
    ]
    assert workspace.asked["tags"] == [{"key": "target", "value": "prod"}]
    assert workspace.rights == {
        f"id-of-{NAME}": [{"group_name": "deepkt-engineers", "permission_level": "CAN_QUERY"}]
    }


def test_endpoint_moves_with_the_champion_forth_and_back(workspace, client):
    moves = [follow(client, served(version)) for version in ("3", "4", "4", "3")]

    assert moves == [True, True, False, True]
    assert workspace.serves() == "3"
    assert [call for call in workspace.calls if call.startswith("PUT")] == [
        f"PUT /api/2.0/serving-endpoints/{NAME}/config"
    ] * 2


def test_version_that_cannot_be_started_leaves_the_one_before_and_can_be_tried_again(
    workspace, client
):
    follow(client, served("3"))
    workspace.broken = {"4"}

    with pytest.raises(BackendUnavailable, match=f"serve version 4 at {NAME}: .*UPDATE_FAILED"):
        follow(client, served("4"))

    assert workspace.serves() == "3"
    workspace.broken = set()
    assert follow(client, served("4"))
    assert workspace.serves() == "4"


def test_champion_of_before_is_set_again_after_a_failed_change(workspace, client):
    follow(client, served("3"))
    workspace.endpoints[NAME]["state"] = {"config_update": "UPDATE_FAILED"}

    assert follow(client, served("3"))  # so that the endpoint does not stay in a failed state
    assert workspace.endpoints[NAME]["state"] == {"config_update": "NOT_UPDATING"}


def test_rights_are_given_by_the_next_run_where_one_was_cut_off_before(workspace, client):
    workspace.faults = [Fault("PATCH /api/2.0/permissions", status=500)]
    with pytest.raises(BackendUnavailable):
        follow(client, served("3"))

    assert not follow(client, served("3"))
    assert workspace.rights


def test_change_that_does_not_end_in_time_is_reported(workspace, client):
    follow(client, served("3"))
    workspace.endpoints[NAME]["state"] = {"config_update": "IN_PROGRESS"}

    with pytest.raises(BackendUnavailable, match="timed out"):
        follow(client, served("4"), timeout=timedelta(seconds=0.2))


def test_refusal_of_the_workspace_says_what_was_asked(workspace, client):
    workspace.faults = [Fault("POST /api/2.0/serving-endpoints", status=403)]

    with pytest.raises(BackendUnavailable, match=f"could not serve version 3 at {NAME}"):
        follow(client, served("3"))


@pytest.mark.parametrize("text", ["sakt", "sakt=", "=a", "sakt=a,sakt=b"])
def test_endpoints_written_wrong_are_refused(text):
    with pytest.raises(UsageError, match="each model once"):
        parse_endpoints(text)


def flags(*, models="sakt=deepkt.gold.sakt", catalog="deepkt", lake=None):
    parser = argparse.ArgumentParser()
    add_flags(parser)
    given = ["--models", models, "--endpoints", f"sakt={NAME},wd_irt=deepkt-wd-irt-prod"]
    parsed = parser.parse_args([*given, "--readers", "deepkt-engineers", "--target", "prod"])
    return argparse.Namespace(**vars(parsed), catalog=catalog, lake=lake, schemas="")


class Registry:
    def champion(self, model):
        return Version("sakt", "7", "run") if model == "sakt" else None


def test_script_serves_champions_and_makes_nothing_for_a_model_without_one(workspace, monkeypatch):
    monkeypatch.delenv("DEEPKT_CATALOGS", raising=False)
    for name, value in {"HOST": workspace.url, "TOKEN": "x", "AUTH_TYPE": "pat"}.items():
        monkeypatch.setenv(f"DATABRICKS_{name}", value)
    monkeypatch.setattr(serving_endpoint, "open_models", lambda _: Registry())

    serve_champions(flags())

    assert list(workspace.endpoints) == [NAME]
    assert workspace.serves() == "7"
    assert workspace.asked["config"]["served_entities"][0]["entity_name"] == ENTITY


def test_script_does_nothing_in_a_lake_folder(tmp_path):
    serve_champions(flags(catalog=None, lake=tmp_path))

    assert list(tmp_path.iterdir()) == []
