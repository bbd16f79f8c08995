"""The accounting, on runs small enough to judge by eye. jvm2 is the victim, the event is at 0."""

import dataclasses
import unittest

import accounting
from answers import Answer, Run, base_of, node_of, route_of

OWN = "A-n1.jvm2"
MOVED = {"jvm1": "A-n1.jvm1", "jvm2": OWN, "jvm3": "A-n1.jvm3"}
# Of the Tomcats before the event; jvm2 started anew is another.
LIVES = {"jvm1": 1, "jvm2": 2, "jvm3": 3}


class Browsed:
    """Writes down what one browser saw."""

    def __init__(self, number=0, cookie=OWN):
        self.number, self.cookie, self.held = number, cookie, cookie
        self.answers = []
        self.group = 0

    def asks(self, at, *answers, seconds=0.01, cookie=None):
        """A group sent together at a moment; each answer is a dictionary of what differs from the usual."""
        self.group += 1
        shown = self.cookie if cookie is None else cookie
        for index, told in enumerate(answers):
            ended = at + seconds + 0.001 * index
            known = {
                "browser": self.number,
                "group": self.group,
                "sent": at,
                "ended": ended,
                "cookie": shown,
                "status": 200,
                "counted_at": int(1e6 * (1000 + ended)),
            }
            answer = Answer(**{**known, **told})
            self.answers.append(answer)
            self.cookie = answer.set_cookie or self.cookie
        return self


def by(tomcat, count, session=None, created=7, **more):
    """Answered by a Tomcat for the session A, or another one; with a new id where that one differs."""
    held = session or MOVED[tomcat]
    told = {"tomcat": tomcat, "life": LIVES[tomcat], "id": held, "created": created, "count": count}
    return {**told, **more}


def takes_over(tomcat, count, **more):
    return by(tomcat, count, set_cookie=MOVED[tomcat], **more)


def new_session(tomcat, count=1, base="B", **more):
    held = f"{base}-n1.{tomcat}"
    return by(tomcat, count, session=held, created=9, set_cookie=held, **more)


def failed(status=None, failure="reset"):
    return {"status": status, "failure": "" if status else failure}


def run_of(*browsers, victim="jvm2", event="kill", since=0.0):
    return Run(
        event=event,
        victim=victim,
        answers=tuple(answer for browser in browsers for answer in browser.answers),
        at_event={browser.number: browser.held for browser in browsers},
        at_end={browser.number: browser.cookie for browser in browsers},
        since=since,
    )


def figures(*browsers, **more):
    return accounting.account(run_of(*browsers, **more))


def calm():
    """A browser whose session A was served twice by its Tomcat before the event."""
    return Browsed().asks(-0.3, by("jvm2", 1), by("jvm2", 2)).asks(-0.2, by("jvm2", 3), by("jvm2", 4))


class SessionIds(unittest.TestCase):
    def test_parts(self):
        for held, parts in {
            "A-n1.jvm2": ("A", "n1", "jvm2"),
            "A.jvm2": ("A", "", "jvm2"),
            "A-n1": ("A", "n1", ""),
            "A": ("A", "", ""),
            "A-n1.j-vm": ("A", "n1", "j-vm"),
        }.items():
            self.assertEqual((base_of(held), node_of(held), route_of(held)), parts, held)


class NothingHappens(unittest.TestCase):
    def test_a_session_that_one_survivor_takes_over_is_not_lost(self):
        seen = calm().asks(0.1, takes_over("jvm1", 5), takes_over("jvm1", 6)).asks(0.2, by("jvm1", 7), by("jvm1", 8))
        found = figures(seen)
        self.assertEqual(found.exposed, 1)
        self.assertEqual(found.spread, {"jvm1": 1})
        self.assertEqual(found.requests, 4)
        self._nothing(found)

    def test_a_group_that_its_own_tomcat_began_to_answer_is_neither_split_nor_forked(self):
        seen = calm().asks(-0.005, by("jvm2", 5), takes_over("jvm1", 6), takes_over("jvm1", 7))
        self._nothing(figures(seen))

    def test_an_unexposed_session_stays_where_it_is(self):
        seen = Browsed(cookie="A-n1.jvm1").asks(-0.1, by("jvm1", 1)).asks(0.1, by("jvm1", 2))
        found = figures(seen)
        self.assertEqual((found.exposed, found.spread), (0, {}))
        self._nothing(found)

    def test_its_own_tomcat_started_anew_may_serve_it(self):
        seen = calm().asks(3.0, by("jvm2", 5, life=22), by("jvm2", 6, life=22))
        self._nothing(figures(seen, event="return", since=1.0))

    def _nothing(self, found):
        for name in ("lost", "lost_for_good", "lost_bystanders", "forked", "split", "stale_reads", "failed", "waited"):
            self.assertEqual(getattr(found, name), 0, name)


