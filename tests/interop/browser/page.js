// The browser's checks of an echo server. The runner names one check after another; the page plays it and answers with a
// complaint, or with null if the check passed.
'use strict';

const PATIENCE = 10_000; // ms for any single step

function check(condition, complaint) {
  if (!condition) throw new Error(complaint);
}

/** Send an answer, and get the next task. */
async function turn(answer) {
  const response = await fetch('/turn', { method: 'POST', body: JSON.stringify(answer) });
  return response.json();
}

/** One connection, with its events in the order of their arrival. */
class Peer {
  events = [];
  wake = () => {};

  constructor(url, protocols = []) {
    this.socket = new WebSocket(url, protocols);
    this.socket.binaryType = 'arraybuffer';
    for (const type of ['open', 'message', 'error', 'close']) {
      this.socket.addEventListener(type, (event) => {
        this.events.push(event);
        this.wake();
      });
    }
  }

  /** The next event must be of this type. */
  async take(type) {
    if (!this.events.length) {
      let timer;
      await new Promise((resolve, reject) => {
        this.wake = resolve;
        timer = setTimeout(() => reject(new Error(`timeout: no event in place of ${type}`)), PATIENCE);
      });
      clearTimeout(timer);
    }
    const event = this.events.shift();
    const said = event.type === 'close' ? ` (${event.code} '${event.reason}', clean: ${event.wasClean})` : '';
    check(event.type === type, `the event ${event.type}${said} in place of ${type}`);
    return event;
  }

  /** The next message must be this one, of the same type. */
  async expect(wanted) {
    const { data } = await this.take('message');
    const kind = typeof wanted === 'string' ? 'a string' : this.socket.binaryType;
    const got = typeof data === 'string' ? 'a string' : data instanceof Blob ? 'blob' : 'arraybuffer';
    check(got === kind, `the message arrived as ${got}, not as ${kind}`);
    if (kind === 'a string') {
      check(data === wanted, `sent ${wanted.length} characters, and other ${data.length} characters came back`);
      return;
    }
    const bytes = new Uint8Array(kind === 'blob' ? await data.arrayBuffer() : data);
    const same = bytes.length === wanted.length && bytes.every((byte, i) => byte === wanted[i]);
    check(same, `sent ${wanted.length} octets, and other ${bytes.length} octets came back`);
  }

  /** The connection must end with this code, after a closing handshake, and with no other event before the end. */
  async ended(code) {
    const end = await this.take('close');
    check(end.code === code, `closed with ${end.code}, not ${code}`);
    // A browser that has data left to send at the end does not report a clean close either.
    check(end.wasClean || this.socket.bufferedAmount, 'not closed cleanly');
    check(this.socket.readyState === WebSocket.CLOSED, `the state is ${this.socket.readyState}`);
    return end;
  }

  async close(...codeAndReason) {
    this.socket.close(...codeAndReason);
    const [code = 1005, reason = ''] = codeAndReason; // 1005 stands for a Close frame without a code
    const end = await this.ended(code);
    // This is the server's Close. It repeats the code, but need not repeat a reason (RFC 6455, section 5.5.1).
    check(['', reason].includes(end.reason), `closed with the reason '${end.reason}', not '${reason}' or none`);
  }
}

const MIXED = 'aé€😀'; // characters of one to four octets
const octets = (length) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

