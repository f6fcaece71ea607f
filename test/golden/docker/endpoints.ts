/**
 * What an engine takes and refuses of an endpoint: every network, what may be said of an endpoint, and every way to say it. Recorded and
 * replayed like session.ts, whose rules hold here too. Engines name faults one by one and in an order of their own, so pairs are in it.
 */
import type { Step } from "../../support/docker-script.ts";

const SLEEP = "busybox sleep 900";
/** Stopped by SIGKILL at once. */
const quick = (words: string): string => `run -d --stop-timeout 0 ${words} ${SLEEP}`;

const setting: Step[] = [
  { title: "a network of the pools", line: "network create plain" },
  { title: "a network with a subnet", line: "network create --subnet 10.60.0.0/24 sub" },
  { title: "a network with a range", line: "network create --subnet 10.61.0.0/16 --ip-range 10.61.5.0/24 ranged" },
  { title: "an internal network with a subnet", line: "network create --internal --subnet 10.62.0.0/24 inner" },
  { title: "a running container on bridge", line: quick("--name base") },
  { title: "one on a network of the user's", line: quick("--name peer --network sub") },
];

const NETWORKS = ["", "bridge", "default", "host", "none", "container:base", "plain", "sub", "ranged", "nosuch"];
const SETTINGS = [
  "--ip 10.60.0.9",
  "--ip 172.17.0.99",
  "--ip 1.2.3",
  "--ip6 fd00::5",
  "--ip6 zz",
  "--ip6 10.60.0.9",
  "--ip 10.60.0.9 --ip6 fd00::5",
  "--ip fd00::5",
  "--ip 0.0.0.0",
  "--link-local-ip 169.254.7.7",
  "--mac-address 02:42:ac:11:00:99",
  "--mac-address 02-42-AC-11-00-99",
  "--mac-address 02:42",
  "--network-alias one --network-alias two",
  "--network-alias one --ip 10.60.0.9",
  "--link base:db",
  "--link nosuch:db",
  "--link a:b:c",
];

/** `create` of them all: what the engine refuses, it refuses here; `run` of some, for the client's words. */
const creating: Step[] = NETWORKS.flatMap((network) =>
  SETTINGS.map((settings) => {
    const words = `create${network === "" ? "" : ` --network ${network}`} ${settings} busybox true`;
    return { title: `${network || "no network"}, ${settings}`, line: words };
  }),
);

const running: Step[] = [
  "--network host --ip 1.2.3.4",
  "--network host --network-alias one",
  "--network host --mac-address 02:42:ac:11:00:99",
  "--network none --ip 1.2.3.4",
  "--network none --mac-address 02:42:ac:11:00:99",
  "--network container:base --ip 1.2.3.4",
  "--network container:base --mac-address 02:42:ac:11:00:99",
  "--network container:base --network-alias one",
  "--ip 172.17.0.99",
  "--network bridge --ip 172.17.0.99",
  "--network plain --ip 172.18.0.99",
  "--network sub --ip 10.60.0.1",
  "--network sub --ip 10.60.0.0",
  "--network sub --ip 10.60.0.255",
  "--network sub --ip 10.60.0.2",
  "--network sub --ip 10.60.1.2",
  "--network ranged --ip 10.61.200.1",
  "--network sub --ip6 fd00::5",
  "--network sub --ip 10.60.0.77 --mac-address 02:42:ac:11:00:99 --network-alias one --link base:db",
  "--network sub --mac-address 01:00:5e:00:00:01",
  "--network sub --mac-address 00:00:00:00:00:00",
  "--network sub --mac-address ff:ff:ff:ff:ff:ff",
  "--network sub --mac-address 02:42:ac:11:00:99:00:01",
  "--network name=sub,ip=10.60.0.78,alias=One,mac-address=02:42:AC:11:00:98",
  "--network name=SUB",
  "--network name=sub,ip=10.60.0.79 --ip 10.60.0.80",
  "--network name=sub,alias=a --network-alias b",
  "--network name=sub,foo=bar",
  "--network name=sub,ip",
  "--network name=sub,gw-priority=x",
  "--network ip=10.60.0.9",
  "--network sub --network bridge",
  "--network sub --network host",
  "--network sub --network container:base",
  "--network sub --network plain --ip 10.60.0.81",
  "--network plain --network name=sub,ip=10.60.1.81",
  "--network name=sub,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1",
  "--network name=sub,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.eth0.log_martians=1",
  "--network name=sub,driver-opt=COM.Docker.Network.endpoint.sysctls=NET.ipv4.conf.IFNAME.log_martians=1",
  "--network name=sub,driver-opt=some.key=Value",
  "--network name=sub,driver-opt=some.key",
  "--network name=sub,driver-opt=com.docker.network.endpoint.ifname=Lan0",
  "--network name=bridge,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1",
].map((words) => ({ title: `run ${words}`, line: `run --rm ${words} busybox true` }));

