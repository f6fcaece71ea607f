/** `GET /containers/{id}/json`. Field order and nulls as dockerd 28.5.2. Source: moby api/types/container/container.go. */
import { type Container, NEVER, type State } from "../../state/state.ts";
import type { ContainerRecord, JsonObject } from "../record.ts";
import { networkSettings } from "./endpoint-json.ts";
import { imageId, parseImageName } from "./image-name.ts";

/** What only a living daemon knows of a container. */
export interface Living {
  /** 0: no process of its own. */
  readonly pid: number;
  /** Ids of execs; they are shown while it runs. */
  readonly execIds: readonly string[];
  /** Where its three files are. */
  readonly files: { readonly hosts: string; readonly hostname: string; readonly resolvConf: string };
  readonly logPath: string;
}

export function containerDetails(state: State, container: Container, record: ContainerRecord, living: Living): object {
  const [path = "", ...args] = record.argv;
  const hasRun = container.startedAt !== NEVER;
  return {
    Id: container.id,
    Created: container.created,
    Path: path,
    Args: args,
    State: stateOf(container, living.pid),
    Image: container.image ? imageId(parseImageName(container.image)) : "",
    ResolvConfPath: hasRun ? living.files.resolvConf : "",
    HostnamePath: hasRun ? living.files.hostname : "",
    HostsPath: hasRun ? living.files.hosts : "",
    LogPath: hasRun ? living.logPath : "",
    Name: `/${container.name}`,
    RestartCount: 0,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: living.execIds.length > 0 ? living.execIds : null,
    HostConfig: hostConfigOf(state, container, record.hostConfig),
    GraphDriver: { Data: null, Name: "overlay2" },
    Mounts: [],
    Config: { ...record.config, Hostname: container.hostname, Domainname: container.domainname },
    NetworkSettings: networkSettings(state, container),
  };
}

/** A node of the world takes `exec`, before which clients look whether it runs; of a container it has no more than that. */
export function nodeDetails(name: string): object {
  const State = { Status: "running", Running: true, Paused: false, Restarting: false, Pid: 0, ExitCode: 0, Error: "" };
  return { Id: name, Name: `/${name}`, State, Config: { Hostname: "", Tty: false } };
}

function stateOf(container: Container, pid: number): object {
  return {
    Status: container.status,
    Running: container.status === "running",
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: pid,
    ExitCode: container.exitCode,
    Error: container.error,
    StartedAt: container.startedAt,
    FinishedAt: container.finishedAt,
  };
}

/** Links go by the names of today; a shared network by the id of its owner. */
function hostConfigOf(state: State, container: Container, hostConfig: JsonObject): JsonObject {
  const links = container.links.flatMap(({ target, alias }) => {
    const owner = state.containers.find((c) => c.id === target);
    return owner ? [`/${owner.name}:/${container.name}/${alias}`] : [];
  });
  return { ...hostConfig, NetworkMode: networkMode(container, hostConfig), Links: links.length > 0 ? links : null };
}

/** "bridge", "none", "host", "container:ID", or the name of a network, as it was asked for. */
export function networkMode({ sandbox }: Container, hostConfig: JsonObject): string {
  return sandbox.kind === "container" ? `container:${sandbox.id}` : String(hostConfig.NetworkMode ?? "bridge");
}

/** The names under which `docker ps` lists it: its own, and those that links gave it. */
export function namesOf(state: State, container: Container): string[] {
  const linked = state.containers.flatMap((c) =>
    c.links.filter((link) => link.target === container.id).map((link) => `/${c.name}/${link.alias}`),
  );
  return [`/${container.name}`, ...linked.sort()];
}
