"""How well models foretell answers of students they never met, beside published figures."""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from deepkt_irt.knowledge_tracing.baseline_models import BASELINES
from deepkt_irt.knowledge_tracing.evaluation import Figure, ModelResult, evaluate
from deepkt_irt.knowledge_tracing.histories import Model
from deepkt_irt.knowledge_tracing.protocols import LEAP
from deepkt_irt.knowledge_tracing.sakt import PUBLISHED
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.settings import SaktSettings
from page import table
from research_data import DATA, described

_SEED = 0
_FOLDS = {"assist2009": 5, "dbe_kt22": 5, "assist2012": 1}  # two million responses: one is enough
_NAMES = {
    "assist2009": "ASSISTments 2009-10",
    "dbe_kt22": "DBE-KT22",
    "assist2012": "ASSISTments 2012-13",
}
_DEFAULT, _SAKT = "default", "sakt"
# the slowest first, so that no process is left alone with one of them
MODELS = (_DEFAULT, _SAKT, *reversed(BASELINES))
# AUC and accuracy under the protocol, mean and SD over five folds: model cards of leap-kt
_PUBLISHED = {
    "assist2009": {
        "stableKT, the best": ("0.7765 ± 0.0023", "0.7418"),
        "IEKT": ("0.7714 ± 0.0025", "0.7383"),
        "simpleKT": ("0.7676 ± 0.0048", "0.7332"),
        "DKT": ("0.7598 ± 0.0012", "0.7367"),
        "SAKT": ("0.7453 ± 0.0013", "0.7274"),
    },
    "dbe_kt22": {
        "stableKT, the best": ("0.8069 ± 0.0006", "0.7972"),
        "IEKT": ("0.8068 ± 0.0024", "0.7972"),
        "simpleKT": ("0.8007 ± 0.0008", "0.7926"),
        "DKT": ("0.7945 ± 0.0014", "0.7933"),
        "SAKT": ("0.7703 ± 0.0020", "0.7831"),
    },
}


def section(
    *,
    data: Sequence[str] = tuple(DATA),
    folds: int | None = None,
    models: Sequence[str] = MODELS,
    workers: int = 2,
) -> str:
    """The section of the page.

    Args:
        data: Data sets.
        folds: Of each data set, for a trial; None: as many as the page says.
        models: Names of `MODELS`.
        workers: Models fitted at a time, each in a process of one thread.

    Raises:
        CannotRunError: If data are absent.
    """
    read = {name: DATA[name]() for name in data}  # absent data must stop it at once
    sizes = {name: described(histories) for name, histories in read.items()}
    del read
    tasks = [(name, model, folds or _FOLDS[name]) for name in data for model in models]
    found = dict(zip([task[:2] for task in tasks], _evaluated(tasks, workers), strict=True))
    parts = [
        _part(name, sizes[name], folds or _FOLDS[name], {m: found[name, m] for m in models})
        for name in data
    ]
    return f"""## Accuracy of knowledge tracing, beside published figures

Protocol {LEAP.name}: {LEAP.description} Seed {_SEED}. Each model predicts an answer from what the
student did before it. `{_DEFAULT}` is the model that the package registers, `{_SAKT}` is SAKT
(Pandey and Karypis 2019) by skills, with width {PUBLISHED.width} and {PUBLISHED.heads} heads,
chosen by the validation students of the first fold of ASSISTments 2009-10; the others are the
models that every training is held against. The test students are the same in all folds. AUC,
accuracy, log loss (nats) and ECE (10 bins) are means over the folds, ± the SD over the folds; the
interval is 95%, by bootstrap over the test students. Seconds are those of fitting one fold, on
one thread of the CPU, {workers} at a time. The data are no part of the project.

Published figures are those of the model cards of leap-kt (LEAP-LAB-KUS), whose protocol this is:
students drawn 80 to 20, five folds, skills as an array, no expansion; its draw of students and its
preparation of the rows are its own.

{"".join(parts)}"""


def _evaluated(tasks: Sequence[tuple[str, str, int]], workers: int) -> list[ModelResult]:
    os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        return list(pool.map(_result, *zip(*tasks, strict=True)))


def _result(data: str, name: str, folds: int) -> ModelResult:
    import torch  # noqa: PLC0415  # set up in the process that trains

    torch.set_num_threads(1)
    histories = DATA[data]()
    splits = LEAP.splits(histories, seed=_SEED)[:folds]
    made = {name: _factory(name)}
    found = evaluate(histories, splits, made, seed=_SEED, protocol=LEAP.name).models[name]
    # hours pass before the page is written
    sys.stderr.write(f"{data} {name}: {', '.join(_row(name, found, folds)[1:])}\n")
    return found


def _factory(name: str) -> Callable[[int], Model]:
    if name in BASELINES:
        return BASELINES[name]
    return partial(_tracer, PUBLISHED if name == _SAKT else SaktSettings())


def _tracer(settings: SaktSettings, seed: int) -> KnowledgeTracer:
    return KnowledgeTracer(settings.model_copy(update={"seed": seed, "device": "cpu"}))


def _part(name: str, size: str, folds: int, models: dict[str, ModelResult]) -> str:
    by_auc = sorted(models.items(), key=lambda each: -each[1].figures["auc"].mean)
    header = ("model", "AUC", "95%", "accuracy", "log loss", "ECE", "seconds")
    own = table(header, [_row(each, result, folds) for each, result in by_auc])
    judged = f"{next(iter(models.values())).splits[0].n:,} test responses"
    runs = f"{folds} folds" if folds > 1 else "one fold"
    if name not in _PUBLISHED:
        return f"### {_NAMES[name]}\n\n{size}; {judged}; {runs}.\n\n{own}\n\n"
    published = [(model, *figures) for model, figures in _PUBLISHED[name].items()]
    known = table(("published", "AUC", "accuracy"), published)
    return f"### {_NAMES[name]}\n\n{size}; {judged}; {runs}.\n\n{own}\n\n{known}\n\n"


def _row(name: str, result: ModelResult, folds: int) -> tuple[str, ...]:
    auc = result.figures["auc"]
    return (
        f"`{name}`",
        _spread(auc, folds),
        f"{auc.low:.4f} to {auc.high:.4f}",
        *(_spread(result.figures[each], folds) for each in ("accuracy", "log_loss", "ece")),
        f"{result.seconds_fit / folds:,.0f}",
    )


def _spread(figure: Figure, folds: int) -> str:
    return f"{figure.mean:.4f} ± {figure.std:.4f}" if folds > 1 else f"{figure.mean:.4f}"


if __name__ == "__main__":
    print(section())
