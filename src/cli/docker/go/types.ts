/**
 * The Go structs behind the Engine API's JSON: which names a template may use for them, in which order they print, what an absent member
 * is. Source: moby api/types (container.InspectResponse, network.Inspect) as docker/cli 28.2.2 has them.
 */
import { formatGoTime } from "./time.ts";
import { type GoField, GoFloat, GoList, GoMap, GoNil, GoNumberText, GoStruct, type GoValue } from "./value.ts";

/** `Name:type` for each field, `Name=json:type` when JSON calls it otherwise, `+Name:type` for an embedded struct. */
const STRUCTS: Readonly<Record<string, string>> = {
  "container.InspectResponse":
    "+ContainerJSONBase:*container.ContainerJSONBase Mounts:[]container.MountPoint Config:*container.Config NetworkSettings:*container.NetworkSettings ImageManifestDescriptor:*v1.Descriptor",
  "container.ContainerJSONBase":
    "ID=Id:string Created:string Path:string Args:[]string State:*container.State Image:string ResolvConfPath:string HostnamePath:string HostsPath:string LogPath:string Name:string RestartCount:int Driver:string Platform:string MountLabel:string ProcessLabel:string AppArmorProfile:string ExecIDs:[]string HostConfig:*container.HostConfig GraphDriver:storage.DriverData SizeRw:*int64 SizeRootFs:*int64",
  "container.State":
    "Status:string Running:bool Paused:bool Restarting:bool OOMKilled:bool Dead:bool Pid:int ExitCode:int Error:string StartedAt:string FinishedAt:string Health:*container.Health",
  "container.Health": "Status:string FailingStreak:int Log:[]*container.HealthcheckResult",
  "container.HealthcheckResult": "Start:time.Time End:time.Time ExitCode:int Output:string",
  "container.MountPoint":
    "Type:string Name:string Source:string Destination:string Driver:string Mode:string RW:bool Propagation:string",
  "container.Config":
    "Hostname:string Domainname:string User:string AttachStdin:bool AttachStdout:bool AttachStderr:bool ExposedPorts:map[nat.Port]struct{} Tty:bool OpenStdin:bool StdinOnce:bool Env:[]string Cmd:[]string Healthcheck:*v1.HealthcheckConfig ArgsEscaped:bool Image:string Volumes:map[string]struct{} WorkingDir:string Entrypoint:[]string NetworkDisabled:bool MacAddress:string OnBuild:[]string Labels:map[string]string StopSignal:string StopTimeout:*int Shell:[]string",
  "v1.HealthcheckConfig":
    "Test:[]string Interval:time.Duration Timeout:time.Duration StartPeriod:time.Duration StartInterval:time.Duration Retries:int",
  "struct{}": "",
  "container.HostConfig":
    "Binds:[]string ContainerIDFile:string LogConfig:container.LogConfig NetworkMode:string PortBindings:map[nat.Port][]nat.PortBinding RestartPolicy:container.RestartPolicy AutoRemove:bool VolumeDriver:string VolumesFrom:[]string ConsoleSize:[]uint Annotations:map[string]string CapAdd:[]string CapDrop:[]string CgroupnsMode:string DNS=Dns:[]string DNSOptions=DnsOptions:[]string DNSSearch=DnsSearch:[]string ExtraHosts:[]string GroupAdd:[]string IpcMode:string Cgroup:string Links:[]string OomScoreAdj:int PidMode:string Privileged:bool PublishAllPorts:bool ReadonlyRootfs:bool SecurityOpt:[]string StorageOpt:map[string]string Tmpfs:map[string]string UTSMode:string UsernsMode:string ShmSize:int64 Sysctls:map[string]string Runtime:string Isolation:string +Resources:container.Resources Mounts:[]mount.Mount MaskedPaths:[]string ReadonlyPaths:[]string Init:*bool",
  "container.LogConfig": "Type:string Config:map[string]string",
  "container.RestartPolicy": "Name:string MaximumRetryCount:int",
  "container.Resources":
    "CPUShares=CpuShares:int64 Memory:int64 NanoCPUs=NanoCpus:int64 CgroupParent:string BlkioWeight:uint16 BlkioWeightDevice:[]any BlkioDeviceReadBps:[]any BlkioDeviceWriteBps:[]any BlkioDeviceReadIOps:[]any BlkioDeviceWriteIOps:[]any CPUPeriod=CpuPeriod:int64 CPUQuota=CpuQuota:int64 CPURealtimePeriod=CpuRealtimePeriod:int64 CPURealtimeRuntime=CpuRealtimeRuntime:int64 CpusetCpus:string CpusetMems:string Devices:[]container.DeviceMapping DeviceCgroupRules:[]string DeviceRequests:[]any KernelMemory:int64 KernelMemoryTCP:int64 MemoryReservation:int64 MemorySwap:int64 MemorySwappiness:*int64 OomKillDisable:*bool PidsLimit:*int64 Ulimits:[]*container.Ulimit CPUCount=CpuCount:int64 CPUPercent=CpuPercent:int64 IOMaximumIOps:uint64 IOMaximumBandwidth:uint64",
  "container.DeviceMapping": "PathOnHost:string PathInContainer:string CgroupPermissions:string",
  "container.Ulimit": "Name:string Hard:int64 Soft:int64",
  "mount.Mount": "Type:string Source:string Target:string ReadOnly:bool Consistency:string",
  "storage.DriverData": "Data:map[string]string Name:string",
  "nat.PortBinding": "HostIP=HostIp:string HostPort:string",
  "container.NetworkSettings":
    "+NetworkSettingsBase:container.NetworkSettingsBase +DefaultNetworkSettings:container.DefaultNetworkSettings Networks:map[string]*network.EndpointSettings",
  "container.NetworkSettingsBase":
    "Bridge:string SandboxID:string SandboxKey:string Ports:map[nat.Port][]nat.PortBinding HairpinMode:bool LinkLocalIPv6Address:string LinkLocalIPv6PrefixLen:int SecondaryIPAddresses:[]network.Address SecondaryIPv6Addresses:[]network.Address",
  "container.DefaultNetworkSettings":
    "EndpointID:string Gateway:string GlobalIPv6Address:string GlobalIPv6PrefixLen:int IPAddress:string IPPrefixLen:int IPv6Gateway:string MacAddress:string",
  "network.Address": "Addr:string PrefixLen:int",
  "network.EndpointSettings":
    "IPAMConfig:*network.EndpointIPAMConfig Links:[]string Aliases:[]string MacAddress:string DriverOpts:map[string]string GwPriority:int NetworkID:string EndpointID:string Gateway:string IPAddress:string IPPrefixLen:int IPv6Gateway:string GlobalIPv6Address:string GlobalIPv6PrefixLen:int DNSNames:[]string",
  "network.EndpointIPAMConfig": "IPv4Address:string IPv6Address:string LinkLocalIPs:[]string",
  "network.Inspect":
    "Name:string ID=Id:string Created:time.Time Scope:string Driver:string EnableIPv4:bool EnableIPv6:bool IPAM:network.IPAM Internal:bool Attachable:bool Ingress:bool ConfigFrom:network.ConfigReference ConfigOnly:bool Containers:map[string]network.EndpointResource Options:map[string]string Labels:map[string]string Peers:[]network.PeerInfo Services:map[string]any",
  "network.IPAM": "Driver:string Options:map[string]string Config:[]network.IPAMConfig",
  "network.IPAMConfig": "Subnet:string IPRange:string Gateway:string AuxAddress=AuxiliaryAddresses:map[string]string",
  "network.ConfigReference": "Network:string",
  "network.PeerInfo": "Name:string IP:string",
  "network.EndpointResource": "Name:string EndpointID:string MacAddress:string IPv4Address:string IPv6Address:string",
};

