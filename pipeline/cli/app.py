"""The command line: thin, quick to start, one line for every error."""

from __future__ import annotations

import sys

import typer

from pipeline.core.errors import PipelineError

_MODULES = (
    "night", "plans", "caps", "report", "audit", "allocate", "simulate", "pull", "score",
    "what_if", "decisions", "experiment", "holdout", "offers",
)  # fmt: skip


def build_app() -> typer.Typer:
    """Return the command line with every command on it."""
    from importlib import import_module

    app = typer.Typer(
        name="equimarginal",
        help="Tomorrow's marketing budget, decided every night and signed every morning.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def _common(
        debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
        version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True),
    ) -> None:
        del debug
        if version:
            import pipeline

            typer.echo(pipeline.__version__)
            raise typer.Exit

    for name in _MODULES:
        import_module(f"pipeline.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command line; exit codes are those of `pipeline.core.errors`."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        build_app()(args=arguments, standalone_mode=False)
    except PipelineError as error:
        if debug:
            raise
        _complain(str(error))
        sys.exit(error.exit_code)
    except (typer.Exit, SystemExit) as end:
        code = getattr(end, "exit_code", getattr(end, "code", 0))
        sys.exit(code if isinstance(code, int) else 0)
    except (typer.Abort, KeyboardInterrupt):
        _complain("stopped; nothing was changed that was not already complete")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # the last line of defence: a person gets one line
        if debug:
            raise
        usage = _usage_message(error)
        _complain(usage or f"unexpected {type(error).__name__}: {error}; run again with --debug")
        sys.exit(2)


def _usage_message(error: Exception) -> str | None:
    """Return what was wrong with the call, None for other errors."""
    formatted = getattr(error, "format_message", None)
    return None if formatted is None else f"{formatted()}; see --help"


def _complain(message: str) -> None:
    from pipeline.io.reports.words import visible

    line = visible(" ".join(message.split()))
    sys.stderr.write(f"equimarginal: {line}\n")
