"""What Data Factory must know of the deployed bundle: the jobs' ids, and the values for them."""

from collections.abc import Mapping

from deepkt_irt.bundle.document import Tree
from deepkt_irt.errors import UsageError


def global_parameters(jobs: Tree, ids: Mapping[str, int]) -> Tree:
    """The factory's global parameters, as its REST interface takes them.

    Each job's id becomes `<job>_job_id`; each job parameter with a fixed value goes by its own
    name. A parameter that a job fills in itself when it starts is left to the pipelines.

    Args:
        jobs: The resolved jobs by key; only those that Data Factory starts.
        ids: Their ids in the workspace.

    Raises:
        UsageError: If two jobs give one parameter different values.
    """
    values: dict[str, str] = {f"{key}_job_id": str(ids[key]) for key in jobs}
    for key, job in jobs.items():
        for each in job.get("parameters", []):
            name, value = each["name"], str(each["default"])
            if "{{" in value:
                continue
            if values.setdefault(name, value) != value:
                raise UsageError(
                    f"job {key} gives parameter {name} another value than the jobs before it, "
                    "but Data Factory has one for all: name them apart"
                )
    return {
        "properties": {name: {"type": "String", "value": value} for name, value in values.items()}
    }
