"""Completion of commands and options by a shell, written from what the commands declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PROGRAM = "llm-trace-exporter"

# Files are completed where no option is: by `-o default`.
_BASH = """_llm_trace_exporter() {{
  local words
  if [ "$COMP_CWORD" = 1 ]; then
    words="{commands}"
  else
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _llm_trace_exporter {program}"""


def bash(options: Mapping[str, Sequence[str]]) -> str:
    """A script for bash, and for zsh with `bashcompinit`.

    Args:
        options: Command to its options.
    """
    cases = (f'      {name}) words="{" ".join(words)}" ;;' for name, words in options.items())
    return _BASH.format(commands=" ".join(options), cases="\n".join(cases), program=PROGRAM)
