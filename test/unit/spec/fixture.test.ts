/** Real compose files as a whole, by their essentials. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { renderPortRange, renderProtoPort } from "../../../src/net/port.ts";
import type { Spec } from "../../../src/spec/spec.ts";
import { loadText, warningsOf } from "./lab.ts";

const fixture = (name: string, options = {}) =>
  loadText(readFileSync(new URL(`../../fixtures/spec/${name}`, import.meta.url), "utf8"), {
    projectName: "p",
    ...options,
  });

function summarise(spec: Spec) {
  return {
    networks: spec.networks.map(({ name, driver, internal, external }) =>
      [name, driver, internal && "internal", external && "external"].filter(Boolean).join(" "),
    ),
    services: Object.fromEntries(
      spec.services.map((s) => [
        s.key,
        [
          ...(s.mode.kind === "networks"
            ? s.attachments.map(({ network, aliases, ipv4 }) => [network, ...aliases, ipv4].filter(Boolean).join("/"))
            : [JSON.stringify(s.mode)]),
          ...s.ports.map(
            ({ hostIp, published, target, proto }) =>
              `${hostIp ?? ""}:${published ? renderPortRange(published) : ""}:${target}/${proto}`,
          ),
          ...s.expose.map((port) => `expose ${renderProtoPort(port)}`),
          ...(s.replicas === 1 ? [] : [`x${s.replicas}`]),
          ...s.dependsOn.map((name) => `after ${name}`),
        ].join(", "),
      ]),
    ),
    checks: spec.checks.map(
      ({ from, to, port, proto, expect: wanted }) =>
        `${Object.values(from)[1]} ${Object.values(to)[1]} ${port ?? ""}/${proto} ${wanted}`,
    ),
    warnings: warningsOf(spec),
  };
}

test("shop.yaml", () => {
  expect(summarise(fixture("shop.yaml"))).toEqual({
    networks: ["p_front bridge", "p_back bridge internal"],
    services: {
      proxy: "front, :80:80/tcp, :443:443/tcp, after app",
      app: "front/backend, back, expose 3000/tcp, x2, after db, after cache",
      db: "back/10.20.0.10, expose 5432/tcp",
      cache: "back, expose 6379/tcp",
    },
    checks: [
      "@internet @router 8080/tcp reach",
      "app db 5432/tcp reach",
      "proxy db 5432/tcp drop",
      "proxy app /icmp reach",
    ],
    warnings: [],
  });
});

test("shop.yaml with a profile", () => {
  expect(summarise(fixture("shop.yaml", { profiles: ["debug"] })).services.debug).toBe(
    '{"kind":"service","service":"app"}, after app',
  );
});

test("homelab.yaml", () => {
  expect(summarise(fixture("homelab.yaml"))).toEqual({
    networks: ["homelab bridge", "traefik_proxy bridge external", "p_iot macvlan"],
    services: {
      pihole: "default, :53:53/tcp, :53:53/udp, 127.0.0.1:8053:80/tcp, ::1:8053:80/tcp",
      vpn: "default, :8080:8080/tcp, :6881:6881/udp",
      torrent: '{"kind":"service","service":"vpn"}, after vpn',
      home: '{"kind":"host"}',
      legacy: '{"kind":"bridge"}, after pihole',
      offline: '{"kind":"none"}',
    },
    checks: [],
    warnings: [],
  });
});
