// The version of `socket.io-client` that the command line names, and sockets that keep their events in order.
'use strict';

const assert = require('node:assert/strict');

const PATIENCE = 5000; // ms for any single step
const [version, transport, ...names] = process.argv.slice(2);
const url = names.pop();
const { io } = require(version === '4.8.4' ? 'socket.io-client' : `socket.io-client-${version}`);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function within(promise, what, ms = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timeout: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A socket with its events in the order of their arrival. */
class Peer {
  events = [];
  waiting = [];

  constructor(namespace, options) {
    this.socket = io(url + namespace, options);
    this.socket.onAny((...event) => {
      if (this.waiting.length) this.waiting.shift()(event);
      else this.events.push(event);
    });
  }

  /** The next event, as [name, ...arguments]. */
  take(ms = PATIENCE) {
    if (this.events.length) return Promise.resolve(this.events.shift());
    return within(new Promise((resolve) => this.waiting.push(resolve)), 'no event', ms);
  }

  async expect(...wanted) {
    assert.deepEqual(plain(await this.take()), plain(wanted));
  }

  /** Emit an event; resolves to the arguments of its acknowledgement. */
  ask(...event) {
    return within(new Promise((resolve) => this.socket.emit(...event, (...answer) => resolve(answer))), `no ack of ${event[0]}`);
  }

  once(name, ms) {
    return within(new Promise((resolve) => this.socket.once(name, resolve)), `no ${name}`, ms);
  }

  /** All that was sent before has been handled. */
  async settled() {
    await this.ask('whoami');
  }

  async nothing() {
    await this.settled();
    assert.deepEqual(this.events, []);
  }
}

/** Binary of each kind as arrays, so that it compares by content. */
function plain(value) {
  if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
  if (ArrayBuffer.isView(value)) return { bytes: [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)] };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
  }
  return value;
}

let peers = [];

function start(namespace = '/', options = {}) {
  const transports = transport === 'upgrade' ? ['polling', 'websocket'] : [transport];
  const peer = new Peer(namespace, { transports, forceNew: true, reconnection: false, ...options });
  peers.push(peer);
  return peer;
}

/** A connected socket; with `upgrade`, it has upgraded. */
async function connect(namespace = '/', options = {}) {
  const peer = start(namespace, options);
  await Promise.race([peer.once('connect'), peer.once('connect_error').then((error) => Promise.reject(error))]);
  if (options.forceNew !== false) await upgraded(peer);
  return peer;
}

async function upgraded(peer) {
  const { engine } = peer.socket.io;
  if (transport !== 'upgrade' || engine.transport.name === 'websocket') return;
  await within(new Promise((resolve) => engine.once('upgrade', resolve)), 'no upgrade');
}

/** A socket of the main namespace that has taken its `auth`. */
async function main(options) {
  const peer = await connect('/', options);
  await peer.expect('auth', options?.auth ?? {});
  return peer;
}

/** Join another namespace on the same connection. */
async function namespace(peer, name) {
  const socket = peer.socket.io.socket(name);
  await within(new Promise((resolve) => socket.once('connect', resolve)), `no connect to ${name}`);
  return socket;
}

/** End the connections of a scenario. */
function endAll() {
  for (const peer of peers) peer.socket.disconnect();
  peers = [];
}

module.exports = { PATIENCE, connect, endAll, main, names, namespace, plain, sleep, start, transport, upgraded, url, version, within };
