"""Facts about a memcached that is looked into: when it dumps no keys, and what is no session though its key is one's."""

import concurrent.futures
import time
import unittest

from bed import Bed, eventually
from facts_world import Direct, application, meanwhile

SHARED = application("/probes", sticky=False)
MANY = 5000
BUSY = b"BUSY currently processing crawler request\r\n"


class Dumps(unittest.TestCase):
    def test_it_dumps_for_one_at_a_time_and_tells_the_others(self):
        with Bed() as bed:
            [node] = bed.memcacheds("n1")
            node.talk(*(b"set K%d 0 0 1\r\nx" % number for number in range(MANY)), "mn", until=b"MN\r\n")

            def dump(_):
                # Whoever comes second has one line as answer, and no END.
                return node.talk("lru_crawler metadump hash", until=(b"END\r\n", BUSY))

            def some_are_busy():
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    answers = list(pool.map(dump, range(8)))
                whole = [answer for answer in answers if answer.count(b"key=K") == MANY]
                return len(whole) < len(answers) == len(whole) + answers.count(BUSY)

            eventually("some are busy, and nobody has half of it", some_are_busy, 20)

    def test_without_the_crawler_there_is_no_dump(self):
        with Bed() as bed:
            [bare] = bed.start(bed.memcached("bare", options=("-o", "no_lru_crawler")))
            self.assertEqual(bare.talk("lru_crawler metadump hash", until=b"\r\n"),
                             b"CLIENT_ERROR lru crawler disabled\r\n")


class Probes(Direct):
    def test_a_session_that_vanished_during_a_request_is_stored_again_at_its_end(self):
        """MSM asks by `add` of one byte whether the session is there yet; for an instant that byte is all there is."""

        def stored_again():
            visitor = self.visitor(SHARED, "count,text:x")
            own = self.store_of(visitor.id)
            with meanwhile(visitor.twin().do, "read,sleep:300") as answer:
                time.sleep(0.15)
                own.delete(visitor.id)
                if answer.done():
                    return None
            eventually("it is there again", lambda: len(self.stored(visitor.id) or b"") > len(b"\1"), 5)
            self.assertEqual(visitor.session("read")["count"], 1)
            return True

        eventually("a session that vanished while it was in use", stored_again, 20)
