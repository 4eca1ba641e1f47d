"""The command line: one file per command. It reads events and prints; nothing imports it."""
