/**
 * Asks name servers from the network namespace that it is run in; no packages, so that `nsenter --net` and `docknet exec` can run it.
 * stdin: [{"server":"127.0.0.11","transport":"udp","hex":"...","timeoutMs":12000}, ...]
 * stdout: [{"hex":"..."} or {"failed":"ECONNREFUSED" | "silence" | "closed"}, ...], in that order, asked one after the other.
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

const ask = { udp, tcp };
const answers = [];
for (const { server, transport, hex, timeoutMs } of JSON.parse(await text(process.stdin))) {
  answers.push(await ask[transport](server, Buffer.from(hex, "hex"), timeoutMs));
}
process.stdout.write(JSON.stringify(answers));

function udp(server, query, timeoutMs) {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const end = (outcome) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.close();
      resolve(outcome);
    };
    const timer = setTimeout(() => end({ failed: "silence" }), timeoutMs);
    socket.on("error", ({ code }) => end({ failed: code }));
    socket.on("message", (message) => end({ hex: message.toString("hex") }));
    // connected: a closed port is told by ICMP (udp(7))
    socket.connect(53, server, () => socket.send(query));
  });
}

function tcp(server, query, timeoutMs) {
  return new Promise((resolve) => {
    const socket = connect(53, server);
    let input = Buffer.alloc(0);
    const end = (outcome) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => end({ failed: "silence" }), timeoutMs);
    socket.on("error", ({ code }) => end({ failed: code }));
    socket.on("close", () => end({ failed: "closed" }));
    socket.on("connect", () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on("data", (chunk) => {
      input = Buffer.concat([input, chunk]);
      if (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
        end({ hex: input.toString("hex", 2, 2 + input.readUInt16BE(0)) });
      }
    });
  });
}
