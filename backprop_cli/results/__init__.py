"""What runs show: a run as an object, evaluation, predictions, and tables of many runs."""
