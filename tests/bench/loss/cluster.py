"""The Tomcats and memcacheds behind all proxies: hit by events, and made whole again in between."""

import asyncio
import itertools
import json
import time

from answers import base_of, node_of
from browsers import PAGE
from wire import Connection, Died

# What checks ask for: a file of the application, so that it is served only once the application is.
ALIVE = "/test/alive.css"
# Requests to a Tomcat that was started anew, so that its code is compiled as the others' is.
WARM_UP = 300
PATIENCE = 60.0


class Unhealthy(Exception):
    """A part does not come back."""


class Cluster:
    """The parts by their names. Those that were hit are known, so that `heal` starts only these."""

    def __init__(self, tomcats, memcacheds):
        self.tomcats = tomcats
        self.memcacheds = memcacheds
        self.ports = {name: tomcat.port for name, tomcat in tomcats.items()}
        self._dead = set()
        self._stopping = set()
        self._cold = set(tomcats)
        self._doubtful = True

    def kill(self, name):
        """As kill -9."""
        self._part(name).kill()
        self._dead.add(name)

    def ask_to_stop(self, name):
        """As SIGTERM; it may take its time."""
        self.tomcats[name].ask_to_stop()
        self._stopping.add(name)

    def hang(self, name):
        """As SIGSTOP."""
        self.tomcats[name].hang()

    def resume(self, name):
        """As SIGCONT."""
        self.tomcats[name].resume()
        self._doubtful = True

    async def start(self, name):
        """Starts a Tomcat and waits until it serves."""
        await asyncio.to_thread(self.tomcats[name].start)
        await asyncio.to_thread(self.tomcats[name].wait_ready)
        self._dead.discard(name)
        self._cold.add(name)

    async def heal(self):
        """Starts what is dead, warms up what was started, and waits until every Tomcat takes sessions over from every other."""
        for name in self._stopping:
            await asyncio.to_thread(self.tomcats[name].wait_stopped)
        self._dead |= self._stopping
        self._stopping.clear()
        dead = sorted(self._dead)
        for name in dead:
            if name in self.memcacheds:
                await asyncio.to_thread(self.memcacheds[name].start)
        await asyncio.gather(*(self.start(name) for name in dead if name in self.tomcats))
        self._dead.clear()
        if dead or self._cold or self._doubtful:
            await asyncio.gather(*(_warm_up(self.ports[name]) for name in self._cold))
            await self._take_over_everything()
        self._cold.clear()
        self._doubtful = False

    def _part(self, name):
        return self.tomcats.get(name) or self.memcacheds[name]

    async def _take_over_everything(self):
        """Each Tomcat from each other by each memcached: what a fail-over needs, and it compiles that code too."""
        missing = set(itertools.product(itertools.permutations(self.ports, 2), self.memcacheds))
        deadline = time.monotonic() + PATIENCE
        while missing:
            if time.monotonic() > deadline:
                raise Unhealthy(f"no session goes this way: {sorted(missing)}")
            for here, there in sorted({pair for pair, _ in missing}):
                node = await _take_over(self.ports[here], self.ports[there])
                missing.discard(((here, there), node))


async def _warm_up(port):
    connection = None
    cookie = ""
    for _ in range(WARM_UP):
        if connection is None or not connection.usable:
            connection = await Connection.open(port)
        reply = await connection.ask(_request(cookie))
        cookie = reply.set_cookie or cookie
    connection.close()


async def _take_over(here, there):
    """The memcached by which a session went from one Tomcat to another; empty if it did not."""
    try:
        first = await _ask_once(here, "")
        second = await _ask_once(here, first["id"])
        # The copy is written after the answer.
        await asyncio.sleep(0.03)
        third = await _ask_once(there, first["id"])
        went = base_of(third["id"]) == base_of(first["id"]) and third["count"] > second["count"]
        return node_of(first["id"]) if went else ""
    except (OSError, Died, ValueError):
        return ""


async def _ask_once(port, cookie):
    connection = await Connection.open(port)
    try:
        reply = await connection.ask(_request(cookie))
    finally:
        connection.close()
    if reply.status != 200:
        raise ValueError(f"status {reply.status}")
    return json.loads(reply.body)


def _request(cookie):
    shown = f"Cookie: JSESSIONID={cookie}\r\n" if cookie else ""
    return f"GET {PAGE} HTTP/1.1\r\nHost: shop.example.com\r\n{shown}\r\n".encode()
