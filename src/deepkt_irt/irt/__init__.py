"""Item response theory on sparse responses: calibration, linking, fit, fairness, drift, forms.

    from deepkt_irt.irt import calibrate

takes a long table of responses and gives tables of items and students; docs/item_models.md shows
more.
"""

from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.library import CalibratedTest, calibrate

__all__ = ["CalibratedTest", "ItemParameters", "calibrate"]
