"""When all of a request is there."""

from hypothesis import given
from hypothesis import strategies as st

from scheduler_site.incoming import Incoming

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
BODIES = st.binary(max_size=60)


def chunked(pieces):
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\nTrailer: x\r\n\r\n"


REQUESTS = st.one_of(
    st.just(HEAD + b"\r\n"),
    BODIES.map(lambda body: HEAD + b"content-length: %d\r\n\r\n" % len(body) + body),
    st.lists(BODIES, max_size=4).map(lambda pieces: HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(pieces)),
)


@given(REQUESTS, st.lists(st.integers(1, 20), min_size=1))
def test_it_is_whole_with_its_last_byte_and_not_before_however_it_is_cut(request, cuts):
    incoming, at = Incoming(longest_body=1000), 0
    for cut in [*cuts, *[1] * len(request)]:
        assert incoming.whole == (at >= len(request))
        incoming.add(request[at : at + cut])
        at += cut
    assert incoming.whole


@given(st.binary(max_size=300))
def test_whatever_comes_is_kept_as_it_came(data):
    incoming = Incoming(longest_body=100)
    for byte in data:
        incoming.add(bytes([byte]))
        assert incoming.whole in (True, False)
    assert incoming.data == data


def test_a_body_that_will_be_refused_is_not_waited_for():
    incoming = Incoming(longest_body=10)
    incoming.add(HEAD + b"Content-Length: 11\r\n\r\n")
    assert incoming.whole


def test_a_head_without_an_end_is_waited_for_only_so_long():
    incoming = Incoming(longest_body=10)
    incoming.add(b"x" * 70_000)
    assert incoming.whole
