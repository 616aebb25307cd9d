// Scenarios with npm's `socket.io-client`.
//
// usage: client.js VERSION TRANSPORT list
//        client.js VERSION TRANSPORT SCENARIO... URL
//
// VERSION is 4.8.4, 4.7.5 or 3.0.0; TRANSPORT is polling, websocket or upgrade. Prints a line for each scenario,
// `ok NAME` or `FAIL NAME: why`. The scenario `restart` is apart: the runner kills the server after `ready`, and starts it
// again after `lost`.
'use strict';

const assert = require('node:assert/strict');
const {
  PATIENCE, connect, endAll, main, names, namespace, plain, sleep, start, transport, upgraded, url, version, within,
} = require('./peer.js');

const blob = (length) => Buffer.from(Array.from({ length }, (_, i) => (i * 31) & 0xff));
const VALUES = [
  [], [null], [0, -1, 1.5, 1e21, 9007199254740991], ['', 'é€😀', '\u2028"\\\n\0'], [true, false], [{}], [[]],
  [{ a: { b: [{ c: null }] }, é: 1 }], ['x'.repeat(100_000)], Array.from({ length: 100 }, (_, i) => i),
];
const BINARY = [
  [Buffer.alloc(0)], [blob(1)], [blob(100_000)], [new Uint8Array([1, 2, 3])], [new Uint8Array([1, 2, 3]).buffer],
  [{ a: blob(3), b: [blob(0), { c: blob(5) }], d: 'text' }], [1, blob(2), 'x', blob(3), null],
  Array.from({ length: 10 }, (_, i) => blob(i)),
];

