"""`python -m backprop_cli` is `backprop`."""

from backprop_cli.cli.main import main

main()
