"""What input is, told by its first bytes, and its text as UTF-8: decompressed, without byte order marks."""

import codecs
import itertools
from collections.abc import Iterator

from clickstream.replay.codecs import CODECS, Codec, Damaged, Refused, decompressed

_TAR = b"ustar"
_TAR_AT = 257
HEAD = _TAR_AT + len(_TAR)  # bytes that tell everything

_ARCHIVE = "is a {}. Unpack it, and name the logs in it"
_OTHER = "is compressed with {}, which is not read. Pipe its text in: {} FILE | clickstream replay -"
_UTF_32 = "is text in UTF-32. Pipe it in as UTF-8: iconv -f UTF-32 -t UTF-8 FILE | clickstream replay -"
_REFUSED = {
    b"PK\x03\x04": _ARCHIVE.format("zip archive"),
    b"PK\x05\x06": _ARCHIVE.format("zip archive"),
    b"PK\x07\x08": _ARCHIVE.format("zip archive"),
    b"7z\xbc\xaf\x27\x1c": _ARCHIVE.format("7z archive"),
    b"Rar!\x1a\x07": _ARCHIVE.format("rar archive"),
    b"\x04\x22\x4d\x18": _OTHER.format("lz4", "lz4 -dc"),
    b"LZIP\x01": _OTHER.format("lzip", "lzip -dc"),
    b"\x1f\x9d": _OTHER.format("compress", "uncompress -c"),
    codecs.BOM_UTF32_LE: _UTF_32,
    codecs.BOM_UTF32_BE: _UTF_32,
}
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_MARKS = (*_UTF_16, codecs.BOM_UTF8)
_MAGIC = (*(codec.magic for codec in CODECS), *_REFUSED, *_MARKS)
_NULS_SHOWN = 64  # bytes that tell UTF-16 without a byte order mark


def text(chunks: Iterator[bytes], around: Codec | None = None) -> Iterator[bytes]:
    """The text of `chunks` as UTF-8 without its byte order mark; `around` is what they were decompressed from.

    An empty chunk gives an empty chunk, so that nobody waits. Raises Refused for archives and the like, and Damaged,
    after what came before, where decoding cannot go on.
    """
    head = b""
    try:
        for chunk in chunks:
            head += chunk
            if not _may_become_more(head):
                break
            yield b""
    except Damaged as damage:
        chunks = _failing(damage)  # behind what there is
    whole = itertools.chain([head], chunks)
    codec = next((codec for codec in CODECS if head.startswith(codec.magic)), None)
    if codec and around:
        raise Refused(f"is compressed twice, with {around.name} around {codec.name}. Decompress it once")
    if codec:
        yield from text(decompressed(codec, whole), codec)
        return
    _refuse(head, around)
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    encoding = _UTF_16.get(mark) or _unmarked_utf_16(head)
    if mark:
        whole = itertools.chain([head[len(mark) :]], chunks)
    yield from _as_utf_8(whole, encoding) if encoding else whole


def _failing(damage: Damaged) -> Iterator[bytes]:
    yield b""
    raise damage


def _may_become_more(head: bytes) -> bool:
    """Whether more bytes can change what `head` is. A pipe may give a line a minute: text is told at once."""
    if len(head) < 2 or any(len(head) < len(magic) and magic.startswith(head) for magic in _MAGIC):
        return True
    return len(head) < HEAD and b"\0" in head and not head.startswith(_MAGIC)


def _refuse(head: bytes, around: Codec | None) -> None:
    # UTF-32 before UTF-16, whose mark it begins with; a log of UTF-16 has no NUL character.
    reason = next((reason for magic, reason in _REFUSED.items() if head.startswith(magic)), None)
    if reason is None and head[_TAR_AT:HEAD] == _TAR:
        reason = _ARCHIVE.format(f"tar archive compressed with {around.name}" if around else "tar archive")
    if reason:
        raise Refused(reason)


def _unmarked_utf_16(head: bytes) -> str | None:
    """A log's first characters are ASCII: in UTF-16, each second byte is NUL, and no other."""
    even, odd = head[0:_NULS_SHOWN:2], head[1:_NULS_SHOWN:2]
    if len(odd) < 2:
        return None
    if not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if not any(even) and all(odd) else None


def _as_utf_8(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    # Half of a surrogate pair stays what it is: no valid UTF-8, so that its line is a dead letter.
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise Damaged("the UTF-16 text ends in the middle of a character") from None
