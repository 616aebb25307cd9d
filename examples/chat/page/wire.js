// The connection to a room, which comes back by itself, and the lines that wait for it.

const FIRST_WAIT = 500; // ms
const LONGEST_WAIT = 15_000;
const MOST_WAITING = 200; // lines
const ENDS = new Set([1003, 1008, 1009, 4000, 4001]); // trying again would end in the same way

export const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * Handlers: `message(object)`, `state(words)`, `ended(words, isRefusal)`, `waiting(lines)`.
 *
 * Lines are sent one at a time, in order, each until the server has it: it is seen in the room, known, or refused for good.
 */
export class Wire {
  constructor(room, hello, handlers) {
    Object.assign(this, { room, hello, handlers, queue: [], attempts: 0, why: '', socket: null, entered: false, timer: 0, pause: 0, over: false });
    this.retry = () => { if (!this.socket && !this.over) { clearTimeout(this.timer); this.connect(); } };
    this.lost = () => this.socket?.close();
    addEventListener('online', this.retry);
    addEventListener('offline', this.lost);
    this.connect();
  }

  connect() {
    this.handlers.state(this.attempts ? `Reconnecting… ${this.why}` : 'Connecting…');
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/rooms/${this.room}`);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', ...this.hello }));
    socket.onmessage = ({ data }) => { if (this.socket === socket) this.receive(JSON.parse(data)); };
    socket.onclose = ({ code, reason }) => { if (this.socket === socket) this.closed(code, reason); };
  }

  receive(message) {
    switch (message.type) {
      case 'welcome':
        this.entered = true;
        this.attempts = 0;
        this.handlers.state('');
        for (const line of message.lines) this.settle(line.id);
        break;
      case 'line': case 'known':
        this.settle(message.id);
        break;
      case 'sorry':
        if (message.wait) this.rest(message.wait);
        else this.settle(message.id);
        break;
    }
    this.handlers.message(message);
    if (message.type === 'welcome') this.next();
  }

  say(id, text) {
    if (this.queue.length >= MOST_WAITING) return false;
    this.queue.push({ id, text });
    if (this.queue.length === 1) this.next();
    this.handlers.waiting(this.queue);
    return true;
  }

  types() {
    if (this.entered) this.socket.send('{"type":"typing"}');
  }

  next() {
    if (this.entered && !this.pause && this.queue.length) this.socket.send(JSON.stringify({ type: 'say', ...this.queue[0] }));
  }

  settle(id) {
    const place = this.queue.findIndex((line) => line.id === id);
    if (place < 0) return;
    this.queue.splice(place, 1);
    this.handlers.waiting(this.queue);
    if (place === 0) this.next();
  }

  rest(time) {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => { this.pause = 0; this.next(); }, time);
  }

  closed(code, reason) {
    this.socket = null;
    this.entered = false;
    clearTimeout(this.pause);
    this.pause = 0;
    if (this.over) return;
    if (ENDS.has(code)) {
      this.stop();
      this.handlers.ended(reason || `The server has ended the connection (${code}).`, code === 4000);
      return;
    }
    // Everybody comes back at a different time.
    const bound = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.attempts++);
    this.timer = setTimeout(() => this.connect(), bound / 2 + Math.random() * bound / 2);
    // The first reason is the one to show: after a restart, attempts fail for a while without one.
    if (reason || this.attempts === 1) this.why = reason || (navigator.onLine ? 'The connection was lost.' : 'This device is offline.');
    this.handlers.state(`Reconnecting… ${this.why}`);
  }

  stop() {
    this.over = true;
    clearTimeout(this.timer);
    removeEventListener('online', this.retry);
    removeEventListener('offline', this.lost);
    this.socket?.close(1000);
  }
}
