"""How the files of tables are looked after."""

from pydantic import Field

from deepkt_irt.settings.frozen import Frozen


class MaintenanceSettings(Frozen):
    """When files are merged and rewritten, and how long old ones stay."""

    keep_days: int = Field(
        7,
        ge=7,
        le=30,
        description="days that files stay which a table no longer has: time travel, change feeds "
        "and a reader at work reach back so far",
    )  # no less than Delta's own default, no more than its log is kept
    small_file_bytes: int = Field(
        16 * 1024 * 1024, ge=1, description="a smaller file costs more to open than to read"
    )
    many_small_files: int = Field(10, ge=2, description="from so many on they are merged")
    deleted_share: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of rows in files that deletion vectors leave out; beyond it the files "
        "are written again, in tables that tell of persons beyond none at all",
    )
    predictive_optimization: bool = Field(
        default=False,
        description="Unity Catalog optimises, vacuums and analyses by itself: leave that to it",
    )
