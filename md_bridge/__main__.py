"""``python -m md_bridge``: the same as the command ``md-bridge``."""

from md_bridge.cli import main

main(prog_name="md-bridge")
