"""A job over several nodes without any framework: each member adds its numbers to everybody's, over plain TCP.

    trainyard submit --nodes 2 --follow python allreduce.py

The platform gives each member MASTER_ADDR, MASTER_PORT, WORLD_SIZE and RANK, as PyTorch wants them. Rank 0 listens where
they meet; the others may be quicker than it, so they try again until it answers.
"""

import json
import os
import socket
import struct
import sys
import time
from pathlib import Path

LENGTH = struct.Struct("!I")
MEET_SECONDS = 60.0
RANK, WORLD_SIZE = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
MEETING_POINT = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))


def main(steps: int, pause: float) -> None:
    """In each step every member brings its rank and the step; everybody must end up with the sum of all."""
    peers = meet()
    for step in range(steps):
        mine = [float(RANK), float(step)]
        total = reduce_at_root(peers, mine) if RANK == 0 else reduce_at_leaf(peers[0], mine)
        expected = [sum(range(WORLD_SIZE)), step * WORLD_SIZE]
        if total != expected:
            sys.exit(f"Rank {RANK} has {total} in step {step}; it should be {expected}.")
        report((step + 1) / steps)
        time.sleep(pause)
    print(f"Rank {RANK} of {WORLD_SIZE}: {steps} sums, all right; the last one is {total}.")


def meet() -> list[socket.socket]:
    """Connections to all the others on rank 0; on the others the one to rank 0."""
    if RANK:
        return [connected()]
    with socket.create_server(("", MEETING_POINT[1])) as server:
        server.settimeout(MEET_SECONDS)
        peers = [server.accept()[0] for _ in range(WORLD_SIZE - 1)]
    for peer in peers:
        peer.settimeout(MEET_SECONDS)
    return peers


def connected() -> socket.socket:
    give_up_at = time.monotonic() + MEET_SECONDS
    while True:
        try:
            return socket.create_connection(MEETING_POINT, timeout=MEET_SECONDS)
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)


def reduce_at_root(peers: list[socket.socket], mine: list[float]) -> list[float]:
    total = mine
    for peer in peers:
        total = [a + b for a, b in zip(total, receive(peer), strict=True)]
    for peer in peers:
        send(peer, total)
    return total


def reduce_at_leaf(root: socket.socket, mine: list[float]) -> list[float]:
    send(root, mine)
    return receive(root)


def send(peer: socket.socket, numbers: list[float]) -> None:
    data = struct.pack(f"!{len(numbers)}d", *numbers)
    peer.sendall(LENGTH.pack(len(data)) + data)


def receive(peer: socket.socket) -> list[float]:
    (length,) = LENGTH.unpack(exactly(peer, LENGTH.size))
    return list(struct.unpack(f"!{length // 8}d", exactly(peer, length)))


def exactly(peer: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = peer.recv(length - len(data))
        if not more:
            raise ConnectionError("A member of the gang has gone.")
        data += more
    return data


def report(progress: float) -> None:
    """Tell the platform how far it is; outside of it there is nobody to tell."""
    if path := os.environ.get("TRAINYARD_REPORT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"progress": progress}) + "\n")


if __name__ == "__main__":
    main(steps=int(sys.argv[1]) if len(sys.argv) > 1 else 20, pause=float(sys.argv[2]) if len(sys.argv) > 2 else 0.1)
