// Node's `ws` as an echo server.

import { WebSocketServer } from "ws";

const deflate = process.argv.includes("--deflate");
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  maxPayload: 64 << 20,
  // The level of the others; short messages are compressed, too.
  perMessageDeflate: deflate && { threshold: 0, zlibDeflateOptions: { level: 6 } },
});
server.on("listening", () => console.log(`listening on ws://127.0.0.1:${server.address().port}`));
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  socket.on("error", () => {});
});