const scenarios = {
  async connect() {
    const peer = await main();
    assert.equal(peer.socket.io.engine.transport.name, transport === 'polling' ? 'polling' : 'websocket');
    assert.notEqual(peer.socket.id, peer.socket.io.engine.id);
    assert.deepEqual(await peer.ask('whoami'), [peer.socket.id]);
  },
  async auth() {
    await main({ auth: { token: 'abc', list: [1, { é: '😀' }] } });
  },
  async message() {
    const peer = await main();
    for (const values of VALUES) {
      peer.socket.emit('message', ...values);
      await peer.expect('message-back', ...values);
    }
  },
  async 'message with ack'() {
    const peer = await main();
    for (const values of [...VALUES, ...BINARY]) {
      assert.deepEqual(plain(await peer.ask('message-with-ack', ...values)), plain(values));
    }
  },
  async binary() {
    const peer = await main();
    for (const values of BINARY) {
      peer.socket.emit('message', ...values);
      await peer.expect('message-back', ...values);
    }
    for (const length of [0, 1, 70_000, 900_000]) {
      peer.socket.emit('blob', length);
      const [name, got, ...more] = await peer.take();
      assert.deepEqual([name, got.length ?? got.byteLength, more], ['blob', length, []]);
    }
  },
  async 'in order'() {
    const peer = await main();
    const sent = Array.from({ length: 300 }, (_, i) => (i % 3 ? [i, 'x'.repeat(i)] : [blob(i % 7), i]));
    for (const values of sent) peer.socket.emit('message', ...values);
    for (const values of sent) await peer.expect('message-back', ...values);
    peer.socket.emit('burst', 1000);
    for (let i = 0; i < 1000; i++) await peer.expect('n', i);
  },
  async 'while connecting'() {
    // What is emitted before the connection, and while it upgrades.
    const peer = start();
    for (let i = 0; i < 20; i++) peer.socket.emit('message', i, blob(3));
    await peer.expect('auth', {});
    for (let i = 20; i < 200; i++) {
      peer.socket.emit('message', i, blob(3));
      if (i % 10 === 0) await sleep(1);
    }
    for (let i = 0; i < 200; i++) await peer.expect('message-back', i, blob(3));
  },
  async 'large messages'() {
    const peer = await main();
    const text = 'é'.repeat(450_000);
    peer.socket.emit('message', text);
    await peer.expect('message-back', text);
    const lost = peer.once('disconnect');
    peer.socket.emit('message', 'x'.repeat(1_100_000));
    const reason = await lost;
    assert.match(reason, /transport (close|error)/);
  },
  async 'questions of the server'() {
    const peer = await main();
    peer.socket.once('question', (...args) => args.pop()(...args, blob(3)));
    peer.socket.emit('ask', 1, { a: blob(2) });
    await peer.take();
    await peer.expect('answer', 1, { a: blob(2) }, blob(3));
    peer.socket.once('question', (...args) => args.pop()());
    peer.socket.emit('ask');
    await peer.take();
    await peer.expect('answer');
    const began = Date.now();
    peer.socket.emit('ask', 'nobody answers');
    await peer.take();
    await peer.expect('answer-timeout');
    assert.ok(Date.now() - began > 300);
  },
  async rooms() {
    const [a, b, c] = [await main(), await main(), await main()];
    for (const peer of [a, b]) assert.deepEqual(await peer.ask('join', 'r é'), ['ok']);
    a.socket.emit('to-room', 'r é', 1, blob(2));
    await b.expect('room', 'r é', 1, blob(2));
    a.socket.emit('in-room', 'r é');
    for (const peer of [a, b]) await peer.expect('room', 'r é');
    c.socket.emit('to-room', 'r é', 'from outside');
    for (const peer of [a, b]) await peer.expect('room', 'r é', 'from outside');
    assert.deepEqual(await b.ask('leave', 'r é'), ['ok']);
    await b.ask('join', 'other');
    c.socket.emit('in-room', 'r é', 2);
    await a.expect('room', 'r é', 2);
    c.socket.emit('in-room', 'nobody is here', 3);
    for (const peer of [a, b, c]) await peer.nothing();
  },
  async 'private messages'() {
    const [a, b] = [await main(), await main()];
    a.socket.emit('private', b.socket.id, 'psst', blob(1));
    await b.expect('private', a.socket.id, 'psst', blob(1));
    a.socket.emit('private', 'nobody', 1);
    a.socket.emit('private', a.socket.id, 2);
    await a.expect('private', a.socket.id, 2);
    await b.nothing();
  },
  async later() {
    const peer = await main();
    const began = Date.now();
    peer.socket.emit('later', 200, 'x', blob(1));
    await peer.expect('later', 'x', blob(1));
    assert.ok(Date.now() - began >= 195);
  },
  async 'unknown events, volatile and compressed'() {
    const peer = await main();
    peer.socket.emit('unheard-of', 1);
    peer.socket.emit('unheard-of', 1, () => assert.fail('answered'));
    peer.socket.compress(true).emit('message', 'x'.repeat(5000));
    await peer.expect('message-back', 'x'.repeat(5000));
    await peer.settled();
    // Dropped if the transport is busy, whole otherwise.
    peer.socket.volatile.emit('message', 2);
    await peer.settled();
    if (peer.events.length) await peer.expect('message-back', 2);
    await peer.nothing();
  },
  async kick() {
    for (const close of [false, true]) {
      const peer = await main();
      const other = await namespace(peer, '/custom');
      const lost = peer.once('disconnect');
      const otherLost = within(new Promise((resolve) => other.once('disconnect', resolve)), 'it stays', close ? PATIENCE : 300);
      otherLost.catch(() => {});
      peer.socket.emit('kick', close);
      assert.equal(await lost, 'io server disconnect');
      if (close) {
        assert.equal(await otherLost, 'io server disconnect');
      } else {
        await assert.rejects(otherLost, { message: 'timeout: it stays' });
        peer.socket.connect();
        await peer.once('connect');
        await peer.expect('auth', {});
      }
      other.disconnect();
    }
  },
  async monitor() {
    const watcher = await main();
    assert.deepEqual(await watcher.ask('monitor'), ['ok']);
    const left = async (id) => {
      for (;;) {
        const [name, who, reason] = await watcher.take();
        if (name === 'left' && who === id) return reason;
      }
    };
    const ends = [
      ['client namespace disconnect', (peer) => peer.socket.disconnect()],
      ['server namespace disconnect', (peer) => peer.socket.emit('kick', false)],
      ['server namespace disconnect', (peer) => peer.socket.emit('kick', true)],
      ['transport close', (peer) => peer.socket.io.engine.close()],
    ];
    for (const [reason, end] of ends) {
      const peer = await main();
      const { id } = peer.socket;
      end(peer);
      assert.equal(await left(id), reason);
    }
  },
  async namespaces() {
    const peer = await main();
    const manager = peer.socket.io;
    const [custom, refused, unknown] = ['/custom', '/admin', '/unheard-of'].map((name) => manager.socket(name));
    const events = [];
    custom.onAny((...event) => events.push(event));
    const connected = within(new Promise((resolve) => custom.once('connect', resolve)), 'no connect');
    const errors = [refused, unknown].map((socket) =>
      within(new Promise((resolve) => socket.once('connect_error', resolve)), 'no connect_error'));
    await connected;
    const [denied, invalid] = await Promise.all(errors);
    assert.equal(denied.message, 'not authorized');
    assert.equal(invalid.message, 'Invalid namespace');
    assert.notEqual(custom.id, peer.socket.id);
    custom.emit('message', 1, blob(2));
    custom.emit('whoami', () => assert.fail('/custom knows whoami'));
    while (events.length < 2) await sleep(5);
    assert.deepEqual(plain(events), plain([['auth', {}], ['message-back', 1, blob(2)]]));
    custom.disconnect();
    await peer.nothing();
  },
  async admin() {
    const peer = await main();
    await assert.rejects(connect('/admin', { auth: { token: 'guess' } }), { message: 'not authorized' });
    const [a, b] = [await connect('/admin', { auth: { token: 'secret' } }), await connect('/admin', { auth: { token: 'secret' } })];
    const [count] = await a.ask('count');
    assert.ok(Number.isInteger(count) && count >= 1, `count is ${count}`);
    a.socket.emit('all', 'x', blob(1));
    for (const each of [a, b]) await each.expect('news', 'x', blob(1));
    await peer.nothing();
  },
  async chat() {
    const [a, b, c] = [await connect('/chat'), await connect('/chat'), await connect('/chat')];
    const room = `room ${Math.random()}`;
    assert.deepEqual(await a.ask('join', 'Zoë', room), [[]]);
    assert.deepEqual(await b.ask('join', 'Ann', room), [['Zoë']]);
    await a.expect('join', 'Ann');
    assert.deepEqual(await c.ask('join', 'Bob', room), [['Ann', 'Zoë']]);
    for (const peer of [a, b]) await peer.expect('join', 'Bob');
    a.socket.emit('chat', 'hello');
    for (const peer of [a, b, c]) await peer.expect('chat', 'Zoë', 'hello');
    // Into another room.
    assert.deepEqual(await c.ask('join', 'Bob', `${room}2`), [[]]);
    for (const peer of [a, b]) await peer.expect('leave', 'Bob');
    c.socket.emit('chat', 'alone');
    await c.expect('chat', 'Bob', 'alone');
    assert.deepEqual(await b.ask('leave'), ['ok']);
    await a.expect('leave', 'Ann');
    assert.deepEqual(await b.ask('join', 'Ann', room), [['Zoë']]);
    await a.expect('join', 'Ann');
    b.socket.disconnect();
    await a.expect('leave', 'Ann');
    assert.deepEqual(await c.ask('join', 'Bob', room), [['Zoë']]);
    a.socket.io.engine.close();
    await c.expect('leave', 'Zoë');
  },
  async 'comes and goes'() {
    const peer = await main();
    const ids = new Set([peer.socket.id]);
    for (let i = 0; i < 3; i++) {
      peer.socket.disconnect();
      await sleep(50); // 3.0.0 connects only when the end is complete
      peer.socket.connect();
      await peer.once('connect');
      await peer.expect('auth', {});
      ids.add(peer.socket.id);
    }
    assert.equal(ids.size, 4);
    await peer.nothing();
  },
};

