"""Everything that a test has started, in one folder, ended with it."""

import itertools
import os
import shutil
import sys
import tempfile

from .haproxy import Haproxy
from .manager import Persistent
from .proxy import Cattail
from .store import Memcached, Redis
from .tomcat import Tomcat

SHOWN_WHEN_FAILED = 2500


class Bed:
    """Makes parts and ends them. Not started yet: `start` starts many side by side and waits for all."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="cattail-real.")
        self.parts = []
        # Each Tomcat has a loopback address of its own, as each has a machine of its own in real life.
        self._hosts = (f"127.0.0.{number}" for number in itertools.count(2))
        self._proxies = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.show()
        self.end()

    def memcached(self, name, **settings):
        """A memcached; its name is the node's."""
        return self._kept(Memcached(name, self.folder, **settings))

    def memcacheds(self, *names):
        """Several, started."""
        return self.start(*(self.memcached(name) for name in names))

    def redis(self, name="redis", **settings):
        """A redis."""
        return self._kept(Redis(name, self.folder, **settings))

    def tomcat9(self, name, *, jvm_route=..., **settings):
        """A Tomcat 9.0; its jvm route is its name unless told otherwise."""
        route = name if jvm_route is ... else jvm_route
        return self._kept(Tomcat(name, self.folder, host=next(self._hosts), jvm_route=route, **settings))

    def tomcat10(self, name, *, jvm_route=..., **settings):
        """Debian's Tomcat 10.1."""
        return self.tomcat9(name, jvm_route=jvm_route, version=10, **settings)

    def shared_folder(self):
        """A manager that keeps sessions in a folder that all Tomcats share."""
        folder = os.path.join(self.folder, "sessions")
        os.makedirs(folder, exist_ok=True)
        return Persistent(folder)

    def cattail(self, text, **settings):
        """The proxy, started."""
        proxy = Cattail(f"cattail{next(self._proxies)}", self.folder, text, **settings)
        [proxy] = self.start(self._kept(proxy))
        return proxy

    def haproxy(self, text):
        """HAProxy, started."""
        [haproxy] = self.start(self._kept(Haproxy(f"haproxy{next(self._proxies)}", self.folder, text)))
        return haproxy
    def kept(self, part):
        """A part that the test has made itself; ended with the others."""
        return self._kept(part)

    def start(self, *some):
        """Starts parts side by side, and waits until all serve."""
        for part in some:
            part.start()
        for part in some:
            part.wait_ready()
        return some

    def show(self, file=sys.stderr):
        """What the parts said at last."""
        for part in self.parts:
            output = part.output(SHOWN_WHEN_FAILED)
            if output:
                print(f"--- {part.name}, its last words\n{output}", file=file)

    def end(self):
        """Ends all parts."""
        for part in reversed(self.parts):
            part.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kept(self, part):
        self.parts.append(part)
        return part
