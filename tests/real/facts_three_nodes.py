"""Facts about the non-sticky mode with three store nodes or more, one of them down."""

import time

from bed import eventually
from facts_world import REMEMBERED, Direct, Visitor, application, meanwhile, visitor_at_node

THREE = application("/three", "v1 v2 v3", sticky=False)
TWO = application("/two", "w1 w2", sticky=False)
# Of no session.
UNKNOWN = "0" * 32


def asked(node):
    """How many keys it was asked for."""
    return int(dict(line.split()[1:3] for line in node.talk("stats").splitlines() if line.startswith(b"STAT"))[b"cmd_get"])


class ThreeNodes(Direct):
    def dead(self, name, path):
        """The node, down, and known to be."""
        node = self.world.stores[name]
        Visitor(self.one, path).do("count")
        node.kill()
        self.addCleanup(lambda: node.is_running or node.restart())
        time.sleep(REMEMBERED)
        return node

    def test_an_id_that_has_no_copy_is_looked_for_without_end_while_its_node_is_down(self):
        """One request, which anybody can send, keeps a thread of Tomcat and the other nodes busy until the node is back."""
        dead = self.dead("v1", THREE)
        visitor = Visitor(self.one, THREE, f"{UNKNOWN}-v1.jvm1")
        with meanwhile(visitor.session, "count") as answer:
            try:
                before = asked(self.world.v2)
                eventually("v2 is asked 2000 times", lambda: asked(self.world.v2) > before + 2000, 20)
                self.assertFalse(answer.done())
            finally:
                dead.restart()
        self.assertTrue(answer.result()["is_new"])

    def test_what_has_a_copy_is_found(self):
        visitor = visitor_at_node(self.one, THREE, "v2", "count,text:x")
        eventually("the second copy", lambda: self.world.v3.get(f"bak:validity:{visitor.id}"), 5)
        before = visitor.id
        self.dead("v2", THREE)
        told = eventually("another id", lambda: visitor.do("read").new_id, 5)
        self.assertEqual(told, before.replace("-v2.", "-v3."))

    def test_with_two_nodes_the_search_ends(self):
        self.dead("w1", TWO)
        before = asked(self.world.w2)
        self.assertTrue(Visitor(self.one, TWO, f"{UNKNOWN}-w1.jvm1").session("count")["is_new"])
        self.assertLess(asked(self.world.w2) - before, 100)
