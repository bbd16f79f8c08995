"""The ways of a browser's request to a Tomcat: through a proxy, as the oracle sends it, or to anybody at random."""

import asyncio
import hashlib

from answers import base_of, route_of
from wire import Connection, Died


class Unanswered(Exception):
    """There is no answer, and the browser does not ask again."""


class Lane:
    """One of the connections that a browser keeps, to whichever ports it asked."""

    def __init__(self):
        self._connections = {}

    async def ask(self, port, request, may_repeat=lambda: True):
        """The answer, and how often the request was sent again.

        As browsers do, a request is repeated once on a new connection when its kept-alive one died without a word.
        """
        kept = self._connections.get(port)
        if kept is not None and kept.usable:
            try:
                return await kept.ask(request), 0
            except Died as died:
                if not died.silent or not may_repeat():
                    raise
            return await self._ask_anew(port, request), 1
        return await self._ask_anew(port, request), 0

    async def _ask_anew(self, port, request):
        connection = await Connection.open(port)
        self._connections[port] = connection
        return await connection.ask(request)

    def drop(self, port, why):
        """Ends the connection to a port; who waits for an answer on it is told."""
        if port in self._connections:
            self._connections.pop(port).close(why)

    def close(self):
        """Ends all of them."""
        for port in list(self._connections):
            self.drop(port, "the end")


class Way:
    """What is told of events; proxies find out by themselves."""

    def down(self, tomcat):
        """From now on nothing new goes there."""

    def aborted(self, tomcat):
        """What waits there will not be answered: it goes elsewhere now."""

    def up(self, tomcat):
        """It serves again."""


class Through(Way):
    """Every request goes to the proxy."""

    def __init__(self, port):
        self._port = port

    async def ask(self, lane, _cookie, request):
        """The answer, and how often the request was sent again."""
        try:
            return await lane.ask(self._port, request)
        except (OSError, Died) as error:
            raise Unanswered(_why(error)) from error


class Oracle(Way):
    """The perfect proxy: it learns of every event the moment it happens.

    A session goes to the Tomcat that its id names, else to one survivor, which its base alone decides. Of a session that
    moves one request goes first, and the others once it was answered: MSM gives each request that takes a session over at
    the same time a copy of its own, and keeps one of them. What dies is sent again; all requests here may be. What is lost
    this way, no proxy can save.
    """

    def __init__(self, ports):
        self._ports = ports
        self._up = set(ports)
        self._turn = 0
        # Whether the first request of a base that moved was answered.
        self._moves = {}
        # Whose requests wait at which Tomcat.
        self._waiting = {name: set() for name in ports}

    async def ask(self, lane, cookie, request):
        """The answer, and how often the request was sent again."""
        sent_again = 0
        while True:
            name = self._choose(cookie)
            answered = await self._turn_to_move(cookie, name)
            self._waiting[name].add(lane)
            try:
                reply, again = await lane.ask(self._ports[name], request, lambda name=name: name in self._up)
                return reply, sent_again + again
            except (OSError, Died) as error:
                if name in self._up:
                    # Nobody told of an end: then it is no part of the plan.
                    raise Unanswered(f"{name}: {_why(error)}") from error
                sent_again += 1
            finally:
                answered.set()
                self._waiting[name].discard(lane)

    async def _turn_to_move(self, cookie, name):
        """Waits for the first request that takes this session there. What is returned is to be set after the answer."""
        if not cookie or route_of(cookie) == name:
            return asyncio.Event()
        move = base_of(cookie), name
        if move in self._moves:
            await self._moves[move].wait()
            return asyncio.Event()
        self._moves[move] = asyncio.Event()
        return self._moves[move]

    def _choose(self, cookie):
        if not self._up:
            raise Unanswered("no Tomcat is up")
        if not cookie:
            self._turn += 1
            return sorted(self._up)[self._turn % len(self._up)]
        if route_of(cookie) in self._up:
            return route_of(cookie)
        return survivor(base_of(cookie), self._up)

    def down(self, tomcat):
        self._up.discard(tomcat)

    def aborted(self, tomcat):
        for lane in list(self._waiting[tomcat]):
            lane.drop(self._ports[tomcat], "aborted")

    def up(self, tomcat):
        self._up.add(tomcat)


def survivor(base, names):
    """Rendezvous: the same for all requests of a session, and each Tomcat's share of all sessions is equal."""
    return max(names, key=lambda name: hashlib.sha256(f"{base} {name}".encode()).digest())


class Anywhere(Way):
    """Each request goes to a Tomcat at random, as plain round robin does: what the self-check must see losses with."""

    def __init__(self, ports, random):
        self._ports = list(ports.values())
        self._random = random

    async def ask(self, lane, _cookie, request):
        """The answer, and how often the request was sent again."""
        try:
            return await lane.ask(self._random.choice(self._ports), request)
        except (OSError, Died) as error:
            raise Unanswered(_why(error)) from error


def _why(error):
    if isinstance(error, Died):
        return str(error)
    return "refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__
