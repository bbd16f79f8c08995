"""Facts about the sticky mode: take-over, copies in two Tomcats, what is kept how long."""

import time
import unittest

from bed import eventually
from facts_world import application, at_once, meanwhile, visitor_at_node, world, Visitor

SYNC = application("/sync")


class TakeOver(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = world()
        cls.one, cls.two, cls.three = (cls.world.tomcats[name] for name in ("jvm1", "jvm2", "jvm3"))

    def stored(self, visitor, route, app_nodes=("n1", "n2")):
        """The value under the visitor's base and node with this route."""
        store = self.world.stores[visitor.node]
        return store.get(f"{visitor.base}-{visitor.node}.{route}")

    def test_it_deletes_the_old_key_at_once_and_writes_the_new_one_at_the_end(self):
        visitor = Visitor(self.one, SYNC)
        visitor.do("count")
        late = visitor.twin(self.two)
        with meanwhile(late.do, "count,sleep:700") as answer:
            eventually("the old key is deleted", lambda: self.stored(visitor, "jvm1") is None, 5)
            self.assertFalse(answer.done())
            self.assertIsNone(self.stored(visitor, "jvm2"))
        self.assertEqual(answer.result().new_id, f"{visitor.base}-{visitor.node}.jvm2")
        self.assertIsNotNone(self.stored(visitor, "jvm2"))

    def test_a_second_tomcat_finds_nothing_meanwhile_and_makes_a_new_session(self):
        visitor = Visitor(self.one, SYNC)
        visitor.do("count")
        early, late = visitor.twin(self.two), visitor.twin(self.three)
        with meanwhile(early.session, "count,sleep:700") as survived:
            eventually("the old key is deleted", lambda: self.stored(visitor, "jvm1") is None, 5)
            lost = late.session("count")
        self.assertEqual((lost["count"], lost["is_new"]), (1, True))
        self.assertNotEqual(late.base, visitor.base)
        self.assertEqual(survived.result()["count"], 2)
