"""What happens to the Tomcats and memcacheds while the browsers are at it."""

import asyncio
import dataclasses
import time

from answers import Run
from browsers import THINK, Browser, Signals

# Seconds. Before the event: browsers at full load, so that all is warm, then readers fall silent.
LOAD = 1.2
SILENCE = 0.4
# How much of a run comes after its event.
TAIL = 4.0
HANG = 8.0
AFTER_HANG = 2.0
DEAD = 1.0
AFTER_RETURN = 2.0
EVACUATED_EACH_SECOND = 50
# One of so many browsers is a reader, who shows the old cookie only some time after the event.
ONE_READER_IN = 4


@dataclasses.dataclass(frozen=True)
class Crowd:
    """How many browsers, how slow they are, and how many of them are readers."""

    count: int
    # So many times as long as a browser thinks by default.
    pace: float = 1.0
    one_reader_in: int = ONE_READER_IN

    @property
    def think(self):
        """Seconds between two groups, from and to."""
        return tuple(self.pace * bound for bound in THINK)

    @property
    def load(self):
        """Seconds until each has begun."""
        return max(LOAD, self.think[1])

    def browsers(self, event, scene, random):
        """Them."""
        readers = set(random.sample(range(self.count), self.count // self.one_reader_in))
        crowd = []
        for number in range(self.count):
            reads = random.uniform(0.0, event.reading) if number in readers else None
            crowd.append(Browser(number, scene.way, type(random)(random.random()), reads, self.think))
        return crowd


class Scene:
    """What an event may touch: the parts, the browsers' way, and what the browsers are told."""

    def __init__(self, cluster, way, victim):
        self.cluster = cluster
        self.way = way
        self.victim = victim
        self.signals = Signals()
        self._came = None

    def come(self):
        """The event is now."""
        self._came = time.monotonic()

    def note(self, what):
        """For those who watch."""
        print(f"  {what} after {self.seconds():.1f} s", flush=True)

    def seconds(self, moment=None):
        """Seconds since the event."""
        return (time.monotonic() if moment is None else moment) - self._came


@dataclasses.dataclass(frozen=True)
class Event:
    """One kind of event. `play` returns from when on losses count."""

    name: str
    title: str
    play: object
    # Readers go on within so many seconds after they may.
    reading: float
    hits_memcached: bool = False
    # What only Cattail has a command for: there is nothing to compare with.
    planned: bool = False


async def _kill(scene):
    scene.way.down(scene.victim)
    await scene.cluster.kill(scene.victim)
    scene.signals.going_on.set()
    await asyncio.sleep(TAIL)
    return 0.0


async def _return(scene):
    scene.way.down(scene.victim)
    await scene.cluster.kill(scene.victim)
    await asyncio.sleep(DEAD)
    since = scene.seconds()
    scene.signals.going_on.set()
    await scene.cluster.start(scene.victim)
    scene.way.up(scene.victim)
    await asyncio.sleep(AFTER_RETURN)
    return since


async def _stop(scene):
    scene.way.down(scene.victim)
    scene.cluster.ask_to_stop(scene.victim)
    scene.signals.going_on.set()
    await asyncio.sleep(TAIL)
    return 0.0


async def _hang(scene):
    scene.way.down(scene.victim)
    scene.cluster.hang(scene.victim)
    scene.way.aborted(scene.victim)
    scene.signals.going_on.set()
    await asyncio.sleep(HANG)
    scene.cluster.resume(scene.victim)
    scene.way.up(scene.victim)
    await asyncio.sleep(AFTER_HANG)
    return 0.0


async def _nothing(scene):
    scene.signals.going_on.set()
    await asyncio.sleep(1.0)
    return 0.0


async def _memcached(scene):
    scene.way.down(scene.victim)
    await scene.cluster.kill(scene.victim)
    scene.signals.going_on.set()
    await asyncio.sleep(TAIL)
    return 0.0


async def _evacuate(scene):
    """The command, then the end of the Tomcat, at once and without a warning; all is over when it serves again."""
    scene.signals.going_on.set()
    await scene.way.command("evacuate", scene.victim, "--rate", f"{EVACUATED_EACH_SECOND}", "--wait", "--deadline", "60s")
    scene.note("evacuated")
    await scene.cluster.kill(scene.victim)
    await scene.cluster.start(scene.victim)
    await scene.way.command("enable", scene.victim)
    await scene.way.command("wait", scene.victim, "--until", "up", "--deadline", "60s")
    scene.note("serves again")
    await asyncio.sleep(AFTER_RETURN)
    return 0.0


async def _roll(scene):
    """The command, which restarts all of them."""
    scene.signals.going_on.set()
    async with scene.cluster.restarts_on_request() as request:
        await scene.way.command("roll", "--rate", f"{EVACUATED_EACH_SECOND}", "--restart-command", request)
    scene.note("rolled")
    await asyncio.sleep(AFTER_RETURN)
    return 0.0


EVENTS = {
    event.name: event
    for event in (
        Event("kill", "a Tomcat is killed (kill -9)", _kill, TAIL - 1),
        Event("return", "the killed Tomcat is started again", _return, 4.0),
        Event("stop", "a Tomcat is stopped in good order (SIGTERM)", _stop, TAIL - 1),
        Event("hang", f"a Tomcat hangs for {HANG:.0f} s (SIGSTOP)", _hang, HANG + 1),
        Event("memcached", "a memcached is killed", _memcached, TAIL - 1, hits_memcached=True),
        Event("evacuate", "a Tomcat is evacuated, killed, and started again", _evacuate, 3.0, planned=True),
        Event("roll", "all Tomcats are restarted, one after the other", _roll, 6.0, planned=True),
    )
}

# Not an event: what a way does to sessions without one.
NOTHING = Event("nothing", "nothing happens", _nothing, 1.0)


class Unfit(Exception):
    """The bed or the proxy was not well before the event: the run says nothing."""


async def run_event(event, cluster, way, crowd, random):
    """Fresh browsers with fresh sessions, the event, and what they recorded."""
    victims = cluster.memcacheds if event.hits_memcached else cluster.tomcats
    scene = Scene(cluster, way, random.choice(sorted(victims)))
    load, crowd = crowd.load, crowd.browsers(event, scene, random)
    try:
        await _log_in(crowd)
        async with asyncio.TaskGroup() as tasks:
            for browser in crowd:
                tasks.create_task(browser.browse(scene.signals))
            await asyncio.sleep(load)
            scene.signals.reading.set()
            # At any moment of a group.
            await asyncio.sleep(SILENCE + random.uniform(0.0, 0.2))
            at_event = {browser.number: browser.cookie for browser in crowd}
            scene.come()
            since = await event.play(scene)
            scene.signals.over.set()
    finally:
        for browser in crowd:
            browser.close()
    return Run(
        event=event.name,
        victim=scene.victim,
        answers=tuple(_relative(answer, scene) for browser in crowd for answer in browser.answers),
        at_event=at_event,
        at_end={browser.number: browser.cookie for browser in crowd},
        since=since,
    )


async def _log_in(crowd):
    for browser in crowd:
        if not await browser.log_in():
            raise Unfit(f"browser {browser.number} got no session: {browser.answers[-1]}")


def _relative(answer, scene):
    return dataclasses.replace(answer, sent=scene.seconds(answer.sent), ended=scene.seconds(answer.ended))
