"""The Tomcats and memcacheds behind all proxies: hit by events, and made whole again in between."""

import asyncio
import contextlib
import itertools
import json
import os
import time

from answers import base_of, node_of
from asking import request
from bed import Msm, Tomcat
from wire import Connection, Died

APP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "app")
TOMCATS = ("jvm1", "jvm2", "jvm3")
MEMCACHEDS = ("n1", "n2")
# Requests to a Tomcat that was started anew, so that its code is compiled as the others' is.
WARM_UP = 300
PATIENCE = 60.0


class Unhealthy(Exception):
    """A part does not come back."""


class QuickToReturn(Tomcat):
    """A Tomcat that looks for a memcached that was gone every second.

    MSM's default lets up to 30 pass. All that it changes here is how long the next run has to wait.
    """

    def command(self):
        java, *rest = super().command()
        return [java, "-Dmsm.maxReconnectDelay=1", *rest]


class Cluster:
    """The parts by their names. Those that were hit are known, so that `heal` starts only these."""

    def __init__(self, bed):
        self.memcacheds = {name: bed.memcached(name) for name in MEMCACHEDS}
        # MSM with its defaults: copies are written after the answer, by threads of their own, and nobody waits for them.
        manager = Msm(list(self.memcacheds.values()), backup_timeout=None)
        self.tomcats = {
            name: QuickToReturn(name, bed.folder, host=f"127.0.0.{2 + at}", jvm_route=name, manager=manager, apps={"/test": APP})
            for at, name in enumerate(TOMCATS)
        }
        bed.parts.extend(self.tomcats.values())
        self._folder = bed.folder
        self.addresses = {name: tomcat.address for name, tomcat in self.tomcats.items()}
        self.stores = {name: memcached.address for name, memcached in self.memcacheds.items()}
        self._dead = {*self.tomcats, *self.memcacheds}
        self._stopping = set()
        # What may need warming up, or a look whether it is whole.
        self._cold = set()
        self._doubtful = True

    async def kill(self, name):
        """As kill -9."""
        self._dead.add(name)
        await asyncio.to_thread(self._part(name).kill)

    def ask_to_stop(self, name):
        """As SIGTERM; it may take its time."""
        self._stopping.add(name)
        self.tomcats[name].ask_to_stop()

    def hang(self, name):
        """As SIGSTOP."""
        self._doubtful = True
        self.tomcats[name].hang()

    def resume(self, name):
        """As SIGCONT."""
        self.tomcats[name].resume()

    async def start(self, name):
        """Starts a part and waits until it serves."""
        part = self._part(name)
        await asyncio.to_thread(part.restart)
        self._dead.discard(name)
        if name in self.tomcats:
            self._cold.add(name)
        self._doubtful = True

    @contextlib.asynccontextmanager
    async def restarts_on_request(self):
        """As long as this is open: a shell command that has the Tomcat in `$CATTAIL_BACKEND` killed and started again."""
        wanted, done = (os.path.join(self._folder, name) for name in ("restart-wanted", "restart-done"))
        for fifo in (wanted, done):
            os.mkfifo(fifo)

        async def serve():
            while name := (await asyncio.to_thread(_read, wanted)).strip():
                await self.kill(name)
                await self.start(name)
                await asyncio.to_thread(_write, done, "done\n")

        task = asyncio.create_task(serve())
        try:
            yield f'echo "$CATTAIL_BACKEND" > {wanted} && cat {done}'
        finally:
            await asyncio.to_thread(_write, wanted, "\n")
            await task
            for fifo in (wanted, done):
                os.unlink(fifo)

    async def heal(self):
        """Starts what is dead, warms up what was started, and waits until sessions go from every Tomcat to every other."""
        for name in sorted(self._stopping):
            await asyncio.to_thread(self.tomcats[name].wait_ended)
        self._dead |= self._stopping
        self._stopping.clear()
        for parts in (self.memcacheds, self.tomcats):
            await asyncio.gather(*(self.start(name) for name in sorted(self._dead) if name in parts))
        await asyncio.gather(*(_warm_up(self.addresses[name]) for name in sorted(self._cold)))
        self._cold.clear()
        if self._doubtful:
            await self._take_over_everything()
        self._doubtful = False

    def _part(self, name):
        return self.tomcats.get(name) or self.memcacheds[name]

    async def _take_over_everything(self):
        """Each Tomcat from each other by each memcached: what a fail-over needs, and it compiles that code too."""
        missing = set(itertools.product(itertools.permutations(self.addresses, 2), self.memcacheds))
        deadline = time.monotonic() + PATIENCE
        while missing:
            if time.monotonic() > deadline:
                raise Unhealthy(f"no session goes this way: {sorted(missing)}")
            for here, there in sorted({pair for pair, _ in missing}):
                node = await _take_over(self.addresses[here], self.addresses[there])
                missing.discard(((here, there), node))


def _read(fifo):
    with open(fifo, encoding="utf-8") as file:
        return file.read()


def _write(fifo, text):
    with open(fifo, "w", encoding="utf-8") as file:
        file.write(text)


async def _warm_up(address):
    connection, cookie = None, ""
    for _ in range(WARM_UP):
        if connection is None or not connection.usable:
            connection = await Connection.open(address)
        reply = await connection.ask(request(cookie))
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
    except (OSError, Died, ValueError):
        return ""
    went = base_of(third["id"]) == base_of(first["id"]) and third["count"] > second["count"]
    return node_of(first["id"]) if went else ""


async def _ask_once(address, cookie):
    connection = await Connection.open(address)
    try:
        reply = await connection.ask(request(cookie))
    finally:
        connection.close()
    if reply.status != 200:
        raise ValueError(f"status {reply.status}")
    return json.loads(reply.body)
