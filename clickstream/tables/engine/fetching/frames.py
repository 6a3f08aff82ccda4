"""Objects between two processes of ours, over a pipe: pickled, with the data of Arrow tables beside it, not copied."""

import pickle
import struct
from typing import Any, BinaryIO

# The number of pieces, then the length of each. The first is the pickle, the others are its buffers.
_NUMBER = struct.Struct("<Q")


def send(out: BinaryIO, item: Any) -> None:
    """Write one object. Raises OSError when nobody reads any more."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(item, protocol=5, buffer_callback=buffers.append)
    pieces = [memoryview(head), *(buffer.raw() for buffer in buffers)]
    out.write(b"".join(map(_NUMBER.pack, [len(pieces), *(piece.nbytes for piece in pieces)])))
    for piece in pieces:
        out.write(piece)
    out.flush()


def receive(given: BinaryIO) -> Any:
    """Read one object, from a process that is trusted. Raises EOFError when there are no more."""
    (count,) = _NUMBER.unpack(_exactly(given, _NUMBER.size))
    sizes = [_NUMBER.unpack(_exactly(given, _NUMBER.size))[0] for _ in range(count)]
    head, *buffers = [_exactly(given, size) for size in sizes]
    return pickle.loads(head, buffers=buffers)


def _exactly(given: BinaryIO, size: int) -> bytes:
    found = given.read(size)
    if len(found) < size:
        raise EOFError
    return found
