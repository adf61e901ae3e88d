"""``python -m radiff``: the command line, for launchers such as torchrun."""

from radiff.cli.main import main

main()
