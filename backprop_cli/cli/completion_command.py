"""`backprop completion`: the script with which a shell completes this program's words."""

from __future__ import annotations

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options


@click.command("completion", cls=Command, short_help="Print the script for completion in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
@click.pass_context
def command(ctx: click.Context, shell: str, console: Console) -> None:
    """Print the script with which a shell completes commands, runs, keys of a config and their values.

    bash, in ~/.bashrc: eval "$(backprop completion bash)"

    zsh, in ~/.zshrc: eval "$(backprop completion zsh)"

    fish, once: backprop completion fish > ~/.config/fish/completions/backprop.fish
    """
    from backprop_cli.cli.main import COMPLETE
    from backprop_cli.cli.shells import SHELLS

    root = ctx.find_root()
    script = SHELLS[shell](root.command, {}, "backprop", COMPLETE).source().rstrip()
    console.result(script, {"shell": shell, "script": script}, quiet=script)
