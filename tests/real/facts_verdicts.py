"""What the proxy makes of MSM's answers: the verdicts of docs/session-metrics.md, on real ones."""

import time

from bed import eventually
from facts_world import REMEMBERED, Direct, Visitor, application, tomcat

STICKY = application("/verdicts", "p1 p2")
FAILOVER = application("/verdicts-failover", "q1 q2", failover="q2")
BORN_WITHOUT = application("/verdicts-born", "r1 r2")
SHARED = application("/verdicts-shared", "s1 s2", sticky=False)
FRAGILE = application("/verdicts-fragile", "t1 t2", sticky=False)
REBORN = tomcat("jvm4", "jvm4", [STICKY, FAILOVER, BORN_WITHOUT, SHARED, FRAGILE])
VERDICTS = "cattail_session_verdicts_total"
LOST = "cattail_sessions_lost_total"


def configuration(world_, affinity, states=None):
    """All four Tomcats, as in production but for quicker checks; `states` by jvm route."""
    lines = [
        "listeners:",
        "  - { address: 127.0.0.1:1 }",
        "clusters:",
        "  shop:",
        f"    affinity: {affinity}",
        f"    health: {{ path: {STICKY}/alive.css, interval: 200ms, rise: 1 }}",
        "    slow_start: 0s",
        "    ignore: '\\.(css|js)$'",
        "    backends:",
    ]
    for name in ("jvm1", "jvm2", "jvm3", REBORN):
        state = f", state: {states[name]}" if states and name in states else ""
        lines.append(f"      - {{ address: '{world_.tomcats[name].address}', jvm_route: {name}{state} }}")
    return "\n".join(lines) + "\n"


class Proxied(Direct):
    """Between visitors and Tomcats stands the proxy."""

    affinity = "sticky"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.world.bed.cattail(configuration(cls.world, cls.affinity))
        cls.addClassCleanup(cls.proxy.end)

    def settings(self, **states):
        """Other states of the backends are put in force until the test ends."""
        self.proxy.reload(configuration(self.world, self.affinity, states))
        self.addCleanup(self.proxy.reload, configuration(self.world, self.affinity))

    def born_at(self, tomcat_name, app=STICKY, node=None, steps="count,text:x"):
        """A visitor of the proxy whose session was made by this Tomcat, and at this node."""
        for _ in range(200):
            visitor = Visitor(self.proxy, app)
            visitor.do(steps)
            if visitor.id.endswith(f".{tomcat_name}") and node in (None, visitor.node):
                return visitor
        raise AssertionError(f"none of 200 sessions was made by {tomcat_name} at {node}")

    def verdict(self, visitor, steps="", **settings):
        """What the proxy says of the answer: verdict, its cause if it is lost; and the answer."""
        before = self.counted()
        answer = visitor.do(steps, **settings)
        after = eventually("a verdict is counted", lambda: self.counted() != before and self.counted(), 5)
        changed = {key for key, value in after.items() if value != before.get(key, 0)}
        [verdict] = [labels["verdict"] for name, labels in map(unfrozen, changed) if name == VERDICTS]
        causes = [labels["cause"] for name, labels in map(unfrozen, changed) if name == LOST]
        return (verdict, *causes), answer

    def counted(self):
        """All series of verdicts and losses."""
        return {
            (name, tuple(sorted(labels.items()))): value
            for name in (VERDICTS, LOST) for labels, value in self.proxy.series(name)
        }


def unfrozen(key):
    """Name and labels."""
    return key[0], dict(key[1])


