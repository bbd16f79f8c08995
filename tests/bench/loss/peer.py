"""A proxy of the comparison, running."""

import rows
from asking import ALIVE
from bed import Browser, PartError, free_port
from bed.process import Process
from place import Place


class Peer(Process):
    """One row's program, new for each run: it remembers nothing of the runs before."""

    def __init__(self, row, folder, parts, binary):
        super().__init__(row, folder)
        self._place = Place(free_port(), free_port(), folder, binary)
        self._routes = list(parts.addresses)
        kind = rows.ROWS[row]
        self._command = kind.command(self._place, kind.essence(parts.addresses, ALIVE, parts.stores))

    @property
    def address(self):
        """host:port for browsers."""
        return f"127.0.0.1:{self._place.port}"

    def command(self):
        return self._command

    def administer(self, *words):
        """The command line of one of Cattail's commands for administrators."""
        return self._place.administer(words)

    def is_ready(self):
        """Whether it reaches every Tomcat by a session id that names it."""
        for route in self._routes:
            browser = Browser(self.address)
            browser.id = f"0-n1.{route}"
            status = browser.get(ALIVE).status
            browser.close()
            if status != 200:
                raise PartError(f"status {status}")
        return True

    def end(self):
        """In good order first: a master that is killed leaves its workers behind."""
        if self.is_running:
            self.ask_to_stop()
            try:
                self.wait_ended(10.0)
            except PartError:
                super().end()
