"""Ports for servers that cannot take port 0 and say which one they got.

A port that the kernel calls free comes from the range out of which it also takes the near ends of connections: before the
server binds it, or while it is dead and about to come back, a connection of any other test may sit on it. So these come
from below that range, and whoever takes one keeps the others from taking it as long as its process lives.
"""

import random
import socket
import sys

# Below it are the ports with a use of their own.
FIRST = 10_000
RANGE_OF_CONNECTIONS = "/proc/sys/net/ipv4/ip_local_port_range"

# Names that end with this process, however it ends: they are on no disk.
_taken = []


def free_port(host="127.0.0.1", together=1):
    """A port that nobody has there, the first of as many as asked for."""
    with open(RANGE_OF_CONNECTIONS, encoding="ascii") as file:
        end = int(file.read().split()[0])
    candidates = range(FIRST, end - together)
    if len(candidates) < 1_000:
        raise OSError(f"the kernel's range of connections begins at {end}: no room for servers below it")
    for first in random.sample(candidates, 1_000):
        if all(_take(host, port) for port in range(first, first + together)):
            return first
    raise OSError("1,000 ports were tried, and each is somebody's")


def _take(host, port):
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind(f"\0cattail-tests-port-{port}")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        lock.close()
        return False
    _taken.append(lock.detach())
    return True


if __name__ == "__main__":
    print(free_port(together=int(sys.argv[1]) if len(sys.argv) > 1 else 1))