/** A JSON value as the Go type that is named. What does not fit is that type's zero, as after a lenient decoder. */
export function typedValue(type: string, json: unknown): GoValue {
  if (type.startsWith("[]")) {
    const items = Array.isArray(json) ? json : [];
    const element = type.slice(2);
    return new GoList(
      type,
      items.map((item) => typedValue(element, item)),
      !Array.isArray(json),
    );
  }
  const map = /^map\[([^\]]*)\](.*)$/s.exec(type);
  if (map) {
    const element = map[2] ?? "any";
    const entries = Object.entries(isObject(json) ? json : {}).map(([k, v]) => [k, typedValue(element, v)] as const);
    return new GoMap(type, entries, typedValue(element, undefined), !isObject(json));
  }
  if (type.startsWith("*")) {
    if (json === null || json === undefined) return new GoNil(type);
    const target = typedValue(type.slice(1), json);
    return target instanceof GoStruct ? new GoStruct(type, { fields: target.fields, json: target.json }) : target;
  }
  if (type === "any") return untypedValue(json);
  if (type === "string") return typeof json === "string" ? json : "";
  if (type === "bool") return json === true;
  if (type === "time.Time") return timeValue(typeof json === "string" ? json : "0001-01-01T00:00:00Z");
  const layout = STRUCTS[type];
  if (layout === undefined) return typeof json === "number" ? json : 0;
  return structValue(type, layout, isObject(json) ? json : {});
}

