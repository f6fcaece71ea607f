/** What no two runs share becomes a placeholder; every other difference stays one. */
import { describe, expect, test } from "vitest";
import { inNameOf, type Known, normaliser } from "../support/normalise.ts";

const WEB = "79b4afe76e74027c1377b84cd7950fb60a5da78d658906ff53ae0fd5b7d8bfdf";
const OTHER = "1200e6e7efd4f9fb1c80c396f736f85d16885dfcbd8f8063a868a4830815d067";
const THIRD = "5b93c87a6244cadd789476f64359ff526485990388268d473947da024d363b0e";

const known = (given: Partial<Known> = {}): Known => ({
  ids: new Map([[WEB, "WEB"]]),
  macs: new Set(["02:42:0a:0a:07:07"]),
  prefixes: new Map(),
  ...given,
});
const plain = (text: string, given?: Partial<Known>): string => normaliser(known(given))(text);

describe("ids", () => {
  test("a kept id has its name, whole or short, wherever it stands", () => {
    expect(plain(`${WEB} ${WEB.slice(0, 12)} br-${WEB.slice(0, 12)} (${WEB})`)).toBe(
      "<id64:WEB> <id12:WEB> br-<id12:WEB> (<id64:WEB>)",
    );
  });
  test("others are numbered by appearance, equal ones equally, from text to text", () => {
    const text = normaliser(known());
    expect(text(`${OTHER} ${THIRD.slice(0, 12)} ${OTHER.slice(0, 12)}`)).toBe("<id64:#1> <id12:#2> <id12:#1>");
    expect(text(`${THIRD}`)).toBe("<id64:#2>");
  });
  test("two different ids do not look like one id twice", () => {
    expect(plain(`${OTHER} ${THIRD}`)).not.toBe(plain(`${OTHER} ${OTHER}`));
  });
  test("a short id is not a whole one", () => {
    expect(plain(WEB)).not.toBe(plain(WEB.slice(0, 12)));
  });
  test.for([
    ["13 digits", WEB.slice(0, 13)],
    ["11 digits", WEB.slice(0, 11)],
    ["65 digits", `${WEB}0`],
    ["upper case", WEB.toUpperCase()],
    ["part of a word", `x${WEB.slice(0, 12)}`],
  ])("no id: %s", ([, text]) => {
    expect(plain(text as string)).toBe(text);
  });
  test("a prefix that the step was given has its name, as a word only", () => {
    expect(plain("network 4 is ambiguous, 40 or a4", { prefixes: new Map([["4", "NETS"]]) })).toBe(
      "network <NETS> is ambiguous, 40 or a4",
    );
  });
});

test("what a newer iproute2 adds about an address of the kernel's own is left out; nothing else is", () => {
  expect(plain("1: lo    inet6 ::1/128 scope host proto kernel_lo \\")).toBe("1: lo    inet6 ::1/128 scope host \\");
  expect(plain("inet 10.0.0.1/8 scope global proto static")).toBe("inet 10.0.0.1/8 scope global proto static");
});

