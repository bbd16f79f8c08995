"""`stores`: real memcacheds die and come back behind real Tomcats; what the proxy counts and tells."""

import json
import os

from bed import Browser, Msm, eventually
from scenarios import Scenario

COUNT = "/shop/count.jsp"
DOWN = "the store node does not answer"
BACK = "the store node answers again"
NO_COPY = "sessions have no copy until their next request"
OUT_OF_REACH = "sessions are out of reach"
WITHIN_REACH = "sessions are within reach again"
FLAPPING = "sessions leave a store node that answers"


class Stores(Scenario):
    """Two Tomcats, two memcacheds, and a proxy that reads of them in Tomcat's own server.xml."""

    sticky = True
    affinity = "sticky"

    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        manager = Msm(list(cls.stores), sticky=cls.sticky, backup_async=False)
        cls.tomcats = [cls.bed.tomcat9(name, manager=manager, apps={"/shop": "shop"})
                       for name in ("tomcat1", "tomcat2")]
        cls.bed.start(*cls.tomcats)
        one, two = cls.tomcats
        cls.proxy = cls.bed.cattail(f"""
listeners:
  - address: 0.0.0.0:80
log: {{ format: json }}
clusters:
  shop:
    affinity: {cls.affinity}
    stores: {{ context: "{os.path.join(one.base, 'conf', 'server.xml')}", interval: 200ms }}
    health: {{ path: /shop/alive.css, interval: 200ms }}
    slow_start: 0s
    backends:
      - {{ address: "{one.address}", jvm_route: tomcat1 }}
      - {{ address: "{two.address}", jvm_route: tomcat2 }}
""")

    def setUp(self):
        super().setUp()
        self.said_before = len(self.proxy.output(10_000_000))

    def told(self, beginning):
        """The log's lines of this test that begin so."""
        lines = self.proxy.output(10_000_000)[self.said_before:].splitlines()
        found = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}"))
        return [line for line in found if line["message"].startswith(beginning)]

    def tells(self, beginning):
        """The first such line; waits for it."""
        return eventually(f"it tells: {beginning}", lambda: self.told(beginning), 20)[0]

    def of_node(self, name, store, **labels):
        """The only series of this name for this store node."""
        [value] = [value for found, value in self.proxy.series(name)
                   if {"store_node": store.name, **labels}.items() <= found.items()]
        return value

    def moves(self):
        """By store node and direction."""
        return {(labels["store_node"], labels["direction"]): value
                for labels, value in self.proxy.series("cattail_store_node_moves_total")}

    def visitors(self, store, tomcat, count):
        """Browsers with a session there, whose copy is stored."""
        found = []

        def enough():
            browser = Browser(self.proxy.address)
            answer = browser.get(COUNT).json
            if answer["tomcat"] == tomcat.name and f"-{store.name}." in answer["id"]:
                found.append(browser)
            return len(found) >= count

        eventually(f"{count} sessions of {tomcat.name} at {store.name}", enough, 30)
        for browser in found:
            eventually("the copy is stored", lambda browser=browser: self.is_stored(browser.id), 10)
        return found

    def kill(self, store):
        """Until the end of the test, at the latest."""
        self.addCleanup(self.restart_store, store, *self.tomcats)
        store.kill()
        eventually(f"{store.name} is found to be down", lambda: self.of_node("cattail_store_node_up", store) == 0, 10)

    def kill_tomcat(self, tomcat):
        """Until the end of the test, at the latest."""

        def back():
            if not tomcat.is_running:
                tomcat.restart()
            self.proxy.wait_serving(tomcat.name)

        self.addCleanup(back)
        tomcat.kill()

    def expect_moved(self, browser, store):
        """Reloads until the session is at this node; it is the same one."""
        before = browser.id.split("-")[0]

        def moved():
            answer = browser.get(COUNT)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.json["id"].split("-")[0], before)
            return f"-{store.name}." in answer.json["id"]

        eventually(f"the session moves to {store.name}", moved, 30)


