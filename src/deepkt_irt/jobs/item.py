"""Reads what is known of single items, for their dossiers and their pages in the report."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deepkt_irt.errors import NoData, UsageError
from deepkt_irt.jobs.calibrated import flagged_since
from deepkt_irt.jobs.reading import Read, item_label
from deepkt_irt.jobs.report_items import observed_shares, parsed_item
from deepkt_irt.reporting.item_data import Dot, DriftWindow, ItemDossier, ItemVersion
from deepkt_irt.reporting.item_facts import GroupDif, ItemFacts, OptionFacts
from deepkt_irt.tables.gold_items import (
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_HEALTH,
    ITEM_PARAMETERS,
)
from deepkt_irt.tables.silver import ITEMS, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_CANDIDATES = 10
_TITLE = 50  # characters of a candidate's title
_AS_THEY_ARE = (
    *("n_responses", "exposure", "p_value", "p_low", "p_high", "item_theta_correlation"),
    *("omit_rate", "hint_rate", "answer_requested_rate"),
    *("latency_p10_ms", "latency_median_ms", "latency_p90_ms"),
    *("infit", "infit_z", "outfit", "outfit_z", "rmsd", "q3_max", "q3_item_id", "q3_p"),
    *("information_at_target", "information_peak_at", "drift_status"),
)


def read_dossier(read: Read, text: str) -> ItemDossier:
    """The dossier of the one item that is meant; see `find_item` and `dossiers`.

    Raises:
        UsageError: If several are meant alike.
        NoData: If none is.
    """
    (found,) = dossiers(read, {find_item(read, text): "asked for"})
    return found


def find_item(read: Read, text: str) -> str:
    """Id of the one item that is meant.

    Args:
        read: Reads a table.
        text: Item id, id in the source, title, or a part of one of these, whatever its case. What
            equals an id goes before what equals a title, and that before a part.

    Raises:
        UsageError: If several are meant alike; it names up to ten.
        NoData: If none is.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    wanted = F.lower(F.lit(text))
    names = [F.lower(column) for column in ("item_id", "source_item_id", "title")]
    rank = F.when(F.col("item_id") == text, 0).when(F.col("source_item_id") == text, 1)
    for number, name in enumerate(names):
        rank = rank.when(name == wanted, 2 + number)
    for name in names:
        rank = rank.when(F.contains(name, wanted), 5)
    ranked = read(ITEMS).withColumn("rank", rank).filter("rank IS NOT NULL")
    rows = ranked.orderBy("rank", "item_id").limit(_CANDIDATES).collect()
    if not rows:
        raise NoData(
            f"no item like {text!r} in this lake; give its id, its id in the source's files or "
            "its title"
        )
    alike = [row for row in rows if row["rank"] == rows[0]["rank"]]
    if len(alike) == 1:
        return str(alike[0]["item_id"])
    n = ranked.filter(F.col("rank") == alike[0]["rank"]).count()
    raise UsageError(f"{text!r} may be one of {n} items: {_listed(alike, n)}")


def _listed(rows: list[Any], n: int) -> str:
    titles = [" ".join((row["title"] or "no title").split()) for row in rows]  # on one line
    named = [
        f"{row['item_id']} ({title[:_TITLE]})" for row, title in zip(rows, titles, strict=True)
    ]
    more = f" and {n - len(rows)} more" if n > len(rows) else ""
    return f"{', '.join(named)}{more}; give one of these ids"


def dossiers(read: Read, reasons: dict[str, str]) -> tuple[ItemDossier, ...]:
    """Dossiers of some items.

    Args:
        read: Reads a table.
        reasons: Why an item is shown, by item id; a few dozen at most, in the order wanted.
    """
    wanted = list(reasons)
    if not wanted:
        return ()
    about = {row["item_id"]: row for row in _about(read, wanted).collect()}
    versions, windows = _versions(read, wanted), _windows(read, wanted)
    health, dots = _health(read, wanted), _dots(read, versions)
    return tuple(
        _dossier(
            about[item_id],
            reasons[item_id],
            versions=versions.get(item_id, ()),
            health=health.get(item_id),
            dots=dots.get(item_id, ()),
            windows=windows.get(item_id, ()),
        )
        for item_id in wanted
        if item_id in about
    )


def _about(read: Read, wanted: list[str]) -> "DataFrame":
    """Items with a label for people and the names of all their skills."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = read(ITEMS).filter(F.col("item_id").isin(wanted))
    names = read(SKILLS).select("skill_id", F.col("name").alias("skill"))
    on = own.select("item_id", F.explode("skill_ids").alias("skill_id")).join(names, "skill_id")
    skills = on.groupBy("item_id").agg(F.array_sort(F.collect_set("skill")).alias("skills"))
    return own.select("*", item_label()).join(skills, "item_id", "left")


def _versions(read: Read, wanted: list[str]) -> dict[str, tuple[ItemVersion, ...]]:
    """Calibrations that have the items, latest first."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = read(ITEM_PARAMETERS).filter(F.col("item_id").isin(wanted))
    links = read(CALIBRATIONS).select("calibration_version", "reference_version", "link_method")
    labels = _about(read, wanted).select(
        "item_id", "label", F.get("skills", F.lit(0)).alias("skill")
    )
    rows = own.join(links, "calibration_version").join(labels, "item_id")
    found: dict[str, tuple[ItemVersion, ...]] = {}
    for row in rows.orderBy("item_id", F.desc("calibration_version")).collect():
        each = ItemVersion(
            row["calibration_version"],
            row["reference_version"],
            row["link_method"],
            parsed_item(row),
        )
        found[row["item_id"]] = (*found.get(row["item_id"], ()), each)
    return found


