"""Console script serve_champions: makes the workspace's endpoints serve the champions.

An endpoint serves a version by its number and knows no alias, and before the first training there
is no version at all. So no deployment can declare it: it would fail at first, and later set the
endpoint back to the number it was written with. This script makes and moves it instead, after a
training has promoted a version and after a rollback.
"""

import argparse
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.models import open_models
from deepkt_irt.jobs.scripts import add_model_names, target_of
from deepkt_irt.jobs.workspace import asking, workspace_client

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.serving import ServedEntityInput, ServingEndpointDetailed

log = logging.getLogger(__name__)

_SERVED_AS = "champion"  # the same for every version, so that requests follow it
_MINUTES = 45  # a new version's container is built first


@dataclass(frozen=True)
class Served:
    """What an endpoint is to serve.

    Attributes:
        endpoint: Its name in the workspace.
        entity: Full name of the registered model.
        version: Number of the version.
        readers: Account group that may send requests.
        tags: Put on the endpoint when it is made; they show up in the bill.
    """

    endpoint: str
    entity: str
    version: str
    readers: str
    tags: Mapping[str, str]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags beside those of every script."""
    add_model_names(parser)
    parser.add_argument(
        "--endpoints", required=True, metavar="MODEL=NAME,…", help="endpoint of each model"
    )
    parser.add_argument("--readers", required=True, metavar="NAME", help="group that may ask")
    parser.add_argument("--target", required=True, metavar="NAME", help="target of the bundle")


def serve_champions(flags: argparse.Namespace) -> None:
    """Make each model's endpoint serve its champion; make the endpoint where there is none yet.

    Run it after a version was promoted and after a rollback. Until a new version is ready the one
    before it answers, and it goes on if the new one cannot be started. A model without a champion
    gets no endpoint. Safe to run again. In a lake folder nothing is done: there are no endpoints.
    """
    target, endpoints = target_of(flags), parse_endpoints(flags.endpoints)
    if target.folder is not None:
        log.info("endpoints need a workspace; for a lake there is deepkt serve")
        return
    models, client = open_models(target), workspace_client()
    for model, endpoint in endpoints.items():
        champion = models.champion(model)
        if champion is None:
            log.info("%s: no version has become champion yet, so that none is served", model)
            continue
        served = Served(
            endpoint=endpoint,
            entity=target.names.models.get(model, model),
            version=champion.number,
            readers=flags.readers,
            tags={"product": "deepkt-irt", "target": flags.target},
        )
        changed = follow(client, served)
        did = "now serves" if changed else "serves already"
        log.info("%s %s version %s of %s", endpoint, did, champion.number, model)


def parse_endpoints(text: str) -> dict[str, str]:
    """Endpoint by model.

    Raises:
        UsageError: If the text is not `model=name,…`, or a model stands twice.
    """
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        model, _, name = (each.strip() for each in part.partition("="))
        if not (model and name) or model in found:
            raise UsageError(f"--endpoints {text!r}: write it as model=name,…, each model once")
        found[model] = name
    return found


def follow(
    client: "WorkspaceClient", served: Served, *, timeout: timedelta = timedelta(minutes=_MINUTES)
) -> bool:
    """Make an endpoint serve a version, and wait until it does.

    Args:
        client: The workspace.
        served: What to serve, where, and to whom.
        timeout: How long to wait for each change.

    Returns:
        Whether anything had to be changed.

    Raises:
        BackendUnavailable: If the workspace refuses, or the version cannot be started.
    """
    entity, api = _entity(served), client.serving_endpoints
    with asking(f"serve version {served.version} at {served.endpoint}"):
        there = _settled(client, served.endpoint, timeout)
        changed = there is None or not _serves(there, served)
        if there is None:
            there = _made(client, served, entity, timeout)
        elif changed:
            there = api.update_config_and_wait(
                served.endpoint, served_entities=[entity], timeout=timeout
            )
        _let_in(client, str(there.id), served.readers)
    return changed


def _entity(served: Served) -> "ServedEntityInput":
    from databricks.sdk.service.serving import ServedEntityInput  # noqa: PLC0415 - an extra

    return ServedEntityInput(
        name=_SERVED_AS,
        entity_name=served.entity,
        entity_version=served.version,
        workload_size="Small",
        scale_to_zero_enabled=True,
    )


def _made(
    client: "WorkspaceClient", served: Served, entity: "ServedEntityInput", timeout: timedelta
) -> "ServingEndpointDetailed":
    from databricks.sdk.service import serving  # noqa: PLC0415 - an extra

    # requests are not kept in a table: they hold students' histories, which no rule of retention
    # or erasure would reach there
    return client.serving_endpoints.create_and_wait(
        served.endpoint,
        config=serving.EndpointCoreConfigInput(name=served.endpoint, served_entities=[entity]),
        tags=[serving.EndpointTag(key, value) for key, value in served.tags.items()],
        timeout=timeout,
    )


def _settled(
    client: "WorkspaceClient", endpoint: str, timeout: timedelta
) -> "ServingEndpointDetailed | None":
    """The endpoint once no change of it is under way; None if there is none."""
    from databricks.sdk.errors import NotFound, OperationFailed  # noqa: PLC0415 - an extra

    api = client.serving_endpoints
    try:
        api.wait_get_serving_endpoint_not_updating(endpoint, timeout=timeout)
    except NotFound:
        return None
    except OperationFailed:  # what was tried last did not start; it can be tried again
        log.info("%s: the change before this one failed", endpoint)
    return api.get(endpoint)


def _serves(there: "ServingEndpointDetailed", served: Served) -> bool:
    from databricks.sdk.service.serving import EndpointStateConfigUpdate  # noqa: PLC0415 - so

    failed = there.state and there.state.config_update is not EndpointStateConfigUpdate.NOT_UPDATING
    entities = (there.config.served_entities if there.config else None) or []
    wanted = [(served.entity, served.version)]
    return not failed and [(each.entity_name, each.entity_version) for each in entities] == wanted


def _let_in(client: "WorkspaceClient", endpoint_id: str, readers: str) -> None:
    from databricks.sdk.service import serving  # noqa: PLC0415 - an extra

    # adds; whoever made the endpoint manages it
    client.serving_endpoints.update_permissions(
        endpoint_id,
        access_control_list=[
            serving.ServingEndpointAccessControlRequest(
                group_name=readers,
                permission_level=serving.ServingEndpointPermissionLevel.CAN_QUERY,
            )
        ],
    )
