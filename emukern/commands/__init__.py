"""The subcommands of `emukern`, a file each: `ABOUT`, `add_arguments(parser)` and `run(options)`, which answers the
exit status. What is large is imported by `run`, not by the file, for --help imports them all."""
