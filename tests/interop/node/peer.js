// A foreign peer built with Node's `ws`. It plays one scenario on one connection.
//
//   node peer.js client SCENARIO [--deflate] URL      connects to an echo server
//   node peer.js server SCENARIO [--deflate]          prints its URL, accepts one echo client
//
// Exit status 0: passed; 1: failed, with the reason as the last line of standard error.
'use strict';

const WebSocket = require('ws');

const [role, scenario] = process.argv.slice(2);
const deflate = process.argv.includes('--deflate');
const PATIENCE = 15_000; // ms for any single step; ten megabytes take a while on a busy machine

function check(condition, complaint) {
  if (!condition) throw new Error(complaint);
}

function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timeout: nothing in place of ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Everything that arrives, in order, to be awaited. */
class Inbox {
  items = [];
  waiting = [];

  put(item) {
    this.items.push(item);
    this.waiting.shift()?.();
  }

  async take(what) {
    if (!this.items.length) await soon(new Promise((resolve) => this.waiting.push(resolve)), what);
    const item = this.items.shift();
    if (item instanceof Error) throw new Error(`${item.message} in place of ${what}`);
    return item;
  }
}

/** One connection, of either role. */
class Peer {
  messages = new Inbox();
  pongs = new Inbox();

  constructor(socket) {
    this.socket = socket;
    socket.on('message', (data, binary) => this.messages.put({ data, binary }));
    socket.on('pong', (data) => this.pongs.put(data));
    socket.on('error', (error) => { this.error = error; });
    this.end = new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }) => {
        const gone = new Error(`closed with ${code} ${reason}${this.error ? ` (${this.error.message})` : ''}`);
        this.messages.put(gone);
        this.pongs.put(gone);
        resolve({ code, reason, wasClean });
      };
    });
  }

  send(data, { fin = true, binary = typeof data !== 'string' } = {}) {
    this.socket.send(data, { fin, binary });
  }

  /** The next message must be this one. */
  async expect(data, binary) {
    const wanted = Buffer.from(data);
    const got = await this.messages.take(`${binary ? 'binary' : 'text'} message of ${wanted.length} octets`);
    check(got.binary === binary, `a ${binary ? 'binary' : 'text'} message came back as the other kind`);
    check(got.data.equals(wanted), `sent ${wanted.length} octets, and other ${got.data.length} octets came back`);
  }

  async echo(data) {
    this.send(data);
    await this.expect(data, typeof data !== 'string');
  }

  async fragments(data, size, binary, between = async () => {}) {
    this.send(data.subarray(0, 0), { fin: false, binary }); // an empty first fragment
    for (let at = 0; at < data.length; at += size) {
      await between(at);
      this.send(data.subarray(at, at + size), { fin: false, binary });
    }
    this.send(data.subarray(0, 0), { fin: true, binary });
    await this.expect(data, binary);
  }

  async ping(payload) {
    this.socket.ping(payload);
    const pong = await this.pongs.take('pong');
    check(pong.equals(Buffer.from(payload)), `ping with ${payload.length} octets, pong with ${pong.length}, or other ones`);
  }

  /** The connection must end with this code in the other side's Close frame. */
  async ended(code, { clean = true } = {}) {
    const end = await soon(this.end, 'end of the connection');
    check(end.code === code, `closed with ${end.code}, not ${code}`);
    check(end.wasClean || !clean, 'not closed cleanly');
  }

  async close(code, reason) {
    this.socket.close(code, reason);
    await this.ended(code ?? 1005); // 1005 is the library's code for a Close without a code
  }
}

const MIXED = 'aé€😀'; // characters of one to four octets
const octets = (length) => Buffer.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const CUTS = [1, 2, 3, 7, 64, 125, 126, 127, 1000, 1999];

