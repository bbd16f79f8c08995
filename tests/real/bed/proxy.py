"""Cattail itself, with a configuration of the test's or one of examples/."""

import os
import re
import signal
import subprocess
import urllib.request

from free_ports import free_port

from . import parts
from .process import PartError, Process, eventually

PRIVATE = re.compile(r"\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}:\d+\b")


def on_loopback(text, addresses):
    """A configuration with every private address replaced by one of the bed's; `addresses`: old to new.

    What is left over, or anything that is not there, is an error: the test would speak to strangers.
    """
    for old, new in addresses.items():
        if old not in text:
            raise PartError(f"{old} is not in the configuration")
        text = text.replace(old, new)
    code = "\n".join(line.split(" #")[0] for line in text.splitlines() if not line.lstrip().startswith("#"))
    left = PRIVATE.findall(code)
    if left:
        raise PartError(f"private addresses are left in the configuration: {left}")
    return text


class Cattail(Process):
    """The proxy. Its listeners' addresses are replaced by one that is free, the admin address too."""

    def __init__(self, name, folder, text, binary=None):
        super().__init__(name, folder)
        self.port = free_port()
        self.admin_port = free_port()
        self.file = os.path.join(folder, f"{name}.yaml")
        self._token_file = os.path.join(folder, f"{name}.token")
        self.access_log = os.path.join(folder, f"{name}.access.log")
        self._binary = binary or os.environ.get("CATTAIL") or _default_binary()
        self._write(text)

    @property
    def address(self):
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def admin(self):
        """host:port for operators."""
        return f"127.0.0.1:{self.admin_port}"

    def command(self):
        return [self._binary, "run", "--config", self.file]

    def run(self, *words, patience=120.0):
        """A command for administrators, against this proxy: what it says, and its exit code."""
        command, *rest = words
        ended = subprocess.run(
            [self._binary, command, *rest, "--admin", self.admin, "--token-file", self._token_file],
            capture_output=True, text=True, timeout=patience, check=False,
        )
        return ended.stdout + ended.stderr, ended.returncode

    def is_ready(self):
        with urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=5) as answer:
            return answer.status == 200

    def reload(self, text):
        """Puts another configuration in force."""
        before = self.metric("cattail_config_reloads_total", result="success")
        self._write(text)
        self._signal(signal.SIGHUP)
        eventually("the reload", lambda: self.metric("cattail_config_reloads_total", result="success") > before, 10)

    def metrics(self):
        """Everything that Prometheus would read."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, name, **labels):
        """The sum of the series of this name that have these labels; 0 if there is none."""
        return sum(value for found, value in self.series(name) if labels.items() <= found.items())

    def series(self, name):
        """Labels and value of each series of this name."""
        found = []
        for line in self.metrics().splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name:
                found.append((dict(re.findall(r'(\w+)="([^"]*)"', match[2] or "")), float(match[3])))
        return found

    def wait_serving(self, backend, patience=30.0):
        """Waits until a backend serves its own sessions: it is up, or warms up."""

        def serves():
            states = (self.metric("cattail_backend_state", backend=backend, state=state) for state in ("up", "warming"))
            return sum(states) == 1

        eventually(f"{backend} serves", serves, patience)

    def wait_logged(self, text, patience=20.0):
        """Waits until it has logged this."""
        eventually(f"{self.name} logs {text!r}", lambda: text in self.output(1_000_000), patience)

    def _write(self, text):
        first = re.search(r"^(\s*- (?:\{ ?)?(?:name: \w+, )?address: )(\S+?)(?=[\s,}]|$)", text, re.MULTILINE)
        if not first:
            raise PartError("the configuration has no listener")
        text = text[: first.start(2)] + self.address + text[first.end(2):]
        if not re.search(r"^admin:", text, re.MULTILINE):
            with open(self._token_file, "w", encoding="utf-8") as file:
                file.write("of-the-tests-alone\n")
            text += f"\nadmin: {{ address: {self.admin}, token_file: {self._token_file} }}\n"
        if not re.search(r"^access_log:", text, re.MULTILINE):
            text += f"access_log: {{ path: {self.access_log} }}\n"
        if not re.search(r"^workers:", text, re.MULTILINE):
            text += "workers: 2\n"
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)


def _default_binary():
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(parts.ROOT, "target")
    binary = os.path.join(target, "release", "cattail")
    if not os.path.exists(binary):
        raise PartError(f"{binary} is missing: build it, or name another in CATTAIL")
    return binary
