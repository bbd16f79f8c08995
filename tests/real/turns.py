"""A store dies under browsers that send several requests at once: nobody is logged out."""

from bed import Browser, Msm, eventually
from scenarios import Scenario

COUNT = "/shop/count.jsp"


class OneAtATime(Scenario):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        manager = Msm(list(cls.stores))
        cls.tomcats = [cls.bed.tomcat9(name, manager=manager) for name in ("tomcat1", "tomcat2")]
        cls.bed.start(*cls.tomcats)
        cls.proxy = cls.bed.cattail(cls.text(", ".join(f'{it.name}: "{it.address}"' for it in cls.stores)))
        cls.blind = cls.bed.cattail(cls.text(""))

    @classmethod
    def text(cls, stores):
        """The proxy's configuration, with these stores or none."""
        one, two = cls.tomcats
        known = f"stores: {{ memcached: {{ {stores} }} }}" if stores else "strict: false"
        return f"""
listeners:
  - address: 0.0.0.0:80
clusters:
  shop:
    {known}
    health: {{ path: /shop/alive.css, interval: 200ms }}
    backends:
      - {{ address: "{one.address}", jvm_route: tomcat1 }}
      - {{ address: "{two.address}", jvm_route: tomcat2 }}
"""

    def browsers(self, proxy, store, count):
        """As many, each with a session on this store whose copy is there."""
        found = []

        def enough():
            browser = Browser(proxy.address)
            browser.created = browser.get(COUNT).json["created"]
            if f"-{store.name}." in browser.id:
                found.append(browser)
            return len(found) == count

        eventually(f"{count} sessions on {store.name}", enough)
        for browser in found:
            eventually("the copy is stored", lambda: self.is_stored(browser.id), 10)
        return found

    def ask_until_moved(self, browsers, store):
        """Groups of five requests at once, until MSM has moved all sessions; how many browsers got another one."""
        strange = set()

        def all_moved():
            for browser in browsers:
                created = {answer.json["created"] for answer in browser.at_once(COUNT, 5)}
                if created != {browser.created}:
                    strange.add(browser)
            return all(f"-{store.name}." not in browser.id for browser in browsers)

        eventually("MSM has moved all of them", all_moved, 60)
        return len(strange)

    def kill(self, store):
        """Until the end of the test."""
        store.kill()
        self.addCleanup(self.restart_store, store, *self.tomcats)

    def test_a_dead_store_logs_nobody_out(self):
        store = self.stores[0]
        browsers = self.browsers(self.proxy, store, 10)
        ids = [browser.id.split("-")[0] for browser in browsers]
        self.kill(store)
        eventually("the proxy knows", lambda: self.proxy.metric("cattail_store_node_up", store_node=store.name) == 0, 5)
        self.assertEqual(self.ask_until_moved(browsers, store), 0)
        self.assertEqual([browser.id.split("-")[0] for browser in browsers], ids)
        self.assertEqual(self.proxy.metric("cattail_sessions_lost_total"), 0)
        self.assertEqual(self.proxy.metric("cattail_store_node_moves_total", store_node=store.name, direction="from"),
                         len(browsers))

    def test_without_knowing_the_stores_they_are_logged_out(self):
        """What this is for; MSM alone loses these."""
        store = self.stores[1]
        browsers = self.browsers(self.blind, store, 10)
        self.kill(store)
        self.assertGreater(self.ask_until_moved(browsers, store), 0)
