/**
 * A verifier that passes a broken network is worthless: one fault at a time is put into the built kernel state, and verify must say
 * FAIL, with evidence that names the place. Each row first passes without the fault, in the same lab.
 */
import { expect, test } from "vitest";
import { buildLab, type Lab, loadSpec, type Report } from "../../src/index.ts";
import { labText } from "../support/lab-text.ts";

const LAB = `
services:
  a: { image: busybox, networks: [front], x-docknet: { serve: ["80"] } }
  web: { image: nginx, networks: [front], ports: ["8080:80", "127.0.0.1:8081:80"] }
  db: { image: postgres, networks: [back] }
  q1: { image: redis, networks: [noicc] }
  q2: { image: redis, networks: [noicc] }
networks:
  front: { driver_opts: { com.docker.network.bridge.name: br-front }, ipam: { config: [{ subnet: 172.18.0.0/16 }] } }
  back: { internal: true, driver_opts: { com.docker.network.bridge.name: br-back }, ipam: { config: [{ subnet: 172.19.0.0/16 }] } }
  noicc: { driver_opts: { com.docker.network.bridge.name: br-noicc, com.docker.network.bridge.enable_icc: "false" }, ipam: { config: [{ subnet: 172.20.0.0/16 }] } }
x-docknet: { world: { router: { forwards: ["8080"] } } }
`;

interface Fault {
  readonly name: string;
  /** Commands inside a node, as a person at the keyboard would break it. */
  readonly break: readonly (readonly [node: string, ...argv: string[]])[];
  /** A check that must fail, by its id's start. */
  readonly fails: RegExp;
  /** What its reasons must name. */
  readonly names: RegExp;
}

