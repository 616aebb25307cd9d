"""Socket.IO with bare packets: what is no packet, what is out of place, and what must arrive as it was sent."""

import base64
import json
import random
import time

import raw
from servers import Complaint, check
from session import PATH, Ended, Polling, Socket, give, joined, left, monitor, refused, socket_io

BIG = "9" * 30

# What is sent over a fresh session that has joined `/`: the session ends, or ignores it, or either. Binary is an attachment.
PACKETS = {
    "no type": ([""], "ends"), "unknown type": (["7[]"], "ends"), "letter": (["abc"], "ends"), "type 9": (["9"], "ends"),
    "negative type": (["-1"], "ends"),
    "event without arguments": (["2"], "either"), "event, an object": (["2{}"], "ends"), "event, empty": (["2[]"], "ends"),
    "event, null": (["2null"], "ends"), "event, a string": (['2"message"'], "ends"), "event named by null": (["2[null]"], "ends"),
    "event named by an object": (["2[{}]"], "ends"), "event named by an array": (['2[["message"]]'], "ends"),
    "event named by a number": (["2[1]"], "either"), "unknown event": (['2["unheard-of",1]'], "lives"),
    "event, JSON cut short": (['2["message"'], "ends"), "event, more after JSON": (['2["message"]x'], "ends"),
    "event, two arrays": (['2["message"]["message"]'], "ends"), "event, comma at the end": (['2["message",]'], "ends"),
    "event, single quotes": (["2['message']"], "ends"), "event, NaN": (['2["message",NaN]'], "ends"),
    "event, leading zero": (['2["message",01]'], "ends"), "event, bad escape": (['2["message","\\x"]'], "ends"),
    "event, control character": (['2["message","\x01"]'], "ends"),
    **{f"reserved event {name}": ([f'2["{name}"]'], "ends")
       for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")},
    "event with a bad ack id": (['2abc["message"]'], "ends"), "event with a huge ack id": ([f'2{BIG}["whoami"]'], "either"),
    "event with a negative ack id": (['2-1["whoami"]'], "ends"),
    "event to a namespace that is not joined": (['2/custom,["message"]'], "ends"),
    "event to an unknown namespace": (['2/unheard-of,["message"]'], "ends"),
    "namespace without a comma": (['2/custom["message"]'], "ends"),
    "second CONNECT": (["0"], "ends"), "CONNECT with an array": (["0/custom,[1]"], "ends"),
    "CONNECT with a string": (['0/custom,"x"'], "ends"), "CONNECT with a number": (["0/custom,1"], "either"),
    "CONNECT with bad JSON": (["0/custom,{"], "ends"), "CONNECT_ERROR": (['4{"message":"x"}'], "ends"),
    "DISCONNECT with data": (["1{}"], "ends"), "DISCONNECT of an unknown namespace": (["1/unheard-of,"], "ends"),
    "ack of nothing": (["399[]"], "lives"), "ack without an id": (["3[]"], "either"), "ack, no array": (["31{}"], "ends"),
    "ack without data": (["31"], "either"), "ack with a huge id": ([f"3{BIG}[]"], "either"),
    "binary out of place": ([b"x"], "ends"), "attachments, no number": (['5x-["message"]'], "ends"),
    "attachments, no dash": (['51["message"]'], "ends"), "attachments, none": (['5["message"]'], "ends"),
    "attachments, zero": (['50-["message"]'], "ends"), "attachments, negative": (['5-1-["message"]'], "ends"),
    "attachments, fraction": (['51.5-["message"]'], "ends"), "attachments, 11": (['511-["message"]'], "ends"),
    "attachments, huge": ([f'5{BIG}-["message"]'], "ends"),
    "text in place of an attachment": (['51-["message",{"_placeholder":true,"num":0}]', '2["message"]'], "ends"),
    "placeholder out of range": (['51-["message",{"_placeholder":true,"num":1}]', b"x"], "ends"),
    "placeholder with a negative number": (['51-["message",{"_placeholder":true,"num":-1}]', b"x"], "ends"),
    "placeholder with a fraction": (['51-["message",{"_placeholder":true,"num":0.5}]', b"x"], "either"),
    "placeholder with a string": (['51-["message",{"_placeholder":true,"num":"x"}]', b"x"], "ends"),
    "placeholder without a number": (['51-["message",{"_placeholder":true}]', b"x"], "either"),
    "binary ack of nothing": (['61-99[{"_placeholder":true,"num":0}]', b"x"], "lives"),
    "binary event of an object": (["51-{}", b"x"], "ends"), "binary reserved event": (['51-["connect"]', b"x"], "ends"),
}


def sent(session, packets):
    """Send Socket.IO packets over either transport."""
    if isinstance(session, Polling):
        session.post(*("4" + packet if isinstance(packet, str) else "b" + base64.b64encode(packet).decode() for packet in packets))
    else:
        session.put(*("4" + packet if isinstance(packet, str) else packet for packet in packets))


def malformed(transport):
    def play(server):
        wrong = []
        for what, (packets, fate) in PACKETS.items():
            session = socket_io(server, transport)
            try:
                sent(session, packets)
                ended = ends(session)
                if fate != "either" and ended != (fate == "ends"):
                    wrong.append(f"{what}: the session {'ended' if ended else 'lives'}")
            except Complaint as e:
                wrong.append(f"{what}: {e}")
        check(not wrong, "; ".join(wrong))
    return play


def ends(session):
    """Whether the session has ended, or works on."""
    mark = f"mark {random.random()}"
    if isinstance(session, Polling):
        if session.try_post(f'42["message","{mark}"]').status == 400:
            return True
        while (answer := session.begin_poll().answer()).status == 200:
            if mark in answer.text:
                return False
            if answer.text == "1":
                return True
        return True
    try:
        session.put(f'42["message","{mark}"]')
        while mark not in str(session.packet()):
            pass
        return False
    except Ended:
        return True
    except Complaint as e:
        check("timeout" not in str(e), "neither ended nor working")
        return True


def before_connect(server):
    """What comes before a namespace is joined."""
    for packets, fate in ((['2["message"]'], True), (["1"], True), (["31[]"], True), ([b"x"], True), (["4"], True),
                          (['51-["message",{"_placeholder":true,"num":0}]', b"x"], True), (["0/unheard-of"], False),
                          (["0/admin,"], False), (["0[]"], True), (["0{"], True), (["0"], False)):
        socket = Socket(server)
        sent(socket, packets)
        if fate:
            socket.gone()
        else:
            first = socket.packet()
            check(first[:2] in ("40", "44"), f"{packets}: {first}")


def unknown_namespace(server):
    for transport in (Socket, Polling):
        session = transport(server)
        give(session, "40/x")
        session.expect('44/x,{"message":"Invalid namespace"}')
        give(session, "40/x,", '40/unheard-of,{"a":1}')
        session.expect('44/x,{"message":"Invalid namespace"}', '44/unheard-of,{"message":"Invalid namespace"}')
        joined(session)
        session.alive()
    long = Socket(server)
    name = "/" + "x" * 10_000
    long.put(f"40{name},")
    try:
        got = long.packet()
        check(got[:2] == "44" and len(got) < 20_000, f"{got[:60]}")
    except Ended:
        pass


def raw_arguments(server):
    """Pitfall 6: arguments are passed on as they are."""
    texts = ["12345678901234567890", "0.1", "1e2", "-0", "1E400", "1.0", '{"b":1,"a":2,"10":3,"9":4}', '"\\ud800"', '"\\u0041\\/"',
             '{"a":1,"a":2}', '"é€😀"', '{"__proto__":1}', "[[[]]]", "null", '""', '{"_placeholder":false,"num":0}',
             '" "', '{"x":[true,false,null,{}]}']
    for transport in (Socket, Polling):
        session = socket_io(server, transport)
        for text in texts:
            give(session, f'42["message",{text}]', f'42{7}["message-with-ack",{text},{text}]')
            session.expect(f'42["message-back",{text}]', f"437[{text},{text}]")
    socket = socket_io(server)
    socket.put('42["private","nobody",1]', '42["all", 1 , "x" ]')
    got = socket.packet()
    check(json.loads(got[2:]) == ["news", 1, "x"], f"received {got}")


def deep_nesting(server):
    """Pitfall 6: deep nesting survives, or is refused cleanly."""
    for depth in (100, 1000, 100_000):
        socket = socket_io(server)
        text = "[" * depth + "]" * depth
        socket.put(f'42["message",{text}]')
        try:
            got = socket.packet()
            check(got == f'42["message-back",{text}]', f"depth {depth}: received {got[:60]!r}")
        except Ended:
            check(depth > 100, f"depth {depth} is refused")
    socket_io(server).alive()


def in_order(server):
    """Pitfall 5 and 3: messages are handled in order, and events, acks, broadcasts and binary leave in that order."""
    for transport in (Socket, Polling):
        session = socket_io(server, transport)
        wanted, parts = [], []
        for n in range(20):
            parts += [f'42["message",{n}]', f'42{n}["message-with-ack",{n}]', f'42["all",{n}]', f'42["private","{session.id}",{n}]']
            wanted += [f'42["message-back",{n}]', f"43{n}[{n}]", f'42["news",{n}]', f'42["private","{session.id}",{n}]']
            attached, octets = f'451-["message",{{"_placeholder":true,"num":0}},{n}]', bytes([n])
            wanted.append(attached.replace('"message"', '"message-back"'))
            if transport is Socket:
                session.put(*parts, attached, octets)
                wanted.append(octets)
            else:
                session.post(*parts, attached, "b" + base64.b64encode(octets).decode())
                wanted.append("b" + base64.b64encode(octets).decode())
            parts = []
        session.expect(*wanted)


def binary(server):
    """Pitfall 11: binary may be empty and nested, with placeholders in any order."""
    holder = '{"_placeholder":true,"num":%d}'
    for first, rest, blobs in (("1", f'{holder % 0}', [b""]), ("2", f'{holder % 1},{holder % 0}', [b"a", b"b"]),
                               ("2", f'{{"x":[{{"y":{holder % 0}}},[[{holder % 1}]]]}},1,null', [b"\0\xff", b"\1" * 70_000]),
                               ("10", ",".join(holder % n for n in range(10)), [bytes([n]) for n in range(10)]),
                               ("1", f'"é",{holder % 0}', ["x".encode() * 130])):
        socket = socket_io(server)
        for event, answer, number in (("message", "message-back", ""), ("message-with-ack", None, "12")):
            socket.put(f'45{first}-{number}["{event}",{rest}]', *blobs)
            head = socket.packet()
            got = [socket.packet() for _ in blobs]
            kind, _, body = head.partition("-")
            check(kind == f"4{5 if answer else 6}{first}", f"the head is {head[:80]}")
            check(body.startswith(number), f"the ack id of {head[:80]}")
            values = json.loads(body[len(number):])
            wanted = json.loads(f"[{rest}]")
            check(filled(values[bool(answer):], got) == filled(wanted, blobs), f"other arguments in {head[:90]}")
    # The same attachment twice.
    socket = socket_io(server)
    socket.put(f'451-["message",{holder % 0},{holder % 0}]', b"twice")
    head = socket.packet()
    got = [socket.packet() for _ in range(int(head[2:head.index("-")]))]
    check(filled(json.loads(head[head.index("-") + 1:])[1:], got) == [b"twice", b"twice"], f"{head} {got}")


def filled(value, blobs):
    """JSON with its placeholders replaced."""
    if isinstance(value, dict):
        if value.get("_placeholder") is True:
            return blobs[value["num"]]
        return {name: filled(inner, blobs) for name, inner in value.items()}
    return [filled(inner, blobs) for inner in value] if isinstance(value, list) else value


def unfinished_binary(server):
    """A session that ends in the middle of its attachments, and a new one after it."""
    watcher = monitor(server)
    socket = socket_io(server)
    socket.put('453-["message",{"_placeholder":true,"num":0}]', b"1")
    socket.socket.close()
    reason = left(watcher, socket.id)
    check(reason in ("transport close", "transport error"), f"the reason is {reason}")
    socket_io(server).alive()


def kicked(server):
    """Pitfall 7: `disconnect(true)` sends DISCONNECT to every namespace, then closes; the session id is unknown afterwards."""
    for transport in (Socket, Polling):
        session = socket_io(server, transport)
        joined(session, "/custom")
        joined(session, "/admin", {"token": "secret"})
        give(session, '42["burst",3]', '42["kick",true]')
        got = []
        if transport is Socket:
            _, got = session.gone()
        else:
            while (answer := session.begin_poll().answer()).status == 200:
                got += answer.packets
        wanted = [f'42["n",{n}]' for n in range(3)]
        check(got[:3] == wanted, f"first came {got[:3]}")
        goodbyes = sorted(packet.rstrip(",") for packet in got[3:] if packet not in ("1", "6"))
        check(goodbyes == ["41", "41/admin", "41/custom"], f"then came {got[3:]}")
        refused(server, f"{PATH}?EIO=4&transport=polling&sid={session.sid}")


def kicked_softly(server):
    session = socket_io(server)
    joined(session, "/custom")
    session.put('42["kick",false]')
    session.expect("41")
    session.put('42/custom,["message",1]')
    session.expect('42/custom,["message-back",1]')
    first, session.id = session.id, joined(session)
    check(first != session.id, "the id is that of before")
    session.alive()


def reasons(server):
    """Each reason for the end of a socket, as a monitor receives it."""
    watcher = monitor(server)

    def ended(what, session, *reasons):
        got = left(watcher, session.id)
        check(got in reasons, f"{what}: the reason is {got}, not {' or '.join(reasons)}")

    for transport in (Socket, Polling):
        session = socket_io(server, transport)
        give(session, "41")
        ended("41", session, "client namespace disconnect")
        for close in ("false", "true"):
            session = socket_io(server, transport)
            give(session, f'42["kick",{close}]')
            ended(f"kick {close}", session, "server namespace disconnect")
        session = socket_io(server, transport)
        (session.try_post if transport is Polling else session.put)("abc")
        ended("no packet of Engine.IO", session, "parse error")
        session = socket_io(server, transport)
        sent(session, ["2{}"])
        ended("no packet of Socket.IO", session, "parse error")
    session = socket_io(server, Polling)
    session.post("1")
    ended("close packet", session, "transport close")
    session = socket_io(server)
    session.socket.close()
    ended("TCP connection closed", session, "transport close")
    session = socket_io(server)
    session.finish()
    ended("closing handshake", session, "transport close")
    session = socket_io(server)
    session.send(raw.frame(3, b""))
    ended("reserved opcode", session, "transport error")


def answers(server):
    """The server's own request: answered in time, late, twice, and never."""
    socket = socket_io(server)
    socket.put('42["ask",1,"x"]')
    question = socket.packet()
    number, _, rest = question[2:].partition("[")
    check(number.isdigit() and rest == '"question",1,"x"]', f"the question is {question}")
    socket.put(f"43{number}[2,{{}}]", f"43{number}[3]")
    socket.expect('42["answer",2,{}]')
    socket.put('42["ask"]')
    late = socket.packet()[2:].partition("[")[0]
    began = time.monotonic()
    socket.expect('42["answer-timeout"]')
    check(0.25 < time.monotonic() - began < 1, f"answer-timeout after {time.monotonic() - began:.2f} s, not 0.4 s")
    socket.put(f"43{late}[]")
    socket.alive()
    # Many at a time, answered in reverse.
    socket.put(*[f'42["ask",{n}]' for n in range(50)])
    numbers = [socket.packet()[2:].partition("[")[0] for _ in range(50)]
    check(len(set(numbers)) == 50, "ack ids repeat")
    socket.put(*[f"43{number}[{n}]" for n, number in reversed(list(enumerate(numbers)))])
    socket.expect(*[f'42["answer",{n}]' for n in reversed(range(50))])
    # A socket that ends with a request open.
    gone = socket_io(server)
    gone.put('42["ask"]')
    gone.finish()


def arguments_that_are_wrong(server):
    """Events of the contract with arguments of other kinds: nothing may end the server, nor another session."""
    other = socket_io(server)
    for event in ("join", "leave", "to-room", "in-room", "private", "burst", "blob", "later", "kick", "whoami", "monitor", "ask",
                  "message-with-ack"):
        for arguments in ("", ",null", ",-1", ",1.5", ",{}", ",[[]]", ',"x"', ",true,true,true", ",1e99"):
            socket = socket_io(server)
            socket.put(f'421["{event}"{arguments}]')
            socket.socket.close()
    other.alive()


CHECKS = {
    "malformed packets over WebSocket": malformed(Socket), "malformed packets over polling": malformed(Polling),
    "before a namespace is joined": before_connect, "unknown namespace": unknown_namespace,
    "arguments as they are (pitfall 6)": raw_arguments, "in order (pitfalls 3 and 5)": in_order,
    "binary (pitfall 11)": binary, "unfinished binary": unfinished_binary,
    "kick true (pitfall 7)": kicked, "kick false": kicked_softly, "reasons": reasons, "server's own requests": answers,
}
# On a server of its own, since it may end it.
ALONE_CHECKS = {"deep nesting (pitfall 6)": deep_nesting, "wrong arguments": arguments_that_are_wrong}