const seen: Step[] = [
  { title: "a sysctl of the endpoint", line: "run --rm --network name=sub,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1 busybox cat /proc/sys/net/ipv4/conf/eth0/log_martians" },
  { title: "an alias and a driver option keep their case or lose it", line: "create --name shown --network name=sub,alias=One,driver-opt=Some.Key=Value,mac-address=02:42:AC:11:00:97 busybox true", keep: "SHOWN" },
  { title: "as inspect shows them", line: ["inspect", "-f", "{{json (index .NetworkSettings.Networks \"sub\")}}", "shown"] },
  { title: "a MAC address in host mode, as inspect shows it", line: "create --name hostmac --network host --mac-address 02:42:ac:11:00:99 busybox true" },
  { title: "as inspect shows it", line: ["inspect", "-f", "{{json .NetworkSettings.Networks}}", "hostmac"] },
  { title: "a sharer's MAC address", line: "create --name shares --network container:base --mac-address 02:42:ac:11:00:99 busybox true" },
  { title: "as inspect shows it too", line: ["inspect", "-f", "{{json .NetworkSettings.Networks}}", "shares"] },
];

const CONTAINERS = ["up", "made", "subup", "submade", "ashost", "none", "sharer", "sharermade", "hostmade", "nonemade"];
const connectable: Step[] = [
  { title: "runs on bridge", line: quick("--name up") },
  { title: "is created on bridge", line: `create --name made ${SLEEP}` },
  { title: "runs on a network", line: quick("--name subup --network sub") },
  { title: "is created on a network", line: `create --name submade --network sub ${SLEEP}` },
  { title: "runs in host mode", line: quick("--name ashost --network host") },
  { title: "runs without network", line: quick("--name none --network none") },
  { title: "runs in another's network", line: quick("--name sharer --network container:base") },
  { title: "is created in another's network", line: `create --name sharermade --network container:base ${SLEEP}` },
  { title: "is created in host mode", line: `create --name hostmade --network host ${SLEEP}` },
  { title: "is created without network", line: `create --name nonemade --network none ${SLEEP}` },
];

/** Those that change something come last. */
const connecting: Step[] = [
  ...["bridge", "host", "none", "sub"].flatMap((network) =>
    CONTAINERS.flatMap((container) =>
      ["--ip 172.17.0.50", "--ip6 fd00::5", "--alias zz", "--alias zz --ip 172.17.0.50"].map((settings) => ({
        title: `connect ${settings} ${network} ${container}`,
        line: `network connect ${settings} ${network} ${container}`,
      })),
    ),
  ),
  ...["plain --ip 172.18.0.50", "ranged --ip 10.62.0.1", "inner --ip6 fd00::5", "inner --ip zz", "inner --ip6 zz", "inner --ip fd00::5"].flatMap((words) => {
    const [network, ...settings] = words.split(" ");
    return ["up", "made"].map((container) => ({
      title: `connect ${settings.join(" ")} ${network} ${container}`,
      line: `network connect ${settings.join(" ")} ${network} ${container}`,
    }));
  }),
  ...["host", "none", "bridge", "sub", "nosuch"].flatMap((network) =>
    CONTAINERS.map((container) => ({ title: `connect ${network} ${container}`, line: `network connect ${network} ${container}` })),
  ),
  ...["up", "made", "subup"].map((container) => ({
    title: `now ${container} is on`,
    line: ["inspect", "-f", "{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{json $v.IPAMConfig}} {{json $v.Aliases}} {{json $v.IPAddress}};{{end}}", container],
  })),
  { title: "a sharer that was connected before its start", line: "start sharermade" },
  { title: "has what was said, and nothing of it", line: ["inspect", "-f", "{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{json $v.EndpointID}} {{json $v.NetworkID}} {{json $v.IPAddress}} {{json $v.DNSNames}};{{end}}", "sharermade"] },
  { title: "disconnect it", line: "network disconnect sub sharermade" },
  { title: "disconnect it of what it never was on", line: "network disconnect ranged sharermade" },
  { title: "stop it", line: "stop -t 0 sharermade" },
  { title: "disconnect it, stopped", line: "network disconnect bridge sharermade" },
  { title: "what it has now", line: ["inspect", "-f", "{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{json $v.EndpointID}} {{json $v.NetworkID}};{{end}}", "sharermade"] },
  { title: "connect with all that can be said", line: "network connect --ip 10.61.7.7 --alias A1 --alias a2 --link base:db --driver-opt com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1 --gw-priority 5 ranged up" },
  { title: "shown whole", line: ["inspect", "-f", "{{json .NetworkSettings.Networks.ranged}}", "up"] },
  { title: "the option has its effect", line: "exec up cat /proc/sys/net/ipv4/conf/eth2/log_martians" },
  { title: "a sysctl that is none", line: "network connect --driver-opt com.docker.network.endpoint.sysctls=net.ipv4.conf.eth1.log_martians=1 inner up" },
  { title: "a sysctl that the kernel has not", line: "network connect --driver-opt com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.nosuch=1 inner up" },
  { title: "a value that the kernel refuses", line: "run --rm --network name=sub,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=foo busybox true" },
  { title: "a sysctl that the kernel has not, at the start", line: "run --rm --network name=sub,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.nosuch=1 busybox true" },
  { title: "an address that is taken", line: "network connect --ip 10.61.7.7 ranged subup" },
  { title: "the gateway's address", line: "network connect --ip 10.62.0.1 inner subup" },
  { title: "an option without value", line: "network connect --driver-opt foo inner subup" },
  { title: "a link that is none", line: "network connect --link a:b:c inner subup" },
  { title: "a link to nobody", line: "network connect --link nosuch:x inner subup" },
  { title: "a container that is not there", line: "network connect inner nosuch" },
  { title: "with settings", line: "network connect --ip zz inner nosuch" },
  { title: "an address and a network that is not there", line: "network connect --ip 10.61.7.9 nowhere made" },
  { title: "no address and a network that is not there", line: "network connect --ip zz nowhere made" },
  { title: "twice, created", line: "network connect --ip 10.61.7.9 ranged made" },
  { title: "and again with other settings", line: "network connect --ip 10.61.7.10 --alias x ranged made" },
  { title: "what is kept", line: ["inspect", "-f", "{{json .NetworkSettings.Networks.ranged}}", "made"] },
];

