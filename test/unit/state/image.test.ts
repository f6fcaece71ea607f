import { expect, test } from "vitest";
import { renderProtoPort } from "../../../src/net/port.ts";
import { exposedPorts } from "../../../src/state/image.ts";

test.for([
  ["nginx", ["80/tcp"]],
  ["nginx:1.27-alpine", ["80/tcp"]],
  ["library/postgres:16", ["5432/tcp"]],
  ["docker.io/library/postgres@sha256:0123", ["5432/tcp"]],
  ["docker.io/library/redis:7@sha256:0123", ["6379/tcp"]],
  ["grafana/grafana:latest", ["3000/tcp"]],
  ["coredns/coredns", ["53/tcp", "53/udp"]],
  ["haproxy", []],
] as const)("%s exposes %j", ([reference, want]) => {
  expect(exposedPorts(reference).map(renderProtoPort)).toEqual(want);
});

test.for([
  ["no image", undefined],
  ["an unknown image", "me/thing"],
  ["another's nginx", "someone/nginx"],
  ["another registry's nginx", "registry.example.test:5000/nginx"],
  ["a property of every object", "constructor"],
] as const)("%s exposes nothing", ([, reference]) => {
  expect(exposedPorts(reference)).toEqual([]);
});
