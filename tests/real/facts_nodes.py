"""Facts about store nodes that are down or hang, in both modes."""

import time

from bed import eventually
from facts_world import REMEMBERED, Direct, Visitor, application, node_of, visitor_at_node

DOWN = application("/down", "a1 a2")
IMPATIENT = application("/impatient", "k1 k2", backup_timeout=100)
GHOST = application("/ghost", "b1 b2")
ALL_DOWN = application("/all-down", "c1 c2")
BORN_WITHOUT = application("/born-without", "d1 d2")
FAILOVER = application("/failover", "e1 e2", failover="e2")
SHARED_DOWN = application("/shared-down", "g1 g2", sticky=False)
SHARED_DIES = application("/shared-dies", "i1 i2", sticky=False)
SHARED_BACK = application("/shared-back", "h1 h2", sticky=False)


class Nodes(Direct):
    def store(self, name):
        """A memcached by its name."""
        return self.world.stores[name]

    def told(self, visitor, steps="read", at=None):
        """The id that an answer sets within five seconds, and the session as the page shows it."""

        def changed():
            answer = visitor.do(steps, at=at)
            return answer.new_id and answer

        answer = eventually("another id", changed, 5)
        return answer.new_id, answer.json["session"]


class StickyNodes(Nodes):
    def test_a_session_leaves_a_node_that_is_down(self):
        visitor = visitor_at_node(self.one, DOWN, "a1")
        before = visitor.id
        self.store("a1").kill()
        told, session = self.told(visitor)
        self.assertEqual(told, before.replace("-a1.", "-a2."))
        self.assertFalse(session["is_new"])
        self.assertIsNotNone(self.store("a2").get(told))

    def test_a_store_that_is_slow_for_a_moment_loses_its_sessions_to_the_other_one(self):
        visitor = visitor_at_node(self.one, IMPATIENT, "k1")
        before = visitor.id
        self.store("k1").hang()
        visitor.do("count")
        self.store("k1").resume()
        self.assertEqual(visitor.do("read").new_id, before.replace("-k1.", "-k2."))

    def test_a_node_that_hangs_keeps_a_ghost_that_can_be_taken_over(self):
        visitor = visitor_at_node(self.one, GHOST, "b1")
        before = visitor.id
        self.store("b1").hang()
        told, _ = self.told(visitor)
        self.assertEqual(told, before.replace("-b1.", "-b2."))
        visitor.do("count")
        self.store("b1").resume()
        self.assertIsNotNone(self.store("b1").get(before))
        # A browser that did not learn the new id finds the old copy at another Tomcat.
        late = Visitor(self.two, GHOST, before)
        session = eventually("the ghost", lambda: late.session("old"), 10)
        self.assertEqual(late.session("read")["count"], 1)
        self.assertEqual(session["created"], visitor.session("read")["created"])
        self.assertEqual(visitor.session("read")["count"], 2)

    def test_with_all_nodes_down_the_id_stays_and_the_session_lives_on_in_its_tomcat(self):
        visitor = visitor_at_node(self.one, ALL_DOWN, "c1")
        self.store("c1").kill()
        self.store("c2").kill()
        time.sleep(REMEMBERED)
        for count in (2, 3, 4):
            answer = visitor.do("count")
            self.assertEqual((answer.new_id, answer.json["session"]["count"]), (None, count))
        self.assertEqual(visitor.node, "c1")
        self.assertTrue(visitor.session("read", at=self.two)["is_new"])

    def test_a_session_born_without_a_store_gets_its_node_when_there_is_one(self):
        for name in ("d1", "d2"):
            self.store(name).kill()
        time.sleep(REMEMBERED)
        # The first one may be made before this Tomcat knows.
        for _ in range(3):
            visitor = Visitor(self.one, BORN_WITHOUT)
            visitor.do("count")
        self.assertIsNone(visitor.node, visitor.id)
        self.assertTrue(visitor.id.endswith(".jvm1"))
        # Nothing is stored: another Tomcat knows nothing of it.
        self.assertIsNone(visitor.twin(self.two).session("old"))
        for name in ("d1", "d2"):
            self.store(name).restart()
        before = visitor.id
        told = eventually("a node", lambda: visitor.do("count").new_id, 40)
        self.assertEqual(told, f"{before.split('.')[0]}-{node_of(told)}.jvm1")
        self.assertIn(node_of(told), ("d1", "d2"))
        self.assertIsNotNone(self.store(node_of(told)).get(told))

    def test_new_sessions_never_go_to_a_failover_node_while_another_one_is_up(self):
        self.assertEqual({visitor.node for visitor in self.some(FAILOVER, 10)}, {"e1"})

    def test_a_session_leaves_a_failover_node_when_it_is_taken_over(self):
        """The node of the session is this Tomcat's failover node: as if it came from a Tomcat with the other one."""
        born = visitor_at_node(self.one, FAILOVER, "e1")
        elsewhere = born.id.replace("-e1.jvm1", "-e2.jvm9")
        value = self.store("e1").get(born.id)
        self.store("e2").put(elsewhere, value.replace(born.id.encode(), elsewhere.encode()))
        visitor = Visitor(self.two, FAILOVER, elsewhere)
        answer = visitor.do("count")
        self.assertEqual(answer.new_id, born.id.replace(".jvm1", ".jvm2"))
        self.assertEqual(answer.json["session"]["count"], 2)

    def some(self, app, number):
        """Visitors with new sessions."""
        for _ in range(number):
            visitor = Visitor(self.one, app)
            visitor.do("count")
            yield visitor


