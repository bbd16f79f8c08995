"""S4: two Tomcats and two memcacheds, crossed; sticky, non-sticky, and with redis as the store."""

import re

from bed import Browser, Msm, eventually, on_loopback
from scenarios import Scenario, raw_example

ADDRESSES = ("192.168.6.20:8080", "192.168.6.21:8080")
STORES = ("192.168.6.20:11211", "192.168.6.21:11211")
COUNT = "/shop/count.jsp"


def two_tomcats(bed, *managers):
    """Started, with a manager each."""
    tomcats = [bed.tomcat9(f"tomcat{number}", manager=manager) for number, manager in enumerate(managers, 1)]
    bed.start(*tomcats)
    return tomcats


def proxy_of(bed, name, tomcats, stores=(), redis=None):
    """The example in front of these, with these memcacheds, a redis in their place, or no stores at all."""
    new = dict(zip(ADDRESSES + STORES[:len(stores)], (part.address for part in (*tomcats, *stores))))
    text = raw_example(name)
    if not stores:
        text = re.sub(r"memcached: \{.*\}", f"redis: {redis.url}", text) if redis else without_stores(text)
    text = on_loopback(text, new)
    # The write-up names no page; its own may be anywhere.
    return bed.cattail(text.replace("path: /,", "path: /shop/alive.css,").replace("path: / }", "path: /shop/alive.css }"))


def without_stores(text):
    """An example without the key."""
    return re.sub(r"^    stores:.*\n(      .*\n)+", "", text, flags=re.MULTILINE)


def node_of(full_id):
    """The store node in an id."""
    return full_id.split("-")[1].split(".")[0]


class S4(Scenario):
    def count(self, browser, before=None):
        """One more request; the same session, and one more than before."""
        found = browser.get(COUNT)
        self.assertEqual(found.status, 200, found.text)
        found = found.json
        if before is not None:
            self.assertEqual((found["created"], found["count"]), (before["created"], before["count"] + 1))
        return found

    def expect_stored(self, full_id):
        eventually("the copy is stored", lambda: self.is_stored(full_id), 10)

    def kill_the_owner(self, browser, first):
        """The session goes on with the other Tomcat; the owner is dead then."""
        [owner] = [tomcat for tomcat in self.tomcats if tomcat.name == first["tomcat"]]
        owner.kill()
        moved = self.count(browser, first)
        self.assertNotEqual(moved["tomcat"], owner.name)
        return owner, moved


class S4Sticky(S4):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        nodes = list(cls.stores)
        # Each names the memcached on its own machine: it stores on the other one.
        cls.tomcats = two_tomcats(cls.bed, Msm(nodes, failover="n1"), Msm(nodes, failover="n2"))
        cls.proxy = proxy_of(cls.bed, "s4-sticky.yaml", cls.tomcats, cls.stores)

    def test_each_tomcat_stores_with_the_other_one(self):
        for _ in range(4):
            found = self.count(Browser(self.proxy.address))
            self.assertEqual(node_of(found["id"]), {"tomcat1": "n2", "tomcat2": "n1"}[found["tomcat"]])
            self.expect_stored(found["id"])

    def test_a_tomcat_is_killed_and_comes_back(self):
        browser = Browser(self.proxy.address)
        first = self.count(browser)
        self.expect_stored(first["id"])
        owner, moved = self.kill_the_owner(browser, first)
        self.assertTrue(moved["id"].endswith("." + moved["tomcat"]), moved["id"])
        # Its store was the survivor's own memcached, which MSM leaves for the other.
        self.assertNotEqual(node_of(moved["id"]), node_of(first["id"]))
        again = self.count(browser, moved)
        self.assertEqual(again["id"], moved["id"])
        owner.restart()
        self.proxy.wait_serving(owner.name)
        after = self.count(browser, again)
        self.assertEqual((after["tomcat"], after["id"]), (moved["tomcat"], moved["id"]))

        def new_ones():
            return {self.count(Browser(self.proxy.address))["tomcat"] for _ in range(6)} == {"tomcat1", "tomcat2"}

        eventually("the one that is back gets new sessions", new_ones)

    def test_a_memcached_is_killed_and_comes_back(self):
        browser = Browser(self.proxy.address)
        first = self.count(browser)
        self.expect_stored(first["id"])
        [dead] = [store for store in self.stores if store.name == node_of(first["id"])]
        self.addCleanup(self.restart_store, dead, *(it for it in self.tomcats if it.manager.failover != dead.name))
        dead.kill()
        last = first

        def moved():
            nonlocal last
            last = self.count(browser, last)
            return node_of(last["id"]) != dead.name

        eventually("the session moves to the other store", moved, 30)
        self.assertEqual(last["tomcat"], first["tomcat"])
        self.expect_stored(last["id"])
        dead.restart()
        after = self.count(browser, last)
        self.assertEqual(after["id"], last["id"])


    def test_sessions_of_every_size_that_memcached_takes_survive(self):
        """Up to memcached's limit of 1 MiB an item; what is larger has no copy, as MSM logs."""
        owner = self.tomcats[0]
        browsers = {}
        for size in (1_000, 100_000, 1_000_000, 1_100_000):
            browser = browsers[size] = Browser(self.proxy.address)

            def at_the_owner():
                browser.cookies.clear()
                return self.count(browser)["tomcat"] == owner.name

            eventually("a session of the owner's", at_the_owner)
            # Its first copy is without the ballast.
            eventually("the copy is stored", lambda: self.is_stored(browser.id), 10)
            before = {**self.stores[0].keys(), **self.stores[1].keys()}[browser.id]["cas"]
            self.assertEqual(browser.get(f"/shop/store.jsp?bytes={size}").json["bytes"], size)

            def is_stored_whole():
                found = {**self.stores[0].keys(), **self.stores[1].keys()}.get(browser.id, {})
                return found.get("cas", before) != before and int(found["size"]) > size

            if size < 1_048_576:
                eventually("the copy is stored whole", is_stored_whole, 10)
            else:
                owner.wait_logged("too large")
                self.assertFalse(is_stored_whole())
        owner.kill()
        for size, browser in browsers.items():
            found = browser.get("/shop/ballast.jsp").json
            self.assertEqual(found["bytes"], size if size < 1_048_576 else -1)
        owner.restart()
        self.proxy.wait_serving(owner.name)


