"""What the tests of facts share: one set-up that runs for all of them, and visitors who speak to its Tomcats directly."""

import atexit
import concurrent.futures
import contextlib
import functools
import glob
import os
import shutil
import subprocess
import unittest

from bed import App, Bed, Browser, Msm
from bed.manager import SERIALIZERS
from bed.parts import REAL, parts, tool

# How long a Tomcat takes a node for what it was when it asked last: one second, and a little.
REMEMBERED = 1.2

# Managers of all applications, by path; whoever needs one asks for it when loaded, and all start together.
_wanted = {}
_wanted_tomcats = {}


def base_of(session_id):
    """What stands before the store node and the jvm route."""
    return session_id.split("-")[0].split(".")[0]


def node_of(session_id):
    """The store node; None if there is none."""
    front = session_id.split(".")[0]
    return front.split("-", 1)[1] if "-" in front else None


class Visitor(Browser):
    """A browser of one application that turns to any Tomcat. What it does is told to java/cattail/Steps.java."""

    def __init__(self, at, app, shown=None):
        super().__init__(at.address, host="localhost")
        self.app = app
        if shown:
            self.id = shown

    def do(self, steps="", at=None, path="/do", method="GET"):
        """Lets the Tomcat do these steps, at another Tomcat if told; the answer."""
        if at is not None and at.address != self.address:
            self.close()
            self.address = at.address
        answer = self.ask(method, self.app + path, {"Steps": steps} if steps else None)
        if answer.status != 200:
            raise AssertionError(f"status {answer.status}: {answer.text[:2000]}")
        return answer

    def session(self, steps, at=None, path="/do"):
        """The session as the page shows it; None if it has none."""
        return self.do(steps, at, path).json["session"]

    def twin(self, at=None):
        """Another connection of the same browser: the same cookies as of now."""
        twin = Visitor(self, self.app)
        twin.cookies = dict(self.cookies)
        if at is not None:
            twin.address = at.address
        return twin

    @property
    def base(self):
        """The stable part of the id."""
        return base_of(self.id)

    @property
    def node(self):
        """The store node in the id."""
        return node_of(self.id)


def visitor_at_node(tomcat, app, node, steps="count"):
    """A visitor whose new session lies at this store node; MSM draws them."""
    for _ in range(100):
        visitor = Visitor(tomcat, app)
        visitor.do(steps)
        if visitor.node == node:
            return visitor
    raise AssertionError(f"none of 100 sessions lies at {node}")


@contextlib.contextmanager
def meanwhile(call, *arguments):
    """Runs the call beside the block; gives its future, which has ended when the block has."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, *arguments)


def at_once(*calls):
    """Runs the calls at the same time, returns what they returned."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def application(path, nodes="n1 n2", folder="facts", manager=Msm, context=None, **settings):
    """Asks for an application with a manager of its own in every Tomcat; its path.

    `nodes`: names of memcacheds, or redis; each that nobody named before is a further one. An application whose test
    ends a store has stores of its own. `settings`: those of the manager; a backup is waited for unless told otherwise.
    """
    _wanted[path] = (folder, nodes.split(), manager, context or {}, {"backup_async": False, **settings})
    return path


def tomcat(name, jvm_route, paths, **settings):
    """Asks for a Tomcat beside jvm1 to jvm3, with these applications; its name."""
    _wanted_tomcats[name] = (jvm_route, paths, settings)
    return name


class Bare(Msm):
    """With a store that has no name."""

    @property
    def nodes_text(self):
        return self.nodes[0].address


class Bridged(Msm):
    """With the flexjson serializer of an older MSM."""

    def xml(self):
        return super().xml().replace(SERIALIZERS["java"], "cattail.FlexjsonBridge")


class Dashed(Msm):
    """With ids that have dashes, as of UUIDs."""

    def xml(self):
        return super().xml().removesuffix("/>") + '><SessionIdGenerator className="cattail.Dashes"/></Manager>'


class Direct(unittest.TestCase):
    """Tests that speak to the Tomcats of the world, without a proxy between."""

    # Where `visitor` makes sessions unless told otherwise.
    app = None

    @classmethod
    def setUpClass(cls):
        cls.world = world()
        cls.one, cls.two, cls.three = (cls.world.tomcats[name] for name in ("jvm1", "jvm2", "jvm3"))

    def visitor(self, app=None, steps="count", at=None):
        """Someone with a new session, at jvm1 unless told otherwise."""
        visitor = Visitor(at or self.one, app or self.app)
        visitor.do(steps)
        return visitor

    def store_of(self, session_id):
        """The memcached that its id names."""
        return self.world.stores[node_of(session_id)]

    def stored(self, session_id):
        """Its value; None if it is not stored."""
        return self.store_of(session_id).get(session_id)

    def keys_of(self, visitor, names=("n1", "n2")):
        """The keys of everything that these stores have of the visitor, by name of the store."""
        return {name: {key for key in self.world.stores[name].keys() if visitor.base in key} for name in names}


class World:
    """All stores and Tomcats that were asked for: `stores` and `tomcats` by name."""

    def __init__(self, bed):
        self.bed = bed
        self.stores = {"redis": bed.redis()}
        apps = {path: self._app(*wanted) for path, wanted in _wanted.items()}
        bed.start(*self.stores.values())
        classes = compiled(bed)
        wanted = {name: (name, list(apps), {}) for name in ("jvm1", "jvm2", "jvm3")} | _wanted_tomcats
        self.tomcats = {
            name: bed.tomcat9(name, jvm_route=route, apps={path: apps[path] for path in paths}, **settings)
            for name, (route, paths, settings) in wanted.items()
        }
        for one in self.tomcats.values():
            shutil.copytree(classes, os.path.join(one.base, "lib"))
        bed.start(*self.tomcats.values())

    def _app(self, folder, nodes, manager, context, settings):
        for name in nodes:
            if name not in self.stores:
                self.stores[name] = self.bed.memcached(name)
        return App(folder, manager([self.stores[name] for name in nodes], **settings), context)

    def __getattr__(self, name):
        found = self.tomcats.get(name) or self.stores.get(name)
        if found is None:
            raise AttributeError(name)
        return found


def compiled(bed):
    """The folder of the compiled classes of tests/real/java."""
    folder = os.path.join(bed.folder, "classes")
    jars = glob.glob(os.path.join(parts().tomcat9, "lib", "*.jar")) + glob.glob(os.path.join(parts().msm, "*.jar"))
    sources = glob.glob(os.path.join(REAL, "java", "*", "*.java"))
    subprocess.run([tool("javac"), "-nowarn", "-d", folder, "-cp", ":".join(jars), *sources], check=True)
    return folder


@functools.cache
def world():
    """The set-up, started by the first who asks and ended with the program."""
    bed = Bed()
    atexit.register(bed.end)
    try:
        return World(bed)
    except Exception:
        bed.show()
        raise
