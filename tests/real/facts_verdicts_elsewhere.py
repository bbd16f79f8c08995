"""What the proxy cannot know of a real answer by another Tomcat than the owner: the verdicts it gives all the same."""

from facts_verdicts import SHARED, STICKY, Proxied


class Elsewhere(Proxied):
    def test_a_logout_that_is_a_take_over_is_counted_as_a_take_over(self):
        visitor = self.born_at("jvm1")
        self.settings(jvm1="disabled")
        told, answer = self.verdict(visitor, "old,end")
        self.assertEqual((told, answer.json["session"]), (("taken_over",), None))
        self.assertTrue(visitor.session("count")["is_new"])

    def test_a_login_that_is_a_take_over_looks_lost(self):
        visitor = self.born_at("jvm1", STICKY)
        self.settings(jvm1="disabled")
        told, answer = self.verdict(visitor, "count,login")
        self.assertEqual((told, answer.json["session"]["count"]), (("lost", "owner_disabled"), 2))


class SharedElsewhere(Proxied):
    affinity = "prefer"

    def test_a_login_that_another_tomcat_answers_looks_lost(self):
        visitor = self.born_at("jvm1", SHARED)
        self.settings(jvm1="disabled")
        told, answer = self.verdict(visitor, "count,login")
        self.assertEqual((told, answer.json["session"]["count"]), (("lost", "owner_disabled"), 2))
