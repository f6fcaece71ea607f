/** One datagram out of a namespace, one back. */

import { startDeadline } from "../../deadline.ts";
import type { Ipv4 } from "../../net/address.ts";
import { closeFd, recvmsg, SystemError, send } from "../libc.ts";
import type { Netns } from "../netns.ts";
import { watchReadiness } from "../readiness.ts";
import { openUdpConnection } from "../socket/socket.ts";

export type Exchanged =
  | { readonly outcome: "answer"; readonly data: Uint8Array; readonly afterMs: number }
  /** ICMP says that nobody listens, or that there is no way. */
  | { readonly outcome: "refused"; readonly errno: string; readonly afterMs: number }
  | { readonly outcome: "silent"; readonly afterMs: number };

/** Of the datagrams that come back from there, the first that `accept` takes. @throws SystemError when no socket can be made */
export function exchange(
  ns: Netns,
  to: { readonly address: Ipv4; readonly port: number },
  data: Uint8Array,
  options: { readonly deadlineMs: number; readonly accept: (data: Uint8Array) => boolean },
): Promise<Exchanged> {
  const startedAt = performance.now();
  const since = (): number => performance.now() - startedAt;
  const fd = openUdpConnection(ns, to.address, to.port);
  return new Promise((resolve) => {
    const deadline = startDeadline(options.deadlineMs, () => end({ outcome: "silent", afterMs: since() }));
    const end = (result: Exchanged): void => {
      deadline.cancel();
      watch.close();
      closeFd(fd);
      resolve(result);
    };
    const refused = (error: unknown): void => {
      if (!(error instanceof SystemError)) throw error;
      end({ outcome: "refused", errno: error.code, afterMs: since() });
    };
    const watch = watchReadiness(fd, "readable", () => {
      try {
        for (let message = recvmsg(fd); message; message = recvmsg(fd)) {
          if (!options.accept(message.data)) continue;
          end({ outcome: "answer", data: message.data, afterMs: since() });
          return;
        }
      } catch (error) {
        refused(error);
      }
    });
    try {
      send(fd, data);
    } catch (error) {
      refused(error);
    }
  });
}
