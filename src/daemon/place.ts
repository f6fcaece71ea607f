/**
 * Where the daemon of a lab is found. Light: the command line imports it before it knows that it needs more.
 * As root /run/docknet/<lab>/, else $XDG_RUNTIME_DIR/docknet/<lab>/ (XDG base directory specification), else /tmp/docknet-<uid>/<lab>/.
 */
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { resolve } from "node:path";
import { TrustedDirectory } from "../kernel/trusted-directory.ts";

const SOCKET = "docknet.sock";

/** DOCKNET_RUN_DIR moves it, for tests that must not see the labs of this machine. */
export function labsRoot(): string {
  const { DOCKNET_RUN_DIR, XDG_RUNTIME_DIR } = process.env;
  const uid = Number(process.env.DOCKNET_OUTER_UID ?? process.getuid?.() ?? 0);
  if (DOCKNET_RUN_DIR) return resolve(DOCKNET_RUN_DIR);
  if (uid === 0) return "/run/docknet";
  return XDG_RUNTIME_DIR ? `${XDG_RUNTIME_DIR}/docknet` : `/tmp/docknet-${uid}`;
}

/** @param lab a parsed lab name: it becomes a path */
export const labDirectory = (lab: string): string => `${labsRoot()}/${lab}`;

export const socketPath = (lab: string): string => `${labDirectory(lab)}/${SOCKET}`;

/** The way to a lab's socket for this process, whatever becomes of its path. */
export const socketIn = (place: TrustedDirectory): string => place.at(SOCKET);

/**
 * A lab's directory, when it is there or is to be made; the caller closes it.
 * @param lab a parsed lab name. @throws DocknetError PRIVILEGE when another user could change it, or that of all labs
 */
export function openLab(lab: string, options: { readonly make?: boolean } = {}): TrustedDirectory | undefined {
  const root = TrustedDirectory.open(labsRoot(), { ...options, listed: true });
  try {
    return root?.child(lab, options);
  } finally {
    root?.close();
  }
}

/** Labs that have a directory: those that run, and those that a crash left. @throws DocknetError PRIVILEGE as `openLab` */
export function labsHere(): string[] {
  const root = TrustedDirectory.open(labsRoot(), { listed: true });
  try {
    if (!root) return [];
    return readdirSync(root.base, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name)
      .sort();
  } finally {
    root?.close();
  }
}

/** What a daemon says that finds another one at work. */
export const takenText = (lab: string): string => `Another daemon has lab ${lab}`;

/** Does a daemon listen there? It may be stopped, or busy. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.on("connect", () => done(true));
    // as many wait for it as may
    socket.on("error", (error: NodeJS.ErrnoException) => done(error.code === "EAGAIN"));
  });
}
