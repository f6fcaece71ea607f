import { describe, expect, test } from "vitest";
import type { Ipv4 } from "../../../src/net/address.ts";
import { connectContainer, disconnectContainer } from "../../../src/state/attachment.ts";
import { createContainer, removeContainer, renameContainer, runContainer } from "../../../src/state/container.ts";
import { failStart, startContainer, stopContainer } from "../../../src/state/lifecycle.ts";
import { removeNetwork } from "../../../src/state/network.ts";
import { type State, sandboxOwner } from "../../../src/state/state.ts";
import {
  addressOn,
  bindingsOf,
  type ContainerText,
  containerOf,
  containerRequest,
  driverOptions,
  errorOf,
  networkOf,
  newDaemon,
  refusalOf,
  withContainer,
  withNetwork,
} from "../../support/state.ts";

const T1 = "2026-11-22T03:18:44.641888692Z";
const T2 = "2026-11-22T03:19:00.1Z";
const created = (state: State, name: string, text: ContainerText = {}): State =>
  createContainer(state, { ...containerRequest(name, text), now: T1 });
const stop = (state: State, name: string): State => stopContainer(state, name, { now: T2, exitCode: 137 });
const nets = ["n1", "n2"].reduce((s, n) => withNetwork(s, n), newDaemon());
const endpoint = (state: State, name: string) => containerOf(state, name).endpoints[0];

describe("a container that was created", () => {
  const state = created(nets, "web", { networks: ["n1"], publish: ["8080:80"] });

  test("holds nothing, and remembers what it was asked to be", () => {
    expect(containerOf(state, "web")).toMatchObject({
      status: "created",
      created: T1,
      startedAt: "0001-01-01T00:00:00Z",
      finishedAt: "0001-01-01T00:00:00Z",
      exitCode: 0,
      error: "",
      sandboxId: "",
      endpoints: [],
      bindings: [],
      attachments: [{ network: "n1", aliases: [], links: [] }],
    });
    expect(containerOf(state, "web").attachments[0]?.networkId).toBeUndefined();
  });

  test("takes address and ports when it starts, and knows its network by id from then on", () => {
    const started = startContainer(state, "web", { now: T2 });
    expect(containerOf(started, "web")).toMatchObject({
      status: "running",
      startedAt: T2,
      attachments: [{ networkId: networkOf(state, "n1").id }],
      endpoints: [{ address: "172.18.0.2", ifName: "eth0" }],
    });
    expect(bindingsOf(started, "web")).toHaveLength(2);
  });

  test("has the id that a daemon drew", () => {
    const id = "a".repeat(64);
    expect(containerOf(createContainer(nets, { ...containerRequest("web"), id }), "web")).toMatchObject({
      id,
      hostname: "aaaaaaaaaaaa",
      hostnameSet: false,
    });
  });

  test("exposes what its image exposes", () => {
    const nginx = createContainer(nets, { ...containerRequest("web"), image: "nginx:1.27" });
    expect(containerOf(nginx, "web").exposed).toEqual([{ port: 80, proto: "tcp" }]);
  });

  test("may be on a network that is not there yet: the start finds it out", () => {
    const later = created(nets, "aa", { networks: ["later"] });
    expect(errorOf(() => startContainer(later, "aa"))).toEqual({
      code: "NOT_FOUND",
      message: "failed to set up container networking: network later not found",
    });
    expect(addressOn(startContainer(withNetwork(later, "later"), "aa"), "aa", "later")).toBe("172.20.0.2");
  });
});

describe("stop", () => {
  const web = withContainer(nets, "web", { networks: ["n1"], publish: ["8080:80"] });

  test("gives everything back and notes when and how it ended", () => {
    const state = stop(web, "web");
    expect(containerOf(state, "web")).toMatchObject({
      status: "exited",
      finishedAt: T2,
      exitCode: 137,
      sandboxId: "",
      endpoints: [],
      bindings: [],
    });
    const other = withContainer(state, "other", { networks: ["n1"], publish: ["8080:80"] });
    expect(addressOn(other, "other")).toBe("172.18.0.2");
    expect(errorOf(() => startContainer(other, "web"))?.message).toMatch(/Bind for 0\.0\.0\.0:8080 failed/);
  });

  test("then start has the same address when it is still free, with another endpoint, MAC and sandbox", () => {
    const again = startContainer(stop(web, "web"), "web");
    const [before, after] = [endpoint(web, "web"), endpoint(again, "web")];
    expect(after?.address).toBe(before?.address);
    for (const key of ["id", "mac", "hostIfName"] as const) expect(after?.[key]).not.toBe(before?.[key]);
    expect(containerOf(again, "web").sandboxId).not.toBe(containerOf(web, "web").sandboxId);
  });

  test("then start keeps a MAC that the user gave", () => {
    const mac = "02:42:ac:11:00:99" as NonNullable<ReturnType<typeof endpoint>>["mac"];
    const state = withContainer(nets, "web", { networks: [{ network: "n1", mac }] });
    expect(endpoint(startContainer(stop(state, "web"), "web"), "web")?.mac).toBe(mac);
  });

  test("of what does not run, and start of what runs, change nothing", () => {
    expect(startContainer(web, "web")).toBe(web);
    const state = stop(web, "web");
    expect(stop(state, "web")).toBe(state);
  });
});

