"""Known differences from what the scenarios expect, whose fault they are, and the section of the RFC."""

from drive import Difference

# The driver's complaints about libraries that forget, after a Ping between its fragments, that a message is compressed.
FORGETS = r"message of \d+ bytes in place of|lost without a closing handshake"

DIFFERENCES = (
    Difference("aiohttp", "*", "close-*", r"closed with code 1000, not",
               "It answers every Close with code 1000.",
               "nobody's: the code is typically echoed, but need not be", "RFC 6455 §5.5.1"),
    Difference("Java HttpClient", "client", "close-without-code", r"closed with code 1000, not 1005",
               "It answers a Close without a code with code 1000.", "nobody's", "RFC 6455 §5.5.1"),
    Difference("Boost.Beast", "server", "close-without-code", r"closed with code 1000, not 1005",
               "It answers a Close without a code with code 1000.", "nobody's", "RFC 6455 §5.5.1"),
    Difference("nhooyr/websocket", "server", "deflate-*", r"refused with status 400",
               "It refuses a request whose first offer has `server_max_window_bits`. `OfferPolicy::Bare` is for such servers.",
               "nhooyr/websocket's: it must decline the offer and consider the next one", "RFC 7692 §5.1, §7"),
    Difference("tornado", "*", "deflate-pings-between-fragments", FORGETS,
               "After a Ping between the fragments of a compressed message, it treats the message as uncompressed.",
               "tornado's", "RFC 6455 §5.4, RFC 7692 §6.2"),
    Difference("uvicorn with wsproto", "*", "deflate-pings-between-fragments", FORGETS,
               "After a Ping between the fragments of a compressed message, it treats the message as uncompressed.",
               "wsproto's", "RFC 6455 §5.4, RFC 7692 §6.2"),
    Difference("tornado", "client", "deflate-*", r"invalid compressed data",
               "It does not read parameters without a value. With `client_no_context_takeover` in the response, its messages still "
               "refer to earlier ones.", "tornado's", "RFC 7692 §7.1.1.2"),
    Difference("Mojolicious", "client", "deflate-*", r"invalid compressed data",
               "It ignores all parameters. With `client_no_context_takeover` in the response, its messages still refer to earlier "
               "ones.", "Mojolicious's", "RFC 7692 §7.1.1.2"),
    Difference("libwebsockets", "server", "deflate-empty-messages", r"the server ended.*Assertion",
               "With context takeover, an assertion ends the program when it sends a second empty message.",
               "libwebsockets's", "RFC 7692 §7.2.3.6"),
    Difference("libwebsockets", "server", "deflate-s*n-c*t", r"lost without a closing handshake",
               "With `server_no_context_takeover` alone, it forgets between messages what it has received, not what it has sent.",
               "libwebsockets's", "RFC 7692 §7.1.1.1"),
    Difference("tshark", "observer", "capture: decompressed", r"^not in( deflate-s\d+(t-c\d+n|n-c\d+t))+$",
               "Where only one side has context takeover, it resets the window of the other side, and reports that messages cannot be "
               "decompressed.", "tshark's", "RFC 7692 §7.1.1"),
    Difference("Firefox over HTTP/2 to hyper", "client", "*beyond the size limit", r"not closed cleanly",
               "When the stream ends right after the Close of a server that fails the connection, `wasClean` is false. In Chromium it is "
               "true.", "nobody's: a server that fails a connection need not wait for an answer",
               "RFC 6455 §7.1.7"),
)
