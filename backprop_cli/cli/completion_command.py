"""`backprop completion`: print the completion script of a shell."""

from __future__ import annotations

import click

from backprop_cli.cli.options import common_options
from backprop_cli.terminal.console import Command, Console


@click.command("completion", cls=Command, short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
@click.pass_context
def command(ctx: click.Context, shell: str, console: Console) -> None:
    """Print the script that makes a shell complete commands, options, runs, config keys and their values.

    bash, in ~/.bashrc: eval "$(backprop completion bash)"

    zsh, in ~/.zshrc after compinit: eval "$(backprop completion zsh)"

    fish, once: backprop completion fish > ~/.config/fish/completions/backprop.fish
    """
    from click.shell_completion import get_completion_class

    from backprop_cli.cli.main import COMPLETE
    from backprop_cli.terminal.completion_scripts import extended

    completion = get_completion_class(shell)
    assert completion is not None
    script = completion(ctx.find_root().command, {}, "backprop", COMPLETE).source().rstrip()
    script = extended(script, shell)
    console.result(script, {"shell": shell, "script": script}, quiet=script)