describe("times", () => {
  test.for([
    ["2026-11-22T03:18:44.641888692Z", "<time>Z"],
    ["2026-11-22T03:18:44.6Z", "<time>Z"],
    ["2026-11-22T03:18:44.641888692+01:00 x", "<time>+01:00 x"],
    ["2026-11-22 07:39:39.476609947 +0000 UTC", "<date> +0000 UTC"],
    ["2026-11-22 07:39:57 +0000 UTC", "<date:s> +0000 UTC"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
    ["2026-11-22T03:18:44Z", "2026-11-22T03:18:44Z"],
    ["Exited (137) 2 seconds ago", "Exited (137) <ago>"],
    ["Less than a second ago", "<ago>"],
    ["Up Less than a second", "<up>"],
    ["Up 3 minutes (Paused)", "<up> (Paused)"],
    ["About a minute ago", "<ago>"],
    ["Up 3 hours", "Up 3 hours"],
    ['"Status":"Up 10 seconds"}', '"Status":"<up>"}'],
    ['"time":1795333244,"timeNano":1795333244858396200}', '"time":<s>,"timeNano":<ns>}'],
    ["(execDuration=12, exitCode=0)", "(execDuration=<s>, exitCode=0)"],
  ])("%s", ([text, wanted]) => {
    expect(plain(text as string)).toBe(wanted);
  });
});

describe("other names of the kernel", () => {
  test("generated MAC addresses are numbered, those asked for stay", () => {
    expect(plain("a2:5a:53:36:23:f3 02:42:0a:0a:07:07 ce:b8:f7:ef:b1:c3 a2:5a:53:36:23:f3")).toBe(
      "<mac:#1> 02:42:0a:0a:07:07 <mac:#2> <mac:#1>",
    );
  });
  test("an IPv6 address is no MAC address", () => {
    expect(plain("fe80::1 02:42:0a:0a:07:07:11")).toBe("fe80::1 02:42:0a:0a:07:07:11");
  });
  test("veth names and sandboxes' paths", () => {
    expect(plain("veth1a2b3c4 vethernet /run/dk/netns/7221443dcc6d")).toBe("<veth> vethernet <netns>");
    expect(plain('"SandboxKey": "/run/netns/lab.web" "SandboxKey":""')).toBe('"SandboxKey": "<netns>" "SandboxKey":""');
  });
  test("addresses, ports and exit codes stay", () => {
    const text = "0.0.0.0:32768->80/tcp 172.18.0.2/16 exit status 1";
    expect(plain(text)).toBe(text);
  });
});

describe("tables", () => {
  const early = [
    "CONTAINER ID   IMAGE     COMMAND       CREATED        STATUS         PORTS     NAMES",
    `${WEB.slice(0, 12)}   busybox   "sleep 300"   1 second ago   Up 1 second              web`,
    "",
  ].join("\n");
  const late = [
    "CONTAINER ID   IMAGE     COMMAND       CREATED              STATUS                              PORTS     NAMES",
    `${WEB.slice(0, 12)}   busybox   "sleep 300"   About a minute ago   Up Less than a second                         web`,
    "",
  ].join("\n");

  test("how wide a column of times is does not count", () => {
    expect(plain(early)).toBe(
      [
        "CONTAINER ID   IMAGE     COMMAND       CREATED   STATUS   PORTS     NAMES",
        '<id12:WEB>   busybox   "sleep 300"   <ago>   <up>             web',
        "",
      ].join("\n"),
    );
    expect(plain(late)).toBe(plain(early));
  });
  test("how wide another column is does count", () => {
    expect(plain(early.replaceAll("busybox   ", "busybox    ").replace("IMAGE     ", "IMAGE      "))).not.toBe(
      plain(early),
    );
  });
  test("a cell that does not stand under its header counts", () => {
    expect(plain(early.replace("busybox   ", "busybox "))).not.toBe(plain(early));
  });
  test("a table without times stays as it is", () => {
    const table = "NAME        DRIVER    SCOPE\nbad name!   bridge    local\n";
    expect(plain(table)).toBe(table);
  });
});

describe("the program's name", () => {
  test.for([
    ["docker: Error response from daemon: x", "docknet: Error response from daemon: x"],
    ["Run 'docker run --help' for more information", "Run 'docknet run --help' for more information"],
    ["Usage:  docker network create [OPTIONS]", "Usage:  docknet network create [OPTIONS]"],
    ["docker: unknown command: docker nosuch", "docknet: unknown command: docknet nosuch"],
    [
      "docker0 com.docker.network /run/docker/x host.docker.internal",
      "docker0 com.docker.network /run/docker/x host.docker.internal",
    ],
    ["# Generated by Docker Engine.", "# Generated by Docker Engine."],
  ])("%s", ([recorded, wanted]) => {
    expect(inNameOf("docknet", recorded as string)).toBe(wanted);
    expect(inNameOf("docker", recorded as string)).toBe(recorded);
  });
});
