// The conformance server on the reference implementation, npm's `socket.io`: what these tests take as right.
// Settings are environment variables, as those of the example `socket_io_conformance`.
'use strict';

const http = require('node:http');
const engine = require('engine.io');
const { Server } = require('socket.io');

const setting = (name, otherwise) => Number(process.env[`SIO_${name}`] ?? otherwise);
const ackTimeout = setting('ACK_TIMEOUT', 1000);
const recovery = setting('RECOVERY', 0);
const shared = {
  pingInterval: setting('PING_INTERVAL', 25000),
  pingTimeout: setting('PING_TIMEOUT', 20000),
  upgradeTimeout: setting('UPGRADE_TIMEOUT', 10000),
  maxHttpBufferSize: setting('MAX_PAYLOAD', 1000000),
  cors: { origin: '*' },
  destroyUpgrade: false, // another listener may take the request
};

const server = http.createServer((request, response) => {
  const page = request.url === '/';
  response.writeHead(page ? 200 : 404, { 'Content-Type': page ? 'text/html; charset=utf-8' : 'text/plain' });
  response.end(page ? '<!doctype html><title>socket.io</title>' : 'not found\n');
});
server.on('upgrade', (request, socket) => {
  if (!/^\/(socket|engine)\.io\//.test(request.url)) socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
});

engine.attach(server, { ...shared, path: '/engine.io/' }).on('connection', (socket) => {
  socket.on('message', (message) => socket.send(message));
});

const io = new Server(server, {
  ...shared,
  path: '/socket.io/',
  serveClient: false,
  connectTimeout: setting('CONNECT_TIMEOUT', 45000),
  ...(recovery && { connectionStateRecovery: { maxDisconnectionDuration: recovery, skipMiddlewares: true } }),
});

const monitors = new Set();

io.on('connection', (socket) => {
  socket.emit('auth', socket.handshake.auth);
  socket.on('message', (...args) => socket.emit('message-back', ...args));
  socket.on('message-with-ack', (...args) => args.pop()(...args));
  socket.on('ask', (...args) => {
    socket.timeout(ackTimeout).emit('question', ...args, (late, ...answer) => {
      if (late) socket.emit('answer-timeout');
      else socket.emit('answer', ...answer);
    });
  });
  socket.on('whoami', (ack) => ack(socket.id));
  socket.on('join', (room, ack) => {
    socket.join(room);
    ack?.('ok');
  });
  socket.on('leave', (room, ack) => {
    socket.leave(room);
    ack?.('ok');
  });
  socket.on('to-room', (room, ...args) => socket.to(room).emit('room', room, ...args));
  socket.on('in-room', (room, ...args) => io.to(room).emit('room', room, ...args));
  socket.on('broadcast', (...args) => socket.broadcast.emit('news', ...args));
  socket.on('all', (...args) => io.emit('news', ...args));
  socket.on('private', (id, ...args) => io.to(id).emit('private', socket.id, ...args));
  socket.on('burst', (n) => {
    for (let i = 0; i < n; i++) socket.emit('n', i);
  });
  socket.on('blob', (n) => socket.emit('blob', Buffer.alloc(n, 'x')));
  socket.on('later', (ms, ...args) => setTimeout(() => socket.emit('later', ...args), ms));
  socket.on('kick', (close) => socket.disconnect(close));
  socket.on('monitor', (ack) => {
    monitors.add(socket);
    ack?.('ok');
  });
  socket.on('disconnect', (reason) => {
    monitors.delete(socket);
    for (const monitor of monitors) monitor.emit('left', socket.id, reason);
  });
});

io.of('/custom').on('connection', (socket) => {
  socket.emit('auth', socket.handshake.auth);
  socket.on('message', (...args) => socket.emit('message-back', ...args));
});

const admin = io.of('/admin');
admin.use((socket, next) => next(socket.handshake.auth.token === 'secret' ? undefined : new Error('not authorized')));
admin.on('connection', (socket) => {
  socket.on('count', (ack) => ack(io.of('/').sockets.size));
  socket.on('counts', (ack) => {
    const sockets = [...io._nsps.values()].reduce((sum, namespace) => sum + namespace.sockets.size, 0);
    ack({ sessions: io.engine.clientsCount, sockets });
  });
  socket.on('all', (...args) => admin.emit('news', ...args));
});

const chat = io.of('/chat');
chat.on('connection', (socket) => {
  const leave = () => {
    const { name, room } = socket.data;
    if (room === undefined) return;
    socket.data = {};
    socket.leave(room);
    chat.to(room).emit('leave', name);
  };
  socket.on('join', (name, room, ack) => {
    leave();
    const there = [...chat.sockets.values()].filter((other) => other.data.room === room);
    const names = there.map((other) => other.data.name).sort();
    socket.data = { name, room };
    socket.join(room);
    socket.to(room).emit('join', name);
    ack?.(names);
  });
  socket.on('chat', (text) => {
    const { name, room } = socket.data;
    if (room !== undefined) chat.to(room).emit('chat', name, text);
  });
  socket.on('leave', (ack) => {
    leave();
    ack?.('ok');
  });
  socket.on('disconnect', leave);
});

process.on('SIGTERM', () => {
  io.close(() => process.exit(0));
  setTimeout(() => process.exit(0), 2000);
});
server.listen(setting('PORT', 3000), '127.0.0.1');
