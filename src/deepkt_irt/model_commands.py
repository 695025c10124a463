"""The commands about models: evaluate them, list their versions, go back, serve one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs import evaluate as evaluation
from deepkt_irt.jobs import models as model_work
from deepkt_irt.jobs.opening import Target, parse_settings
from deepkt_irt.lake_commands import JsonOption, LakeOption, QuietOption, SetOption, existing
from deepkt_irt.progress import reporter_of, screen
from deepkt_irt.sources.catalogue import SOURCES, source_named
from deepkt_irt.sources.responses_csv import parse_mapping

if TYPE_CHECKING:
    from deepkt_irt.knowledge_tracing.evaluation import Evaluation

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model, as sakt.")]


def evaluate(
    source: Annotated[str, typer.Option(help=f"One of: {', '.join(SOURCES)}.")],
    data: Annotated[Path, typer.Option(help="File or folder to read.")],
    protocol: Annotated[str, typer.Option(help=f"One of: {', '.join(evaluation.PROTOCOLS)}.")],
    models: Annotated[str, typer.Option(help="Which, by comma.")] = ",".join(evaluation.MODELS),
    mapping: Annotated[
        str | None,
        typer.Option("--map", help="File, or text, of lines like student_id=user_id."),
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write everything here.")
    ] = None,
    set_: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fit models on your own files and say how well they predict, under a named protocol."""
    chosen = evaluation.checked_choice(protocol, models)
    if json_ is not None and not json_.absolute().parent.is_dir():
        raise UsageError(f"--json {json_}: there is no folder {json_.absolute().parent}")
    settings = parse_settings(set_ or ())
    material = evaluation.material_of(
        source_named(source),
        data,
        mapping=parse_mapping(mapping) if mapping else None,
        settings=settings,
        reporter=reporter_of(quiet=quiet),
    )
    found = evaluation.evaluated(
        material,
        protocol=protocol,
        models=chosen,
        settings=settings,
        on_progress=(lambda _: None) if quiet else lambda text: screen.print(escape(text)),
    )
    if json_ is not None:
        json_.write_text(json.dumps(evaluation.as_json(found), indent=2, allow_nan=False) + "\n")
    Console(highlight=False).print(_grid(found))


def _grid(found: "Evaluation") -> Grid:
    grid = Grid("model", "AUC", "± folds", "95% interval", "accuracy", "log loss", "ECE", box=None)
    for name, result in found.models.items():
        figures = result.figures
        auc = figures["auc"]
        others = (f"{figures[each].mean:.4f}" for each in ("accuracy", "log_loss", "ece"))
        spread = f"{auc.std:.4f}" if found.n_splits > 1 else "-"
        grid.add_row(name, f"{auc.mean:.4f}", spread, f"{auc.low:.4f} to {auc.high:.4f}", *others)
    return grid


def models(lake: LakeOption = Path("lake"), as_json: JsonOption = False) -> None:
    """List every version of every model: its figures, and why it is champion or not."""
    store = model_work.open_models(Target(lake=existing(lake)))
    found = model_work.versions_of(store, model_work.trained_models())
    if as_json:
        typer.echo(json.dumps(model_work.as_json(found), indent=2, allow_nan=False))
    else:
        typer.echo(model_work.render_text(found))


def rollback(model: ModelArgument, lake: LakeOption = Path("lake")) -> None:
    """Make the version champion again that was it before; repeated, the one before that."""
    before, after = model_work.roll_back(model_work.open_models(Target(lake=existing(lake))), model)
    typer.echo(f"{model}: version {after} is champion again, version {before} no longer.")
    typer.echo("Students are scored by it from the next run of score_students on.")


def serve(
    model: ModelArgument,
    lake: LakeOption = Path("lake"),
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 5001,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Answer requests with a model's champion, as an endpoint does, until Ctrl-C."""
    store = model_work.open_models(Target(lake=existing(lake)))
    model_work.serve_champion(store, model, host=host, port=port, on_ready=typer.echo)


COMMANDS = (evaluate, models, rollback, serve)
