"""Configs: from YAML text and command-line overrides to a frozen, typed Experiment, or to a list of located errors."""
