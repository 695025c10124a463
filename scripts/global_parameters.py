"""Job ids by key as the body that sets Data Factory's global parameters.

    python scripts/global_parameters.py ids.json

Each becomes `<job>_job_id`, a text, which the factory's pipelines read. Needs nothing but Python.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Print the body."""
    ids: dict[str, int] = json.loads(Path(sys.argv[1]).read_text())
    parameters = {
        f"{key}_job_id": {"type": "String", "value": str(number)} for key, number in ids.items()
    }
    sys.stdout.write(json.dumps({"properties": parameters}) + "\n")


if __name__ == "__main__":
    main()
