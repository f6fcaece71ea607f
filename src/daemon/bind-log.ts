/**
 * What a server writes that cannot bind, in nginx's words: a line for each port, and one when it gives up. It tries five times, half a
 * second apart; a stand-in knows at once that nothing will change. Source: nginx src/core/ngx_connection.c ngx_open_listening_sockets,
 * ngx_log.c; 98 is EADDRINUSE (asm-generic/errno.h).
 */
import type { FailedBind } from "../state/state.ts";

/** Lines without their line breaks: "2026/11/22 03:18:44 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)". */
export function bindLog(failed: readonly FailedBind[], now: Date): string[] {
  const head = `${now.toISOString().slice(0, 19).replaceAll("-", "/").replace("T", " ")} [emerg] 1#1:`;
  return [
    ...failed.map(({ address, port }) => `${head} bind() to ${address}:${port} failed (98: Address already in use)`),
    `${head} still could not bind()`,
  ];
}
