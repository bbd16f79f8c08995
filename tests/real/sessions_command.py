"""`cattail sessions` against real stores, with what real Tomcats with MSM have put there."""

import json
import os
import subprocess

from bed import Browser, Msm, eventually
from bed.proxy import _default_binary
from scenarios import Scenario

COUNT = "/shop/count.jsp"


class Sessions(Scenario):
    @classmethod
    def options(cls):
        """The stores, as the command takes them."""
        return [word for store in cls.stores for word in ("--memcached", f"{store.name}={store.address}")]

    def run_command(self, *words, code=0, options=None):
        command = [os.environ.get("CATTAIL") or _default_binary(), "sessions", *words, *(options or self.options())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def ask(self, *words, **settings):
        return json.loads(self.run_command(*words, "--json", **settings).stdout)

    def new_session(self, tomcat):
        """The id of a new session that some store has."""
        browser = Browser(tomcat.address)
        self.assertEqual(browser.get(COUNT).status, 200)
        eventually("the session is stored", lambda: any(browser.id in store.keys() for store in self.stores), 10)
        return browser.id

    def row(self, session_id):
        found = self.ask("list", "--full-ids", "--limit", "1000")
        [row] = [row for row in found["sessions"] if row["id"] == session_id]
        return row


class Sticky(Sessions):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        nodes = list(cls.stores)
        cls.tomcats = [cls.bed.tomcat9("jvm1", manager=Msm(nodes)),
                       cls.bed.tomcat9("jvm2", manager=Msm(nodes, serializer="javolution"))]
        cls.bed.start(*cls.tomcats)

    def test_sessions_are_listed_with_route_node_and_serializer(self):
        for tomcat, serializer in zip(self.tomcats, ("java", "javolution")):
            session_id = self.new_session(tomcat)
            row = self.row(session_id)
            self.assertEqual(row["node"], session_id.split("-")[1].split(".")[0])
            self.assertEqual((row["route"], row["serializer"], row["auth"]), (tomcat.name, serializer, "none"))
            self.assertEqual((row["timeout_seconds"], row["valid"], row["state"]), (1800, True, []))
            self.assertLess(row["age_seconds"], 120)
            # The item in memcached is larger: it has a head of its own.
            [store] = [store for store in self.stores if store.name == row["node"]]
            self.assertEqual(row["size_bytes"], len(store.get(session_id)))

    def test_ids_are_shortened_and_found_again_by_what_is_shown(self):
        session_id = self.new_session(self.tomcats[0])
        listed = self.run_command("list", "--limit", "1000").stdout
        self.assertNotIn(session_id[:8], listed)
        shown = session_id[:6] + "*" + session_id[session_id.index("-"):]
        self.assertIn(shown, listed)
        [place] = self.ask("where", shown)["places"]
        self.assertEqual((place["what"], place["id"]), ("session", shown))

    def test_looking_is_no_use_of_the_item(self):
        session_id = self.new_session(self.tomcats[0])
        [store] = [store for store in self.stores if session_id in store.keys()]
        before = store.keys()[session_id]
        for words in (("list",), ("show", session_id), ("where", session_id), ("stats",)):
            self.run_command(*words)
        self.assertEqual(store.keys()[session_id], before)
        # memcached says whether an item was fetched since it was stored.
        self.assertIn(b" h0", store.talk(f"mg {session_id} h u", until=b"\r\n"))

    def test_an_old_copy_is_a_ghost(self):
        session_id = self.new_session(self.tomcats[0])
        [home] = [store for store in self.stores if session_id in store.keys()]
        [other] = [store for store in self.stores if store is not home]
        value = home.get(session_id)
        old = session_id.replace(f"-{home.name}.", f"-{other.name}.")
        other.talk(f"set {old} 0 60 {len(value)}".encode() + b"\r\n" + value, until=b"\r\n")
        self.addCleanup(other.delete, old)
        self.assertEqual(self.row(session_id)["state"], ["ghost"])
        self.assertEqual(self.ask("stats")["findings"]["ghost"], 1)
        self.assertEqual(len(self.ask("where", session_id)["places"]), 2)

    def test_a_store_that_is_down_is_named(self):
        session_id = self.new_session(self.tomcats[0])
        [home] = [store for store in self.stores if session_id in store.keys()]
        [other] = [store for store in self.stores if store is not home]
        options = ["--memcached", f"{home.name}={home.address}", "--memcached", f"{other.name}=127.0.0.1:1"]
        done = self.run_command("list", "--full-ids", "--limit", "1000", code=3, options=options)
        self.assertIn(session_id, done.stdout)
        self.assertIn(f"{other.name}: 127.0.0.1:1: connect", done.stderr)


class NonSticky(Sessions):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.memcacheds("n1", "n2")
        cls.tomcats = [cls.bed.tomcat9("jvm1", manager=Msm(list(cls.stores), sticky=False, backup_async=False))]
        cls.bed.start(*cls.tomcats)

    def whole(self, session_id):
        """Waits until all four parts are stored."""
        names = [session_id, f"validity:{session_id}", f"bak:{session_id}", f"bak:validity:{session_id}"]
        eventually("all parts are stored",
                   lambda: all(any(name in store.keys() for store in self.stores) for name in names), 10)
        return names

    def test_all_parts_of_a_session_are_found(self):
        session_id = self.new_session(self.tomcats[0])
        self.whole(session_id)
        row = self.row(session_id)
        self.assertEqual((row["validity"], row["backup"], row["state"]), (True, True, []))
        found = self.ask("where", session_id, "--full-ids")
        self.assertEqual(found["mode"], "non-sticky")
        home = row["node"]
        other = {"n1": "n2", "n2": "n1"}[home]
        self.assertEqual([(place["what"], place["node"]) for place in found["places"]],
                         [("session", home), ("validity", home), ("backup", other), ("backup of validity", other)])

    def test_what_is_missing_is_told(self):
        session_id = self.new_session(self.tomcats[0])
        _, validity, backup, _ = self.whole(session_id)
        for store in self.stores:
            store.delete(backup)
        self.assertEqual(self.row(session_id)["state"], ["no-backup"])
        for store in self.stores:
            store.delete(validity)
        self.assertEqual(self.row(session_id)["state"], ["expired", "no-backup"])
        for store in self.stores:
            store.delete(session_id)

    def test_a_backup_alone_is_an_orphan(self):
        session_id = self.new_session(self.tomcats[0])
        self.whole(session_id)
        for store in self.stores:
            store.delete(session_id)
        row = self.row(session_id)
        self.assertEqual((row["kind"], row["state"]), ("backup", ["orphan"]))


class InRedis(Sessions):
    @classmethod
    def lay_out(cls):
        cls.stores = cls.bed.start(cls.bed.redis(password="sesame"))
        cls.tomcats = [cls.bed.tomcat9("jvm1", manager=Msm(list(cls.stores)))]
        cls.bed.start(*cls.tomcats)

    @classmethod
    def options(cls):
        return ["--redis", cls.stores[0].url]

    def test_sessions_are_listed_and_counted(self):
        session_id = self.new_session(self.tomcats[0])
        row = self.row(session_id)
        self.assertEqual((row["route"], row["serializer"], row["state"]), ("jvm1", "java", []))
        self.assertEqual(row["size_bytes"], len(self.stores[0].get(session_id)))
        stats = self.ask("stats")
        self.assertEqual((stats["mode"], stats["complete"]), ("sticky", True))
        self.assertEqual(stats["sessions"], len(self.stores[0].keys()))

    def test_a_wrong_password_is_told_without_it(self):
        url = self.stores[0].url.replace("sesame", "wrong")
        done = self.run_command("stats", code=1, options=["--redis", url])
        self.assertIn("authenticate: the store says: WRONGPASS", done.stderr)
        self.assertNotIn("wrong", done.stdout + done.stderr)


# Its tests are those of the classes above.
del Sessions
