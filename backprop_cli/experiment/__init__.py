"""What an experiment is: its keys, with their types and defaults, and its layers."""
