"""A picture of what an environment deploys, drawn from the evaluated templates.

Boxes are the resources that stand by themselves, with what lies in them and marks: private
endpoints, log, lock. An arrow leads from what works to its identity, from a right to its object.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape

from deepkt_irt.azure.bicep.evaluation import Resource
from deepkt_irt.azure.deployment_rules import Environment

_COLUMNS = (
    ("Network", ("Microsoft.Network/virtualNetworks", "Microsoft.Network/natGateways")),
    ("Work", ("Microsoft.DataFactory/factories", "Microsoft.Databricks/workspaces")),
    (
        "Who may do what",
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "Microsoft.Databricks/accessConnectors",
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
    ("Watch", ("Microsoft.OperationalInsights/workspaces", "Microsoft.Insights/actionGroups")),
)
_WORK, _IDENTITIES = 1, 2  # the columns whose boxes have arrows
_TITLES = {
    "Microsoft.Network/virtualNetworks": "Virtual network",
    "Microsoft.Network/natGateways": "NAT gateway",
    "Microsoft.DataFactory/factories": "Data Factory",
    "Microsoft.Databricks/workspaces": "Databricks workspace",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "Identity",
    "Microsoft.Databricks/accessConnectors": "Access connector",
    "Microsoft.Storage/storageAccounts": "Data lake",
    "Microsoft.KeyVault/vaults": "Key Vault",
    "Microsoft.CognitiveServices/accounts": "Azure OpenAI",
    "Microsoft.OperationalInsights/workspaces": "Log Analytics",
    "Microsoft.Insights/actionGroups": "Action group",
}
_INSIDE = {  # what is listed in a box, by type
    "Microsoft.Storage/storageAccounts/blobServices/containers": "container",
    "Microsoft.CognitiveServices/accounts/deployments": "model",
    "Microsoft.DataFactory/factories/pipelines": "pipeline",
    "Microsoft.DataFactory/factories/triggers": "trigger",
    "Microsoft.DataFactory/factories/integrationRuntimes": "runtime",
    "Microsoft.DataFactory/factories/managedVirtualNetworks/managedPrivateEndpoints": "endpoint to",
}
_ROLES = {
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "reads and writes",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "reads",
    "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd": "uses models",
    "4633458b-17de-408a-b874-0445c86b69e6": "reads secrets",
}
_WIDTH, _GAP, _LINE, _TOP = 250, 56, 17, 96
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2937 }
.title { font-size: 20px; font-weight: 600 } .head { font-weight: 600; fill: #475569 }
.name { font-weight: 600 } .small { font-size: 12px; fill: #475569 }
.mark { font-size: 12px; fill: #0f766e }
rect { fill: #f8fafc; stroke: #94a3b8 } path { fill: none; stroke: #b45309; stroke-width: 1.3 }
"""


@dataclass(frozen=True)
class Box:
    """One box.

    Attributes:
        id: Of the resource; of a principal from outside, its name.
        texts: Lines with their style, from the top.
        targets: What arrows lead to: the number of the line they start at, and an id.
        x: Left edge, pixels.
        y: Upper edge, pixels.
    """

    id: str
    texts: tuple[tuple[str, str], ...]
    targets: tuple[tuple[int, str], ...] = ()
    x: int = 0
    y: int = 0

    @property
    def height(self) -> int:
        return 12 + _LINE * len(self.texts)

    def line(self, number: int) -> int:
        """Where a line of text stands."""
        return self.y + 19 + _LINE * number


