/**
 * What a lab file says, as values: parsed, interpolated, merged, checked for shape, with the place of each thing. Nothing
 * is chosen here that Docker would choose when it runs (addresses, host ports, ids): that is `state/`.
 */
import type { Origin, Problem } from "../errors.ts";
import type { Ipv4, Ipv6, Subnet } from "../net/address.ts";
import type { Transfer } from "../net/ftp.ts";
import type { Mac } from "../net/mac.ts";
import type { ContainerName, IfName, LabName } from "../net/name.ts";
import type { Port, PortRange, Proto, ProtoPort } from "../net/port.ts";

export interface Spec {
  readonly name: LabName;
  /** Files read, in order, as the user named them. */
  readonly files: readonly string[];
  /** In file order. Holds the implicit `default` network when a service needs it. */
  readonly networks: readonly NetworkSpec[];
  /** Active services (profiles applied), in file order. */
  readonly services: readonly ServiceSpec[];
  readonly engine: EngineSpec;
  readonly world: WorldSpec;
  /** Empty: derive them from the file. */
  readonly checks: readonly CheckSpec[];
  /** What bears on the network and is not emulated; never silently dropped. */
  readonly warnings: readonly Problem[];
}

export interface NetworkSpec {
  /** The key under `networks:`. */
  readonly key: string;
  /** The Docker network's name: `<project>_<key>` unless `name:` or `external:` says otherwise. */
  readonly name: string;
  readonly external: boolean;
  readonly driver: string;
  readonly driverOpts: Readonly<Record<string, string>>;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** IPv4 pools only; an IPv6 pool is a warning. */
  readonly ipam: readonly IpamPoolSpec[];
  readonly at: Origin;
}

export interface IpamPoolSpec {
  readonly subnet?: Subnet;
  readonly ipRange?: Subnet;
  readonly gateway?: Ipv4;
  readonly auxAddresses: Readonly<Record<string, Ipv4>>;
  readonly at: Origin;
}

/** network_mode, or the list of networks. */
export type NetworkMode =
  | { readonly kind: "networks" }
  | { readonly kind: "none" }
  | { readonly kind: "host" }
  /** The engine's default bridge docker0. */
  | { readonly kind: "bridge" }
  /** Joins the sandbox of another service of this file. */
  | { readonly kind: "service"; readonly service: string }
  /** Joins the sandbox of a container by its name. */
  | { readonly kind: "container"; readonly container: string };

export interface ServiceSpec {
  readonly key: string;
  /** Only where the file sets `container_name`; else `<project>-<service>-<n>`. */
  readonly containerName?: ContainerName;
  readonly replicas: number;
  readonly image?: string;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mode: NetworkMode;
  /** Used when mode is "networks"; in file order. */
  readonly attachments: readonly AttachmentSpec[];
  readonly ports: readonly PortSpec[];
  readonly expose: readonly (ProtoPort & { readonly at: Origin })[];
  /** Ports that a built-in responder serves though neither `ports` nor `expose` names them (`x-docknet: {serve: [...]}`). */
  readonly serve: readonly (ProtoPort & { readonly at: Origin })[];
  readonly links: readonly {
    readonly service: string;
    readonly alias: string;
    readonly external: boolean;
    readonly at: Origin;
  }[];
  readonly dns: readonly (Ipv4 | Ipv6)[];
  readonly dnsSearch: readonly string[];
  readonly dnsOpt: readonly string[];
  readonly extraHosts: readonly { readonly host: string; readonly address: Ipv4 | Ipv6 | "host-gateway" }[];
  /** Network sysctls only ("net.*"), in file order. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** The container-wide `mac_address`. */
  readonly mac?: Mac;
  readonly dependsOn: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** `x-docknet: {run: true}`: its command runs on this machine's file system, in a lab that lives; else responders stand in. */
  readonly run: boolean;
  readonly at: Origin;
}

