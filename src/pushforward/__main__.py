"""Run the command line: python -m pushforward."""

from pushforward.cli.main import main

main()