def draw(environment: Environment) -> str:
    """An SVG document of an environment."""
    boxes = list(_placed(environment))
    width = 24 + len(_COLUMNS) * (_WIDTH + _GAP)
    height = max(box.y + box.height for box in boxes) + 24
    count = len(environment.deployment.resources)
    heads = (
        f'<text class="head" x="{_x(number)}" y="76">{title}</text>'
        for number, (title, _) in enumerate(_COLUMNS)
    )
    shapes = [
        f'<text class="title" x="24" y="36">{environment.name}: {count} Azure resources</text>',
        *heads,
        *(shape for box in boxes for shape in _shapes(box)),
        *_arrows(boxes),
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
        boxes = [_box(environment, each) for kind in kinds for each in environment.of(kind)]
        if number == _IDENTITIES:
            boxes = [_with_rights(environment, box) for box in [*boxes, *_strangers(environment)]]
        y = _TOP
        for box in boxes:
            yield replace(box, x=_x(number), y=y)
            y += box.height + 24


def _box(environment: Environment, resource: Resource) -> Box:
    texts = [("name", _TITLES[resource.type]), ("small", resource.name)]
    texts += [
        ("", f"{word} {each.body['name'].replace('_', ' ')}")
        for each in environment.deployment.resources
        if (word := _INSIDE.get(each.type)) and each.id.startswith(f"{resource.id}/")
    ]
    subnets = resource.body.get("properties", {}).get("subnets", [])
    texts += [("", f"subnet {each['name']}") for each in subnets]
    texts += [("mark", mark) for mark in _marks(environment, resource)]
    works = resource.type in _COLUMNS[_WORK][1]
    used = [e for e in _identities(environment) if works and e.symbol in resource.depends_on]
    return Box(resource.id, tuple(texts), tuple((1, each.id) for each in used))


def _identities(environment: Environment) -> list[Resource]:
    return [each for kind in _COLUMNS[_IDENTITIES][1] for each in environment.of(kind)]


def _marks(environment: Environment, resource: Resource) -> Iterator[str]:
    for each in environment.of("Microsoft.Network/privateEndpoints"):
        for link in each.body["properties"]["privateLinkServiceConnections"]:
            if link["properties"]["privateLinkServiceId"] == resource.id:
                yield f"private: {', '.join(link['properties']['groupIds'])}"
    scoped = {each.scope for each in environment.of("Microsoft.Insights/diagnosticSettings")}
    locked = {each.scope for each in environment.of("Microsoft.Authorization/locks")}
    words = [word for word, ids in (("logged", scoped), ("locked", locked)) if resource.id in ids]
    if words:
        yield ", ".join(words)


def _strangers(environment: Environment) -> Iterator[Box]:
    """Principals that the templates do not make, but give rights to."""
    principals = (_principal(each) for each in _assignments(environment))
    for name in dict.fromkeys(each for each in principals if not each.startswith("<")):
        yield Box(name, (("name", "From outside"), ("small", name)))


def _with_rights(environment: Environment, box: Box) -> Box:
    ids = {each.symbol: each.id for each in environment.deployment.resources}
    texts, targets = list(box.texts), list(box.targets)
    for each in _assignments(environment):
        symbol = _principal(each).removeprefix("<").partition(".")[0]
        if box.id not in {ids.get(symbol), symbol}:
            continue
        scope = each.scope or ""
        role = str(each.body["properties"]["roleDefinitionId"]).rpartition("/")[2]
        targets.append((len(texts), scope))
        inside = scope.rpartition("/")[2] if "/containers/" in scope else ""
        texts.append(("", f"{_ROLES.get(role, role)} {inside}".rstrip()))
    return replace(box, texts=tuple(texts), targets=tuple(targets))


def _assignments(environment: Environment) -> list[Resource]:
    return environment.of("Microsoft.Authorization/roleAssignments")


def _principal(assignment: Resource) -> str:
    return str(assignment.body["properties"]["principalId"])


def _shapes(box: Box) -> Iterator[str]:
    yield f'<rect x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{box.height}" rx="6"/>'
    for number, (style, text) in enumerate(box.texts):
        place = f'x="{box.x + 10}" y="{box.line(number)}"'
        yield f'<text class="{style}" {place}>{escape(text)}</text>'


def _arrows(boxes: list[Box]) -> Iterator[str]:
    """From a line to the box it speaks of, or to the line in that box."""
    for box in boxes:
        for number, scope in box.targets:
            target = next((each for each in boxes if scope.startswith(each.id)), None)
            if target is None:
                continue
            inside = f"container {scope.rpartition('/')[2]}"
            lines = [n for n, (_, text) in enumerate(target.texts) if text == inside]
            x1, y1 = box.x + _WIDTH, box.line(number) - 4
            x2, y2 = target.x, target.line(lines[0] if lines else 0) - 4
            bend = (x1 + x2) / 2
            head = "m-6,-3 l6,3 l-6,3"
            yield f'<path d="M{x1},{y1} C{bend},{y1} {bend},{y2} {x2},{y2} {head}"/>'
