/** /_ping, /version, /info: who answers. Field order as dockerd 28.5.2. Source: moby daemon/server/router/system, daemon/info.go. */
import { cpus, release, totalmem } from "node:os";
import type { FastifyInstance, FastifyReply } from "fastify";
import { rfc3339Nano } from "../../kernel/clock.ts";
import { HOST_NAME } from "../../state/container.ts";
import { deriveId } from "../../state/id.ts";
import type { Engine } from "../engine.ts";
import { sendJson } from "./exchange.ts";
import { API_VERSION, MIN_API_VERSION } from "./headers.ts";

export function systemRoutes(app: FastifyInstance, engine: Engine, version: string): void {
  const ping = (reply: FastifyReply): FastifyReply =>
    reply
      .headers({ "Cache-Control": "no-cache, no-store, must-revalidate", Pragma: "no-cache", Swarm: "inactive" })
      .header("Content-Type", "text/plain; charset=utf-8");
  app.get("/_ping", (_request, reply) => ping(reply).send("OK"));
  app.head("/_ping", (_request, reply) => ping(reply).header("Content-Length", "0").send());
  app.get("/version", (_request, reply) => sendJson(reply, versionDetails(engine, version)));
  app.get("/info", (_request, reply) => sendJson(reply, infoDetails(engine, version)));
}

const goArchitecture = (): string => (process.arch === "x64" ? "amd64" : process.arch);

export function versionDetails({ startedAt }: Pick<Engine, "startedAt">, version: string): object {
  const details = {
    ApiVersion: API_VERSION,
    Arch: goArchitecture(),
    BuildTime: startedAt,
    Experimental: "false",
    GitCommit: "",
    GoVersion: `node ${process.version}`,
    KernelVersion: release(),
    MinAPIVersion: MIN_API_VERSION,
    Os: "linux",
  };
  return {
    Platform: { Name: "docknet" },
    Components: [{ Name: "Engine", Version: version, Details: details }],
    Version: version,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: "",
    GoVersion: details.GoVersion,
    Os: "linux",
    Arch: details.Arch,
    KernelVersion: details.KernelVersion,
    BuildTime: details.BuildTime,
  };
}

export function infoDetails(engine: Pick<Engine, "state" | "lab" | "directory">, version: string): object {
  const { containers } = engine.state;
  const running = containers.filter((c) => c.status === "running").length;
  return {
    ID: uuid(deriveId("daemon", engine.lab, engine.state.networks[0]?.id ?? "")),
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: containers.length - running,
    Images: new Set(containers.map((c) => c.image)).size,
    Driver: "overlay2",
    DriverStatus: [],
    Plugins: { Volume: ["local"], Network: ["bridge", "host", "null"], Authorization: null, Log: ["json-file"] },
    ...cgroupAbilities(),
    IPv4Forwarding: true,
    Debug: false,
    NFd: 0,
    OomKillDisable: false,
    NGoroutines: 0,
    SystemTime: rfc3339Nano(),
    LoggingDriver: "json-file",
    CgroupDriver: "none",
    CgroupVersion: "2",
    NEventsListener: 0,
    KernelVersion: release(),
    OperatingSystem: `docknet ${version}, lab ${engine.lab}`,
    OSVersion: "",
    OSType: "linux",
    Architecture: process.arch === "x64" ? "x86_64" : process.arch === "arm64" ? "aarch64" : process.arch,
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: { IndexConfigs: {}, InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8"], Mirrors: null },
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: engine.directory,
    HttpProxy: "",
    HttpsProxy: "",
    NoProxy: "",
    Name: HOST_NAME,
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: version,
    Runtimes: { runc: { path: "docknet" } },
    DefaultRuntime: "runc",
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: "",
    InitBinary: "",
    ContainerdCommit: { ID: "" },
    RuncCommit: { ID: "" },
    InitCommit: { ID: "" },
    SecurityOptions: [],
    FirewallBackend: { Driver: "iptables" },
    CDISpecDirs: [],
    Warnings: null,
  };
}

/** Said to be there: otherwise `docker info` warns of each, and a lab limits nothing anyway. */
function cgroupAbilities(): object {
  return {
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: true,
    PidsLimit: true,
  };
}

const uuid = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
