"""Rows to predict: from files, standard input, arrays and data frames."""