// Events to all would disturb the other scenarios, which run beside these in other processes: for a server of their own.
const alone = {
  async broadcast() {
    const [a, b, c] = [await main(), await main(), await main()];
    a.socket.emit('broadcast', 1, blob(2));
    for (const peer of [b, c]) await peer.expect('news', 1, blob(2));
    a.socket.emit('all', { x: 1 });
    for (const peer of [a, b, c]) await peer.expect('news', { x: 1 });
    for (const peer of [a, b, c]) await peer.nothing();
  },
};

// For a server with recovery of the connection state, which clients know since 4.6.
const recovery = {
  async recovery() {
    const other = await connect();
    const peer = await connect('/', { reconnection: true, reconnectionDelay: 300, randomizationFactor: 0 });
    for (const each of [peer, other]) assert.deepEqual((await each.take()).slice(0, 2), ['auth', {}]);
    await peer.ask('join', 'crew');
    const { id } = peer.socket;
    assert.equal(peer.socket.recovered, false);
    const lost = peer.once('disconnect');
    peer.socket.io.engine.close();
    await lost;
    peer.socket.emit('message', 'buffered');
    other.socket.emit('to-room', 'crew', 1, blob(2));
    other.socket.emit('broadcast', 2);
    await peer.once('connect');
    assert.equal(peer.socket.recovered, true);
    assert.equal(peer.socket.id, id);
    const events = [];
    while (events.length < 4) {
      const [name, ...args] = await peer.take();
      if (name !== 'auth') args.pop(); // the offset
      events.push([name, ...(name === 'auth' ? [] : args)]);
    }
    const sorted = events.filter(([name]) => name !== 'auth');
    assert.deepEqual(plain(sorted), plain([['room', 'crew', 1, blob(2)], ['news', 2], ['message-back', 'buffered']]));
    other.socket.emit('in-room', 'crew', 3);
    assert.deepEqual((await peer.take()).slice(0, 3), ['room', 'crew', 3]);
  },
};

