"""Who and what the events are about: users, items, skills."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from deepkt_irt.silver.events import no_ids, qualified, qualified_all

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Edge = tuple[str, str]


def users(events: "DataFrame", groups: "DataFrame") -> "DataFrame":
    """Rows of silver.users from the events.

    Args:
        events: Rows of silver.canonical_learning_events.
        groups: Columns student_key, student_group; one row for each student whose group is known.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    summed = events.groupBy("student_key").agg(
        F.min("source").alias("source"),
        F.array_sort(F.collect_set("class_key")).alias("class_keys"),
        F.count("*").alias("n_events"),
        F.min("answered_at").alias("first_answered_at"),
        F.max("answered_at").alias("last_answered_at"),
    )
    return summed.join(groups, "student_key", "left")


def student_groups(told: "DataFrame", keys: "DataFrame") -> "DataFrame":
    """The group last named of each student, in the order of events.

    Responses delivered again count, too, and after their first delivery: a file that is landed
    once more with a column of groups brings them, although it adds no event.

    Args:
        told: Rows of restricted.canonical_responses.
        keys: Rows of restricted.student_keys.

    Returns:
        Columns student_key, student_group; no row for a student of whom no group is named.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    stated = told.filter("student_group IS NOT NULL AND NOT is_refused").join(
        keys.select("source", "student_id", "student_key"), ["source", "student_id"]
    )
    # a missing time or order stands last, as among events
    place = F.struct(
        F.col("answered_at").isNull().alias("no_time"),
        "answered_at",
        F.col("response_order").isNull().alias("no_order"),
        "response_order",
        *("batch_id", "file", "row"),
    )
    last = F.max_by("student_group", place).alias("student_group")
    return stated.groupBy("student_key").agg(last)


def items(catalogue: "DataFrame", events: "DataFrame") -> "DataFrame":
    """Rows of silver.items: the catalogue's, and those met in events only.

    Skills are the catalogue's; where it tags an item with none, all that events tag it with.

    Args:
        catalogue: Canonical items, ids as the source has them.
        events: Rows of silver.canonical_learning_events.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = catalogue.filter("item_id IS NOT NULL").withColumns(
        {"item_id": qualified("item_id"), "skill_ids": qualified_all("skill_ids")}
    )
    known = own.groupBy("item_id").agg(
        F.min("source").alias("source"),
        F.min("item_type").alias("item_type"),
        F.max("is_guessable").alias("is_guessable"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_list("skill_ids")))).alias("skill_ids"),
        F.min("title").alias("title"),
    )
    # sets are slow to collect, and an item has few of them
    each = events.groupBy("item_id", "source", "skill_ids").agg(F.count("*").alias("met"))
    met = each.groupBy("item_id").agg(
        F.min("source").alias("event_source"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_set("skill_ids")))).alias("event_skills"),
        F.sum("met").alias("met"),
    )
    joined = known.withColumn("in_catalogue", F.expr("true")).join(met, "item_id", "full")
    source = F.coalesce("source", "event_source")
    tagged = F.when(F.size("skill_ids") > 0, F.col("skill_ids"))
    return joined.select(
        "item_id",
        source.alias("source"),
        F.expr("substring(item_id, length(coalesce(source, event_source)) + 2)").alias(
            "source_item_id"
        ),
        "item_type",
        "is_guessable",
        F.coalesce(tagged, "event_skills", no_ids()).alias("skill_ids"),
        "title",
        F.coalesce("in_catalogue", F.expr("false")).alias("in_catalogue"),
        F.coalesce("met", F.lit(0)).cast("bigint").alias("n_events"),
    )


def skills(catalogue: "DataFrame", events: "DataFrame") -> "DataFrame":
    """Skills of the catalogue and of the events, prerequisites as the source gave them.

    Returns:
        Columns of silver.skills; the prerequisites may still hold cycles.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = catalogue.filter("skill_id IS NOT NULL").withColumns(
        {"skill_id": qualified("skill_id"), "prerequisite_ids": qualified_all("prerequisite_ids")}
    )
    known = own.groupBy("skill_id").agg(
        F.min("source").alias("source"),
        F.min(F.nullif(F.trim("name"), F.lit(""))).alias("name"),
        F.min("description").alias("description"),
        F.array_distinct(F.flatten(F.collect_list("prerequisite_ids"))).alias("prerequisite_ids"),
    )
    met = events.select("source", F.explode("skill_ids").alias("skill_id")).groupBy("skill_id")
    counted = met.agg(F.min("source").alias("event_source"), F.count("*").alias("met"))
    joined = known.join(counted, "skill_id", "full")
    own_id = F.expr("substring(skill_id, length(coalesce(source, event_source)) + 2)")
    return joined.select(
        "skill_id",
        F.coalesce("source", "event_source").alias("source"),
        F.coalesce("name", own_id).alias("name"),
        "description",
        F.coalesce("prerequisite_ids", no_ids()).alias("prerequisite_ids"),
        F.coalesce("met", F.lit(0)).cast("bigint").alias("n_events"),
    )


def with_usable_prerequisites(found: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Take out prerequisites nobody could ever meet: unknown skills and cycles.

    Args:
        found: Columns of silver.skills.

    Returns:
        The frame with prerequisites sorted and free of cycles, and how many were taken out.
    """
    names: list[str] = found["skill_id"].tolist()
    listed = dict(zip(names, (list(each) for each in found["prerequisite_ids"]), strict=True))
    edges = [(before, skill) for skill, all_before in listed.items() for before in all_before]
    kept = set(acyclic([edge for edge in edges if edge[0] in listed]))
    usable = [sorted(b for b in listed[skill] if (b, skill) in kept) for skill in names]
    acyclic_rows = found.assign(prerequisite_ids=pd.Series(usable, index=found.index, dtype=object))
    return acyclic_rows, len(edges) - len(kept)


def acyclic(edges: list[Edge]) -> list[Edge]:
    """The edges that lie on no cycle: both ends are in different strong components.

    Args:
        edges: Pairs (prerequisite, skill).
    """
    if not edges:
        return []
    nodes = sorted({node for edge in edges for node in edge})
    index = {node: number for number, node in enumerate(nodes)}
    tails = np.array([index[a] for a, _ in edges])
    heads = np.array([index[b] for _, b in edges])
    graph = coo_array((np.ones(len(edges)), (tails, heads)), shape=(len(nodes), len(nodes)))
    _, component = connected_components(graph.tocsr(), directed=True, connection="strong")
    return [
        edge for edge, a, b in zip(edges, tails, heads, strict=True) if component[a] != component[b]
    ]