function structValue(type: string, layout: string, json: Readonly<Record<string, unknown>>): GoStruct {
  const fields: GoField[] = layout
    .split(" ")
    .filter(Boolean)
    .map((text) => {
      const [, plus, name = "", key = name, fieldType = "any"] = /^(\+?)(\w+)(?:=(\w+))?:(.*)$/s.exec(text) ?? [];
      // an embedded struct has no JSON object of its own
      return plus
        ? { name, embedded: true, value: () => typedValue(fieldType, json) }
        : { name, value: () => typedValue(fieldType, json[key]) };
    });
  return new GoStruct(type, { fields, json: () => json });
}

/** JSON read without a type: map[string]interface {}, []interface {}, and numbers kept as text. */
export function untypedValue(json: unknown): GoValue {
  if (json === null || json === undefined) return new GoNil("interface {}");
  if (typeof json === "string" || typeof json === "boolean") return json;
  if (typeof json === "number") return new GoNumberText(String(json));
  if (Array.isArray(json)) return new GoList("[]interface {}", json.map(untypedValue));
  const entries = Object.entries(json).map(([key, value]) => [key, untypedValue(value)] as const);
  return new GoMap("map[string]interface {}", entries, undefined);
}

/** A struct whose fields are called as in its JSON, and typed by what stands there (version, info, events). */
export function openStruct(type: string, json: Readonly<Record<string, unknown>>): GoStruct {
  const fields = Object.entries(json).map(([name, value]) => ({ name, value: () => openValue(value) }));
  return new GoStruct(type, { fields, json: () => json });
}

function openValue(json: unknown): GoValue {
  if (typeof json === "number") return Number.isInteger(json) ? json : new GoFloat(json);
  if (Array.isArray(json))
    return new GoList(json.every((v) => typeof v === "string") ? "[]string" : "[]interface {}", json.map(openValue));
  return isObject(json) ? openStruct("struct", json) : untypedValue(json);
}

/** time.Time of an RFC 3339 text; it prints as Time.String() does. */
export function timeValue(text: string): GoStruct {
  const methods = new Map([
    ["String", { params: [], call: () => formatGoTime(text) }],
    ["Year", { params: [], call: () => Number(text.slice(0, 4)) }],
    ["Unix", { params: [], call: () => Math.floor(Date.parse(text) / 1000) }],
  ]);
  return new GoStruct("time.Time", { methods, json: () => text, text: formatGoTime(text) });
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
