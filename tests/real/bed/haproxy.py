"""HAProxy, where what it does is compared with ours."""

import csv
import io
import os
import socket

from free_ports import free_port

from . import parts
from .process import Process


class Haproxy(Process):
    """Debian's HAProxy; `text`: its configuration behind `global`, with `$address` for where it listens."""

    def __init__(self, name, folder, text):
        super().__init__(name, folder)
        self.address = f"127.0.0.1:{free_port()}"
        self._file = os.path.join(folder, f"{name}.cfg")
        self._socket = os.path.join(folder, f"{name}.sock")
        head = f"global\n    nbthread 1\n    maxconn 200\n    stats socket {self._socket} level admin\n"
        with open(self._file, "w", encoding="utf-8") as file:
            file.write(head + text.replace("$address", self.address))

    def command(self):
        return [parts.tool("haproxy"), "-db", "-f", self._file]

    def is_ready(self):
        return bool(self.stat())

    def stat(self):
        """What `show stat` says, by backend and server."""
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(5)
            talk.connect(self._socket)
            talk.sendall(b"show stat\n")
            said = b"".join(iter(lambda: talk.recv(65536), b"")).decode()
        rows = csv.DictReader(io.StringIO(said.removeprefix("# ")))
        return {(row["pxname"], row["svname"]): row for row in rows}