export interface AttachmentSpec {
  /** Key of the network in this file. */
  readonly network: string;
  readonly aliases: readonly string[];
  readonly ipv4?: Ipv4;
  readonly mac?: Mac;
  readonly interfaceName?: IfName;
  readonly driverOpts: Readonly<Record<string, string>>;
  readonly linkLocalIps: readonly Ipv4[];
  /** Order of connecting: higher first. */
  readonly priority: number;
  /** Choice of the default route: higher first. */
  readonly gwPriority: number;
  readonly at: Origin;
}

/** One container port; `8000-8002:80-82` has become three of these, `8000-8010:80` is one with a range to choose from. */
export interface PortSpec {
  readonly target: Port;
  readonly proto: Proto;
  /** Absent: an ephemeral host port. */
  readonly published?: PortRange;
  /** Absent: the network's default host address. */
  readonly hostIp?: Ipv4 | Ipv6;
  readonly at: Origin;
}

export type FirewallProfile = "docker-29" | "docker-28" | "docker-20.10";

/** `x-docknet: engine:` what dockerd's own flags would say. */
export interface EngineSpec {
  readonly profile: FirewallProfile;
  readonly userlandProxy: boolean;
  /** Was net.ipv4.ip_forward already 1 when dockerd started? Then it leaves the FORWARD policy alone. */
  readonly ipForward: boolean;
  readonly allowDirectRouting: boolean;
  /** `--icc` of docker0. */
  readonly icc: boolean;
  /** `--bip`, docker0's own address with prefix; absent: 172.17.0.1/16. */
  readonly bip?: string;
  /** `--mtu` of docker0, bytes. */
  readonly mtu?: number;
  /** `--default-address-pool`; empty: Docker's own list. */
  readonly addressPools: readonly { readonly base: Subnet; readonly size: number }[];
  readonly at?: Origin;
}

/** `x-docknet: world:` the surroundings of the Docker host. Every field has a value: the default world is design section 3. */
export interface WorldSpec {
  readonly lan: Subnet;
  readonly host: Ipv4;
  readonly neighbour: Ipv4;
  readonly router: {
    readonly lan: Ipv4;
    readonly public: Ipv4;
    readonly forwards: readonly ForwardSpec[];
    /** 1:1 NAT; everybody else shares `public` (N:1). */
    readonly static: readonly StaticNatSpec[];
  };
  readonly internet: { readonly subnet: Subnet; readonly www: Ipv4; readonly dns: Ipv4 };
  readonly at?: Origin;
}

/** A port forward of the home router: public:port to a machine of the LAN. */
export interface ForwardSpec {
  readonly publicPort: Port;
  readonly proto: Proto;
  readonly to: Ipv4;
  readonly toPort: Port;
  readonly at: Origin;
}

/** 1:1 NAT of the home router: all that comes to the public address goes to the machine, and the machine leaves with it. */
export interface StaticNatSpec {
  readonly public: Ipv4;
  /** A machine of the LAN. */
  readonly to: Ipv4;
  readonly at: Origin;
}

export type CheckProto = "tcp" | "udp" | "icmp" | "sctp";
export type Expectation = "reach" | "refuse" | "drop" | "unreachable";

/** Where a check begins or ends: a service or container, a node of the world, or an address (targets only). */
export type CheckRef =
  | { readonly kind: "service"; readonly service: string }
  | { readonly kind: "node"; readonly node: "@host" | "@router" | "@neighbour" | "@internet" }
  | { readonly kind: "address"; readonly address: Ipv4 };

export interface CheckSpec {
  readonly name?: string;
  readonly from: CheckRef;
  readonly to: CheckRef;
  /** Absent for icmp only. */
  readonly port?: Port;
  readonly proto: CheckProto;
  /** Key of the network on which the target's address is meant, where it has several. */
  readonly network?: string;
  readonly expect: Expectation;
  /** The source address that the server must see. */
  readonly seenAs?: Ipv4;
  /** The source port that it must see beside the address. */
  readonly seenPort?: Port;
  /** The client's source port. */
  readonly sourcePort?: Port;
  /** A file is fetched by FTP, with a data connection made in this way. Only with tcp. */
  readonly transfer?: Transfer;
  readonly at: Origin;
}
