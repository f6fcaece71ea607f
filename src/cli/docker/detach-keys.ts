/** The keys that leave a container and let it run: ctrl-p ctrl-q, or --detach-keys. Pure. Source: moby/term ascii.go, proxy.go. */

const DEFAULT_KEYS = Buffer.from([16, 17]);
const CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** "ctrl-a,x" as bytes; undefined when a key is unknown. "" is the default. */
export function readDetachKeys(text: string): Buffer | undefined {
  if (text === "") return DEFAULT_KEYS;
  const codes: number[] = [];
  for (const key of text.split(",")) {
    const control = /^ctrl-(.)$/.exec(key)?.[1];
    if (key.length === 1) codes.push(key.charCodeAt(0) & 0xff);
    else if (key === "DEL") codes.push(127);
    else if (control !== undefined && CONTROL.includes(control)) codes.push(CONTROL.indexOf(control));
    else return undefined;
  }
  return Buffer.from(codes);
}

/** Looks for the keys in what is typed. A part of them is held back until it is clear that the rest does not follow. */
export class DetachFilter {
  private readonly keys: Buffer;
  private held = 0;

  constructor(keys: Buffer) {
    this.keys = keys;
  }

  /** @returns what is to be sent on, and whether the keys were typed; nothing after them is sent */
  push(chunk: Buffer): { readonly bytes: Buffer; readonly detached: boolean } {
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte !== this.keys[this.held]) {
        out.push(...this.keys.subarray(0, this.held));
        this.held = 0;
      }
      if (byte !== this.keys[this.held]) out.push(byte);
      else if (++this.held === this.keys.length) return { bytes: Buffer.from(out), detached: true };
    }
    return { bytes: Buffer.from(out), detached: false };
  }
}