test("a container that has run looks for its network by id, so one made again is another [seen]", () => {
  const ran = stop(withContainer(nets, "web", { networks: ["n1"] }), "web");
  const { id } = networkOf(nets, "n1");
  const again = withNetwork(removeNetwork(ran, "n1"), "n1");
  expect(refusalOf(() => startContainer(again, "web"))).toBe(
    `failed to set up container networking: network ${id} not found`,
  );
  const let_go = connectContainer(disconnectContainer(again, "web", "n1"), "web", { network: "n1" });
  expect(startContainer(let_go, "web").containers).toMatchObject([{ status: "running" }]);
  expect(startContainer(connectContainer(again, "web", { network: "n1" }), "web").containers).toMatchObject([
    { status: "running" },
  ]);
});

test.for([
  ["the last run left no exit code", 0, undefined, 128],
  ["the last run left one", 137, undefined, 137],
  ["the command was not found", 0, 127, 127],
] as const)("a failed start notes the message and an exit code, and the status stays: %s", ([, last, given, want]) => {
  const ran = stopContainer(withContainer(nets, "web"), "web", { exitCode: last });
  expect(containerOf(failStart(ran, "web", "no way", given), "web")).toMatchObject({
    status: "exited",
    error: "no way",
    exitCode: want,
  });
});

describe("while it does not run, a container", () => {
  const base = withNetwork(stop(withContainer(nets, "web", { networks: ["n1"] }), "web"), "fix", {
    subnet: "10.9.0.0/24",
  });

  test("is connected for its next start", () => {
    const state = connectContainer(base, "web", { network: "n2", aliases: ["db"] });
    expect(containerOf(state, "web").endpoints).toEqual([]);
    expect(containerOf(startContainer(state, "web"), "web").endpoints).toMatchObject([
      { ifName: "eth0", aliases: [] },
      { ifName: "eth1", aliases: ["db"] },
    ]);
  });

  test("is connected twice without an error, and the first stays [seen]", () => {
    const once = connectContainer(base, "web", { network: "n2", aliases: ["one"] });
    expect(connectContainer(once, "web", { network: "n2", aliases: ["two"] })).toBe(once);
  });

  test("is connected to what is not there [seen]", () => {
    expect(containerOf(connectContainer(base, "web", { network: "nosuch" }), "web").attachments[1]?.network).toBe(
      "nosuch",
    );
  });

  test("is not told that an address is taken before it starts [seen]", () => {
    const state = connectContainer(base, "web", { network: "fix", address: "10.9.0.1" as Ipv4 });
    expect(refusalOf(() => startContainer(state, "web"))).toBe(
      "failed to set up container networking: Address already in use",
    );
  });

  test.for([
    ["n2", {}, "container ID is not connected to the network n2"],
    ["nosuch", {}, "container ID is not connected to the network nosuch"],
  ] as const)("is refused a disconnect from %s", ([network, options, message]) => {
    expect(refusalOf(() => disconnectContainer(base, "web", network, options))).toBe(
      message.replace("ID", containerOf(base, "web").id),
    );
  });

  test("has its settings checked all the same, and all at once", () => {
    const request = {
      network: "fix",
      address: "10.8.0.1" as Ipv4,
      driverOpts: driverOptions({ "endpoint.sysctls": "foo" }),
    };
    expect(errorOf(() => connectContainer(base, "web", request))).toEqual({
      code: "LAB_FILE",
      message: [
        "invalid endpoint settings:",
        "* no configured subnet or ip-range contain the IP address 10.8.0.1",
        "* unrecognised network interface sysctl 'foo'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'",
      ].join("\n"),
    });
  });
});

test("disconnect by force of a container that is not there says so of its endpoint", () => {
  expect(refusalOf(() => disconnectContainer(nets, "nosuch", "n1"))).toBe("No such container: nosuch");
  expect(refusalOf(() => disconnectContainer(nets, "nosuch", "n1", { force: true }))).toBe("endpoint nosuch not found");
  expect(refusalOf(() => disconnectContainer(nets, "nosuch", "no", { force: true }))).toBe("network no not found");
});

test("a container of mode none that leaves none may join others, and stays there when it starts again [seen]", () => {
  const none = withContainer(nets, "aa", { mode: "none" });
  expect(containerOf(none, "aa").attachments).toMatchObject([{ network: "none" }]);
  const joined = connectContainer(disconnectContainer(none, "aa", "none"), "aa", { network: "n1" });
  expect(addressOn(startContainer(stop(joined, "aa"), "aa"), "aa", "n1")).toBe("172.18.0.2");
});