class Lost(unittest.TestCase):
    def test_another_base_is_a_lost_session_and_for_good_if_it_stays_so(self):
        seen = calm().asks(0.1, takes_over("jvm1", 5), new_session("jvm3")).asks(0.2, by("jvm3", 2, "B-n1.jvm3", 9))
        found = figures(seen)
        self.assertEqual((found.lost, found.lost_for_good, found.lost_bystanders), (1, 1, 0))

    def test_it_is_not_for_good_if_the_old_cookie_arrives_last(self):
        seen = calm().asks(0.1, new_session("jvm3"), takes_over("jvm1", 5)).asks(0.2, by("jvm1", 6))
        found = figures(seen)
        self.assertEqual((found.lost, found.lost_for_good, found.spread), (1, 0, {"jvm1": 1}))

    def test_a_session_counts_once_however_many_answers_were_strange(self):
        seen = calm().asks(0.1, new_session("jvm3"), new_session("jvm3", base="C"), new_session("jvm1", base="D"))
        self.assertEqual(figures(seen).lost, 1)

    def test_the_same_base_with_another_creation_time_is_lost(self):
        seen = calm().asks(0.1, by("jvm2", 1, created=99))
        self.assertEqual(figures(seen).lost, 1)

    def test_a_cookie_of_a_failed_answer_counts(self):
        seen = calm().asks(0.1, {"status": 404, "set_cookie": "B-n1.jvm3"})
        found = figures(seen)
        self.assertEqual((found.lost, found.lost_for_good, found.failed), (1, 1, 1))

    def test_the_strange_session_is_not_lost_again_when_asked_for(self):
        first = calm().asks(0.1, new_session("jvm3"))
        found = figures(first.asks(0.2, by("jvm3", 2, "B-n1.jvm3", 9)).asks(0.3, by("jvm3", 3, "B-n1.jvm3", 9)))
        self.assertEqual((found.lost, found.stale_reads), (1, 0))

    def test_a_bystander_can_be_lost(self):
        seen = Browsed(cookie="A-n1.jvm1").asks(-0.1, by("jvm1", 1)).asks(0.1, new_session("jvm3"))
        found = figures(seen)
        self.assertEqual((found.exposed, found.lost, found.lost_bystanders), (0, 1, 1))

    def test_a_log_in_is_no_loss(self):
        seen = Browsed().asks(0.1, new_session("jvm2"), cookie="")
        self.assertEqual(figures(seen).lost, 0)

    def test_what_was_lost_before_it_counts_is_left_out(self):
        seen = calm().asks(0.1, new_session("jvm3")).asks(2.0, by("jvm3", 2, "B-n1.jvm3", 9))
        found = figures(seen, event="return", since=1.0)
        self.assertEqual((found.lost, found.lost_for_good), (0, 0))

    def test_for_good_is_judged_by_the_session_held_when_counting_begins(self):
        seen = calm().asks(0.1, new_session("jvm3")).asks(0.5, by("jvm3", 2, "B-n1.jvm3", 9))
        seen.asks(2.0, new_session("jvm1", base="C"))
        found = figures(seen, event="return", since=1.0)
        self.assertEqual((found.lost, found.lost_for_good), (1, 1))


class Forked(unittest.TestCase):
    def test_two_survivors_with_a_copy_each(self):
        seen = calm().asks(0.1, takes_over("jvm1", 5), takes_over("jvm3", 5))
        found = figures(seen)
        self.assertEqual((found.forked, found.split, found.lost), (1, 1, 0))

    def test_the_former_tomcat_serves_again_after_a_survivor_did(self):
        seen = calm().asks(0.1, takes_over("jvm1", 5), by("jvm2", 5))
        found = figures(seen, event="hang")
        self.assertEqual((found.forked, found.split), (1, 0))

    def test_what_counts_is_when_it_was_served_and_not_when_the_answer_came(self):
        late = by("jvm2", 5, counted_at=int(1e6 * 999.99))
        seen = calm().asks(0.1, takes_over("jvm1", 6), late)
        self.assertEqual(figures(seen, event="hang").forked, 0)

    def test_moving_back_from_a_survivor_that_lives_is_no_fork_until_that_one_serves_again(self):
        moved = calm().asks(0.1, takes_over("jvm1", 5))
        back = moved.asks(2.0, by("jvm2", 6, life=22, set_cookie=OWN))
        self.assertEqual(figures(back, event="return", since=1.0).forked, 0)
        again = back.asks(3.0, by("jvm1", 6))
        self.assertEqual(figures(again, event="return", since=1.0).forked, 1)

    def test_a_new_session_of_the_browser_is_no_copy_of_the_old_one(self):
        seen = calm().asks(0.1, takes_over("jvm1", 5), new_session("jvm3"))
        self.assertEqual(figures(seen).forked, 0)