class SharedNodes(Nodes):
    def test_a_session_whose_node_is_down_goes_on_from_its_second_copy(self):
        visitor = visitor_at_node(self.one, SHARED_DOWN, "g1", "count,text:x")
        eventually("the second copy", lambda: self.store("g2").get(f"bak:validity:{visitor.id}"), 5)
        before = visitor.id
        self.store("g1").kill()
        told, session = self.told(visitor, at=self.two)
        self.assertEqual(told, before.replace("-g1.", "-g2."))
        self.assertEqual((session["count"], session["is_new"]), (1, False))
        # One node is left: no second copy can be written.
        visitor.do("count")
        time.sleep(0.3)
        self.assertIsNone(self.store("g2").get(f"bak:{visitor.id}"))
        self.assertIsNotNone(self.store("g2").get(visitor.id))

    def test_who_asks_right_after_the_death_of_a_node_gets_a_new_session(self):
        """The second copy is there; but this Tomcat takes the node for living for a second yet, and then looks no further."""

        def lost():
            visitor = visitor_at_node(self.one, SHARED_DIES, "i1", "count,text:x")
            eventually("the second copy", lambda: self.store("i2").get(f"bak:{visitor.id}"), 5)
            before = visitor.id
            self.store("i1").kill()
            session = visitor.session("read")
            copy = self.store("i2").get(f"bak:{before}")
            self.store("i1").restart()
            return session["is_new"] and copy

        eventually("a session is lost", lost, 60)

    def test_a_node_that_is_back_gets_a_second_copy_with_the_next_request_that_reads(self):
        visitor = visitor_at_node(self.one, SHARED_BACK, "h1", "count,text:x")
        idle = visitor_at_node(self.one, SHARED_BACK, "h1", "count,text:x")
        for one in (visitor, idle):
            eventually("the second copy", lambda one=one: self.store("h2").get(f"bak:{one.id}"), 5)
        self.store("h2").kill()
        self.store("h2").restart()

        def second_copy():
            visitor.do("read")
            return self.store("h2").get(f"bak:{visitor.id}")

        eventually("the second copy", second_copy, 40)
        # Nobody has asked for this one yet.
        self.assertIsNone(self.store("h2").get(f"bak:{idle.id}"))
