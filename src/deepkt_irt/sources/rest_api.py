"""Responses of a REST interface, as `pulling` lands them or Data Factory copies them."""

from deepkt_irt.sources.layout import Source
from deepkt_irt.sources.responses import SCOPE, canonical
from deepkt_irt.sources.responses_csv import copied_layout

SOURCE = Source(name="rest_api", layouts=(copied_layout(),), canonical=canonical, scope=SCOPE)
