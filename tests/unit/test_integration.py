"""The integration test's scripts touch nothing that could be real."""

import pytest

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.tables.contract import Layer

OWN = ",".join(f"{layer}=integration_{layer}" for layer in Layer)


@pytest.mark.parametrize("name", ["seed_district", "verify_district", "drop_district"])
@pytest.mark.parametrize(
    "schemas",
    ["", OWN.replace("integration_gold", "gold"), OWN.replace(",ops=integration_ops", "")],
)
def test_schemas_that_could_be_real_are_refused(name, schemas, tmp_path):
    script = SCRIPTS[name]
    lake = tmp_path / "lake"
    flags = script.parser().parse_args([f"--lake={lake}", f"--schemas={schemas}"])

    with pytest.raises(UsageError, match="is not of the integration test"):
        script.run(flags)
    assert not lake.exists()


def test_model_that_could_be_real_is_not_dropped(tmp_path):
    script = SCRIPTS["drop_district"]
    lake = tmp_path / "lake"
    given = [f"--lake={lake}", f"--schemas={OWN}", "--models=sakt=main.gold.sakt"]

    with pytest.raises(UsageError, match=r"model main\.gold\.sakt is in no schema"):
        script.run(script.parser().parse_args(given))
    assert not lake.exists()
