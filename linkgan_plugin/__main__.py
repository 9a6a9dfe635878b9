"""`python -m linkgan_plugin`: the same as the `linkgan` command."""

from .cli import main

main(prog_name="linkgan")
