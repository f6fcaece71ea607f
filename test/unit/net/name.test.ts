import { describe, expect, test } from "vitest";
import {
  HOST,
  type LabName,
  type NodeName,
  netnsName,
  parseContainerName,
  parseIfName,
  parseLabName,
  parseSysctlKey,
} from "../../../src/net/name.ts";

describe("interface names", () => {
  test.for(["eth0", "br-0123456789ab", "docker0", "veth1a2b3c4", "_x", "eth0.100", "a@b", "x-1,y=2", "a".repeat(15)])(
    "%s can be borne",
    (text) => {
      expect(parseIfName(text)).toBe(text);
    },
  );

  test.for(["", ".", ".."])("%j can be borne by no interface (dev_valid_name)", (text) => {
    expect(() => parseIfName(text)).toThrow(`invalid interface name "${text}": no interface can bear it`);
  });

  test.for([
    ["16 ASCII bytes", "a".repeat(16)],
    ["8 characters of two bytes", "é".repeat(8)],
  ] as const)("%s are over the 15 of IFNAMSIZ", ([, text]) => {
    expect(() => parseIfName(text)).toThrow(`invalid interface name "${text}": numerical result out of range`);
  });

  test.for([
    ["a slash, which the kernel refuses", "a/b"],
    ["a colon, which the kernel refuses", "a:b"],
    ["a space, which the kernel refuses", "a b"],
    ["a newline", "a\nb"],
    ["a format that the kernel fills in (dev_get_valid_name)", "eth%d"],
    ["a percent sign that is no format", "eth%"],
    ["a plus, iptables' wildcard", "eth+"],
    ["a leading dash, an option to every tool", "-eth0"],
    ["a leading dot", ".eth0"],
    ["a quote", "a'b"],
    ["a dollar", "a$b"],
    ["a semicolon", "a;b"],
    ["a NUL", "a\0b"],
    ["a letter outside ASCII", "é0"],
  ] as const)("%s is refused", ([, text]) => {
    expect(() => parseIfName(text)).toThrow(`invalid interface name ${JSON.stringify(text)}: wanted letters`);
  });
});

describe("container names", () => {
  test.for(["web", "lab-web-1", "a.b_c-d", "0x"])("%s is one", (text) => {
    expect(parseContainerName(text)).toBe(text);
  });

  test.for(["bad name", "w", "", "-web", "_web", ".web", "a/b", "wéb", "web\n"])(
    "%j is refused in Docker's words",
    (text) => {
      expect(() => parseContainerName(text)).toThrow(
        `Invalid container name (${text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      );
    },
  );
});

describe("lab names", () => {
  test.for(["a", "shop", "0-1_b"])("%s is one", (text) => {
    expect(parseLabName(text)).toBe(text);
  });

  test.for(["Shop", "-shop", "_shop", "sh.op", "sh op", "", "shop\n"])("%j is refused in Compose's words", (text) => {
    expect(() => parseLabName(text)).toThrow(
      `invalid project name "${text}": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number`,
    );
  });

  test("a namespace is named after lab and node, without the @ of the world's nodes", () => {
    expect(netnsName("shop" as LabName, HOST)).toBe("shop.host");
    expect(netnsName("shop" as LabName, "web" as NodeName)).toBe("shop.web");
  });
});

describe("sysctl keys", () => {
  test.for([
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.eth0/100.log_martians",
    "net.core.somaxconn",
  ])("%s is one", (text) => {
    expect(parseSysctlKey(text)).toBe(text);
  });

  test.for([
    ["kernel's, not net's", "kernel.shmmax.x"],
    ["too short", "net.ipv4"],
    ["an empty segment", "net..ip_forward"],
    ["the way up", "net.ipv4.../../kernel"],
    ["a path", "net/ipv4/ip_forward"],
    ["a leading slash", "net./etc.passwd"],
    ["a double slash", "net.ipv4.a//b"],
    ["a space", "net.ipv4.ip forward"],
    ["a newline", "net.ipv4.x\n"],
  ] as const)("%s is refused: it becomes a path below /proc/sys", ([, text]) => {
    expect(() => parseSysctlKey(text)).toThrow(`invalid sysctl ${JSON.stringify(text)}: wanted net.<group>.<name>`);
  });
});
