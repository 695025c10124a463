"""Fields of AI/BI dashboards have the types they are shown as; other ones are found."""

import json

import pytest

from looking import marts_of, tables_of, type_in

checks = pytest.importorskip("deepkt_irt.dashboards.checks", reason="sqlglot is not installed")
writing = pytest.importorskip("deepkt_irt.dashboards.writing")

pytestmark = pytest.mark.spark

DOCUMENTS = {
    path: json.loads(text)
    for path, text in writing.files().items()
    if path.endswith(".lvdash.json")
}
TEACHING = "dashboards/ai_bi/teaching.lvdash.json"


def test_fields_of_dashboards_have_the_types_they_are_shown_as(frame):
    type_of = type_in(marts_of(tables_of(frame, {})))

    for path, document in DOCUMENTS.items():
        assert list(checks.wrong_types(document, type_of)) == [], path


@pytest.mark.parametrize(
    ("expression", "scale", "said"),
    [
        ("`class`", "quantitative", "string is not quantitative"),
        ("`mastery`", "temporal", "double is not temporal"),
        ("`nobody`", "categorical", "nobody"),
    ],
)
def test_a_field_of_another_type_or_of_no_column_is_found(frame, expression, scale, said):
    document = json.loads(json.dumps(DOCUMENTS[TEACHING]))
    widget = document["pages"][0]["layout"][-1]["widget"]
    widget["queries"][0]["query"]["fields"] = [{"name": "x", "expression": expression}]
    widget["spec"]["encodings"] = {"x": {"fieldName": "x", "scale": {"type": scale}}}

    (found,) = checks.wrong_types(document, type_in(marts_of(tables_of(frame, {}))))

    assert said in found
