// Datagrams in bursts, as fast as one process sends: `udp-burst.mjs ADDRESS PORT BURSTS PER_BURST GAP_MS`. Prints JSON: sent, seconds.
import { createSocket } from "node:dgram";

const [address, port, bursts, perBurst, gapMs] = process.argv.slice(2);
const total = Number(bursts) * Number(perBurst);
const socket = createSocket({ type: "udp4", sendBufferSize: 8 * 1024 * 1024 });
const payload = Buffer.alloc(64, 0x2e);
let sent = 0;
let burst = 0;
const startedAt = performance.now();

function onSent(error) {
  if (error) throw error;
  sent += 1;
  if (sent < total) return;
  console.log(JSON.stringify({ sent, seconds: (performance.now() - startedAt) / 1000 }));
  socket.close();
}

function send() {
  burst += 1;
  // not connected: then nobody tells the socket that nobody listens
  for (let i = 0; i < Number(perBurst); i++) socket.send(payload, Number(port), address, onSent);
  const due = startedAt + burst * Number(gapMs);
  if (burst < Number(bursts)) setTimeout(send, Math.max(0, due - performance.now()));
}

socket.bind(0, send);
