// biome-ignore-all lint/suspicious/noTemplateCurlyInString: compose variables look like template strings
import { describe, expect, test } from "vitest";
import type { LoadOptions } from "../../../src/spec/load.ts";
import { loadTexts, problemsOf, serviceOf, warningsOf } from "./lab.ts";

const merged = (base: string, over: string, options: Partial<LoadOptions> = {}) =>
  loadTexts({ "1.yaml": base, "2.yaml": over }, { files: ["1.yaml", "2.yaml"], projectName: "p", ...options });
const service = (base: string, over: string) =>
  serviceOf(merged(`services: {a: {${base}}, b: {}, c: {}}`, `services: {a: {${over}}}`), "a");
const ports = (base: string, over: string) =>
  service(base, over).ports.map(({ published, target }) => `${published?.first}:${target}`);

describe("several files", () => {
  test.for([
    ["scalars are replaced", "image: x", "image: y", { image: "y" }],
    ["null leaves what was", "image: x, labels: {k: v}", "labels: ", { image: "x", labels: { k: "v" } }],
    ["labels merge by key, list or map", "labels: [k=1, l=1]", "labels: {k: 2}", { labels: { k: "2", l: "1" } }],
    [
      "sysctls merge by key",
      "sysctls: {net.a: 1}",
      "sysctls: [net.a=2, net.b=3]",
      { sysctls: { "net.a": "2", "net.b": "3" } },
    ],
    ["commands are replaced", "command: a b", "command: [c]", { command: ["c"] }],
    [
      "dns appends, text or list, each once",
      "dns: 1.1.1.1",
      "dns: [1.1.1.1, 8.8.8.8]",
      { dns: ["1.1.1.1", "8.8.8.8"] },
    ],
    [
      "extra hosts append",
      "extra_hosts: {a: 1.1.1.1}",
      "extra_hosts: [b=2.2.2.2]",
      {
        extraHosts: [
          { host: "a", address: "1.1.1.1" },
          { host: "b", address: "2.2.2.2" },
        ],
      },
    ],
    [
      "depends_on merges lists and maps",
      "depends_on: [b]",
      "depends_on: {c: {condition: service_started}}",
      { dependsOn: ["b", "c"] },
    ],
    ["deploy merges deeply", "deploy: {replicas: 2}", "deploy: {mode: replicated}", { replicas: 2 }],
    ["!reset removes", "image: x, hostname: h", "hostname: !reset null", { image: "x" }],
    [
      "keys that do not matter may change kind",
      "build: ., environment: {A: 1}",
      "build: {context: .}, environment: [B=2]",
      {},
    ],
  ] as const)("%s", ([, base, over, expected]) => {
    expect(service(base, over)).toMatchObject(expected);
    if (over.includes("!reset")) expect(service(base, over).hostname).toBeUndefined();
  });

  test("ports append, equal ones once", () => {
    expect(ports('ports: ["80:80", "81:81"]', 'ports: ["82:82", "80:80/tcp"]')).toEqual(["80:80", "81:81", "82:82"]);
  });

  test("!override replaces the list, !reset empties it", () => {
    expect(ports('ports: ["80:80"]', 'ports: !override ["82:82"]')).toEqual(["82:82"]);
    expect(ports('ports: ["80:80"]', "ports: !reset []")).toEqual([]);
  });

  test("networks of a service merge by name, list over map", () => {
    const spec = merged(
      "services: {a: {networks: [n, m]}}\nnetworks: {n: {}, m: {}, o: {}}",
      "services: {a: {networks: {m: {aliases: [x]}, o: }}}",
    );
    expect(serviceOf(spec, "a").attachments.map(({ network, aliases }) => [network, ...aliases])).toEqual([
      ["n"],
      ["m", "x"],
      ["o"],
    ]);
  });

  test("pools of one subnet merge, others append", () => {
    const spec = merged(
      "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}}",
      "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.9}]}}}",
    );
    expect(spec.networks[0]?.ipam.map(({ subnet, gateway }) => [subnet, gateway])).toEqual([
      ["10.0.0.0/24", "10.0.0.9"],
    ]);
  });

  test("each item keeps the file and line where it was written", () => {
    const spec = merged(
      "services:\n  a:\n    ports:\n      - 80:80\n",
      "services:\n  a:\n    # x\n    ports:\n      - 81:81\n",
    );
    expect(serviceOf(spec, "a").at).toEqual({ file: "1.yaml", line: 2, column: 3 });
    expect(serviceOf(spec, "a").ports.map(({ at }) => at)).toEqual([
      { file: "1.yaml", line: 4, column: 9 },
      { file: "2.yaml", line: 5, column: 9 },
    ]);
    expect(spec.files).toEqual(["1.yaml", "2.yaml"]);
  });

  test("checks append, world merges", () => {
    const spec = merged(
      "services: {a: {}}\nx-docknet: {world: {lan: 192.168.7.0/24, host: 192.168.7.10, neighbour: 192.168.7.20, router: {lan: 192.168.7.1}}, checks: [{from: a, to: 'a:1'}]}",
      "x-docknet: {world: {host: 192.168.7.11}, checks: [{from: a, to: 'a:2'}]}",
    );
    expect([spec.world.host, spec.world.neighbour, ...spec.checks.map(({ port }) => port)]).toEqual([
      "192.168.7.11",
      "192.168.7.20",
      1,
      2,
    ]);
  });

  test("kinds that do not fit are an error", () => {
    expect(problemsOf(() => merged("services: {a: {ports: [80]}}", "services:\n  a:\n    ports: 80"))).toEqual([
      "2.yaml:3:12: cannot override services.a.ports",
    ]);
  });
});