def _windows(read: Read, wanted: list[str]) -> dict[str, tuple[DriftWindow, ...]]:
    """Windows of the items, oldest first."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = read(ITEM_DRIFT).filter(F.col("item_id").isin(wanted))
    timed = own.withColumns({name: F.unix_seconds(name) for name in ("window_start", "window_end")})
    found: dict[str, tuple[DriftWindow, ...]] = {}
    for row in timed.orderBy("item_id", "window_start").collect():
        found[row["item_id"]] = (*found.get(row["item_id"], ()), _window(row))
    return found


def _window(row: Any) -> DriftWindow:  # noqa: ANN401 - a Spark row
    return DriftWindow(
        start=datetime.fromtimestamp(row["window_start"], UTC),
        end=datetime.fromtimestamp(row["window_end"], UTC),
        calibration_version=row["calibration_version"],
        n=row["n_responses"],
        observed=row["observed"],
        expected=row["expected"],
        delta=row["delta"],
        delta_se=row["delta_se"],
        shift=row["shift"],
        q=row["q"],
        status=row["status"],
        direction=row["direction"],
        likely_cause=row["likely_cause"],
    )


def _health(read: Read, wanted: list[str]) -> dict[str, Any]:
    """Rows of item health by item, with instants in seconds."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    times = {
        f"{name}_seconds": F.unix_seconds(f"{name}_at")
        for name in ("first_seen", "last_seen", "checked")
    }
    own = read(ITEM_HEALTH).filter(F.col("item_id").isin(wanted)).withColumns(times)
    return {row["item_id"]: row for row in own.collect()}


def _dots(read: Read, versions: dict[str, tuple[ItemVersion, ...]]) -> dict[str, tuple[Dot, ...]]:
    """Observed shares, each item's against the abilities of its own latest calibration."""
    by_version: dict[str, list[str]] = {}
    for item_id, known in versions.items():
        by_version.setdefault(known[0].version, []).append(item_id)
    found: dict[str, tuple[Dot, ...]] = {}
    for version, own in by_version.items():
        found |= observed_shares(read, own, version=version)
    return found


def _dossier(
    about: Any,  # noqa: ANN401 - a Spark row
    why: str,
    *,
    versions: tuple[ItemVersion, ...],
    health: Any,  # noqa: ANN401 - a Spark row, or None
    dots: tuple[Dot, ...],
    windows: tuple[DriftWindow, ...],
) -> ItemDossier:
    return ItemDossier(
        item_id=about["item_id"],
        source=about["source"],
        source_item_id=about["source_item_id"],
        label=about["label"],
        why=why,
        item_type=about["item_type"],
        is_guessable=about["is_guessable"],
        skills=tuple(about["skills"] or ()),
        versions=versions,
        facts=_facts(about, versions, health, windows) if health else None,
        status=health["status"] if health else None,
        reasons=tuple(health["reasons"]) if health else (),
        action=health["suggested_action"] if health else None,
        checked_at=f"{_instant(health['checked_seconds']):%Y-%m-%d %H:%M} UTC" if health else None,
        dots=dots,
        windows=windows,
    )


def _facts(
    about: Any,  # noqa: ANN401 - a Spark row
    versions: tuple[ItemVersion, ...],
    health: Any,  # noqa: ANN401 - a Spark row
    windows: tuple[DriftWindow, ...],
) -> ItemFacts:
    item = versions[0].item if versions else None
    known = [each for each in windows if each.status != "insufficient_data"]
    last = known[-1] if known else None
    return ItemFacts(
        **{name: health[name] for name in _AS_THEY_ARE},
        model=item.model if item else None,
        difficulty=item.b if item else None,
        difficulty_se=item.se if item else None,
        discrimination=item.a if item else None,
        guessing=item.c if item else None,
        is_guessable=about["is_guessable"],
        first_seen_at=_instant(health["first_seen_seconds"]),
        last_seen_at=_instant(health["last_seen_seconds"]),
        dif=tuple(GroupDif(**each.asDict()) for each in health["dif"]),
        options=tuple(OptionFacts(**each.asDict()) for each in health["options"]),
        drift_direction=last.direction if last else None,
        drift_likely_cause=last.likely_cause if last else None,
        drift_delta=last.delta if last else None,
        drift_since=flagged_since((each.start, each.status) for each in known),
    )


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
