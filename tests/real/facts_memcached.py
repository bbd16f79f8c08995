"""Facts about looking into a memcached: how it prints keys, and that looking changes nothing.

RENEW_SAMPLES=1 writes tests/real/samples/memcached anew; it shows what Debian's memcached 1.6 says, byte by byte.
"""

import os
import re
import time

import msm_samples
from bed import eventually
from facts_world import Direct, application

HASHES = application("/looked-into", "u1 u2", key_prefix="static:x,context.hash", sticky=False)
FOLDER = os.path.join(msm_samples.FOLDER, "memcached")
LINE = re.compile(r"key=(\S+) exp=(-?\d+) la=(\d+) cas=(\d+) fetch=(yes|no) cls=(\d+) size=(\d+)")


class Memcached(Direct):
    def setUp(self):
        self.store = self.world.u1
        self.store.flush()

    def dump(self, how="hash"):
        """The lines of a dump, without the last."""
        answer = self.store.talk(f"lru_crawler metadump {how}").decode()
        self.assertTrue(answer.endswith("END\r\n"))
        return answer.removesuffix("END\r\n").splitlines()

    def ask(self, line):
        """The first line of the answer."""
        return self.store.talk(line, until=b"\r\n").split(b"\r\n")[0].decode()

    def test_a_dump_prints_a_line_for_each_key_with_all_but_letters_and_digits_in_percents(self):
        self.visitors()
        lines = self.dump()
        keys = {LINE.fullmatch(line)[1] for line in lines}
        self.assertIn(True, [key.startswith("bak%3Ax%3A") and "_validity%3Ax%3A" in key for key in keys])
        self.assertIn(True, [re.fullmatch(r"x%3A[0-9a-f]{8}_[0-9A-F]{32}-u1\.jvm1", key) is not None for key in keys])

    def test_size_counts_key_and_head_and_exp_is_a_time_or_minus_one(self):
        self.store.put("forever", b"x" * 100)
        self.store.talk(b"set hour 0 3600 100\r\n" + b"x" * 100, until=b"\r\n")
        found = {LINE.fullmatch(line)[1]: LINE.fullmatch(line) for line in self.dump()}
        self.assertEqual(found["forever"][2], "-1")
        self.assertIn(int(found["hour"][2]) - int(found["hour"][3]), (3599, 3600, 3601))
        for line in found.values():
            self.assertLess(100, int(line[7]))
            self.assertLess(int(line[7]), 200)

    def test_all_leaves_keys_out_that_hash_shows(self):
        """Those that were just asked for: they are on their way from one list to another."""
        self.store.put("asked", b"x")
        self.store.put("other", b"x")

        def left_out():
            self.ask("mg asked v")
            return len(self.dump("all")) == 1 and len(self.dump("hash")) == 2

        eventually("a dump leaves it out", left_out, 10)

    def test_what_is_looked_at_with_u_does_not_count_as_used(self):
        self.store.put("key", b"abc")
        for _ in range(3):
            self.assertRegex(self.ask("mg key v t s f u"), r"^VA 3 t-1 s3 f0$")
        self.assertEqual(self.ask("mg key h u"), "HD h0")
        self.ask("mg key v")
        self.assertEqual(self.ask("mg key h u"), "HD h1")
        self.assertEqual(self.ask("mg none v t s f u"), "EN")

    def test_an_expired_key_is_not_dumped(self):
        self.store.talk(b"set brief 0 1 1\r\nx", until=b"\r\n")
        self.store.put("other", b"x")
        time.sleep(2.1)
        self.assertEqual([LINE.fullmatch(line)[1] for line in self.dump()], ["other"])

    def test_the_transcripts_show_what_it_says(self):
        visitors = self.visitors()
        said = {"metadump-hash.txt": "".join(f"{line}\r\n" for line in self.dump()) + "END\r\n"}
        key = next(LINE.fullmatch(line)[1] for line in self.dump() if line.startswith("key=x"))
        key = key.replace("%3A", ":")
        self.assertIn(key.split("_", 1)[1], {visitor.id for visitor in visitors})
        talk = []
        for line in (f"mg {key} t s f h l u", f"mg {key} t u k O7 q", "mg none v t s f u", "mn", "mgdump", "version"):
            talk.append(f"> {line}\r\n{self.ask(line)}\r\n")
        said["mg.txt"] = "".join(talk)
        if os.environ.get("RENEW_SAMPLES"):
            os.makedirs(FOLDER, exist_ok=True)
            for name, text in said.items():
                with open(os.path.join(FOLDER, name), "w", encoding="utf-8", newline="") as file:
                    file.write(text)
        for name, text in said.items():
            with open(os.path.join(FOLDER, name), encoding="utf-8", newline="") as file:
                self.assertEqual(shape(file.read()), shape(text), name)

    def visitors(self):
        """Three visitors whose sessions lie at this store, or have their copies there."""
        visitors = [self.visitor(HASHES) for _ in range(3)]
        while not any(visitor.node == "u1" for visitor in visitors) or all(visitor.node == "u1" for visitor in visitors):
            visitors.append(self.visitor(HASHES))
        eventually("all copies are there", lambda: len(self.dump()) == 2 * len(visitors), 5)
        return visitors


def shape(text):
    """What lasts: without ids, numbers of which there may be others, and the order."""
    return sorted(set(re.sub(r"[0-9A-F]{32}", "ID", re.sub(r"\b(la|exp|cas|l|t|size|cls)(=?)-?\d+", r"\1\2N", line))
                      .replace("-u2.", "-u1.") for line in text.split("\r\n")))
