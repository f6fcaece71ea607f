/** What dockerd refuses of a container before it looks at its own state. Source: moby daemon/container.go, runconfig/hostconfig_unix.go. */
import { DocknetError } from "../../errors.ts";
import { parseSignal } from "../signal.ts";
import type { Fields } from "./fields.ts";
import { httpError } from "./refuse.ts";

const MIN_MEMORY_BYTES = 6 * 1024 * 1024;
const MAX_ENV = 10_000;

/** @throws DocknetError USAGE */
export function checkConfig(config: Fields): void {
  const env = config.texts("Env") ?? [];
  const nameless = env.find((e) => e === "" || e.startsWith("="));
  if (nameless !== undefined) throw httpError(400, `invalid environment variable: ${nameless}`);
  if (env.length > MAX_ENV) throw httpError(400, `too many environment variables: ${env.length}`);
  const directory = config.text("WorkingDir");
  if (directory !== "" && !directory.startsWith("/"))
    throw httpError(400, `the working directory '${directory}' is invalid, it needs to be an absolute path`);
  const words = [...(config.words("Entrypoint") ?? []), ...(config.words("Cmd") ?? []), ...env, directory];
  if (words.some((word) => word.includes("\0"))) throw httpError(400, "a command, variable or path has a NUL in it");
  const memory = config.child("HostConfig").integer("Memory") ?? 0;
  if (memory > 0 && memory < MIN_MEMORY_BYTES) throw httpError(400, "Minimum memory limit allowed is 6MB");
}

/** @throws DocknetError USAGE */
export function checkSignal(text: string): void {
  try {
    parseSignal(text);
  } catch (error) {
    throw error instanceof DocknetError ? httpError(400, error.message) : error;
  }
}

/** @throws DocknetError USAGE */
export function checkRestart(host: Fields): void {
  const policy = host.child("RestartPolicy").text("Name");
  if (!["", "no", "always", "on-failure", "unless-stopped"].includes(policy)) {
    throw httpError(
      400,
      `invalid restart policy: unknown policy '${policy}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (host.flag("AutoRemove") && policy !== "" && policy !== "no")
    throw httpError(400, "can't create 'AutoRemove' container with restart policy");
}

/** What a container cannot have of its own when it shares another's network. @throws DocknetError USAGE */
export function checkNetworkMode(config: Fields, host: Fields): void {
  const mode = host.text("NetworkMode");
  const has = (key: string): boolean => (host.texts(key) ?? []).length > 0;
  if (mode === "host" && has("Links")) {
    throw httpError(
      400,
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
  if (!mode.startsWith("container:")) return;
  if (config.text("Hostname") !== "") throw httpError(400, "conflicting options: hostname and the network mode");
  if (has("Links")) {
    throw httpError(
      400,
      "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    );
  }
  if (has("Dns")) throw httpError(400, "conflicting options: dns and the network mode");
  if (has("ExtraHosts")) throw httpError(400, "conflicting options: custom host-to-IP mapping and the network mode");
  if (host.flag("PublishAllPorts") || Object.keys(host.object("PortBindings") ?? {}).length > 0)
    throw httpError(400, "conflicting options: port publishing and the container type network mode");
  if (Object.keys(config.object("ExposedPorts") ?? {}).length > 0)
    throw httpError(400, "conflicting options: port exposing and the container type network mode");
}

/** What is taken and has no effect: the first in dockerd's words, the others are docknet's own. */
export function createWarnings(host: Fields, mode: string): readonly string[] {
  const publishes = Object.keys(host.object("PortBindings") ?? {}).length > 0;
  const mounts = (host.texts("Binds") ?? []).length + (host.list("Mounts") ?? []).length;
  const restarts = !["", "no"].includes(host.child("RestartPolicy").text("Name"));
  return [
    ...(mode === "host" && publishes ? ["Published ports are discarded when using host network mode"] : []),
    ...(mounts > 0 ? ["docknet does not emulate volumes: the container sees the files of this machine"] : []),
    ...(restarts ? ["docknet does not emulate restart policies: the container is not started again"] : []),
  ];
}
