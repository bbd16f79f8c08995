"""Processes of the bed: each is ended by its id, however the test ends."""

import atexit
import os
import signal
import subprocess
import time

# A Tomcat that starts on a busy machine takes longest.
PATIENCE = 60.0
# How often a condition is looked at.
PACE = 0.02


class PartError(Exception):
    """A part of the bed does not do what it must."""


class Gone(PartError):
    """A process ended by itself."""


_running = set()


def eventually(what, condition, patience=PATIENCE):
    """Waits until `condition()` is true, and returns what it returned; an exception counts as not yet."""
    deadline = time.monotonic() + patience
    while True:
        problem = None
        try:
            found = condition()
            if found:
                return found
        except Gone:
            raise
        except (AssertionError, OSError, PartError, ValueError) as error:
            problem = error
        if time.monotonic() > deadline:
            raise PartError(f"not within {patience:g} s: {what}" + (f" ({problem})" if problem else ""))
        time.sleep(PACE)


class Process:
    """A program that can be started, killed, stopped, hung, and started again with the same address."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.log = os.path.join(folder, f"{name}.log")
        self._child = None

    def command(self):
        """The command line."""
        raise NotImplementedError

    def environment(self):
        """The environment; that of the test by default."""
        return None

    def is_ready(self):
        """Whether it serves; may raise what `eventually` takes for not yet."""
        raise NotImplementedError

    @property
    def pid(self):
        """Of the running process."""
        return self._child.pid

    @property
    def is_running(self):
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self):
        """Starts it; it is not ready then."""
        if self.is_running:
            raise PartError(f"{self.name} runs already")
        with open(self.log, "ab") as output:
            self._child = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment()
            )
        _running.add(self)
        return self

    def wait_ready(self, patience=PATIENCE):
        """Waits until it serves."""

        def ready():
            if not self.is_running:
                raise Gone(f"{self.name} ended at its start:\n{self.output()}")
            return self.is_ready()

        eventually(f"{self.name} serves", ready, patience)
        return self

    def kill(self):
        """As kill -9."""
        self._signal(signal.SIGKILL)
        self.wait_ended()

    def ask_to_stop(self):
        """As kill, without waiting."""
        self._signal(signal.SIGTERM)

    def stop(self, patience=PATIENCE):
        """As kill, and waits for the end."""
        self.ask_to_stop()
        self.wait_ended(patience)

    def hang(self):
        """It says nothing any more, and keeps its connections."""
        self._signal(signal.SIGSTOP)

    def resume(self):
        """It goes on."""
        self._signal(signal.SIGCONT)

    def restart(self):
        """Starts it again and waits until it serves."""
        return self.start().wait_ready()

    def wait_ended(self, patience=PATIENCE):
        """Waits for its end."""
        try:
            self._child.wait(patience)
        except subprocess.TimeoutExpired as error:
            raise PartError(f"{self.name} did not end within {patience:g} s") from error
        _running.discard(self)

    def output(self, most=6000):
        """The end of what it said."""
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()[-most:]
        except FileNotFoundError:
            return ""

    def end(self):
        """Ends it whatever state it is in."""
        if self.is_running:
            self._child.kill()
            # One that hangs dies all the same.
            self._child.wait(PATIENCE)
        _running.discard(self)

    def _signal(self, which):
        if not self.is_running:
            raise PartError(f"{self.name} does not run")
        self._child.send_signal(which)


@atexit.register
def _end_all():
    for process in list(_running):
        process.end()