const web = "172.18.0.3";
const FAULTS: readonly Fault[] = [
  {
    name: "a DNAT rule is deleted",
    break: [
      [
        "@host",
        ..."iptables -t nat -D DOCKER ! -i br-front -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.3:80".split(
          " ",
        ),
      ],
    ],
    fails: /^publish\/web:80\/@neighbour/,
    names:
      /rule missing: nat DOCKER: .*--dport 8080 -j DNAT --to-destination 172\.18\.0\.3:80.*port 8080:80\/tcp of web/,
  },
  {
    name: "DNAT leads to the wrong address",
    break: [
      [
        "@host",
        ..."iptables -t nat -R DOCKER 1 ! -i br-front -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:80".split(
          " ",
        ),
      ],
    ],
    fails: /^publish\/web:80\/@neighbour/,
    names: /rule unexpected: nat DOCKER: .*172\.18\.0\.2:80/,
  },
  {
    name: "MASQUERADE is missing",
    break: [["@host", ..."iptables -t nat -D POSTROUTING -s 172.18.0.0/16 ! -o br-front -j MASQUERADE".split(" ")]],
    fails: /^outbound\/a$/,
    names: /rule missing: nat POSTROUTING: .*-s 172\.18\.0\.0\/16 ! -o br-front -j MASQUERADE/,
  },
  {
    name: "the router does not masquerade",
    break: [["@router", ..."iptables -t nat -D POSTROUTING -o wan0 -j MASQUERADE".split(" ")]],
    fails: /^outbound\/a$/,
    names: /@router: rule missing: nat POSTROUTING/,
  },
  {
    name: "ip_forward is off",
    break: [["@host", "sysctl", "-qw", "net.ipv4.ip_forward=0"]],
    fails: /^outbound\/a$/,
    names: /@host: sysctl changed: net\.ipv4\.ip_forward: wanted 1, found 0/,
  },
  {
    name: "a bridge port is in the wrong bridge",
    break: [
      [
        "@host",
        "sh",
        "-c",
        "ip link set $(ip -o link show master br-front | head -1 | cut -d: -f2 | cut -d@ -f1) master br-back",
      ],
    ],
    fails: /^(service|outbound|publish|control)\//,
    names: /@host: link changed: veth\w+ bridge: wanted br-front, found br-back/,
  },
  {
    name: "a container has the wrong gateway",
    break: [["a", ..."ip route replace default via 172.18.0.99".split(" ")]],
    fails: /^outbound\/a$/,
    names:
      /a: route changed: default via 172\.18\.0\.1: wanted default via 172\.18\.0\.1, found default via 172\.18\.0\.99/,
  },
  {
    name: "the raw drop is gone",
    break: [["@host", ..."iptables -t raw -D PREROUTING -d 172.18.0.3/32 ! -i br-front -j DROP".split(" ")]],
    fails: /^direct\/web\//,
    names: /rule missing: raw PREROUTING: .*-d 172\.18\.0\.3\/32 ! -i br-front -j DROP/,
  },
  {
    name: "the icc rule is gone",
    break: [
      ["@host", ..."iptables -D DOCKER-FORWARD -i br-noicc -o br-noicc -j DROP".split(" ")],
      ["@host", ..."iptables -P FORWARD ACCEPT".split(" ")],
    ],
    fails: /^isolation\/q1\/q2/,
    names: /rule missing: filter DOCKER-FORWARD: .*-i br-noicc -o br-noicc -j DROP/,
  },
  {
    name: "a binding is widened from 127.0.0.1 to all",
    break: [
      [
        "@host",
        ..."iptables -t nat -R DOCKER 2 ! -i br-front -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.18.0.3:80".split(
          " ",
        ),
      ],
    ],
    fails: /^publish\/web:80\/@neighbour\/192\.168\.0\.10:8081/,
    names: /expected refuse, but it was answered/,
  },
  {
    name: "the conntrack rule is gone",
    break: [
      ["@host", ..."iptables -D DOCKER-CT -o br-front -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT".split(" ")],
    ],
    fails: /^outbound\/a$/,
    names: /rule missing: filter DOCKER-CT: .*-o br-front -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT/,
  },
  {
    name: "the default drop of a network is gone and the policy accepts",
    break: [
      ["@host", ..."iptables -D DOCKER ! -i br-noicc -o br-noicc -j DROP".split(" ")],
      ["@host", ..."iptables -t raw -D PREROUTING -d 172.20.0.2/32 ! -i br-noicc -j DROP".split(" ")],
      ["@host", ..."iptables -P FORWARD ACCEPT".split(" ")],
    ],
    fails: /^direct\/q1\//,
    names: /rule missing: filter DOCKER: .*! -i br-noicc -o br-noicc -j DROP/,
  },
  {
    name: "an internal network is opened",
    break: [
      ["@host", ..."iptables -I DOCKER-USER -o br-back -j ACCEPT".split(" ")],
      ["db", ..."ip route add default via 172.19.0.1".split(" ")],
    ],
    fails: /^(direct\/db|isolation\/a\/db)/,
    names: /rule unexpected: filter DOCKER-USER: -A DOCKER-USER -o br-back -j ACCEPT/,
  },
  {
    name: "a container drops what comes in",
    break: [["web", ..."iptables -A INPUT -p tcp -m tcp --dport 80 -j DROP".split(" ")]],
    fails: /^service\/a\/web/,
    names: /web: rule unexpected: filter INPUT: -A INPUT -p tcp -m tcp --dport 80 -j DROP/,
  },
];

test.for(FAULTS)("verify fails and names the place when $name", async (fault) => {
  await using lab = await buildLab(loadSpec(labText(LAB)));
  expect(summary(await lab.verify()), "the lab as built").toEqual([]);
  for (const [node, file, ...args] of fault.break) await must(lab, node, file as string, args);
  const report = await lab.verify();
  expect(report.verdict).toBe("FAIL");
  const failed = report.checks.filter((c) => c.verdict === "FAIL" && fault.fails.test(c.id));
  expect(failed.length, `no failed check like ${fault.fails}; failed: ${summary(report).join("\n")}`).toBeGreaterThan(
    0,
  );
  expect(failed.flatMap((c) => c.reasons).join("\n")).toMatch(fault.names);
});

test("the address that the faults speak of is that of web", async () => {
  await using lab = await buildLab(loadSpec(labText(LAB)));
  expect(lab.state.containers.find((c) => c.node === "web")?.endpoints[0]?.address).toBe(web);
});

const summary = (report: Report): string[] =>
  report.checks.filter((c) => c.verdict !== "PASS").map((c) => `${c.verdict} ${c.id}: ${c.reasons.join("; ")}`);

async function must(lab: Lab, node: string, file: string, args: readonly string[]): Promise<void> {
  const result = await lab.exec(node, [file, ...args]);
  expect(result.exitCode, `${file} ${args.join(" ")}: ${result.stderr}`).toBe(0);
}
