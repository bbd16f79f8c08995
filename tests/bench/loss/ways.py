"""The ways of a browser's request to a Tomcat: through a proxy, as the oracle sends it, or to anybody at random."""

import asyncio
import collections
import contextlib
import hashlib

from answers import base_of, node_of, route_of
from asking import request
from wire import Connection, Died


class Unanswered(Exception):
    """There is no answer, and the browser does not ask again."""


class Lane:
    """One of the connections that a browser keeps, to each address that it asked."""

    def __init__(self):
        self._connections = {}

    async def ask(self, address, cookie, may_repeat=lambda: True):
        """The answer, and how often the request was sent again.

        As browsers do, a request is repeated once on a new connection when its kept-alive one died without a word.
        """
        kept = self._connections.get(address)
        if kept is not None and kept.usable:
            try:
                return await kept.ask(request(cookie)), 0
            except Died as died:
                if not died.silent or not may_repeat():
                    raise
            return await self._ask_anew(address, cookie), 1
        return await self._ask_anew(address, cookie), 0

    async def _ask_anew(self, address, cookie):
        connection = await Connection.open(address)
        self._connections[address] = connection
        return await connection.ask(request(cookie))

    def drop(self, address, why):
        """Ends the connection to an address; who waits for an answer on it is told."""
        if address in self._connections:
            self._connections.pop(address).close(why)

    def close(self):
        """Ends all of them."""
        for address in list(self._connections):
            self.drop(address, "the end")


class Way:
    """What is told of events; proxies find out by themselves."""

    def down(self, part):
        """From now on nothing new goes to this Tomcat, and nothing is kept in this memcached."""

    def aborted(self, tomcat):
        """What waits there will not be answered: it goes elsewhere now."""

    def up(self, part):
        """It serves again."""


class Through(Way):
    """Every request goes to the proxy."""

    def __init__(self, address, peer=None):
        self._address = address
        self._peer = peer

    async def command(self, *words):
        """Runs a command of the proxy's own against it; it must succeed."""
        process = await asyncio.create_subprocess_exec(
            *self._peer.administer(*words), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, told = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: exit code {process.returncode}: {told.decode()}")

    async def ask(self, lane, cookie):
        """The answer, and how often the request was sent again."""
        try:
            return await lane.ask(self._address, cookie)
        except (OSError, Died) as error:
            raise Unanswered(_why(error)) from error


class Oracle(Way):
    """The perfect proxy: it learns of every event the moment it happens, and knows the latest id of every session.

    A session goes to the Tomcat that its id names, else to one survivor, which its base alone decides. As long as the id
    names a part that is down, its requests go one at a time, each with the latest id: MSM gives requests that move a session
    at the same time a copy each, or none. What dies is sent again; all requests here may be. What is lost this way, no proxy
    can save.
    """

    def __init__(self, addresses):
        self._addresses = addresses
        self._up = set(addresses)
        self._down = set()
        self._turn = 0
        # The latest id of each base; whose turn it is while it moves; whose requests wait at which Tomcat.
        self._latest = {}
        self._moving = collections.defaultdict(asyncio.Lock)
        self._waiting = {name: set() for name in addresses}

    async def ask(self, lane, cookie):
        """The answer, and how often the request was sent again."""
        resent = 0
        while True:
            async with self._one_at_a_time(cookie):
                reply, again = await self._attempt(lane, self._latest.get(base_of(cookie), cookie))
            resent += again
            if reply is not None:
                return reply, resent

    async def _attempt(self, lane, cookie):
        name = self._choose(cookie)
        self._waiting[name].add(lane)
        try:
            reply, again = await lane.ask(self._addresses[name], cookie, lambda: name in self._up)
        except (OSError, Died) as error:
            if name in self._up:
                # Nobody told of an end: then it is no part of the plan.
                raise Unanswered(f"{name}: {_why(error)}") from error
            return None, 1
        finally:
            self._waiting[name].discard(lane)
        if reply.set_cookie:
            self._latest[base_of(reply.set_cookie)] = reply.set_cookie
        return reply, again

    @contextlib.asynccontextmanager
    async def _one_at_a_time(self, cookie):
        if cookie and self._moves(cookie):
            async with self._moving[base_of(cookie)]:
                # Who waited may find it moved; a request too many in turn does no harm.
                yield
        else:
            yield

    def _moves(self, cookie):
        latest = self._latest.get(base_of(cookie), cookie)
        return route_of(latest) not in self._up or node_of(latest) in self._down

    def _choose(self, cookie):
        if not self._up:
            raise Unanswered("no Tomcat is up")
        if not cookie:
            self._turn += 1
            return sorted(self._up)[self._turn % len(self._up)]
        if route_of(cookie) in self._up:
            return route_of(cookie)
        return survivor(base_of(cookie), self._up)

    def down(self, part):
        self._up.discard(part)
        self._down.add(part)

    def aborted(self, tomcat):
        for lane in list(self._waiting[tomcat]):
            lane.drop(self._addresses[tomcat], "aborted")

    def up(self, part):
        self._down.discard(part)
        if part in self._addresses:
            self._up.add(part)


def survivor(base, names):
    """Rendezvous: the same for all requests of a session, and each Tomcat's share of all sessions is equal."""
    return max(names, key=lambda name: hashlib.sha256(f"{base} {name}".encode()).digest())


class Anywhere(Way):
    """Each request goes to a Tomcat at random, as plain round robin does: what the self-check must see losses with."""

    def __init__(self, addresses, random):
        self._addresses = list(addresses.values())
        self._random = random

    async def ask(self, lane, cookie):
        """The answer, and how often the request was sent again."""
        try:
            return await lane.ask(self._random.choice(self._addresses), cookie)
        except (OSError, Died) as error:
            raise Unanswered(_why(error)) from error


def _why(error):
    if isinstance(error, Died):
        return str(error)
    return "refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__
