"""What all settings are: values that never change, and no name that nobody knows."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Frozen values with their defaults; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
