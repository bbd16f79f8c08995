"""Users while something happens: browsers that ask for a page's parts side by side, and send forms meanwhile."""

import concurrent.futures
import dataclasses
import random
import threading
import time

from bed import Browser

COUNT = "/shop/count.jsp"
# Requests of one group, side by side.
PARALLEL = 4
# Requests to a Tomcat before anything is asked of it in earnest.
WARM_UP = 20
# Seconds between two groups, and between two forms, from and to.
THINK = (0.05, 0.15)


def warm_up(tomcats):
    """Has the page compiled by each, without the proxy's time-outs: on a busy machine that takes seconds."""
    for tomcat in tomcats:
        browser = Browser(tomcat.address)
        for _ in range(WARM_UP):
            browser.get(COUNT)
        browser.close()


@dataclasses.dataclass(frozen=True)
class Told:
    """What became of one request."""

    # Number of the browser.
    browser: int
    method: str
    sent: float
    ended: float
    # None: no answer, and `failure` says why.
    status: int | None
    failure: str = ""
    # By the page: the Tomcat, and when the session was made.
    tomcat: str = ""
    created: int = 0

    @property
    def seconds(self):
        """How long it took."""
        return self.ended - self.sent


class User:
    """A browser with a session. Its connections are its own; the cookie is that of the answer that came last."""

    def __init__(self, address, number):
        self.number = number
        self.lanes = [Browser(address) for _ in range(PARALLEL)]
        self.forms = Browser(address)
        self.leaves = threading.Event()
        self._cookies = {}

    @property
    def everything(self):
        """All of its connections."""
        return (*self.lanes, self.forms)

    def ask(self, lane, method):
        """One request."""
        lane.cookies = dict(self._cookies)
        sent = time.monotonic()
        known = {"browser": self.number, "method": method, "sent": sent}
        try:
            answer = lane.ask(method, COUNT, body=b"" if method == "POST" else None)
        except OSError as error:
            return Told(**known, ended=time.monotonic(), status=None, failure=repr(error))
        ended = time.monotonic()
        if answer.new_id:
            self._cookies = {"JSESSIONID": answer.new_id}
        said = answer.json if answer.status == 200 else {"tomcat": "", "created": 0}
        return Told(**known, ended=ended, status=answer.status, tomcat=said["tomcat"], created=said["created"])


class Crowd:
    """Users at their work, from `with` to its end. `told` grows meanwhile."""

    def __init__(self, address, count, forms=False):
        self.users = [User(address, number) for number in range(count)]
        self.told = []
        self._forms = forms
        self._over = threading.Event()
        self._threads = []

    def __enter__(self):
        # The session is made by one request; those beside each other would make one each.
        for user in self.users:
            self.told.append(user.ask(user.lanes[0], "GET"))
        for user in self.users:
            self._begin(self._browse, user)
            if self._forms:
                self._begin(self._send_forms, user)
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()
        for user in self.users:
            for lane in user.everything:
                lane.close()

    def owned_by(self, tomcat):
        """The users whose last answer so far was this Tomcat's."""
        last = {told.browser: told.tomcat for told in list(self.told) if told.status == 200}
        return [user for user in self.users if last[user.number] == tomcat]

    def wait_for_groups(self, groups):
        """Until each who has not left has been answered so many groups more."""
        before = list(self.told)
        wanted = {user.number: groups * PARALLEL for user in self.users if not user.leaves.is_set()}
        while wanted and not self._over.wait(0.05):
            fresh = [told.browser for told in self.told[len(before):] if told.method == "GET"]
            wanted = {number: count for number, count in wanted.items() if fresh.count(number) < count}

    def _begin(self, work, user):
        thread = threading.Thread(target=work, args=(user,))
        self._threads.append(thread)
        thread.start()

    def _browse(self, user):
        """Groups of requests, each group with the cookie of its beginning."""
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            while not user.leaves.is_set() and not self._over.wait(random.uniform(*THINK)):
                self.told.extend(pool.map(lambda lane: user.ask(lane, "GET"), user.lanes))

    def _send_forms(self, user):
        """One form after the other, beside the pages."""
        while not user.leaves.is_set() and not self._over.wait(random.uniform(*THINK)):
            self.told.append(user.ask(user.forms, "POST"))


class Strangers:
    """New visitors all the time, each with a session of its own that nobody shows again. `told` grows meanwhile."""

    def __init__(self, address, at_once=2):
        self.told = []
        self._address = address
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._come) for _ in range(at_once)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _come(self):
        while not self._over.wait(0.02):
            user = User(self._address, -1)
            self.told.append(user.ask(user.lanes[0], "GET"))
            for lane in user.everything:
                lane.close()


def failed(told, method=None):
    """Those that were not answered as they should be."""
    return [one for one in told if one.status != 200 and method in (None, one.method)]


def lost(told):
    """Browsers that were given another session."""
    made = {}
    for one in told:
        if one.status == 200 and one.browser >= 0:
            made.setdefault(one.browser, set()).add(one.created)
    return sorted(number for number, times in made.items() if len(times) > 1)


def moved(told):
    """Browsers that were answered by several Tomcats."""
    went = {}
    for one in told:
        if one.status == 200 and one.browser >= 0:
            went.setdefault(one.browser, set()).add(one.tomcat)
    return sorted(number for number, tomcats in went.items() if len(tomcats) > 1)
