"""What stands in for Azure when pipelines run here: folders, callables, and where services live."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepkt_irt.azure.factory.documents import Dataset, Document, Service
from deepkt_irt.azure.factory.expressions import Json
from deepkt_irt.errors import UsageError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


class ActivityFailed(Exception):
    """The work of an activity failed, as it could in Azure; never leaves the run of a pipeline."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class WebCall:
    """A call of a WebActivity to a host that is not the lake; `body` is text or JSON."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Json
    authentication: Json


@dataclass(frozen=True)
class World:
    """All that pipelines meet outside their documents.

    Attributes:
        storage: Folder with a folder for each container of the lake.
        lake: The lake's address, `https://<account>.dfs.core.windows.net`.
        now: The clock, in UTC.
        global_parameters: The factory's, by name.
        addresses: Address by linked service, in place of the one in its document.
        sql: Answers a query by its columns and rows; raises ActivityFailed or sqlite3.Error.
        web: Answers calls to other hosts by status and body.
        client: The workspace whose jobs are run.
        faults: Names of activities whose work fails.
    """

    storage: Path
    lake: str = "https://lake.dfs.core.windows.net"
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    global_parameters: Mapping[str, Json] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    sql: Callable[[str], tuple[list[str], list[tuple[Any, ...]]]] | None = None
    web: Callable[[WebCall], tuple[int, Json]] | None = None
    client: "WorkspaceClient | None" = None
    faults: Set[str] = frozenset()

    def address(self, service: Service) -> str:
        """Where a linked service is, without / at the end.

        Raises:
            UsageError: If its document does not say.
        """
        keys = ("url", "baseUrl", "domain")
        written = next((service.properties[key] for key in keys if key in service.properties), None)
        address = self.addresses.get(service.name, written)
        if not isinstance(address, str):
            raise UsageError(f"linked service {service.name} has no address")
        return address.rstrip("/")

    def place(self, dataset: Dataset) -> "Place":
        """Where in the lake a dataset lies.

        Raises:
            UsageError: If it does not lie there.
        """
        location = dataset.properties.get("location", {})
        if location.get("type") != "AzureBlobFSLocation" or dataset.service.type != "AzureBlobFS":
            raise UsageError(f"dataset {dataset.name} does not lie in the lake")
        only(location, {"type", "fileSystem", "folderPath", "fileName"}, f"dataset {dataset.name}")
        found = self.address(dataset.service)
        if found != self.lake.rstrip("/"):
            raise UsageError(f"dataset {dataset.name} lies at {found}, the lake is {self.lake}")
        container = location.get("fileSystem")
        if not container:
            raise UsageError(f"dataset {dataset.name} names no fileSystem")
        root = self.path(container)
        folder = self.path(container, location.get("folderPath") or "")
        return Place(root, folder, location.get("fileName") or None)

    def path(self, container: str, inside: str = "") -> Path:
        """A path in the lake as one of this machine.

        Raises:
            UsageError: If it leaves its container.
        """
        parts = [container, *inside.strip("/").split("/")] if inside.strip("/") else [container]
        if any(part in {"", ".", ".."} for part in parts):
            raise UsageError(f"{container}/{inside} is no path of the lake")
        return self.storage.joinpath(*parts)


@dataclass(frozen=True)
class Place:
    """A place in the lake: container and folder as paths here; no file means the folder."""

    container: Path
    folder: Path
    file: str | None

    @property
    def path(self) -> Path:
        return self.folder / self.file if self.file else self.folder


@dataclass(frozen=True)
class Task:
    """An activity with all its values.

    Attributes:
        properties: Its typeProperties.
        timeout: How long it may take.
    """

    name: str
    type: str
    properties: Document
    inputs: tuple[Dataset, ...] = ()
    outputs: tuple[Dataset, ...] = ()
    dataset: Dataset | None = None
    service: Service | None = None
    timeout: timedelta = timedelta(hours=12)

    def only(self, *names: str) -> None:
        """Refuse an activity with more properties than are understood here.

        Raises:
            UsageError: If it has one more.
        """
        only(self.properties, set(names), f"activity {self.name}")


def only(properties: Document, known: Set[str], where: str) -> None:
    """Refuse what would otherwise be passed over in silence.

    Raises:
        UsageError: If there is a key that is not known.
    """
    for key in properties:
        if key not in known:
            raise UsageError(f"{where}: {key} is not emulated")