class S4NonSticky(S4):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        # With the pattern mended, and without failoverNodes.
        manager = Msm(list(cls.stores), sticky=False, locking_mode="uriPattern:[A-Z]+ /shop/(count|slow).*",
                      backup_async=False)
        cls.tomcats = two_tomcats(cls.bed, manager, manager)
        cls.proxy = proxy_of(cls.bed, "s4-non-sticky.yaml", cls.tomcats, cls.stores)

    def test_a_tomcat_is_killed_and_comes_back(self):
        browser = Browser(self.proxy.address)
        first = self.count(browser)
        owner, moved = self.kill_the_owner(browser, first)
        self.assertEqual(moved["id"], first["id"], "non-sticky MSM never changes the route")
        again = self.count(browser, moved)
        owner.restart()
        self.proxy.wait_serving(owner.name)
        self.count(browser, again)

    def test_the_store_is_killed_and_the_id_names_the_other_one(self):
        browser = Browser(self.proxy.address)
        first = self.count(browser)
        # The copy of the copy is written when the request is over.
        [dead] = [store for store in self.stores if store.name == node_of(first["id"])]
        [other] = [store for store in self.stores if store is not dead]
        eventually("the other store has the backup", lambda: f"bak:{first['id']}" in other.keys(), 10)
        [owner] = [tomcat for tomcat in self.tomcats if tomcat.name == first["tomcat"]]
        self.addCleanup(self.restart_store, dead, *self.tomcats)
        dead.kill()
        # For a second MSM takes the store for alive, and what it asks of it in vain for lost.
        eventually(f"{owner.name} has noticed", lambda: self.has_noticed(owner, other), 30)
        last = self.count(browser, first)
        self.assertEqual(node_of(last["id"]), other.name)
        dead.restart()
        # It stays where it is.
        for _ in range(3):
            after = self.count(browser, last)
            self.assertEqual(after["id"], last["id"])
            last = after

    def has_noticed(self, tomcat, other):
        """Whether new sessions of the Tomcat's all go to the other store."""
        return all(node_of(self.new_id(tomcat, COUNT)) == other.name for _ in range(12))

    def test_static_files_touch_no_session(self):
        browser = Browser(self.proxy.address)
        self.count(browser)
        self.expect_no_session_of_static_files(browser, "/shop/alive.css")

    def test_no_count_is_lost_between_parallel_requests(self):
        browser = Browser(self.proxy.address)
        first = self.count(browser)
        answers = browser.at_once(COUNT, 8)
        self.assertEqual(sorted(answer.json["count"] for answer in answers),
                         list(range(first["count"] + 1, first["count"] + 9)))


class S4Redis(S4):
    """MSM with redis: no store node in the ids."""

    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.start(cls.bed.redis())
        manager = Msm(list(cls.stores))
        cls.tomcats = two_tomcats(cls.bed, manager, manager)
        cls.proxy = proxy_of(cls.bed, "s4-sticky.yaml", cls.tomcats, redis=cls.stores[0])

    def test_a_tomcat_is_killed_and_comes_back(self):
        browser = Browser(self.proxy.address)
        first = self.count(browser)
        self.assertNotIn("-", first["id"])
        self.expect_stored(first["id"])
        owner, moved = self.kill_the_owner(browser, first)
        self.assertTrue(moved["id"].endswith("." + moved["tomcat"]), moved["id"])
        owner.restart()
        self.proxy.wait_serving(owner.name)
        after = self.count(browser, moved)
        self.assertEqual(after["id"], moved["id"])


class Tomcat10(S4):
    """Without MSM: Tomcat 10.1, its PersistentManager over a shared folder, and the JvmRouteBinderValve."""

    @classmethod
    def lay_out(cls):
        manager = cls.bed.shared_folder()
        cls.tomcats = [cls.bed.tomcat10(name, manager=manager) for name in ("tomcat1", "tomcat2")]
        cls.bed.start(*cls.tomcats)
        cls.proxy = proxy_of(cls.bed, "s4-sticky.yaml", cls.tomcats)

    def test_a_tomcat_is_killed_and_comes_back(self):
        browser = Browser(self.proxy.address)
        first = self.count(browser)
        first = self.count(browser, first)
        owner, moved = self.kill_the_owner(browser, first)
        self.assertTrue(moved["id"].endswith("." + moved["tomcat"]), moved["id"])
        self.assertEqual(moved["id"].split(".")[0], first["id"].split(".")[0])
        owner.restart()
        self.proxy.wait_serving(owner.name)
        after = self.count(browser, moved)
        self.assertEqual((after["tomcat"], after["id"]), (moved["tomcat"], moved["id"]))


# Its tests are those of the classes above.
del S4