const checks = {
  open: async (peer, { url }) => {
    check(peer.socket.readyState === WebSocket.OPEN, `the state is ${peer.socket.readyState}`);
    check(peer.socket.url === `${url}/`, `the URL is ${peer.socket.url}`);
    await peer.close(1000);
  },
  text: async (peer) => {
    const edges = ['', '\0', '\u007f\u0080', '\u07ff\u0800', '\ud7ff\ue000', '\uffff\u{10000}', '\u{10ffff}', '\ufeff'];
    for (const text of [...edges, '😀', '👩‍👩‍👧‍👦 𝄞 𐍈', MIXED.repeat(100), 'x'.repeat(65536)]) {
      peer.socket.send(text);
      await peer.expect(text);
    }
    await peer.close(1000);
  },
  'binary as ArrayBuffer': async (peer) => {
    for (const length of [0, 1, 125, 126, 127, 65535, 65536]) {
      peer.socket.send(octets(length).buffer);
      await peer.expect(octets(length));
    }
    peer.socket.send(octets(1000).subarray(300, 700));
    await peer.expect(octets(1000).subarray(300, 700));
    await peer.close(1000);
  },
  'binary as Blob': async (peer) => {
    peer.socket.binaryType = 'blob';
    for (const length of [0, 1, 125, 126, 127, 65535, 65536]) {
      peer.socket.send(new Blob([octets(length)]));
      await peer.expect(octets(length));
    }
    await peer.close(1000);
  },
  '1 MiB text': async (peer) => {
    const text = `${MIXED.repeat(104857)}${'x'.repeat(6)}`; // ten octets each, and the rest
    peer.socket.send(text);
    await peer.expect(text);
    await peer.close(1000);
  },
  '1 MiB binary': async (peer) => {
    peer.socket.send(octets(1 << 20));
    await peer.expect(octets(1 << 20));
    await peer.close(1000);
  },
  '1000 pipelined messages': async (peer) => {
    // Text and binary alternately, of all short sizes.
    const messages = Array.from({ length: 1000 }, (_, i) => (i % 3 ? `${i} ${'.'.repeat(i % 200)}` : octets(i)));
    for (const message of messages) peer.socket.send(message);
    for (const message of messages) await peer.expect(message);
    await peer.close(1000);
  },
  'subprotocol chosen': async (peer) => {
    check(peer.socket.protocol === 'superchat', `the server chose '${peer.socket.protocol}', not 'superchat'`);
    await peer.close(1000);
  },
  'no subprotocol': async (peer) => {
    check(peer.socket.protocol === '', `the server chose '${peer.socket.protocol}'`);
    await peer.close(1000);
  },
  extensions: async (peer, { deflate }) => {
    // With its parameters, which the server may choose.
    const names = peer.socket.extensions.split(';')[0].trim();
    const wanted = deflate ? 'permessage-deflate' : '';
    check(names === wanted && !peer.socket.extensions.includes(','),
      `the extensions are '${peer.socket.extensions}', not '${wanted}'`);
    await peer.close(1000);
  },
  'close 1000': (peer) => peer.close(1000),
  'close 4000 with a reason': (peer) => peer.close(4000, 'that will do 😀'),
  'close without status': (peer) => peer.close(),
  'close after messages': async (peer) => {
    peer.socket.send(octets(1 << 16));
    peer.socket.send('two');
    await peer.close(3000, 'in order'); // the page gets no more messages once it has closed
  },
  // The server has --max-message-size 4096.
  'at the size limit': async (peer) => {
    peer.socket.send(octets(4096));
    await peer.expect(octets(4096));
    await peer.close(1000);
  },
  'beyond the size limit': async (peer) => {
    peer.socket.send(octets(4097));
    await peer.ended(1009);
  },
  'far beyond the size limit': async (peer) => {
    peer.socket.send('x'.repeat(1 << 20));
    await peer.ended(1009);
  },
  'close 1001 on SIGTERM': async (peer) => {
    peer.socket.send('x');
    await peer.expect('x');
    await turn('ready'); // the runner has stopped the server when it answers
    await peer.ended(1001);
  },
};

async function play(task) {
  const peer = new Peer(task.url, task.check === 'subprotocol chosen' ? ['unheard-of', 'superchat', 'echo'] : []);
  try {
    if (task.check === 'untrusted certificate') {
      await peer.take('error');
      const end = await peer.take('close');
      check(end.code === 1006 && !end.wasClean, `closed with ${end.code}, clean: ${end.wasClean}`);
      return null;
    }
    await peer.take('open');
    await checks[task.check](peer, task);
    check(!peer.events.length, `the event ${peer.events[0]?.type} after the end`);
    return null;
  } catch (error) {
    return error instanceof TypeError ? error.stack.replace(/\s+/g, ' ') : error.message;
  } finally {
    peer.socket.close(); // does nothing if it is closed
  }
}

/** Plays the checks that the runner names, until the browser is ended. */
async function playAll() {
  let answer = 'loaded';
  for (;;) answer = await play(await turn(answer));
}