async function restart() {
  const peer = await main({ reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 300, auth: { who: 'me' } });
  const { id } = peer.socket;
  await peer.ask('join', 'r');
  const lost = peer.once('disconnect', 15_000);
  console.log('ready');
  await lost;
  for (let i = 0; i < 50; i++) peer.socket.emit('message', i, ...(i % 5 ? [] : [blob(i)]));
  const acked = within(new Promise((resolve) => peer.socket.emit('message-with-ack', 'buffered', resolve)), 'no ack', 20_000);
  console.log('lost');
  await peer.once('connect', 20_000);
  assert.notEqual(peer.socket.id, id);
  const events = [];
  while (events.length < 51) events.push(await peer.take());
  // `auth` is sent upon connection, so before all else.
  assert.deepEqual(events[0], ['auth', { who: 'me' }]);
  for (let i = 0; i < 50; i++) assert.deepEqual(plain(events[i + 1]), plain(['message-back', i, ...(i % 5 ? [] : [blob(i)])]));
  assert.equal(await acked, 'buffered');
  await upgraded(peer);
  peer.socket.emit('in-room', 'r', 'rooms do not survive');
  await peer.nothing();
}

async function play(name) {
  try {
    await ({ ...scenarios, ...alone, ...recovery })[name]();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`FAIL ${name}: ${error.message.replace(/\s+/g, ' ').slice(0, 400)}`);
  }
  endAll();
}

async function run() {
  if (url === 'list') {
    const kinds = { scenarios, alone, recovery: version.startsWith('4.') ? recovery : {} };
    console.log(JSON.stringify(Object.fromEntries(Object.entries(kinds).map(([kind, all]) => [kind, Object.keys(all)]))));
  } else if (names[0] === 'restart') {
    await restart();
  } else {
    for (const name of names) await play(name);
  }
  process.exit(0);
}

run().catch((error) => {
  console.error(error.message.replace(/\s+/g, ' '));
  process.exit(1);
});
