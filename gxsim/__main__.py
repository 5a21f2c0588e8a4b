"""``python -m gxsim`` is ``gxsim``."""

from gxsim.cli import main

main()
