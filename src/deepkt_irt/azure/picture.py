"""A picture of what an environment deploys, drawn from the evaluated templates.

Boxes are the resources that stand by themselves; arrows are rights, with the role each gives. A box
names what lies in the resource, and marks: private endpoint, log, lock.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape

from deepkt_irt.azure.bicep.evaluation import Resource
from deepkt_irt.azure.deployment_rules import Environment

_COLUMNS = (
    ("Network", ("Microsoft.Network/virtualNetworks", "Microsoft.Network/natGateways")),
    (
        "Identities",
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "Microsoft.Databricks/accessConnectors",
        ),
    ),
    (
        "Work",
        (
            "Microsoft.DataFactory/factories",
            "Microsoft.Databricks/workspaces",
        ),
    ),
    (
        "Data, secrets, models",
        (
            "Microsoft.Storage/storageAccounts",
            "Microsoft.KeyVault/vaults",
            "Microsoft.CognitiveServices/accounts",
        ),
    ),
    (
        "Watch",
        (
            "Microsoft.OperationalInsights/workspaces",
            "Microsoft.Insights/actionGroups",
            "Microsoft.Consumption/budgets",
        ),
    ),
)
_INSIDE = {  # what is listed in a box, by type
    "Microsoft.Storage/storageAccounts/blobServices/containers": "container",
    "Microsoft.CognitiveServices/accounts/deployments": "model",
    "Microsoft.DataFactory/factories/pipelines": "pipeline",
    "Microsoft.DataFactory/factories/triggers": "trigger",
    "Microsoft.DataFactory/factories/integrationRuntimes": "runtime",
    "Microsoft.DataFactory/factories/managedVirtualNetworks/managedPrivateEndpoints": "endpoint",
}
_ROLES = {
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "read and write blobs",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "read blobs",
    "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd": "use models",
    "4633458b-17de-408a-b874-0445c86b69e6": "read secrets",
}
_WIDTH, _GAP, _LINE, _TOP = 250, 70, 17, 96
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2937 }
.title { font-size: 20px; font-weight: 600 } .head { font-weight: 600; fill: #475569 }
.name { font-weight: 600 } .small { font-size: 12px; fill: #475569 }
.mark { font-size: 11px; fill: #0f766e }
rect { fill: #f8fafc; stroke: #94a3b8 } path { fill: none; stroke: #b45309; stroke-width: 1.4 }
.label { font-size: 11px; fill: #92400e }
"""


@dataclass(frozen=True)
class Box:
    """One resource in the picture; `x` and `y` are its upper left corner in pixels."""

    resource: Resource
    lines: tuple[str, ...]
    marks: tuple[str, ...]
    x: int = 0
    y: int = 0

    @property
    def height(self) -> int:
        return 46 + _LINE * len(self.lines) + (_LINE if self.marks else 0)


def draw(environment: Environment) -> str:
    """An SVG document of an environment."""
    boxes = list(_placed(environment))
    width = len(_COLUMNS) * (_WIDTH + _GAP)
    arrows = list(_arrows(environment, boxes))
    height = max(box.y + box.height for box in boxes) + 30 + _LINE * len(arrows)
    count = len(environment.deployment.resources)
    shapes = [
        f'<text class="title" x="24" y="36">{environment.name}: {count} Azure resources</text>',
        *(
            f'<text class="head" x="{_x(n)}" y="76">{title}</text>'
            for n, (title, _) in enumerate(_COLUMNS)
        ),
        *(shape for arrow in arrows for shape in arrow),
        *(shape for box in boxes for shape in _shapes(box)),
    ]
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n<style>{_STYLE}</style>\n'
        f'<rect width="{width}" height="{height}" style="fill: white; stroke: none"/>\n'
        f"{body}\n</svg>\n"
    )


def _x(column: int) -> int:
    return 24 + column * (_WIDTH + _GAP)


def _placed(environment: Environment) -> Iterator[Box]:
    for number, (_, kinds) in enumerate(_COLUMNS):
        y = _TOP
        for resource in (each for kind in kinds for each in environment.of(kind)):
            box = replace(_box(environment, resource), x=_x(number), y=y)
            yield box
            y += box.height + 26


def _box(environment: Environment, resource: Resource) -> Box:
    lines = [
        f"{word} {each.body['name']}"
        for each in environment.deployment.resources
        if (word := _INSIDE.get(each.type)) and each.id.startswith(f"{resource.id}/")
    ]
    lines += [
        f"subnet {each['name']}" for each in resource.body.get("properties", {}).get("subnets", [])
    ]
    return Box(resource, tuple(lines), tuple(_marks(environment, resource)))


def _marks(environment: Environment, resource: Resource) -> Iterator[str]:
    for each in environment.of("Microsoft.Network/privateEndpoints"):
        for link in each.body["properties"]["privateLinkServiceConnections"]:
            if link["properties"]["privateLinkServiceId"] == resource.id:
                yield f"private: {', '.join(link['properties']['groupIds'])}"
    scoped = {each.scope for each in environment.of("Microsoft.Insights/diagnosticSettings")}
    if resource.id in scoped:
        yield "logged"
    locks = environment.of("Microsoft.Authorization/locks")
    if any(each.scope == resource.id for each in locks):
        yield "locked"


def _shapes(box: Box) -> Iterator[str]:
    kind = box.resource.type.rpartition("/")[2]
    yield f'<rect x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{box.height}" rx="6"/>'
    texts = [("name", kind), ("small", box.resource.name), *(("", line) for line in box.lines)]
    if box.marks:
        texts.append(("mark", " · ".join(box.marks)))
    for number, (style, text) in enumerate(texts):
        y = box.y + 19 + _LINE * number
        yield f'<text class="{style}" x="{box.x + 10}" y="{y}">{escape(text)}</text>'


def _arrows(environment: Environment, boxes: list[Box]) -> Iterator[tuple[str, str]]:
    """Rights as a curve and its label: from who has it to what it is on."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in environment.of("Microsoft.Authorization/roleAssignments"):
        holder = next((b for b in boxes if b.resource.symbol in each.depends_on and _acts(b)), None)
        target = next((b for b in boxes if (each.scope or "").startswith(b.resource.id)), None)
        if holder and target:
            role = str(each.body["properties"]["roleDefinitionId"]).rpartition("/")[2]
            place = (each.scope or "").rpartition("/")[2]
            inside = f" in {place}" if "/containers/" in (each.scope or "") else ""
            word = f"{_ROLES.get(role, role)}{inside}"
            found.setdefault((holder.resource.id, target.resource.id), []).append(word)
    at = {box.resource.id: box for box in boxes}
    for number, ((holder_id, target_id), words) in enumerate(found.items()):
        yield _arrow(at[holder_id], at[target_id], words, number)


def _acts(box: Box) -> bool:
    kinds = ("Microsoft.ManagedIdentity/", "Microsoft.Databricks/accessConnectors")
    return box.resource.type.startswith(kinds)


def _arrow(holder: Box, target: Box, words: list[str], number: int) -> tuple[str, str]:
    x1, y1 = holder.x + _WIDTH, holder.y + 24 + 9 * number
    x2, y2 = target.x, target.y + 24 + 9 * number
    bend = (x1 + x2) / 2
    curve = f"M{x1},{y1} C{bend},{y1} {bend},{y2} {x2},{y2} m-7,-4 l7,4 l-7,4"
    label = escape(", ".join(words))
    x, y = x1 + 8, y1 - 5
    return f'<path d="{curve}"/>', f'<text class="label" x="{x}" y="{y}">{label}</text>'
