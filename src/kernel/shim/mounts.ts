/**
 * What a container or a node of the world sees of this machine's files: all of them, but for what belongs to its own namespaces, the
 * files that Docker replaces, and docknet's own: who reached a lab's socket from a container could start a privileged one.
 *
 * A node has a /run/netns of its own, so that `ip netns add` there leaves nothing here and `ip netns` lists this lab only. The names of
 * the lab are links in it, to the machine's names: they keep no namespace alive, and lead nowhere when one goes.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { relative } from "node:path";
import { DocknetError } from "../../errors.ts";
import {
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REC,
  mount,
  setdomainname,
  sethostname,
} from "../libc.ts";
import { NETNS_DIR } from "../manifest.ts";
import type { TrustedDirectory } from "../trusted-directory.ts";
import { kindOf, MASKED_PATHS } from "./guarded-path.ts";

/** A container: everything of its own but the file system, of which three files are replaced and some folders are hidden. */
export interface ContainerSpace {
  readonly kind: "container";
  /** its network namespace, made by the daemon */
  readonly netnsPath: string;
  readonly hostname: string;
  readonly domainname: string;
  /** paths of what is seen as /etc/hosts, /etc/hostname, /etc/resolv.conf; change them in place: a bind mount follows the inode */
  readonly files: { readonly hosts: string; readonly hostname: string; readonly resolvConf: string };
  /** folders that it sees empty; those that do not exist are left out */
  readonly hidden: readonly string[];
  /** /sys may be written, and nothing of /sys is masked */
  readonly privileged: boolean;
}

/** A node of the world (@host, @router): its network, /sys and /run/netns; host name, files and /proc are the machine's. */
export interface NodeSpace {
  readonly kind: "node";
  readonly netnsPath: string;
  /** of the lab, as `ip netns` lists them: names below /run/netns */
  readonly names: readonly string[];
  /** an empty folder of the lab: there the node sees the machine's names, which its own are links to */
  readonly namesFolder: string;
}

export type Space = ContainerSpace | NodeSpace;

/** What is looked up before the new namespaces are entered: by then a path may lead elsewhere. */
export type PlannedMounts = () => void;

/**
 * @param place the lab's directory: its files are found from there, whatever their path leads to
 * @returns what mounts it all, to be called inside the new namespaces with the working directory in `place`; mounts do not show outside.
 * @throws DocknetError KERNEL_FEATURE
 */
export function planMounts(space: Space, place: TrustedDirectory): PlannedMounts {
  switch (space.kind) {
    case "container":
      return planContainer(space, place);
    case "node":
      return planNode(space, place);
  }
}

const within = (place: TrustedDirectory, path: string): string =>
  path.startsWith(`${place.path}/`) ? relative(place.path, path) : path;

const GUARDED = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/** As Docker mounts them (moby daemon/oci_linux.go, oci/defaults.go); /proc is mounted by PID 1: it shows the namespace of its mounter. */
function planContainer(space: ContainerSpace, place: TrustedDirectory): PlannedMounts {
  const files = mountTargets(space.files, place);
  const hidden = space.hidden.filter((path) => kindOf(path) === "directory").map((path) => realpathSync(path));
  const masked = space.privileged ? [] : MASKED_PATHS.filter((path) => path.startsWith("/sys/"));
  return () => {
    mount("sysfs", "/sys", "sysfs", space.privileged ? GUARDED : GUARDED | MS_RDONLY);
    for (const path of masked) if (kindOf(path) === "directory") mountEmpty(path, false);
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
    mount("/dev/pts/ptmx", "/dev/ptmx", "none", MS_BIND);
    for (const { source, target } of files) mount(source, target, "none", MS_BIND);
    for (const path of new Set(hidden)) mountEmpty(path, space.privileged); // last: the files lie in one of them
    sethostname(space.hostname);
    setdomainname(space.domainname);
  };
}

function mountEmpty(path: string, writable: boolean): void {
  mount("tmpfs", path, "tmpfs", writable ? GUARDED : GUARDED | MS_RDONLY, "mode=0755,size=4k");
}

function planNode(space: NodeSpace, place: TrustedDirectory): PlannedMounts {
  const namesFolder = within(place, space.namesFolder);
  mkdirSync(place.at(namesFolder), { recursive: true, mode: 0o700 });
  const hasNames = kindOf(NETNS_DIR) === "directory";
  return () => {
    mount("sysfs", "/sys", "sysfs", GUARDED);
    if (!hasNames) return;
    mount(NETNS_DIR, namesFolder, "none", MS_BIND | MS_REC);
    mount("tmpfs", NETNS_DIR, "tmpfs", GUARDED, "mode=0755");
    linkNames(NETNS_DIR, space);
  };
}

/**
 * Brings the names that a node sees up to date; what somebody made there by hand stays.
 * @param pid of a process in the node's mount namespace
 */
export function refreshNames(pid: number, space: NodeSpace): void {
  const folder = `/proc/${pid}/root${NETNS_DIR}`;
  if (!existsSync(folder)) return; // the machine has no such folder, so the node has none either
  const wanted = new Set(space.names);
  for (const name of readdirSync(folder)) {
    const isLink = lstatSync(`${folder}/${name}`, { throwIfNoEntry: false })?.isSymbolicLink();
    if (isLink && !wanted.has(name)) unlinkSync(`${folder}/${name}`);
  }
  linkNames(folder, space);
}

/** A namespace that somebody made by hand in a node, with `ip netns add`: it goes with the node's mounts. */
export interface HandMade {
  readonly name: string;
  /** of its nsfs file, as /proc/PID/ns/net names it */
  readonly inode: number;
}

/** @param pid of a process in the node's mount namespace; one that has ended sees none */
export function handMadeIn(pid: number): HandMade[] {
  const folder = `/proc/${pid}/root${NETNS_DIR}`;
  try {
    return readdirSync(folder)
      .filter((name) => lstatSync(`${folder}/${name}`).isFile())
      .map((name) => ({ name, inode: statSync(`${folder}/${name}`).ino }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function linkNames(folder: string, { names, namesFolder }: NodeSpace): void {
  for (const name of names) {
    try {
      symlinkSync(`${namesFolder}/${name}`, `${folder}/${name}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

interface FileMount {
  readonly source: string;
  readonly target: string;
}

/** Files of a container that are not the machine's: where they are inside, and where here. */
export function mountedFiles(space: Space): Readonly<Record<string, string>> {
  if (space.kind === "node") return {};
  const { hosts, hostname, resolvConf } = space.files;
  return { "/etc/hosts": hosts, "/etc/hostname": hostname, "/etc/resolv.conf": resolvConf };
}

/** Symbolic links are followed: /etc/resolv.conf is one where systemd-resolved runs. A machine without /etc/hostname is a healthy one. */
function mountTargets(files: ContainerSpace["files"], place: TrustedDirectory): FileMount[] {
  return [
    ...fileMount(within(place, files.hosts), "/etc/hosts", true),
    ...fileMount(within(place, files.hostname), "/etc/hostname", false),
    ...fileMount(within(place, files.resolvConf), "/etc/resolv.conf", true),
  ];
}

function fileMount(source: string, path: string, needed: boolean): FileMount[] {
  try {
    return [{ source, target: realpathSync(path) }];
  } catch (error) {
    if (!needed) return [];
    throw new DocknetError(
      "KERNEL_FEATURE",
      `Cannot give a container its own ${path}: this machine has none (${(error as NodeJS.ErrnoException).code})`,
      { cause: error, remedy: `Create the file that ${path} names, empty` },
    );
  }
}