// The scenarios of both an echo server and `client --echo`. The peer drives; the other side answers.
const scenarios = {
  'text and binary': async (peer) => {
    for (const length of [1, 125, 126, 127, 65535, 65536, 100_000]) {
      await peer.echo('x'.repeat(length));
      await peer.echo(octets(length));
    }
    await peer.close(1000);
  },
  'empty messages': async (peer) => {
    for (const message of ['', Buffer.alloc(0), '', 'x', Buffer.alloc(0)]) await peer.echo(message);
    await peer.close(1000);
  },
  'UTF-8 beyond the BMP': async (peer) => {
    const edges = ['\0', '\u007f\u0080', '\u07ff\u0800', '\ud7ff\ue000', '\uffff\u{10000}', '\u{10ffff}', '\ufeff'];
    for (const text of ['😀', '👩‍👩‍👧‍👦 𝄞 𐍈', MIXED.repeat(100), ...edges]) await peer.echo(text);
    await peer.close(1000);
  },
  'fragmented text': async (peer) => {
    for (const size of CUTS) await peer.fragments(Buffer.from(MIXED.repeat(200)), size, false);
    await peer.close(1000);
  },
  'fragmented binary': async (peer) => {
    for (const size of CUTS) await peer.fragments(octets(2000), size, true);
    await peer.fragments(octets(1 << 20), 1 << 16, true);
    await peer.close(1000);
  },
  'pings between fragments': async (peer) => {
    for (const size of [100, 333, 1000]) {
      await peer.fragments(Buffer.from(MIXED.repeat(200)), size, false, (at) => peer.ping(`at ${at}`));
      await peer.fragments(octets(2000), size, true, (at) => peer.ping(octets(at % 126)));
    }
    await peer.close(1000);
  },
  'pings answered': async (peer) => {
    for (const length of [0, 1, 2, 124, 125]) await peer.ping(octets(length));
    await peer.echo('and messages still arrive');
    await peer.close(1000);
  },
  // Only the latest of several pings must be answered (RFC 6455, section 5.5.3).
  'many pings': async (peer) => {
    for (let i = 0; i < 1000; i++) peer.socket.ping(`ping ${i}`);
    peer.send('after them');
    for (let pong; pong !== 'ping 999';) pong = String(await peer.pongs.take('pong for the last ping'));
    await peer.expect('after them', false);
    await peer.close(1000);
  },
  'unsolicited pongs': async (peer) => {
    peer.socket.pong('nobody asked');
    peer.socket.pong();
    await peer.echo('and messages still arrive');
    await peer.ping('so do pings');
    await peer.close(1000);
  },
  '10 MiB text': async (peer) => {
    await peer.echo(MIXED.repeat(1 << 20));
    await peer.close(1000);
  },
  '10 MiB binary': async (peer) => {
    await peer.echo(octets(10 << 20));
    await peer.close(1000);
  },
  'pipelined messages': async (peer) => {
    const texts = Array.from({ length: 10_000 }, (_, i) => `${i} ${'.'.repeat(i % 200)}`);
    for (const text of texts) peer.send(text);
    for (const text of texts) await peer.expect(text, false);
    await peer.close(1000);
  },
  'close 1000': (peer) => peer.close(1000, 'done'),
  'close 1001': (peer) => peer.close(1001),
  'close 3000': (peer) => peer.close(3000),
  'close 4999 with a long reason': (peer) => peer.close(4999, `${'😀'.repeat(30)}...`), // 123 octets, the longest possible
  'close without status': (peer) => peer.close(),
  'invalid UTF-8': async (peer) => {
    peer.send(Buffer.from('cebaff', 'hex'), { binary: false });
    await peer.ended(1007, { clean: false });
  },
};

// Against an echo server. (The connection's options come first.)
const clients = {
  'extra headers': [{
    headers: { 'X-Extra': 'one, two', Authorization: 'Bearer of=a+token', Cookie: 'a=b; c=d', 'User-Agent': 'somebody' },
    origin: 'https://example.com',
  }, async (peer) => {
    await peer.echo('x');
    await peer.close(1000);
  }],
  subprotocol: [{ protocols: ['unheard-of', 'superchat', 'echo'] }, async (peer) => {
    check(peer.socket.protocol === 'superchat', `the server chose '${peer.socket.protocol}', not 'superchat'`);
    await peer.echo('x');
    await peer.close(1000);
  }],
  // The server has --max-message-size 4096.
  'at the size limit': [{}, async (peer) => {
    await peer.echo(octets(4096));
    await peer.fragments(octets(4096), 1000, true);
    await peer.close(1000);
  }],
  'beyond the size limit': [{}, async (peer) => {
    peer.send(octets(4097));
    await peer.ended(1009, { clean: false });
  }],
  'fragments beyond the size limit': [{}, async (peer) => {
    for (const fin of [false, true]) peer.send(octets(3000), { fin });
    await peer.ended(1009, { clean: false });
  }],
  shutdown: [{}, async (peer) => {
    await peer.echo('x');
    console.log('ready'); // the program that started this peer and the server now shuts the server down
    await peer.ended(1001);
  }],
};

