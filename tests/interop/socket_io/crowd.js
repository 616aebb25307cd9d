// 1,000 clients at once with npm's `socket.io-client`, over each transport.
//
// usage: crowd.js URL
'use strict';

const { io } = require('socket.io-client');
const assert = require('node:assert/strict');

const url = process.argv[2];
const CLIENTS = 1000;
const AT_ONCE = 50; // clients that connect at a time
const PATIENCE = 60_000; // ms for any single step

function within(promise, what) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`timeout: ${what}`)), PATIENCE).unref();
  });
  return Promise.race([promise, late]);
}

const once = (socket, name) => within(new Promise((resolve) => socket.once(name, resolve)), `no ${name}`);
const ask = (socket, ...event) => within(new Promise((resolve) => socket.emit(...event, resolve)), `no ack of ${event[0]}`);

async function connect(number) {
  // Seven in ten over WebSocket, two upgrade, and one stays with polling.
  const transports = number % 10 < 7 ? ['websocket'] : number % 10 < 9 ? ['polling', 'websocket'] : ['polling'];
  const socket = io(url, { transports, forceNew: true, reconnection: false });
  socket.lost = null;
  socket.on('disconnect', (reason) => { socket.lost = reason; });
  await once(socket, 'auth');
  assert.equal(await ask(socket, 'join', `room ${number % 10}`), 'ok');
  return socket;
}

async function run() {
  const sockets = [];
  while (sockets.length < CLIENTS) {
    sockets.push(...await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => connect(sockets.length + i))));
  }
  const admin = io(`${url}/admin`, { forceNew: true, transports: ['websocket'], auth: { token: 'secret' } });
  await once(admin, 'connect');
  assert.equal(await ask(admin, 'count'), CLIENTS);
  assert.equal(new Set(sockets.map((socket) => socket.id)).size, CLIENTS, 'ids repeat');

  // Each gets each broadcast once and in order.
  const got = sockets.map(() => []);
  sockets.forEach((socket, i) => socket.on('news', (...args) => got[i].push(args)));
  for (let n = 0; n < 10; n++) sockets[0].emit('all', n, Buffer.from([n]));
  sockets[1].emit('broadcast', 'not to me');
  await within(Promise.all(sockets.map(async (_, i) => {
    while (got[i].length < 10 + (i !== 1)) await new Promise((resolve) => setTimeout(resolve, 20));
  })), 'broadcasts are missing');
  got.forEach((events, i) => {
    const toAll = events.filter(([n]) => n !== 'not to me').map(([n, blob]) => [n, ...blob]);
    assert.deepEqual(toAll, Array.from({ length: 10 }, (_, n) => [n, n]));
    assert.equal(events.length, 10 + (i !== 1));
  });

  // And a room only its own.
  let inRoom = 0;
  for (const socket of sockets) socket.on('room', () => { inRoom++; });
  sockets[0].emit('in-room', 'room 3', 'x');
  await Promise.all(sockets.map((socket) => ask(socket, 'whoami')));
  assert.equal(inRoom, CLIENTS / 10);

  assert.deepEqual(sockets.filter((socket) => socket.lost), []);
  for (const socket of sockets) socket.disconnect();
  for (let left = CLIENTS, i = 0; left && i < 200; i++) {
    left = await ask(admin, 'count');
    if (i === 199) assert.equal(left, 0, 'sockets that have left still count');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

run().then(() => process.exit(0), (error) => {
  console.error(error.message.replace(/\s+/g, ' ').slice(0, 400));
  process.exit(1);
});