const hostnames: Step[] = [
  ...["a_b", "a b", "-a", "a/b", "UPPER", "é", "a.b.c.", ".", "*", "x".repeat(64), "x".repeat(65), "é".repeat(33)].map((name) => ({
    title: `host name ${JSON.stringify(name)}`,
    line: ["run", "--rm", "--network", "sub", "--hostname", name, "busybox", "sh", "-c", "hostname; cat /etc/hostname; tail -n 1 /etc/hosts"],
  })),
  ...["a_b", "a b", "-a", "é", "a.b.", "."].map((name) => ({
    title: `domain name ${JSON.stringify(name)}`,
    line: ["run", "--rm", "--network", "sub", "--hostname", "hh", "--domainname", name, "busybox", "sh", "-c", "hostname; tail -n 1 /etc/hosts; cat /proc/sys/kernel/domainname"],
  })),
  { title: "a domain name longer than the kernel's", line: ["run", "--rm", "--hostname", "hh", "--domainname", "y".repeat(70), "busybox", "sh", "-c", "cat /proc/sys/kernel/domainname"] },
  { title: "a host name of two lines", line: ["run", "--rm", "--hostname", "a\nb", "busybox", "sh", "-c", "hostname; cat /etc/hostname"] },
  { title: "too long, created", line: `create --name long --hostname ${"x".repeat(65)} busybox true` },
  { title: "too long, started", line: "start long" },
  { title: "what is left of it", line: ["inspect", "-f", "{{json .State.Status}} {{.State.ExitCode}} {{json .State.Error}}", "long"] },
  { title: "found by its name", line: `run -d --stop-timeout 0 --name named --hostname a_b --network sub ${SLEEP}` },
  { title: "its names", line: ["inspect", "-f", "{{json .Config.Hostname}} {{len .NetworkSettings.Networks.sub.DNSNames}} {{index .NetworkSettings.Networks.sub.DNSNames 2}}", "named"] },
  { title: "in host mode", line: ["run", "--rm", "--network", "host", "--hostname", "a_b", "busybox", "hostname"] },
  { title: "a sharer", line: "run --rm --network container:base --hostname a_b busybox true" },
  { title: "a sharer's domain", line: "run --rm --network container:base --domainname a_b busybox true" },
];

/** In this order. */
export const chapters: Readonly<Record<string, readonly Step[]>> = {
  setting,
  creating,
  running,
  seen,
  connectable,
  connecting,
  hostnames,
};

export const session: readonly Step[] = Object.values(chapters).flat();