// Against the example `client`.
const servers = {
  headers: async (peer, request) => {
    const one = request.headers['x-one'];
    const two = request.headers['x-two'];
    check(one === '1' && two === 'a, "b": c', `the headers arrived as '${one}' and '${two}'`);
    await peer.echo('x');
    await peer.close(1000);
  },
  subprotocol: async (peer, request) => {
    const offered = request.headers['sec-websocket-protocol']?.replace(/\s/g, '');
    check(offered === 'unheard-of,superchat,echo', `offered: ${offered}`);
    check(peer.socket.protocol === 'superchat', `chosen: ${peer.socket.protocol}`);
    await peer.echo('x');
    await peer.close(1000);
  },
  'subprotocol never offered': async (peer) => {
    const { wasClean } = await soon(peer.end, 'end of the connection');
    check(!wasClean, 'the client took it');
  },
  'stdin lines': async (peer) => {
    peer.socket.on('message', (data) => peer.send(`got ${data}`));
    await peer.ended(1000);
    check(!peer.messages.items.some(({ binary }) => binary), 'a line arrived as a binary message');
  },
  'stdin ends at once': async (peer) => {
    for (const line of ['one', 'two 😀', 'three']) await peer.expect(line, false);
    await peer.ended(1000);
  },
  'connection cut': async (peer) => {
    await peer.echo('x');
    peer.socket.terminate();
  },
};

async function client() {
  const [{ protocols = [], ...options }, play] = clients[scenario] ?? [{}, scenarios[scenario]];
  const socket = new WebSocket(process.argv.at(-1), protocols, { perMessageDeflate: deflate, ...options });
  const peer = new Peer(socket);
  await Promise.race([
    new Promise((resolve) => socket.once('open', resolve)),
    peer.end.then(() => { throw new Error(`not connected: ${peer.error?.message}`); }),
  ]);
  checkDeflate(socket);
  await play(peer);
}

async function server() {
  const play = servers[scenario] ?? scenarios[scenario];
  const host = '127.0.0.1';
  const refused = scenario === 'refused';
  const listener = new WebSocket.Server({
    host,
    port: 0,
    perMessageDeflate: deflate,
    handleProtocols: () => 'superchat',
  });
  if (scenario === 'subprotocol never offered') {
    listener.on('headers', (headers) => headers.push('Sec-WebSocket-Protocol: unheard-of'));
  }
  const arrival = new Promise((resolve) => {
    // The Peer is created here, not after an await, because frames may already have arrived.
    listener.once('connection', (socket, request) => resolve({ peer: new Peer(socket), request }));
    if (refused) {
      listener.options.verifyClient = (_, answer) => {
        answer(false, 403, 'not you');
        resolve({});
      };
    }
  });
  await new Promise((resolve) => listener.once('listening', resolve));
  console.log(`listening on ws://${host}:${listener.address().port}`);
  const { peer, request } = await soon(arrival, 'connection');
  if (refused) {
    await new Promise((resolve) => listener._server.close(resolve)); // once the answer has been sent
    return;
  }
  if (scenario !== 'subprotocol never offered') checkDeflate(peer.socket);
  await play(peer, request);
}

function checkDeflate(socket) {
  const negotiated = socket.extensions.includes('permessage-deflate');
  check(negotiated === deflate, `permessage-deflate was ${negotiated ? '' : 'not '}negotiated`);
}

({ client, server })[role]().then(
  () => process.exit(0),
  (error) => {
    console.error(error instanceof TypeError ? error.stack.replace(/\s+/g, ' ') : error.message);
    process.exit(1);
  },
);
