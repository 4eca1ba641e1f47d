"""From YAML text and command-line words to a frozen, typed Experiment, or to a list of located problems."""
