"""Responses that Data Factory copied from a learning system's REST interface, page by page."""

from deepkt_irt.sources.layout import Source
from deepkt_irt.sources.responses import SCOPE, canonical
from deepkt_irt.sources.responses_csv import copied_layout

SOURCE = Source(name="rest_api", layouts=(copied_layout(),), canonical=canonical, scope=SCOPE)
