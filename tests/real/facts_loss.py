"""Facts about what MSM itself loses, and what it keeps, when a Tomcat ends."""

import threading

from bed import eventually
from facts_world import Direct, Visitor, application, tomcat
from msm_value import count_in

SYNC = application("/loss-sync")
ASYNC = application("/loss-async", backup_async=True)
# Ended by their tests: each test has its own.
DOOMED = [tomcat(name, name, [SYNC, ASYNC]) for name in ("asyncs", "syncs", "stopped", "hasty", "killed", "crowd1", "crowd2")]
# Longer than it takes to kill a Tomcat after its answer.
SLOW = 1500
# Longer than a Tomcat takes from the order to stop until its connections to the stores are closed.
LONGER_THAN_A_STOP = 8000


class Loss(Direct):
    def doomed(self, name):
        """One of the Tomcats that end, running."""
        one = self.world.tomcats[name]
        self.assertTrue(one.is_running)
        return one

    def test_what_was_answered_and_not_yet_stored_dies_with_its_tomcat(self):
        """MSM's default: stored in the background. Here that takes 1.5 s, as the attribute takes so long to be written."""
        doomed = self.doomed("asyncs")
        visitor = Visitor(doomed, ASYNC)
        visitor.do("count,text:x")
        eventually("it is stored", lambda: self.stored(visitor.id), 5)
        self.assertEqual(visitor.session(f"count,slow:{SLOW}")["count"], 2)
        doomed.kill()
        self.assertEqual(count_in(self.stored(visitor.id)), 1)
        self.assertEqual(visitor.session("read", at=self.one)["count"], 1)

    def test_waiting_for_the_backup_an_answer_comes_when_it_is_stored(self):
        doomed = self.doomed("syncs")
        visitor = Visitor(doomed, SYNC)
        visitor.do("count,text:x")
        self.assertEqual(visitor.session(f"count,slow:{SLOW}")["count"], 2)
        doomed.kill()
        self.assertEqual(count_in(self.stored(visitor.id)), 2)
        self.assertEqual(visitor.session("read", at=self.one)["count"], 2)

    def test_an_orderly_stop_leaves_sessions_in_the_store(self):
        doomed = self.doomed("stopped")
        visitors = [Visitor(doomed, app) for app in (SYNC, ASYNC)]
        for visitor in visitors:
            for clicks, steps in enumerate(("count,text:x", "count"), 1):
                visitor.do(steps)
                self.wait_stored(visitor, clicks)
        doomed.stop()
        for visitor in visitors:
            self.assertEqual(self.count_stored(visitor), 2, visitor.app)
            self.assertEqual(visitor.session("read", at=self.one)["count"], 2, visitor.app)

    def test_an_orderly_stop_does_not_wait_for_what_is_stored_in_the_background(self):
        """With MSM's default: the last click before it is lost, as in a crash."""
        doomed = self.doomed("hasty")
        visitor = Visitor(doomed, ASYNC)
        visitor.do("count,text:x")
        self.wait_stored(visitor, 1)
        self.assertEqual(visitor.session(f"count,slow:{LONGER_THAN_A_STOP}")["count"], 2)
        doomed.stop()
        self.assertEqual(self.count_stored(visitor), 1)
        self.assertEqual(visitor.session("read", at=self.one)["count"], 1)

    def test_a_killed_tomcat_that_is_back_loads_its_sessions_when_they_are_asked_for(self):
        doomed = self.doomed("killed")
        visitor = Visitor(doomed, SYNC)
        visitor.do("count,text:x")
        doomed.kill()
        doomed.restart()
        answer = visitor.do("count")
        self.assertEqual((answer.new_id, answer.json["session"]["count"]), (None, 2))
        self.assertEqual(count_in(self.stored(visitor.id)), 2)

    def test_waiting_for_backups_no_click_that_was_answered_dies_with_the_tomcat(self):
        """With MSM's default many do; how many is told, as the machine decides it."""
        lost = {}
        for app, name in ((ASYNC, "crowd1"), (SYNC, "crowd2")):
            doomed = self.doomed(name)
            clickers = [Clicker(Visitor(doomed, app)) for _ in range(30)]
            for clicker in clickers:
                clicker.start()
            eventually("all click", lambda clickers=clickers: min(one.answered for one in clickers) >= 3, 30)
            doomed.kill()
            for clicker in clickers:
                clicker.join()
            lost[app] = [one.answered - self.count_stored(one.visitor) for one in clickers]
            print(f"{app}: sessions whose last answers were not stored: {sum(clicks > 0 for clicks in lost[app])} of 30, "
                  f"of one session at most {max(lost[app])} clicks")
        # One more may be stored: its answer was on its way.
        self.assertLessEqual(max(lost[SYNC]), 0)

    def wait_stored(self, visitor, clicks):
        eventually(f"click {clicks} at {visitor.app} is stored", lambda: self.count_stored(visitor) == clicks, 5)

    def count_stored(self, visitor):
        """What the store has counted; 0 if it has nothing."""
        value = self.stored(visitor.id)
        return count_in(value) if value else 0


class Clicker(threading.Thread):
    """A user who clicks until the Tomcat is dead."""

    def __init__(self, visitor):
        super().__init__()
        self.visitor = visitor
        # The count of the last answer.
        self.answered = 0

    def run(self):
        try:
            while True:
                self.answered = self.visitor.session("count,text:x")["count"]
        except OSError:
            self.visitor.close()
