/** A container's /etc/hosts and /etc/hostname. Source: moby daemon/libnetwork/etchosts, sandbox_dns_unix.go; contents seen on 28.5.2. */
import { HOST_NAME } from "./container.ts";
import { type Container, networkById, type State } from "./state.ts";

const LOCAL = ["127.0.0.1\tlocalhost"];
/** Left out where lo has no ::1. */
const LOCAL_IPV6 = [
  "::1\tlocalhost ip6-localhost ip6-loopback",
  "fe00::\tip6-localnet",
  "ff00::\tip6-mcastprefix",
  "ff02::1\tip6-allnodes",
  "ff02::2\tip6-allrouters",
];
/** The emulated host's own file, which containers in host mode get. */
const HOST_FILE = [...LOCAL, `127.0.1.1\t${HOST_NAME}`, ...LOCAL_IPV6];

/** One that shares a sandbox has the file of whom it joined. */
export function hostnameFile(state: State, container: Container): string {
  return `${fileOwner(state, container).hostname}\n`;
}

/** Loopback, `--add-host`, legacy links, then a line per address. One that shares a sandbox has the file of whom it joined. */
export function hostsFile(state: State, container: Container): string {
  const owner = fileOwner(state, container);
  if (owner.sandbox.kind === "host" && owner.extraHosts.length === 0) return lines(HOST_FILE);
  return lines([
    ...LOCAL,
    ...(owner.sysctls["net.ipv6.conf.all.disable_ipv6"] === "1" ? [] : LOCAL_IPV6),
    ...extraLines(state, owner),
    ...linkLines(state, owner),
    ...owner.endpoints.map((e) => `${e.address}\t${ownNames(owner)}`),
  ]);
}

/** Whose files a container has: those of the container that it joined, while that one is there. */
export function fileOwner(state: State, container: Container): Container {
  let owner = container;
  for (let hops = 0; owner.sandbox.kind === "container" && hops < state.containers.length; hops++) {
    const { id } = owner.sandbox;
    owner = state.containers.find((c) => c.id === id) ?? owner;
  }
  return owner;
}

/** `host-gateway` is docker0's address, on whatever network the container is. */
function extraLines(state: State, { extraHosts }: Container): string[] {
  const gateway = state.networks.find((n) => n.isDefault)?.gateway;
  return extraHosts.flatMap(({ name, address }) => {
    const ip = address === "host-gateway" ? gateway : address;
    return ip ? [`${ip}\t${name}`] : [];
  });
}

/** A target that runs is known by the link's alias, its host name and its own name. */
function linkLines(state: State, { links }: Container): string[] {
  return links.flatMap(({ target, alias }) => {
    const child = state.containers.find((c) => c.id === target);
    const endpoint = child?.endpoints.find((e) => networkById(state, e.network).isDefault);
    if (!child || !endpoint) return [];
    const names = [alias, child.hostname, ...(child.name === alias ? [] : [child.name])];
    return [`${endpoint.address}\t${names.join(" ")}`];
  });
}

/** The full name, then its first label when it has several. */
function ownNames({ hostname, domainname }: Container): string {
  const full = domainname ? `${hostname}.${domainname}` : hostname;
  const dot = full.indexOf(".");
  return dot < 0 ? full : `${full} ${full.slice(0, dot)}`;
}

const lines = (all: readonly string[]): string => all.map((line) => `${line}\n`).join("");
