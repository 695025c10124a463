"""What schemas, registered models, prompts and experiments are called where a run works.

A bundle decides the names: in development mode it puts the developer's in front. Jobs hand them
to the tasks as `key=name,key=name`; without any, the plain names hold.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from deepkt_irt.errors import UsageError
from deepkt_irt.tables.contract import Layer

_SCHEMA = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True)
class Names:
    """Names that differ from the plain ones.

    Attributes:
        schemas: Schema by layer.
        models: Full name of a registered model by its short name, as `catalog.schema.name`.
        experiments: Path of the experiment by the model it trains, or the prompt it traces.
        prompts: Full name of a registered prompt by its short name.
    """

    schemas: Mapping[Layer, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    experiments: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)

    def schema(self, layer: Layer) -> str:
        """Schema of a layer."""
        return self.schemas.get(layer, layer.value)


PLAIN = Names()


def parse_names(
    *, schemas: str = "", models: str = "", experiments: str = "", prompts: str = ""
) -> Names:
    """Names from what a job hands over.

    Raises:
        UsageError: If a text is not `key=name,…`, or a schema is none of a layer.
    """
    by_layer = {}
    for key, name in _pairs("--schemas", schemas).items():
        if key not in {layer.value for layer in Layer} or not _SCHEMA.fullmatch(name):
            layers = ", ".join(Layer)
            raise UsageError(f"--schemas {key}={name}: write LAYER=NAME, layers are {layers}")
        by_layer[Layer(key)] = name
    given = {"models": models, "experiments": experiments, "prompts": prompts}
    return Names(by_layer, **{name: _pairs(f"--{name}", text) for name, text in given.items()})


def _pairs(flag: str, text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, name = (each.strip() for each in part.partition("="))
        if not (key and equals and name) or key in pairs:
            raise UsageError(f"{flag} {text!r}: write it as key=name,key=name, each key once")
        pairs[key] = name
    return pairs