describe("container:X", () => {
  const pair = created(created(nets, "web", { networks: ["n1"], hostname: "me" }), "side", { mode: "container:web" });
  const both = startContainer(startContainer(pair, "web"), "side");
  const owner = (state: State): unknown => sandboxOwner(state, containerOf(state, "side"));

  test.for([
    ["created", pair],
    ["exited", stop(both, "web")],
  ] as const)("is refused a start while X is %s", ([status, state]) => {
    expect(refusalOf(() => startContainer(stop(state, "side"), "side"))).toBe(
      status === "created"
        ? "cannot join network namespace of a non running container: container web is created"
        : "cannot join network namespace of a non running container: container web is exited",
    );
  });

  test("runs in X's sandbox, under X's host name", () => {
    expect(owner(both)).toBe(containerOf(both, "web"));
    expect(containerOf(both, "side")).toMatchObject({ hostname: "me", endpoints: [] });
  });

  test("keeps running with nothing but lo when X stops, goes, or comes again; started anew it joins the new one [seen]", () => {
    const away = stop(both, "web");
    const back = startContainer(away, "web");
    expect([owner(away), owner(removeContainer(away, "web")), owner(back)]).toEqual(["gone", "gone", "gone"]);
    const anew = startContainer(stop(back, "side"), "side");
    expect(owner(anew)).toBe(containerOf(anew, "web"));
  });

  test("follows a rename of X", () => {
    expect(owner(renameContainer(both, "web", "www"))).toMatchObject({ name: "www" });
  });

  test("names X by id once X has gone, and waits for an X that never was", () => {
    const { id } = containerOf(pair, "web");
    expect(refusalOf(() => startContainer(removeContainer(pair, "web"), "side"))).toBe(
      `joining network namespace of container: No such container: ${id}`,
    );
    const early = created(nets, "side", { mode: "container:late" });
    expect(refusalOf(() => startContainer(early, "side"))).toBe(
      "joining network namespace of container: No such container: late",
    );
    expect(owner(startContainer(withContainer(early, "late"), "side"))).toMatchObject({ name: "late" });
  });
});

describe("legacy links", () => {
  const link = (state: State, target: string): State =>
    createContainer(state, { ...containerRequest("me"), links: [{ target, alias: "db" }] });
  const base = withContainer(withContainer(created(nets, "idle"), "far", { networks: ["n1"] }), "agent", {
    mode: "host",
  });

  test.for([
    ["nosuch", "could not get container for nosuch: No such container: nosuch"],
    [
      "agent",
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    ],
  ] as const)("to %s are refused at create", ([target, message]) => {
    expect(errorOf(() => link(base, target))).toEqual({ code: "LAB_FILE", message });
  });

  test("to what does not run, or runs elsewhere, are refused at start", () => {
    expect(refusalOf(() => startContainer(link(base, "idle"), "me"))).toBe(
      "Cannot link to a non running container: /idle AS /me/db",
    );
    expect(refusalOf(() => startContainer(link(base, "far"), "me"))).toBe(
      `container ${containerOf(base, "far").id} not attached to default bridge network`,
    );
    expect(containerOf(startContainer(startContainer(link(base, "idle"), "idle"), "me"), "me").status).toBe("running");
  });
});

describe("rename", () => {
  const state = withContainer(created(nets, "aa"), "bb");

  test.for([
    ["aa", "aa", "LAB_FILE", "Renaming a container with the same name as its current name"],
    ["aa", "", "LAB_FILE", "Neither old nor new names may be empty"],
    ["nosuch", "cc", "NOT_FOUND", "No such container: nosuch"],
    [
      "aa",
      "x",
      "LAB_FILE",
      "Error when allocating new name: Invalid container name (/x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    ],
  ] as const)("of %s to %j is refused, in Docker's words", ([ref, name, code, message]) => {
    expect(errorOf(() => renameContainer(state, ref, name))).toEqual({ code, message });
  });

  test("to a name that is taken is refused", () => {
    expect(errorOf(() => renameContainer(state, "aa", "bb"))).toEqual({
      code: "CONFLICT",
      message: `Error when allocating new name: Conflict. The container name "/bb" is already in use by container "${containerOf(state, "bb").id}". You have to remove (or rename) that container to be able to reuse that name.`,
    });
  });

  test("gives a new node to what does not run; a running one keeps the namespace that it has", () => {
    expect(containerOf(renameContainer(state, "aa", "/cc"), "cc").node).toBe("cc");
    expect(containerOf(renameContainer(state, "bb", "cc"), "cc").node).toBe("bb");
  });
});

describe("the embedded server", () => {
  test("comes with the first user-defined network, stays when that is left, and goes with the sandbox [seen]", () => {
    const plain = withContainer(nets, "aa");
    const joined = connectContainer(plain, "aa", { network: "n1" });
    const left = disconnectContainer(joined, "aa", "n1");
    const has = (s: State): boolean => containerOf(s, "aa").resolver;
    expect([plain, joined, left, stop(left, "aa")].map(has)).toEqual([false, true, true, false]);
    expect(has(runContainer(nets, containerRequest("aa", { networks: ["n1"] })))).toBe(true);
  });
});
