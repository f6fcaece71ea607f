/**
 * The three files that Docker mounts over a container's own: /etc/hosts, /etc/hostname, /etc/resolv.conf. They are bind-mounted, so
 * they are written in place and never replaced; what a user wrote into them stays.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { TrustedDirectory } from "../kernel/trusted-directory.ts";
import { fileOwner, hostnameFile, hostsFile } from "../state/hosts.ts";
import { resolvConf } from "../state/resolv-conf.ts";
import type { Container, State } from "../state/state.ts";

export interface FilePaths {
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

export class ContainerFiles {
  private readonly root: string;
  private readonly place: TrustedDirectory;
  /** What was written last, by path. */
  private readonly written = new Map<string, string>();
  /** Containers whose folders are there. */
  private readonly made = new Set<string>();

  /** @param place the lab's directory */
  constructor(place: TrustedDirectory) {
    this.place = place;
    this.root = `${place.path}/containers`;
  }

  /** A container that shares the network of another shares its files too (docker-reference 3.7). */
  pathsOf(state: State, container: Container): FilePaths {
    const folder = this.folderOf(fileOwner(state, container).id);
    return { hosts: `${folder}/hosts`, hostname: `${folder}/hostname`, resolvConf: `${folder}/resolv.conf` };
  }

  folderOf(id: string): string {
    return `${this.root}/${id}`;
  }

  /** Brings the files of all running containers up to date. */
  follow(state: State): void {
    for (const container of state.containers) {
      if (container.status !== "running") continue;
      // its log is here even when its files are another's
      this.makeFolder(container.id);
      if (container.sandbox.kind === "container") continue;
      const paths = this.pathsOf(state, container);
      this.write(paths.hostname, hostnameFile(state, container));
      this.write(paths.hosts, hostsFile(state, container));
      this.write(paths.resolvConf, resolvConf(state, container));
    }
  }

  /** What a daemon that was killed did not come to. */
  removeOthers(state: State): void {
    const known = new Set<string>(state.containers.map((c) => c.id));
    const root = this.place.inside(this.root);
    mkdirSync(root, { recursive: true, mode: 0o755 });
    for (const id of readdirSync(root)) if (!known.has(id)) this.remove(id);
  }

  remove(id: string): void {
    this.made.delete(id);
    rmSync(this.place.inside(this.folderOf(id)), { recursive: true, force: true });
    for (const path of [...this.written.keys()])
      if (path.startsWith(`${this.folderOf(id)}/`)) this.written.delete(path);
  }

  private makeFolder(id: string): void {
    if (this.made.has(id)) return;
    mkdirSync(this.place.inside(this.folderOf(id)), { recursive: true, mode: 0o755 });
    this.made.add(id);
  }

  private write(path: string, text: string): void {
    const before = this.written.get(path);
    if (before === text) return;
    const here = this.place.inside(path);
    const found = before === undefined ? undefined : read(here);
    if (found === undefined || found === before) {
      writeFileSync(here, text, { mode: 0o644 });
    }
    // edited inside: only our own lines are changed (moby daemon/libnetwork/etchosts), and resolv.conf is the user's from then on
    else if (path.endsWith("/hosts")) writeFileSync(here, changeLines(found, before ?? "", text));
    this.written.set(path, text);
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** `text` without the lines that `before` had and `after` has not, and with those that only `after` has at its end. */
function changeLines(text: string, before: string, after: string): string {
  const [old, next] = [before.split("\n"), after.split("\n")];
  const gone = new Set(old.filter((line) => line !== "" && !next.includes(line)));
  const come = next.filter((line) => line !== "" && !old.includes(line));
  const kept = text.split("\n").filter((line) => !gone.has(line));
  return `${[...kept.join("\n").replace(/\n*$/, "").split("\n"), ...come].join("\n")}\n`;
}