describe("extends", () => {
  test("a service of the same file, then of another, with the places of both", () => {
    const spec = loadTexts({
      "compose.yaml":
        "services:\n  a: {extends: b, ports: ['80:80']}\n  b: {extends: {file: sub/base.yaml, service: c}, hostname: hb}\n",
      "sub/base.yaml":
        "services:\n  c:\n    extends: {file: more.yaml, service: d}\n    image: c\n    ports: ['81:81']\n",
      "sub/more.yaml": "services: {d: {image: d, domainname: dd}}",
    });
    const { image, hostname, domainname, ports: found } = serviceOf(spec, "a");
    expect({ image, hostname, domainname }).toEqual({ image: "c", hostname: "hb", domainname: "dd" });
    expect(found.map(({ at }) => `${at.file}:${at.line}`)).toEqual(["sub/base.yaml:5", "compose.yaml:2"]);
    expect(spec.files).toEqual(["compose.yaml", "sub/base.yaml", "sub/more.yaml"]);
  });

  test("!reset and !override act on what is extended", () => {
    const spec = loadTexts({
      "compose.yaml":
        "services:\n  a: {extends: b, ports: !override ['80:80'], dns: !reset []}\n  b: {ports: ['81:81'], dns: 1.1.1.1}\n",
    });
    const { ports: found, dns } = serviceOf(spec, "a");
    expect([found.map(({ target }) => target), dns]).toEqual([[80], []]);
  });

  test.for([
    [
      "an unknown service",
      "services:\n  a: {extends: x}",
      '2:7: cannot extend service "a" in compose.yaml: service "x" not found',
    ],
    [
      "an unknown file",
      "services:\n  a: {extends: {file: x.yaml, service: b}}",
      "2:7: cannot extend from x.yaml: open /lab/x.yaml: no such file or directory",
    ],
    ["no service", "services:\n  a: {extends: {file: x.yaml}}", "2:7: extends.a.service is required"],
    ["itself", "services:\n  a: {extends: a}", "2:7: Circular reference: a in compose.yaml extends a in compose.yaml"],
    [
      "a ring",
      "services:\n  a: {extends: b}\n  b: {extends: c}\n  c: {extends: a}",
      "4:7: Circular reference: a in compose.yaml extends b in compose.yaml extends c in compose.yaml extends a in compose.yaml",
    ],
  ] as const)("%s is an error", ([, text, expected]) => {
    expect(problemsOf(() => loadTexts({ "compose.yaml": text }))).toEqual([`compose.yaml:${expected}`]);
  });

  test("a ring over files is an error", () => {
    const texts = {
      "compose.yaml": "services:\n  a: {extends: {file: b.yaml, service: b}}",
      "b.yaml": "services:\n  b: {extends: {file: compose.yaml, service: a}}",
    };
    expect(problemsOf(() => loadTexts(texts))).toEqual([
      "b.yaml:2:7: Circular reference: a in compose.yaml extends b in b.yaml extends a in compose.yaml",
    ]);
  });
});

