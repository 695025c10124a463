"""The one dated file of prices, read and checked."""

import tomllib
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepkt_irt.errors import BadFile

FILE = "prices.toml"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Frozen):
    """What one unit costs, and how sure that is."""

    amount: float = Field(ge=0, allow_inf_nan=False, description="for one unit")
    unit: str = Field(min_length=1)
    source: str = Field(min_length=1, description="where the amount comes from")
    checked: bool = Field(description="held against the provider's own list")


class Prices(_Frozen):
    """A price file."""

    name: str = Field(description="of the file, for messages")
    date: date
    currency: Annotated[str, Field(pattern="^USD$")]
    region: str
    prices: dict[str, Price]

    def __getitem__(self, key: str) -> float:
        """The amount of a price.

        Raises:
            BadFile: If the file does not have it.
        """
        if key not in self.prices:
            fix = f"add [prices.{key}] with amount, unit, source and checked"
            raise BadFile(self.name, f"the price {key} is missing", fix)
        return self.prices[key].amount

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Keys of the prices that nobody held against the provider's list."""
        return tuple(key for key, price in self.prices.items() if not price.checked)


def read_prices(path: Path | None = None) -> Prices:
    """Prices from a file, or from the one in the package.

    Raises:
        BadFile: If the file is missing, is no TOML, or is not of the form of prices.toml.
    """
    name = str(path) if path else FILE
    try:
        text = (path or files("deepkt_irt.azure.cost") / FILE).read_text(encoding="utf-8")
        return Prices.model_validate({"name": name, **tomllib.loads(text)})
    except OSError as error:
        raise BadFile(name, "it cannot be read", "check the path given with --prices") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadFile(name, f"no TOML text ({error})", f"write it like {FILE}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise BadFile(name, f"{where}: {first['msg']}", f"write it like {FILE}") from error
