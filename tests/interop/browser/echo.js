// An echo client in a browser: it connects to each URL in turn. The text `close CODE REASON` requests a Close.
'use strict';

async function echo(url) {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => {
    const words = typeof data === 'string' && /^close (\d+) (.*)$/.exec(data);
    if (words) socket.close(Number(words[1]), words[2]);
    else socket.send(data);
  };
  await new Promise((resolve) => { socket.onclose = resolve; });
}

async function echoAll(urls) {
  for (const url of urls) await echo(url);
}
