"""`backprop completion`: print the completion script of a shell."""

from __future__ import annotations

import click

from backprop_cli.cli.console import Command, Console
from backprop_cli.cli.options import common_options

BASH = """
_backprop_with_equals() {  # bash splits words at '=' and '@'; join them again, and return what follows the last '='
    local line=${COMP_LINE:0:COMP_POINT} part i
    local -a words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        part=${COMP_WORDS[i]}
        if [[ $i -gt 0 && $line != [[:space:]]* ]]; then words[-1]+=$part; else words+=("$part"); fi
        line=${line#*"$part"}
    done
    local -a COMP_WORDS=("${words[@]}")
    local COMP_CWORD=$((${#words[@]} - 1)) before=
    _backprop_completion "$@"
    part=${words[-1]}
    if [[ $part == *=* && $COMP_WORDBREAKS == *=* ]]; then
        before=${part%=*}=
        if [[ $before == --* ]]; then before=${before#--*=}; fi
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
    if [[ ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -o nosort -F _backprop_with_equals backprop
"""
"""Added to the script of click, which does not know words such as eta=0.5."""

ZSH = ("compadd -U -V unsorted -a completions", "compadd -U -V unsorted -S '' -- ${(M)completions:#*=}\n        ")
"""A command in the script of click, and one before it that adds KEY= without a space."""


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

    completion = get_completion_class(shell)
    assert completion is not None
    script = completion(ctx.find_root().command, {}, "backprop", COMPLETE).source().rstrip()
    if shell == "bash":
        script += BASH.rstrip()
    elif shell == "zsh":
        script = script.replace(ZSH[0], ZSH[1] + "compadd -U -V unsorted -- ${completions:#*=}")
    console.result(script, {"shell": shell, "script": script}, quiet=script)
