/**
 * Where the daemon of a lab is found. Light: the command line imports it before it knows that it needs more.
 * As root /run/docknet/<lab>/, else $XDG_RUNTIME_DIR/docknet/<lab>/ (XDG base directory specification), else /tmp/docknet-<uid>/<lab>/.
 */
import { readdirSync } from "node:fs";
import { connect } from "node:net";

/** DOCKNET_RUN_DIR moves it, for tests that must not see the labs of this machine. */
export function labsRoot(): string {
  const { DOCKNET_RUN_DIR, XDG_RUNTIME_DIR } = process.env;
  const uid = Number(process.env.DOCKNET_OUTER_UID ?? process.getuid?.() ?? 0);
  if (DOCKNET_RUN_DIR) return DOCKNET_RUN_DIR;
  if (uid === 0) return "/run/docknet";
  return XDG_RUNTIME_DIR ? `${XDG_RUNTIME_DIR}/docknet` : `/tmp/docknet-${uid}`;
}

/** @param lab a parsed lab name: it becomes a path */
export const labDirectory = (lab: string): string => `${labsRoot()}/${lab}`;

export const socketPath = (lab: string): string => `${labDirectory(lab)}/docknet.sock`;

/** Labs that have a directory: those that run, and those that a crash left. */
export function labsHere(): string[] {
  try {
    return readdirSync(labsRoot(), { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** What a daemon says that finds another one at work. */
export const takenText = (lab: string): string => `Another daemon has lab ${lab}`;

/** Does a daemon listen there? */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.on("connect", () => done(true));
    socket.on("error", () => done(false));
  });
}
