"""Where a proxy of the benchmark runs."""

import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class Place:
    """Ports of its own and a folder of its own."""

    port: int
    admin_port: int
    folder: str
    # The cattail to measure.
    binary: str

    def administer(self, words):
        """A command of Cattail's, for the one that runs here."""
        admin = ["--admin", f"127.0.0.1:{self.admin_port}", "--token-file", os.path.join(self.folder, "token")]
        command, *rest = words
        return [self.binary, command, *rest, *admin]

    def write(self, name, text):
        """Writes a file; its path."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path
