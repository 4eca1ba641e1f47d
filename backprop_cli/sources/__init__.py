"""Where examples come from: the program's own sets, generated ones, and the user's tables, arrays and images."""