class StickyVerdicts(Proxied):
    def test_everyday_life(self):
        visitor = Visitor(self.proxy, STICKY)
        for steps, verdict, tells in (
            ("count", "created", True),
            ("count", "carried_on", False),
            ("rotate", "renewed", True),
            ("count,login", "renewed", True),
            # Tomcat takes no cookie away: the answer of a logout says nothing.
            ("old,end", "carried_on", False),
            ("count", "renewed", True),
            ("old,end,count", "renewed", True),
            ("forget", "ended", False),
            ("count", "created", True),
        ):
            with self.subTest(steps):
                told, answer = self.verdict(visitor, steps)
                self.assertEqual(told, (verdict,))
                self.assertEqual(bool(answer.new_id), tells)

    def test_a_session_that_expired_is_renewed(self):
        visitor = Visitor(self.proxy, STICKY)
        visitor.do("count,idle:1")
        time.sleep(2.1)
        told, answer = self.verdict(visitor, "count")
        self.assertEqual((told, answer.json["session"]["count"]), (("renewed",), 1))

    def test_a_take_over(self):
        visitor = self.born_at("jvm1")
        base = visitor.base
        self.settings(jvm1="disabled")
        told, answer = self.verdict(visitor)
        self.assertEqual(told, ("taken_over",))
        self.assertEqual(visitor.base, base)
        self.assertEqual(visitor.session("count")["count"], 2)

    def test_its_files_leave_no_old_copy_elsewhere(self):
        """Those of MSM would be trusted by a take-over; see facts_ignored."""
        visitor = self.born_at("jvm1")
        for count in range(2, 7):
            self.assertEqual(visitor.get(f"{STICKY}/alive.css").status, 200)
            self.assertEqual(visitor.session("count")["count"], count)
        self.settings(jvm1="disabled")
        self.assertEqual(visitor.get(f"{STICKY}/alive.css").status, 200)
        told, answer = self.verdict(visitor, "count")
        self.assertEqual((told, answer.json["session"]["count"]), (("taken_over",), 7))

    def test_a_session_that_another_tomcat_does_not_find_is_lost(self):
        reader, absent = self.born_at("jvm1"), self.born_at("jvm1")
        for visitor in (reader, absent):
            self.store_of(visitor.id).delete(visitor.id)
        self.settings(jvm1="disabled")
        self.assertEqual(self.verdict(reader, "count")[0], ("lost", "owner_disabled"))
        # A page that touches no session says nothing of it.
        self.assertEqual(self.verdict(absent)[0], ("undecided",))
        self.assertEqual(self.verdict(absent, "old")[0], ("undecided",))
        self.assertEqual(self.verdict(absent, "count")[0], ("lost", "owner_disabled"))

    def test_a_session_that_a_restarted_tomcat_does_not_find_is_lost(self):
        reborn = self.world.tomcats[REBORN]
        found, gone = self.born_at(REBORN), self.born_at(REBORN)
        self.store_of(gone.id).delete(gone.id)
        reborn.kill()
        eventually("it is seen to be down",
                   lambda: self.proxy.metric("cattail_backend_state", backend=REBORN, state="down") == 1, 10)
        reborn.restart()
        self.proxy.wait_serving(REBORN)
        self.assertEqual(self.verdict(found, "count")[0], ("carried_on",))
        self.assertEqual(self.verdict(gone, "count")[0], ("lost", "restarted"))

    def test_a_store_node_that_is_down(self):
        visitor = self.born_at("jvm1", node="p1")
        before = visitor.id
        self.world.p1.kill()
        self.addCleanup(self.world.p1.restart)
        told = self.until(visitor, lambda: visitor.id != before)
        self.assertEqual((told, visitor.id), (("store_node_changed",), before.replace("-p1.", "-p2.")))

    def test_a_take_over_that_leaves_a_failover_node(self):
        visitor = self.born_at("jvm1", FAILOVER, node="q1")
        moved = visitor.id.replace("-q1.", "-q2.")
        # As if its Tomcat had q1 for its failover node.
        self.world.q2.put(moved, self.world.q1.get(visitor.id).replace(visitor.id.encode(), moved.encode()))
        visitor.id = moved
        self.settings(jvm1="disabled")
        told, answer = self.verdict(visitor, "count")
        self.assertEqual((told, answer.json["session"]["count"]), (("taken_over",), 2))
        self.assertEqual((visitor.base, visitor.node), (moved.split("-")[0], "q1"))

    def test_a_session_without_a_node_gets_one(self):
        for name in ("r1", "r2"):
            self.world.stores[name].kill()
        time.sleep(REMEMBERED)
        visitor = eventually("a session without a node", lambda: self.without_node(), 10)
        for name in ("r1", "r2"):
            self.world.stores[name].restart()
        told = self.until(visitor, lambda: visitor.node is not None, 40)
        self.assertEqual(told, ("store_node_changed",))

    def without_node(self):
        """A visitor whose session has no node; None if it has got one."""
        visitor = Visitor(self.proxy, BORN_WITHOUT)
        visitor.do("count")
        return visitor if visitor.node is None else None

    def until(self, visitor, condition, patience=10):
        """The last verdict when the condition is true; those before are `carried_on`."""
        told = []

        def reached():
            told.append(self.verdict(visitor, "read")[0])
            return condition()

        eventually("the id changes", reached, patience)
        self.assertEqual(set(told[:-1]) - {("carried_on",)}, set())
        return told[-1]


class SharedVerdicts(Proxied):
    affinity = "prefer"

    def test_other_tomcats_say_nothing(self):
        visitor = self.born_at("jvm1", SHARED)
        self.settings(jvm1="disabled")
        told, answer = self.verdict(visitor, "count")
        self.assertEqual((told, answer.json["session"]["count"]), (("undecided",), 2))
        self.assertTrue(visitor.id.endswith(".jvm1"))

    def test_a_store_node_that_is_down(self):
        visitor = self.born_at("jvm1", SHARED, node="s1")
        eventually("the second copy", lambda: self.world.s2.get(f"bak:validity:{visitor.id}"), 5)
        before = visitor.id
        self.world.s1.kill()
        self.addCleanup(self.world.s1.restart)
        time.sleep(REMEMBERED)
        told, answer = eventually("another id", lambda: self.changed(visitor), 10)
        self.assertEqual((told, answer.new_id), (("store_node_changed",), before.replace("-s1.", "-s2.")))
        self.assertEqual(answer.json["session"]["count"], 1)

    def test_a_store_node_that_has_just_died_takes_sessions_along_that_look_renewed(self):
        """MSM does not look for the second copy then; see facts_nodes."""

        def lost():
            visitor = self.born_at("jvm1", FRAGILE, node="t1")
            self.world.t1.kill()
            told, answer = self.verdict(visitor, "count")
            self.world.t1.restart()
            return answer.json["session"]["is_new"] and told

        self.assertEqual(eventually("a session is lost", lost, 60), ("renewed",))

    def changed(self, visitor):
        """Verdict and answer of a request that changes the id; None of another one."""
        told, answer = self.verdict(visitor, "read")
        return (told, answer) if answer.new_id else None
