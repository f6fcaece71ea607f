/** The keys that end an attachment to a terminal and leave the process: ctrl-p ctrl-q unless said. Source: moby/term ascii.go, proxy.go. */
import { Transform } from "node:stream";
import type { Attached } from "../attach.ts";
import { httpError } from "./refuse.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";
const NAMED = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** @param keys "ctrl-a,b"; "" for the usual ones. @throws DocknetError USAGE for keys that nobody has */
export function detachable(attached: Attached, keys: string): Attached {
  const sequence = parseKeys(keys || DEFAULT_KEYS);
  const { input } = attached;
  if (!attached.tty || !input) return attached;
  let held = 0;
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const passed: number[] = [];
      for (const byte of chunk) {
        if (byte === sequence[held]) {
          held += 1;
          if (held < sequence.length) continue;
          attached.output.destroy();
          attached.close();
          return done();
        }
        // what looked like the beginning was meant for the process
        passed.push(...sequence.slice(0, held));
        held = byte === sequence[0] ? 1 : 0;
        if (held === 0) passed.push(byte);
      }
      return done(null, Buffer.from(passed));
    },
  });
  watch.pipe(input);
  input.on("error", () => watch.destroy());
  watch.on("error", () => {});
  return { ...attached, input: watch, close: () => attached.close() };
}

function parseKeys(text: string): readonly number[] {
  return text.split(",").map((key) => {
    const control = /^ctrl-(.)$/.exec(key)?.[1];
    const code = control === undefined ? -1 : NAMED.indexOf(control);
    if (code >= 0) return code;
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    throw httpError(400, `Invalid detach keys (${text}) provided`);
  });
}
