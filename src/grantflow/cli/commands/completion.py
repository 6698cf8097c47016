"""``grantflow completion``: a script that completes commands, flags, profiles and providers.

The names of profiles are looked up while somebody types; everything else is in the script.
"""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

from grantflow import providers
from grantflow.cli.context import Context
from grantflow.cli.dispatch import COMMANDS
from grantflow.cli.errors import CommandError, usage
from grantflow.cli.parser import Parser, one_of


class Options(Namespace):
    """What the command line says."""

    shell: str | None


_EXAMPLES: Final = (
    "source <(grantflow completion bash)    # in ~/.bashrc",
    'eval "$(grantflow completion zsh)"     # in ~/.zshrc, after compinit',
    "grantflow completion tcsh > ~/.grantflow.tcsh    # and source that in ~/.tcshrc",
    "grantflow completion fish > ~/.config/fish/completions/grantflow.fish",
    "grantflow completion powershell | Out-String | Invoke-Expression    # in $PROFILE",
)

_SHELLS: Final = ("bash", "zsh", "tcsh", "fish", "powershell")

_ONE_OF: Final = f"{', '.join(_SHELLS[:-1])} or {_SHELLS[-1]}"

_LISTED: Final = "grantflow list --names 2>/dev/null"

_FUNCTIONS: Final[Mapping[str, str]] = {
    # Compared one by one: what compgen -W is given, it would also execute.
    "bash": f"""
_grantflow_profiles() {{
  local name
  {_LISTED} | while IFS= read -r name; do
    [[ "$name" == "$1"* ]] && printf '%s\\n' "$name"
  done
}}
""",
    "zsh": f"""
_grantflow_profiles() {{
  compadd -- "${{(@f)$({_LISTED})}}"
}}
""",
    "powershell": """
function _grantflow_profiles {
  param([string]$WordToComplete)
  grantflow list --names 2>$null | Where-Object { $_.StartsWith($WordToComplete) }
}
""",
}
_PROFILES: Final[Mapping[str, str]] = {
    "bash": "_grantflow_profiles",
    "zsh": "_grantflow_profiles",
    "tcsh": "`grantflow list --names`",
    "fish": f"({_LISTED})",
    "powershell": "_grantflow_profiles",
}


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser("completion", "Print a script for a shell, to be read at its start.", _EXAMPLES)
    made.add_argument(
        "shell",
        metavar="SHELL",
        nargs="?",
        type=one_of(_SHELLS),
        help=_ONE_OF,
    )
    return made


def main(argv: Sequence[str], context: Context) -> int:  # noqa: ARG001
    """Run the command."""
    options = parser().read(argv, Options())
    if options.shell is None:
        raise usage("SHELL is missing", f"it is one of {', '.join(_SHELLS)}")
    try:
        import shtab
    except ImportError:
        raise CommandError(
            "completion needs the shtab library", "pip install 'grantflow[cli]'"
        ) from None
    functions = _FUNCTIONS.get(options.shell, "")
    # Not by answer(): a script is made of lines and tabs, and nothing foreign is in it.
    print(shtab.complete(_whole(shtab.FILE), options.shell, preamble=functions), flush=True)
    return 0


def _whole(files: Mapping[str, object]) -> ArgumentParser:
    """Return one parser of all commands, which is needed for nothing else."""
    whole = ArgumentParser(prog="grantflow")
    whole.add_argument("--version", action="store_true", help="print the version")
    commands = whole.add_subparsers(metavar="COMMAND")
    for name, what in COMMANDS.items():
        made: Parser = import_module(f"grantflow.cli.commands.{name}").parser()
        for action in made._actions:  # noqa: SLF001 - argparse shows them to nobody
            _complete(name, action, files)
        commands.add_parser(name, help=what, parents=[made], add_help=False)
    return whole


def _complete(command: str, action: Action, files: Mapping[str, object]) -> None:
    """Say how the values of one argument are found."""
    match command, action.dest, action.metavar:
        case _, "profile", _:
            vars(action)["complete"] = _PROFILES
        case _, _, "FILE":
            vars(action)["complete"] = files
        case (_, "provider", _) | ("providers", "name", _):
            action.choices = providers.names()
        case _:
            pass
