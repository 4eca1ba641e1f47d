"""What is added to the completion scripts of click, for words such as eta=0.5."""

from __future__ import annotations

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


def extended(script: str, shell: str) -> str:
    """Return the completion script that click makes for a shell, for words with an equals sign too."""
    if shell == "bash":
        return script + BASH.rstrip()
    return script.replace(ZSH[0], ZSH[1] + "compadd -U -V unsorted -- ${completions:#*=}") if shell == "zsh" else script
