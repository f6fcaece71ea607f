/**
 * What `run` and `create` send and what they refuse by themselves is what the real docker client sent and refused for the same command
 * line, recorded by scripts/record-create.mjs.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readCommandLine } from "../../../src/cli/docker/command.ts";
import { create, readCreateRequest } from "../../../src/cli/docker/container-create.ts";
import { FlagValueError } from "../../../src/cli/docker/flags.ts";
import { run } from "../../../src/cli/docker/run.ts";
import { StatusError } from "../../../src/cli/docker/status.ts";

interface Recorded {
  readonly argv: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: { readonly Env: string[] | null; readonly HostConfig: { readonly Binds: string[] | null } };
  readonly status?: number;
  readonly stderr?: string;
}

const GOLDEN = new URL("../../golden/cli/create.json", import.meta.url);
const { cwd, env, files, records } = JSON.parse(readFileSync(GOLDEN, "utf8")) as {
  cwd: string;
  env: Record<string, string>;
  files: Record<string, string>;
  records: readonly Recorded[];
};

const context = {
  cwd,
  env,
  consoleSize: [0, 0] as const,
  readFile: (path: string) => {
    const text = files[path];
    if (text === undefined) throw new FlagValueError(`open ${path}: no such file or directory`);
    return text;
  },
};

/** What is sent, or the text and exit code of the refusal. */
function request(argv: readonly string[]): unknown {
  const [verb = "", ...rest] = argv;
  const spec = verb === "run" ? run : create;
  try {
    const line = readCommandLine(verb, spec, rest);
    if (line === "help") throw new Error("asks for help");
    const { name, platform, body } = readCreateRequest(
      verb === "run" ? "run" : "create",
      line.flags,
      line.args,
      context,
    );
    const query = { ...(name ? { name } : {}), ...(platform ? { platform } : {}) };
    return sorted({ query, body: JSON.parse(JSON.stringify(body)) as Recorded["body"] });
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return { status: error.code, stderr: `${error.message}\n`.replaceAll("docknet", "docker") };
  }
}

/** docker holds -e and -v in Go maps: it sends them in no order. */
function sorted(record: { query: unknown; body: Recorded["body"] }): unknown {
  record.body?.Env?.sort();
  record.body?.HostConfig.Binds?.sort();
  return record;
}

// what touches the file system before it is refused is shown by test/cli/docker-run.test.ts
const recorded = records.filter(({ argv, body }) => body || !argv.includes("--cidfile"));

test.each(recorded.filter((r) => r.body).map((r) => [r.argv.join(" "), r] as const))("sent: %s", (_, r) => {
  expect(request(r.argv)).toEqual(sorted({ query: r.query, body: r.body }));
});

test.each(recorded.filter((r) => !r.body).map((r) => [r.argv.join(" "), r] as const))("refused: %s", (_, r) => {
  expect(request(r.argv)).toEqual({ status: r.status, stderr: r.stderr });
});

test("no command line ends in anything but a body or a refusal", () => {
  const names = [...create.flags.map((flag) => `--${flag.name}`), "-p", "-e", "-v"].filter((name) => name !== "--help");
  const value = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[a-z0-9=:,./-]{0,24}$/),
    fc.constantFrom("type=bind,target=/x", "8000-8010:80", "name=a,ip=b", "1.5", "64m"),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 4 }), (flags) => {
      const argv = ["create", ...flags.map(([name, text]) => `${name}=${text}`), "busybox"];
      expect(request(argv)).toSatisfy((found: object) => "body" in found || "stderr" in found);
    }),
    { numRuns: 2000 },
  );
});
