"""What an attempt at a job writes, printed as it is written."""

import sys

from cli.client.patience import Patience
from trainyard.http import log_stream


class Log(log_stream.Log):
    """Prints bytes as they are."""

    def print_all(self) -> None:
        """Print the bytes that have been written so far."""
        for data in self.written():
            write(data)

    def print_to_the_end(self) -> None:
        """Print all until the attempt has ended, over lost connections, and no byte twice."""
        for data in self.to_the_end(Patience()):
            write(data)


def write(data: bytes) -> None:
    """Bytes to standard output at once, as they are."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
