"""How shells ask for completions, where click's own way does not know words such as `eta=0.5`.

bash takes such a word apart at the `=` and wants to hear only of what comes after it; zsh and fish want the whole.
bash and zsh would put a space after a key that still lacks its value.
"""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line
    for line in $(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete "$1" 2>/dev/null)
    do
        case $line in
            plain,*) COMPREPLY+=("${line#plain,}"); [[ $line == *= ]] && compopt -o nospace ;;
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
        esac
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local -a response described unfinished plain
    local type value help
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) %(complete_var)s=zsh_complete $words[1] \
2>/dev/null)}")
    for type value help in $response; do
        case $type in
            plain)
                if [[ $help != _ ]]; then described+=("$value:$help")
                elif [[ $value == *= ]]; then unfinished+=("$value")
                else plain+=("$value")
                fi ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#unfinished )) && compadd -U -V unsorted -S '' -a unfinished
    (( $#plain )) && compadd -U -V unsorted -a plain
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef %(complete_func)s %(prog_name)s
fi
"""


class Bash(BashComplete):
    """Puts the words together that bash took apart, and answers with what belongs after the `=`."""

    source_template = _BASH
    _known_to_bash = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the whole words before the cursor, and the one that it stands in."""
        words, cursor = split_arg_string(os.environ["COMP_WORDS"]), int(os.environ["COMP_CWORD"])
        whole: list[str] = []
        previous = ""
        for part in (*words[1:cursor], words[cursor] if cursor < len(words) else ""):
            if part == "=" and whole and whole[-1].startswith("-"):  # --where=eta is --where eta
                whole.append("")
            elif part == "=" and whole:
                whole[-1] += part
                self._known_to_bash = whole[-1]
            elif part and previous in ("=", "@"):  # at @, bash takes apart, but wants to hear of the whole
                whole[-1] += part
            else:
                whole.append(part)
                self._known_to_bash = ""
            previous = part
        return whole[:-1], whole[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Return the line for an item."""
        return f"{item.type},{item.value.removeprefix(self._known_to_bash)}"


class _WholeWords(ShellComplete):
    """Answers with the whole of `--option=value`, of which click leaves out the option."""

    _option = ""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return what the word may become."""
        if incomplete.startswith("--"):
            self._option = incomplete[: incomplete.find("=") + 1]
        return super().get_completions(args, incomplete)

    def format_completion(self, item: CompletionItem) -> str:
        """Return the line for an item."""
        item.value = f"{self._option}{item.value}"
        return super().format_completion(item)


class Zsh(_WholeWords, ZshComplete):
    """Puts no space after a key."""

    source_template = _ZSH


class Fish(_WholeWords, FishComplete):
    """As click does it."""


SHELLS: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}
"""The shells that complete the words of a command, by name."""


def register() -> None:
    """Have click answer these shells."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)