class Split(unittest.TestCase):
    def test_two_strangers_in_one_group(self):
        seen = calm().asks(0.1, takes_over("jvm1", 5), new_session("jvm3"))
        self.assertEqual(figures(seen).split, 1)

    def test_two_strangers_in_two_groups_are_none(self):
        seen = calm().asks(0.1, takes_over("jvm1", 5)).asks(0.2, by("jvm3", 6), cookie=OWN)
        self.assertEqual(figures(seen).split, 0)

    def test_a_session_that_is_split_twice_counts_once(self):
        seen = calm()
        for at in (0.1, 0.2):
            seen.asks(at, by("jvm1", 5), by("jvm3", 5), cookie=OWN)
        self.assertEqual(figures(seen).split, 1)


class StaleReads(unittest.TestCase):
    def test_a_counter_not_above_what_the_browser_knew(self):
        seen = calm().asks(0.1, takes_over("jvm1", 3), takes_over("jvm1", 4), takes_over("jvm1", 5))
        self.assertEqual(figures(seen).stale_reads, 2)

    def test_within_a_group_any_order_is_right(self):
        seen = calm().asks(0.1, takes_over("jvm1", 7), takes_over("jvm1", 5), takes_over("jvm1", 6))
        self.assertEqual(figures(seen).stale_reads, 0)

    def test_a_new_session_begins_anew(self):
        seen = calm().asks(0.1, new_session("jvm3")).asks(0.2, by("jvm3", 1, "B-n1.jvm3", 9))
        self.assertEqual(figures(seen).stale_reads, 1)

    def test_of_two_browsers_each_knows_its_own(self):
        other = Browsed(number=1, cookie="B-n1.jvm1").asks(0.1, by("jvm1", 1, "B-n1.jvm1"))
        self.assertEqual(figures(calm(), other).stale_reads, 0)


class Failed(unittest.TestCase):
    def test_all_kinds_count_and_are_named(self):
        seen = calm().asks(0.1, failed(502), failed(404), failed(), takes_over("jvm1", 5))
        found = figures(seen)
        self.assertEqual((found.failed, found.failures), (3, {"404": 1, "502": 1, "reset": 1}))

    def test_what_failed_before_the_event_is_the_beds_fault(self):
        seen = Browsed().asks(-0.2, failed(503)).asks(0.1, takes_over("jvm1", 5))
        self.assertEqual(figures(seen).failed, 0)
        self.assertEqual(accounting.before(run_of(seen)).failed, 1)


class Pauses(unittest.TestCase):
    def test_the_longest_wait_is_one_answers(self):
        seen = calm().asks(0.1, takes_over("jvm1", 5), seconds=2.5).asks(3.0, by("jvm1", 6), seconds=0.5)
        found = figures(seen)
        self.assertAlmostEqual(found.longest_pause, 2.5)
        self.assertEqual(found.waited, 1)

    def test_a_failed_request_made_its_browser_wait_too(self):
        self.assertAlmostEqual(figures(calm().asks(0.1, failed(504), seconds=3.0)).longest_pause, 3.0)

    def test_a_request_sent_before_the_event_and_answered_after_it_waited_for_it(self):
        self.assertAlmostEqual(figures(calm().asks(-0.5, by("jvm2", 5), seconds=8.5)).longest_pause, 8.5)


class OtherVictims(unittest.TestCase):
    def test_a_memcached_exposes_the_sessions_that_it_keeps(self):
        ones = [Browsed(number, f"{number}-{node}.jvm1") for number, node in enumerate(("n1", "n1", "n2"))]
        self.assertEqual(figures(*ones, victim="n1", event="memcached").exposed, 2)

    def test_a_session_whose_memcached_changed_is_not_lost(self):
        seen = Browsed(cookie="A-n1.jvm1").asks(-0.1, by("jvm1", 1))
        seen.asks(0.1, by("jvm1", 2, "A-n2.jvm1", set_cookie="A-n2.jvm1"))
        found = figures(seen, victim="n1", event="memcached")
        self.assertEqual((found.lost, found.forked, found.split), (0, 0, 0))

    def test_nobody_is_exposed_without_a_victim(self):
        self.assertEqual(figures(Browsed(cookie="A"), victim="").exposed, 0)


class Before(unittest.TestCase):
    def test_scattering_without_an_event_shows(self):
        seen = Browsed().asks(-0.2, takes_over("jvm1", 1), new_session("jvm3"))
        found = accounting.before(dataclasses.replace(run_of(seen), at_event={0: "B-n1.jvm3"}))
        self.assertEqual((found.lost, found.split), (1, 1))


if __name__ == "__main__":
    unittest.main()