class StickyStores(Stores):
    def test_a_memcached_dies_and_comes_back(self):
        n1, n2 = self.stores
        browsers = self.visitors(n1, self.tomcats[0], 3)
        failures = self.of_node("cattail_store_node_check_failures_total", n1)
        moves = self.moves()
        self.assertEqual([self.of_node("cattail_store_node_up", store) for store in (n1, n2)], [1, 1])
        at_n1 = self.of_node("cattail_store_node_sessions", n1)
        self.assertGreaterEqual(at_n1, 3)
        self.kill(n1)
        self.assertGreater(self.of_node("cattail_store_node_check_failures_total", n1), failures)
        self.assertEqual(self.of_node("cattail_store_node_up", n2), 1)
        self.assertEqual((self.tells(DOWN)["store_node"], self.tells(DOWN)["level"]), ("n1", "WARN"))
        # Every session of n1 has lost its copy, and lives on in its Tomcat.
        self.assertEqual((self.tells(NO_COPY)["store_node"], self.tells(NO_COPY)["sessions"]), ("n1", at_n1))
        self.assertEqual(self.of_node("cattail_store_node_sessions_at_risk", n1), at_n1)
        self.assertEqual(self.of_node("cattail_store_node_sessions_at_risk", n2), 0)
        for number, browser in enumerate(browsers, 1):
            self.expect_moved(browser, n2)
            self.assertEqual(self.of_node("cattail_store_node_sessions_at_risk", n1), at_n1 - number)
        after = self.moves()
        self.assertEqual(after["n1", "from"] - moves["n1", "from"], 3)
        self.assertEqual(after["n2", "to"] - moves["n2", "to"], 3)
        self.assertEqual(after["n1", "to"], moves["n1", "to"])
        n1.restart()
        eventually("n1 is up", lambda: self.of_node("cattail_store_node_up", n1) == 1, 10)
        self.assertEqual(self.tells(BACK)["store_node"], "n1")
        self.assertEqual(self.of_node("cattail_store_node_sessions_at_risk", n1), 0)
        self.assertEqual((len(self.told(DOWN)), len(self.told(NO_COPY)), self.told(FLAPPING)), (1, 1, []))

    def test_a_memcached_and_then_a_tomcat_die(self):
        n1, _ = self.stores
        tomcat1, tomcat2 = self.tomcats
        here, there = self.visitors(n1, tomcat1, 2), self.visitors(n1, tomcat2, 1)
        self.kill(n1)
        self.tells(NO_COPY)
        self.assertEqual(self.told(OUT_OF_REACH), [])
        self.kill_tomcat(tomcat1)
        told = self.tells(OUT_OF_REACH)
        self.assertEqual((told["store_node"], told["backend"], told["level"]), ("n1", "tomcat1", "WARN"))
        self.assertGreaterEqual(told["sessions"], len(here))
        # Those of the other Tomcat live on.
        self.expect_moved(there[0], self.stores[1])
        n1.restart()
        told = self.tells(WITHIN_REACH)
        self.assertEqual((told["store_node"], told["backend"], told["level"]), ("n1", "tomcat1", "INFO"))
        self.assertEqual(len(self.told(OUT_OF_REACH)), 1)


class NonStickyStores(Stores):
    sticky = False
    affinity = "prefer"

    def test_only_both_memcacheds_together_put_sessions_at_risk(self):
        n1, n2 = self.stores
        self.visitors(n1, self.tomcats[0], 2)
        # Counted once the others of an earlier test have moved.
        self.kill(n1)
        self.tells(DOWN)
        self.assertEqual(self.of_node("cattail_store_node_sessions_at_risk", n1), 0)
        self.assertEqual(self.told(OUT_OF_REACH), [])
        at_n1 = self.of_node("cattail_store_node_sessions", n1)
        self.assertGreaterEqual(at_n1, 2)
        self.kill(n2)
        lost = eventually("it tells of n1's sessions",
                          lambda: [line for line in self.told(OUT_OF_REACH) if line["store_node"] == "n1"])
        self.assertEqual((lost[0]["copies"], lost[0]["sessions"]), ("n2", at_n1))
        self.assertEqual(self.of_node("cattail_store_node_sessions_at_risk", n1), at_n1)
        n2.restart()
        self.tells(WITHIN_REACH)
        self.assertEqual(self.of_node("cattail_store_node_sessions_at_risk", n1), 0)


# Its tests are those of the classes above.
del Stores
