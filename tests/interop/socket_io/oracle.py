"""What the reference server, npm's `socket.io`, does otherwise than these tests want."""

# Group and name of the check, and what differs.
DIFFERS = {
    "engine: at most 16 packets*": "It puts all that waits into one answer. python-engineio refuses more than 16 packets.",
    "engine: close packet over WebSocket": "It ignores the packet; the session ends with a ping timeout.",
    "python * polling: in_order": "So does this one, with 500 packets.",
    "packets: arguments as they are*": "It parses JSON and writes it anew: large numbers and the spelling are lost.",
    "packets, alone: deep nesting*": "Nesting of 100,000 levels overflows its stack, which ends the process.",
    "packets, alone: wrong arguments": "`reference.js` does not check arguments.",
    "packets: reasons": "The reason for a malformed packet of Socket.IO is `forced close`, not `parse error`.",
    "leaks: *": "Of two POST requests at once, the second gets no answer: its connection ends.",
    "memory: *": "Its queues are not bounded.",
    "restarts: port in use": "`reference.js` leaves it to Node to say so.",
    "restarts: bad settings": "`reference.js` leaves it to Node to say so.",
}
