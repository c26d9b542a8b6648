"""Experiments: design, assign, read out, list."""

from __future__ import annotations

import typer

from pipeline.cli.experiment.design import assign, design
from pipeline.cli.experiment.read import list_experiments, read_out
from pipeline.cli.experiment.switchback import switchback

experiment_app = typer.Typer(
    help="Lift tests: design, assign by chance, read out on time.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the experiment commands to the command line."""
    for name, command in (
        ("design", design),
        ("assign", assign),
        ("switchback", switchback),
        ("read-out", read_out),
        ("list", list_experiments),
    ):
        experiment_app.command(name)(command)
    app.add_typer(experiment_app, name="experiment")
