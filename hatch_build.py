"""Build hook: the wheel holds the built player; where gscodec/web is not there yet, npm makes it."""

import shutil
import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PlayerHook(BuildHookInterface):
    """Runs only where the built player is missing, so that a wheel from the sdist needs no Node."""

    def initialize(self, version: str, build_data: dict) -> None:
        root = Path(self.root)
        if version == "editable" or (root / "gscodec" / "web" / "gs-player.js").is_file():
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(
                "the player is not built and npm is not there: install Node 20, or run `make player`"
            )
        subprocess.run([npm, "ci", "--ignore-scripts"], cwd=root / "player_web", check=True)
        subprocess.run([npm, "run", "build"], cwd=root / "player_web", check=True)
