"""`look_before_failover`: the store is asked for the copy before a session leaves its Tomcat."""

from bed import Browser, Msm, eventually
from scenarios import Scenario

COUNT = "/shop/count.jsp"


class LookBeforeFailover(Scenario):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        manager = Msm(list(cls.stores), backup_async=False)
        cls.tomcats = [cls.bed.tomcat9(name, manager=manager) for name in ("tomcat1", "tomcat2")]
        cls.bed.start(*cls.tomcats)
        one, two = cls.tomcats
        n1, n2 = cls.stores
        cls.proxy = cls.bed.cattail(f"""
listeners:
  - address: 0.0.0.0:80
clusters:
  shop:
    stores:
      memcached: {{ n1: "{n1.address}", n2: "{n2.address}" }}
      interval: 200ms
      look_before_failover: true
    health: {{ path: /shop/alive.css, interval: 200ms }}
    slow_start: 0s
    backends:
      - {{ address: "{one.address}", jvm_route: tomcat1 }}
      - {{ address: "{two.address}", jvm_route: tomcat2 }}
""")

    def setUp(self):
        super().setUp()
        self.before = {name: self.counted(name) for name in (
            "cattail_sessions_lost_total", "cattail_session_verdicts_total", "cattail_store_looks_total")}

    def counted(self, name):
        """The series of a counter, by their last label."""
        sums = {}
        for labels, value in self.proxy.series(name):
            label = list(labels.values())[-1]
            sums[label] = sums.get(label, 0) + value
        return sums

    def since(self, name):
        """What has been counted in this test."""
        before = self.before[name]
        return {key: value - before.get(key, 0) for key, value in self.counted(name).items()
                if value != before.get(key, 0)}

    def visitor_of(self, tomcat):
        """A browser with a session of this Tomcat's, whose copy is stored."""
        browser = Browser(self.proxy.address)

        def there():
            browser.cookies.clear()
            return browser.get(COUNT).json["tomcat"] == tomcat.name

        eventually(f"a session of {tomcat.name}", there)
        eventually("the copy is stored", lambda: self.is_stored(browser.id), 10)
        self.before["cattail_session_verdicts_total"] = self.counted("cattail_session_verdicts_total")
        return browser

    def store_of(self, browser):
        """Where the copy is."""
        return next(store for store in self.stores if f"-{store.name}." in browser.id)

    def kill(self, tomcat):
        """Until the end of the test."""
        tomcat.kill()

        def back():
            tomcat.restart()
            self.proxy.wait_serving(tomcat.name)

        self.addCleanup(back)

    def test_the_copy_is_there_and_the_session_moves(self):
        owner = self.tomcats[0]
        browser = self.visitor_of(owner)
        old = browser.id
        self.kill(owner)
        answers = browser.at_once(COUNT, 5)
        self.assertEqual({answer.json["tomcat"] for answer in answers}, {"tomcat2"})
        # Of one session all of them; that each counts for itself is more than MSM promises at a take-over.
        self.assertEqual(min(answer.json["count"] for answer in answers), 2)
        self.assertEqual(len({answer.json["created"] for answer in answers}), 1)
        self.assertEqual(browser.id.split("-")[0], old.split("-")[0])
        self.assertEqual(self.since("cattail_sessions_lost_total"), {})
        looks = self.since("cattail_store_looks_total")
        self.assertGreaterEqual(looks.pop("there"), 1)
        # What came while the first was at the survivor was not believed, or not asked.
        self.assertEqual(looks, {})

    def test_a_store_out_of_reach_costs_no_session(self):
        owner = self.tomcats[0]
        browser = self.visitor_of(owner)
        old, store = browser.id, self.store_of(browser)
        store.hang()
        self.addCleanup(lambda: store.is_running and store.resume())
        self.kill(owner)
        for _ in range(3):
            answer = browser.get(COUNT)
            self.assertEqual(answer.status, 503)
            self.assertIsNotNone(answer.header("Retry-After"))
            self.assertEqual(answer.all("Set-Cookie"), [])
        eventually("the store is known to be down",
                   lambda: self.proxy.metric("cattail_store_node_up", store_node=store.name) == 0, 10)
        self.assertGreater(self.proxy.metric("cattail_store_node_sessions_at_risk", store_node=store.name), 0)
        self.assertEqual(browser.get(COUNT).status, 503)
        store.resume()
        eventually("the store is known to be up",
                   lambda: self.proxy.metric("cattail_store_node_up", store_node=store.name) == 1, 10)

        # MSM itself may take some time to believe in the store again.
        def goes_on():
            answer = browser.get(COUNT)
            return answer.status == 200 and answer.json

        found = eventually("the session goes on", goes_on, 30)
        self.assertEqual((found["count"], found["tomcat"]), (2, "tomcat2"))
        self.assertEqual(browser.id.split("-")[0], old.split("-")[0])
        self.assertEqual(self.since("cattail_sessions_lost_total"), {})
        self.assertIn("out_of_reach", self.since("cattail_store_looks_total"))

    def test_a_session_without_a_copy_is_lost_once(self):
        owner = self.tomcats[0]
        browser = self.visitor_of(owner)
        old = browser.id
        self.assertTrue(self.store_of(browser).delete(old))
        self.kill(owner)
        answers = browser.at_once(COUNT, 5)
        self.assertEqual({answer.json["count"] for answer in answers}, {1})
        self.assertEqual(self.since("cattail_sessions_lost_total"), {"no_copy": 1})

    def test_a_login_in_the_first_request_after_a_failover_is_no_loss(self):
        owner = self.tomcats[0]
        browser = self.visitor_of(owner)
        self.kill(owner)
        found = browser.get("/shop/rotate.jsp").json
        self.assertEqual((found["tomcat"], found["count"]), ("tomcat2", 1))
        self.assertEqual(self.since("cattail_sessions_lost_total"), {})
        self.assertEqual(self.since("cattail_session_verdicts_total"), {"renewed": 1})

    def test_a_session_that_nobody_touches_is_known_to_be_lost(self):
        """Without a Set-Cookie only the store can tell."""
        owner = self.tomcats[0]
        browser = self.visitor_of(owner)
        self.store_of(browser).delete(browser.id)
        self.kill(owner)
        for _ in range(3):
            self.assertEqual(browser.get("/shop/plain.jsp").status, 200)
        self.assertEqual(self.since("cattail_sessions_lost_total"), {"no_copy": 1})