describe("include", () => {
  const sub = {
    "sub/compose.yaml": "services: {db: {image: $IMAGE, networks: [back]}}\nnetworks: {back: {}}",
    "sub/.env": "IMAGE=from-env",
  };
  test("services and networks come in, with the included directory's .env", () => {
    const spec = loadTexts(
      { "compose.yaml": "include: [sub/compose.yaml]\nservices: {a: {depends_on: [db]}}", ...sub },
      { projectName: "p" },
    );
    expect(spec.services.map(({ key, image }) => [key, image])).toEqual([
      ["a", undefined],
      ["db", "from-env"],
    ]);
    expect(spec.networks.map(({ name }) => name)).toEqual(["p_back", "p_default"]);
  });

  test("the long form has several paths, a directory and env files", () => {
    const spec = loadTexts({
      "compose.yaml":
        "include:\n  - path: [sub/compose.yaml, over.yaml]\n    project_directory: other\n    env_file: [my.env]\n",
      "over.yaml": "services: {db: {hostname: h, extends: {file: base.yaml, service: x}}}",
      "other/base.yaml": "services: {x: {domainname: d}}",
      "my.env": "IMAGE=mine",
      ...sub,
    });
    expect(serviceOf(spec, "db")).toMatchObject({ image: "mine", hostname: "h", domainname: "d" });
  });

  test("the same resource may come twice when it is the same", () => {
    const texts = {
      "compose.yaml": "include: [b.yaml, c.yaml]",
      "b.yaml": "networks: {n: {internal: true}}",
      "c.yaml": "networks: {n: {internal: true}}",
    };
    expect(loadTexts(texts).networks).toHaveLength(1);
  });

  test.for([
    [
      "a conflict",
      { "compose.yaml": "include: [b.yaml]\nservices:\n  a: {image: x}", "b.yaml": "services: {a: {image: y}}" },
      "compose.yaml:3:3: services.a conflicts with imported resource",
    ],
    [
      "a ring",
      { "compose.yaml": "include:\n  - b.yaml", "b.yaml": "include: [compose.yaml]" },
      "b.yaml:1:11: include cycle detected: compose.yaml include b.yaml include compose.yaml",
    ],
    [
      "a missing file",
      { "compose.yaml": "include: [b.yaml]" },
      "compose.yaml:1:11: open /lab/b.yaml: no such file or directory",
    ],
    [
      "a remote one",
      { "compose.yaml": "include: ['https://x/y.yaml']" },
      "compose.yaml:1:11: cannot include https://x/y.yaml: only files of this machine can be included",
    ],
    [
      "an unknown key of the included file",
      { "compose.yaml": "include: [b.yaml]", "b.yaml": "servises: {}" },
      "b.yaml:1:1: additional properties 'servises' not allowed",
    ],
    ["no list", { "compose.yaml": "include: b.yaml" }, "compose.yaml:1:1: include must be a array"],
  ] as const)("%s is an error", ([, texts, expected]) => {
    expect(problemsOf(() => loadTexts(texts))).toEqual([expected]);
  });

  test("all files are looked at in one go, each with its place", () => {
    const texts = {
      "compose.yaml": "include: [b.yaml]\nservices: {a: {image: 5, extends: {file: c.yaml, service: c}}}\nfoo: 1",
      "compose.override.yaml": "bar: 1",
      "b.yaml": "services: {b: {image: x, ports: [x:80], volumes: ['vol:/x']}}",
      "c.yaml": "services: {c: {image: x, env_file: no.env}}",
    };
    expect(problemsOf(() => loadTexts(texts)).toSorted()).toEqual([
      "b.yaml:1:34: invalid hostPort: x",
      'b.yaml:1:51: service "b" refers to undefined volume vol: invalid compose project',
      "c.yaml:1:36: env file /lab/no.env not found: stat /lab/no.env: no such file or directory",
      "compose.override.yaml:1:1: additional properties 'bar' not allowed",
      "compose.yaml:2:16: services.a.image must be a string",
      "compose.yaml:3:1: additional properties 'foo' not allowed",
    ]);
  });

  test("what is wrong elsewhere in a file that is only extended is a warning, as Compose does not look there", () => {
    const texts = {
      "compose.yaml": "services: {a: {extends: {file: c.yaml, service: c}}}",
      "c.yaml": "servises: {}\nservices: {c: {image: x}}",
    };
    expect(warningsOf(loadTexts(texts))).toEqual([
      "c.yaml:1:1: additional properties 'servises' not allowed; docker compose does not look at this, since the file is only extended",
    ]);
  });
});
