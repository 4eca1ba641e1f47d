"""Pure mathematics on arrays: no files, no clock, no console."""
