"""What is known to differ from what the scenarios expect: whose fault it is, and the section of the RFC."""

from drive import Difference

# What is said of libraries that lose what they know of a compressed message when a Ping arrives between its fragments.
FORGETS = r"message of \d+ bytes in place of|lost without a closing handshake"

DIFFERENCES = (
    Difference("aiohttp", "*", "close-*", r"closed with code 1000, not",
               "Answers every Close with code 1000. No fault: an endpoint typically echoes the code, but need not (RFC 6455 §5.5.1)"),
    Difference("Java HttpClient", "client", "close-without-code", r"closed with code 1000, not 1005",
               "Answers a Close without a code with code 1000. No fault (RFC 6455 §5.5.1)"),
    Difference("Boost.Beast", "server", "close-without-code", r"closed with code 1000, not 1005",
               "Answers a Close without a code with code 1000. No fault (RFC 6455 §5.5.1)"),
    Difference("tornado", "*", "deflate-pings-between-fragments", FORGETS,
               "A Ping between the fragments of a compressed message makes it take the message for an uncompressed one. Its fault "
               "(RFC 6455 §5.4, RFC 7692 §6.2)"),
    Difference("uvicorn with wsproto", "*", "deflate-pings-between-fragments", FORGETS,
               "A Ping between the fragments of a compressed message makes wsproto take the message for an uncompressed one. Its "
               "fault (RFC 6455 §5.4, RFC 7692 §6.2)"),
    Difference("tornado", "client", "deflate-*", r"invalid compressed data",
               "Does not read parameters without a value. With `client_no_context_takeover` in the answer, it goes on to refer to "
               "earlier messages. Its fault (RFC 7692 §7.1.1.2)"),
    Difference("Mojolicious", "client", "deflate-*", r"invalid compressed data",
               "Ignores all parameters. With `client_no_context_takeover` in the answer, it goes on to refer to earlier messages. Its "
               "fault (RFC 7692 §7.1.1.2)"),
    Difference("libwebsockets", "server", "deflate-*", r"the server ended.*Assertion",
               "An assertion ends the program when it sends a second empty message with context takeover. Its fault (RFC 7692 "
               "§7.2.3.6)"),
)
