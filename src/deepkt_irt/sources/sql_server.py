"""Responses of a database table or view, as `pulling` lands them or Data Factory copies them."""

from deepkt_irt.sources.layout import Source
from deepkt_irt.sources.responses import SCOPE, canonical
from deepkt_irt.sources.responses_csv import copied_layout

SOURCE = Source(name="sql_server", layouts=(copied_layout(),), canonical=canonical, scope=SCOPE)
