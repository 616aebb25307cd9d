"""Connection state recovery by hand: a client that comes back keeps its id, its rooms, and gets what it missed."""

import base64
import json
import time

from packets import filled
from servers import CALM, check
from session import Polling, Socket, give

SETTINGS = {**CALM, "RECOVERY": 1500}  # ms


class Returning:
    """A client that knows what it needs to come back."""

    def __init__(self, server, transport=Socket):
        self.server = server
        self.session = transport(server)
        give(self.session, "40")
        answer = json.loads(self.session.packet()[2:])
        check(set(answer) == {"sid", "pid"}, f"keys of the CONNECT answer: {sorted(answer)}")
        self.id, self.secret = answer["sid"], answer["pid"]
        check(self.secret != self.id and len(self.secret) >= 20, "the private id is not secret")
        self.expect(["auth", {}])

    def event(self, packet=None):
        """Take an event, with its attachments; its last argument is an offset."""
        head = packet or self.session.packet()
        check(head[:2] in ("42", "45"), f"received {head[:80]}")
        start = head.index("[")
        count = int(head[2:start].rstrip("-") or 0)
        blobs = [self.session.packet() for _ in range(count)]
        blobs = [base64.b64decode(blob[1:]) if isinstance(blob, str) else blob for blob in blobs]
        *event, self.offset = filled(json.loads(head[start:]), blobs)
        check(isinstance(self.offset, str), f"the offset is {self.offset!r}")
        return event

    def expect(self, *wanted):
        for event in wanted:
            got = self.event()
            check(got == event, f"received {got}, not {event}")

    def join(self, room):
        give(self.session, f'421["join","{room}"]')
        check(self.session.packet() == '431["ok"]', "not joined")

    def drop(self):
        if isinstance(self.session, Polling):
            self.session.post("1")
        else:
            self.session.socket.close()
        time.sleep(0.1)

    def back(self, transport=Socket, **changes):
        """Come back; returns whether the state was recovered, and what came up to `auth`."""
        self.session = transport(self.server)
        give(self.session, f'40{json.dumps({"pid": self.secret, "offset": self.offset, **changes})}')
        events, answer = [], None
        # What was missed may come before the answer.
        while not answer or not events or events[-1][0] != "auth":
            packet = self.session.packet()
            if packet.startswith("40"):
                answer = json.loads(packet[2:])
            else:
                events.append(self.event(packet))
        recovered = answer["sid"] == self.id
        check(not recovered or answer["pid"] == self.secret, "the private id has changed")
        self.id, self.secret = answer["sid"], answer["pid"]
        return recovered, events[:-1]


def comes_back(server):
    other = Returning(server)
    for transport in (Socket, Polling):
        client = Returning(server, transport)
        client.join("crew")
        give(client.session, '42["message","seen"]')
        client.expect(["message-back", "seen"])
        client.drop()
        other.session.put('42["to-room","crew",1]', '42["broadcast",2]', f'42["private","{client.id}",3]',
                          '452-["broadcast",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"x", b"",
                          '42["to-room","others",4]')
        time.sleep(0.1)
        recovered, missed = client.back(transport)
        check(recovered, "not recovered")
        wanted = [["room", "crew", 1], ["news", 2], ["private", other.id, 3], ["news", b"x", b""]]
        check(missed == wanted, f"missed: {missed}")
        give(other.session, '42["to-room","crew",5]')
        client.expect(["room", "crew", 5])
        # And once more, from where it is now.
        client.drop()
        give(other.session, '42["broadcast",6]')
        time.sleep(0.1)
        check(client.back(transport) == (True, [["news", 6]]), "not recovered a second time")
        client.drop()


def to_another_transport(server):
    client = Returning(server, Polling)
    client.drop()
    check(client.back(Socket) == (True, []), "not recovered")


def not_recovered(server):
    """A wrong private id, a wrong offset, a state that was left on purpose, one that is too old, one that still lives."""
    for changes in ({"pid": "x" * 20}, {"offset": "unheard-of"}, {"pid": 1}, {"offset": 1}, {"pid": None},
                    {"pid": {}, "offset": []}):
        client = Returning(server)
        client.drop()
        check(not client.back(**changes)[0], f"recovered with {changes}")
    for goodbye in ("41", '42["kick",true]', '42["kick",false]'):
        client = Returning(server)
        client.session.put(goodbye)
        time.sleep(0.1)
        client.drop()
        check(not client.back()[0], f"recovered after {goodbye}")
    client = Returning(server)
    living = client.session  # kept, so that it stays open
    check(not client.back()[0], "recovered although its connection lives")
    living.put('42["message",1]')
    check(living.packet().startswith('42["message-back",1,'), "the connection that lives does not work")
    client = Returning(server)
    client.drop()
    time.sleep(1.8)
    check(not client.back()[0], "recovered after the time has passed")


CHECKS = {"comes back": comes_back, "to another transport": to_another_transport, "is not recovered": not_recovered}
