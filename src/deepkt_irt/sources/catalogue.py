"""Every source system by the name given to --source."""

import difflib

from deepkt_irt.errors import UsageError
from deepkt_irt.sources import (
    assistments,
    caliper,
    dbe_kt22,
    edm_cup,
    one_roster,
    responses_csv,
    rest_api,
    sql_server,
    xapi,
)
from deepkt_irt.sources.layout import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        edm_cup.SOURCE,
        assistments.SOURCE,
        responses_csv.SOURCE,
        dbe_kt22.SOURCE,
        rest_api.SOURCE,
        sql_server.SOURCE,
        xapi.SOURCE,
        caliper.SOURCE,
        one_roster.SOURCE,
        edm_cup.SIMULATED,
    )
}


def source_named(name: str) -> Source:
    """The source of that name.

    Raises:
        UsageError: If there is none, naming those there are.
    """
    if name in SOURCES:
        return SOURCES[name]
    close = difflib.get_close_matches(name, SOURCES, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"no source {name!r}; there are {', '.join(SOURCES)}{hint}")
