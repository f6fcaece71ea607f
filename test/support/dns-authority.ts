/** The name server of the world's internet for a recording: docknet's own zones and answers, in the network namespace it is run in. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { answerQuery } from "../../src/dns/authority.ts";
import { worldZones } from "../../src/dns/zone.ts";
import { parseIpv4 } from "../../src/net/address.ts";
import type { State } from "../../src/state/state.ts";

const DNS = "203.0.113.53";

/** Listens on 203.0.113.53, UDP and TCP, until the process ends; resolves when it does. */
export async function serveWorldZones(): Promise<void> {
  const zones = worldZones({
    internet: { www: parseIpv4("203.0.113.80"), dns: parseIpv4(DNS) },
    router: { public: parseIpv4("203.0.113.91") },
  } as State["world"]);
  const udp = createSocket("udp4");
  udp.on("message", (query, { port, address }) => {
    const said = answerQuery(zones, query, "udp");
    if (said) udp.send(said, port, address);
  });
  const tcp = createServer((socket) => {
    let input = Buffer.alloc(0);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      input = Buffer.concat([input, chunk]);
      while (input.length >= 2 && input.length >= 2 + input.readUInt16BE(0)) {
        const length = input.readUInt16BE(0);
        const said = answerQuery(zones, input.subarray(2, 2 + length), "tcp");
        input = input.subarray(2 + length);
        if (!said) {
          socket.destroy();
          return;
        }
        const head = Buffer.alloc(2);
        head.writeUInt16BE(said.length);
        socket.write(Buffer.concat([head, said]));
      }
    });
  });
  await new Promise<void>((resolve) => udp.bind(53, DNS, resolve));
  await new Promise<void>((resolve) => tcp.listen(53, DNS, resolve));
}
