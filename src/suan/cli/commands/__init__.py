"""One module for each command, named as the command is; ``suan.cli.table`` lists them."""
