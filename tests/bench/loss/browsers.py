"""The users: browsers that send groups of parallel requests and keep one cookie, as a page and its scripts do."""

import asyncio
import json
import time

from answers import Answer
from ways import Lane, Unanswered

# How long a browser waits for an answer: longer than any proxy here waits for its Tomcat.
PATIENCE = 90.0
PARALLEL = 5
# Between two groups; a tenth of a second on average.
THINK = (0.05, 0.15)


class Signals:
    """What all browsers are told."""

    def __init__(self):
        # Readers fall silent, and may go on.
        self.reading = asyncio.Event()
        self.going_on = asyncio.Event()
        self.over = asyncio.Event()


class Browser:
    """One user. The cookie is taken from answers in the order in which they arrive."""

    def __init__(self, number, way, random, reads=None, think=THINK):
        self.number = number
        self.cookie = ""
        self.answers = []
        self._way = way
        self._random = random
        self._think = think
        # A reader: is silent when the event comes, and goes on so many seconds after the others were told to.
        self._reads = reads
        self._lanes = [Lane() for _ in range(PARALLEL)]
        self._group = 0

    async def log_in(self):
        """The first request: without a cookie, and alone."""
        await self._ask(self._lanes[0], 0)
        return bool(self.cookie)

    async def browse(self, signals):
        """Groups of requests until it is over."""
        # Not all at once.
        await asyncio.sleep(self._random.uniform(0, self._think[1]))
        while not signals.over.is_set():
            if self._reads is not None and signals.reading.is_set():
                await self._read(signals)
                continue
            self._group += 1
            await asyncio.gather(*(self._ask(lane, self._group) for lane in self._lanes))
            await asyncio.sleep(self._random.uniform(*self._think))

    async def _read(self, signals):
        wait, self._reads = self._reads, None
        await signals.going_on.wait()
        try:
            await asyncio.wait_for(signals.over.wait(), wait)
        except TimeoutError:
            pass

    async def _ask(self, lane, group):
        cookie = self.cookie
        sent = time.monotonic()
        known = {"browser": self.number, "group": group, "sent": sent, "cookie": cookie}
        try:
            async with asyncio.timeout(PATIENCE):
                reply, resent = await self._way.ask(lane, cookie)
        except Unanswered as error:
            answer = Answer(**known, ended=time.monotonic(), status=None, failure=str(error))
        except TimeoutError:
            lane.close()
            answer = Answer(**known, ended=time.monotonic(), status=None, failure="no answer in time")
        else:
            if reply.set_cookie:
                self.cookie = reply.set_cookie
            told = {"set_cookie": reply.set_cookie, "resent": resent}
            answer = Answer(**known, ended=time.monotonic(), **told, **_said(reply))
        self.answers.append(answer)

    def close(self):
        """Ends its connections."""
        for lane in self._lanes:
            lane.close()


def _said(reply):
    """What the application says of itself. A page that is not its own is no answer, whatever the status."""
    if reply.status != 200:
        return {"status": reply.status}
    try:
        said = json.loads(reply.body)
        told = {name: said[name] for name in ("tomcat", "life", "id", "created", "count")}
        return {"status": 200, **told, "counted_at": said["at"]}
    except (ValueError, KeyError, TypeError):
        return {"status": None, "failure": "a strange page"}
