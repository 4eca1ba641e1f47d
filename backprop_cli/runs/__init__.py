"""The folder of a run: its layout, its checkpoints, its metrics. No other room knows where things lie."""
