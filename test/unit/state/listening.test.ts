/** One port of a network stack has one listener; whoever wants it second ends, and the file says so before anything is built. */
import { describe, expect, test } from "vitest";
import { renderProblem } from "../../../src/errors.ts";
import { checksOf } from "../../../src/plan/check/checks.ts";
import { firewallsOf } from "../../../src/plan/layout.ts";
import { layoutOf } from "../../../src/plan/layout-of.ts";
import { ORDINARY_MACHINE } from "../../../src/plan/machine.ts";
import { startContainer, stopContainer } from "../../../src/state/lifecycle.ts";
import { resolveState } from "../../../src/state/resolve.ts";
import type { State } from "../../../src/state/state.ts";
import { specOf } from "../../support/ranges.ts";
import { newDaemon, withContainer } from "../../support/state.ts";

const statusOf = (state: State): string[] =>
  state.containers.map(({ name, status, exitCode }) => `${name} ${status}${status === "exited" ? ` ${exitCode}` : ""}`);

describe("a living lab", () => {
  const front = withContainer(newDaemon(), "front", { mode: "host", serves: ["80", "53/udp"] });
  const published = withContainer(newDaemon(), "front", { publish: ["127.0.0.1:8080:80"] });

  test.for<readonly [string, State, { mode: "host" | `container:${string}`; serves: string[] }, string]>([
    ["host mode against host mode", front, { mode: "host", serves: ["80"] }, "exited 1"],
    ["the other protocol is another port", front, { mode: "host", serves: ["80/udp"] }, "running"],
    ["udp", front, { mode: "host", serves: ["53/udp"] }, "exited 1"],
    ["one of several ports is enough", front, { mode: "host", serves: ["81", "80"] }, "exited 1"],
    ["another port", front, { mode: "host", serves: ["81"] }, "running"],
    ["against one address of a published port", published, { mode: "host", serves: ["8080"] }, "exited 1"],
    ["the container's port is not the host's", published, { mode: "host", serves: ["80"] }, "running"],
    ["a sharer of host mode", front, { mode: "container:front", serves: ["80"] }, "exited 1"],
    ["sharers of one container", published, { mode: "container:front", serves: ["80"] }, "exited 1"],
    ["sharers with another port", published, { mode: "container:front", serves: ["81"] }, "running"],
  ])("%s", ([, state, options, wanted]) => {
    expect(statusOf(withContainer(state, "late", options)).at(-1)).toBe(`late ${wanted}`);
  });

  test("the port is free when its holder stops, and who starts first has it", () => {
    const both = withContainer(front, "late", { mode: "host", serves: ["80"] });
    const freed = startContainer(stopContainer(both, "front", { exitCode: 0 }), "late");
    expect(statusOf(freed)).toEqual(["front exited 0", "late running"]);
    expect(freed.containers[1]?.failedBinds).toBeUndefined();
    expect(statusOf(startContainer(freed, "front"))).toEqual(["front exited 1", "late running"]);
  });
});

describe("a file", () => {
  const read = (...services: string[]) => {
    const { state, warnings } = resolveState(specOf(...services));
    const checks = checksOf(state, firewallsOf(layoutOf(state, ORDINARY_MACHINE)), []);
    return {
      warnings: warnings.map(renderProblem),
      listen: checks.filter((c) => c.group === "listen").map(({ id, fault, expected }) => ({ id, fault, expected })),
      status: statusOf(state),
    };
  };

  test("the second of two host-mode services ends: a warning with both lines, and a check that cannot pass", () => {
    const { warnings, listen } = read(
      "front: { image: nginx, network_mode: host }",
      "admin: { image: nginx, network_mode: host }",
    );
    const fault =
      "admin cannot listen on 80/tcp of @host: it belongs to front (compose.yaml:2:3), and its program ends with 1";
    expect(warnings).toEqual([expect.stringContaining(fault)]);
    expect(listen).toEqual([{ id: "listen/admin/80/tcp", fault, expected: { outcome: "reach", server: "admin" } }]);
  });

  test("depends_on decides who is first", () => {
    const { warnings } = read(
      "front: { image: nginx, network_mode: host, depends_on: [admin] }",
      "admin: { image: nginx, network_mode: host }",
    );
    expect(warnings).toEqual([expect.stringContaining("front cannot listen on 80/tcp of @host: it belongs to admin")]);
  });

  test("services that share the network of another", () => {
    const { warnings } = read("vpn: { image: nginx }", `app: { image: httpd, network_mode: "service:vpn" }`);
    expect(warnings).toEqual([expect.stringContaining("app cannot listen on 80/tcp of vpn: it belongs to vpn")]);
  });

  test("a port that the owner only publishes belongs to the one that serves it", () => {
    const { warnings, listen, status } = read(
      `vpn: { image: gluetun, ports: ["8080:80"] }`,
      `app: { image: nginx, network_mode: "service:vpn" }`,
    );
    expect({ warnings, listen }).toEqual({ warnings: [], listen: [] });
    expect(status.every((s) => s.endsWith("running"))).toBe(true);
  });
});
