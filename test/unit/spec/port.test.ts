import { describe, expect, test } from "vitest";
import { loadText, problemsOfText, serviceOf } from "./lab.ts";

const portsOf = (items: string) =>
  serviceOf(loadText(`services: {a: {ports: ${items}}}`), "a").ports.map(({ at: _, ...port }) => port);
const one = (published: number | undefined, target: number, more: object = {}) => ({
  target,
  proto: "tcp",
  ...(published === undefined ? {} : { published: { first: published, last: published } }),
  ...more,
});

describe("ports mean what they mean in Docker", () => {
  test.for([
    ["[80]", [one(undefined, 80)]],
    ['["80"]', [one(undefined, 80)]],
    ['["8080:80"]', [one(8080, 80)]],
    ['["8080:80/udp"]', [one(8080, 80, { proto: "udp" })]],
    ['["8080:80/TCP"]', [one(8080, 80)]],
    ['[":80"]', [one(undefined, 80)]],
    ['["0:80"]', [one(undefined, 80)]],
    ['["127.0.0.1:8080:80/udp"]', [one(8080, 80, { proto: "udp", hostIp: "127.0.0.1" })]],
    ['["127.0.0.1::80"]', [one(undefined, 80, { hostIp: "127.0.0.1" })]],
    ['["[::1]:9090:80"]', [one(9090, 80, { hostIp: "::1" })]],
    ['["8000-8002:80-82"]', [one(8000, 80), one(8001, 81), one(8002, 82)]],
    ['["8000-8010:80"]', [one(undefined, 80, { published: { first: 8000, last: 8010 } })]],
    ['["80-82"]', [one(undefined, 80), one(undefined, 81), one(undefined, 82)]],
    ["[{target: 80}]", [one(undefined, 80)]],
    [
      "[{target: 80, published: 8080, protocol: udp, host_ip: 10.0.0.1, mode: host, name: x, app_protocol: http}]",
      [one(8080, 80, { proto: "udp", hostIp: "10.0.0.1" })],
    ],
    [
      '[{target: 80, published: "8080-8090", mode: ingress}]',
      [one(undefined, 80, { published: { first: 8080, last: 8090 } })],
    ],
    ['["8080:80", "0.0.0.0:8080:80/tcp"]', [one(8080, 80, { hostIp: "0.0.0.0" })]],
    ['["8080:80", "8080:80/udp", "8081:80"]', [one(8080, 80), one(8080, 80, { proto: "udp" }), one(8081, 80)]],
  ] as const)("%s", ([items, expected]) => {
    expect(portsOf(items)).toEqual(expected);
  });
});

describe("ports fail in Docker's words", () => {
  test.for([
    ["9090:80-82", "invalid ranges specified for container and host Ports: 80-82 and 9090"],
    ["9090:", "no port specified: 9090:<empty>"],
    ["foo:80", "invalid hostPort: foo"],
    ["70000:80", "invalid hostPort: 70000"],
    ["80:foo", "invalid containerPort: foo"],
    ["82-80", "invalid containerPort: 82-80"],
    ["80/icmp", "invalid proto: icmp"],
    ["localhost:80:80", "invalid IP address: localhost"],
    ["::1:9090:80", "Invalid ip address ::1: address ::1:: too many colons in address"],
    ["010.0.0.1:80:80", "invalid IP address: 010.0.0.1"],
    ["", "no port specified: <empty>"],
  ] as const)("%s", ([text, expected]) => {
    expect(problemsOfText(`services:\n  a:\n    ports:\n      - "${text}"\n`)).toEqual([
      `compose.yaml:4:9: ${expected}`,
    ]);
  });

  test.for([
    ["{published: 80}", "4:9: service ports services.a.ports[0] is missing a target port"],
    ["{target: 80-82}", "4:9: invalid containerPort: 80-82"],
    ["{target: 80, foo: 1}", "4:22: services.a.ports.0 additional properties 'foo' not allowed"],
    ["{target: 80, protocol: icmp}", "4:9: invalid proto: icmp"],
    ["[80]", "4:9: services.a.ports.0 must be a mapping, number or string"],
    ["true", "4:9: services.a.ports.0 must be a mapping, number or string"],
  ] as const)("%s", ([item, expected]) => {
    expect(problemsOfText(`services:\n  a:\n    ports:\n      - ${item}\n`)).toEqual([`compose.yaml:${expected}`]);
  });

  test("a list that is none", () => {
    expect(problemsOfText("services: {a: {ports: 80, expose: x}}")).toEqual([
      "compose.yaml:1:16: services.a.ports must be a array",
      "compose.yaml:1:27: services.a.expose must be a array",
    ]);
  });
});

test("expose and serve take ranges and protocols", () => {
  const { expose, serve } = serviceOf(
    loadText("services: {a: {expose: [80, 53/udp, 90-91], x-docknet: {serve: [9000/tcp, 9001]}}}"),
    "a",
  );
  expect([...expose, ...serve].map(({ port, proto }) => `${port}/${proto}`)).toEqual([
    "80/tcp",
    "53/udp",
    "90/tcp",
    "91/tcp",
    "9000/tcp",
    "9001/tcp",
  ]);
  expect(problemsOfText("services: {a: {expose: [x]}}")).toEqual([
    "compose.yaml:1:25: invalid range format for --expose: x",
  ]);
});
