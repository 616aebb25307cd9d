// An echo peer built with Node's `ws`.
//
//   ws_echo.js server         prints its URL, echoes
//   ws_echo.js client URL...  connects to each in turn, echoes; with compression if the URL ends in ?deflate
'use strict';

const WebSocket = require('ws');

/** Answers until the connection ends. The text `close CODE REASON` requests a Close. */
function echo(socket) {
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (data, binary) => {
    const [, code, reason] = (!binary && /^close (\d+) (.*)$/.exec(data)) || [];
    if (code) socket.close(Number(code), reason);
    else socket.send(data, { binary });
  });
  return new Promise((resolve) => socket.on('close', resolve));
}

async function client(urls) {
  for (const url of urls) await echo(new WebSocket(url, { perMessageDeflate: url.endsWith('?deflate') }));
}

const [role, ...urls] = process.argv.slice(2);
if (role === 'client') {
  client(urls);
} else {
  const listener = new WebSocket.Server({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
  listener.on('connection', echo);
  listener.on('listening', () => console.log(`listening on ws://127.0.0.1:${listener.address().port}`));
}
