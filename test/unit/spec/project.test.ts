// biome-ignore-all lint/suspicious/noTemplateCurlyInString: compose variables look like template strings
import { describe, expect, test } from "vitest";
import { loadTexts, problemsOf } from "./lab.ts";

const empty = "services: {}";

describe("files", () => {
  test.for([
    ["compose.yaml is found", { "compose.yaml": empty }, {}, ["compose.yaml"]],
    [
      "compose.yaml goes before compose.yml and docker-compose.yml",
      { "docker-compose.yml": empty, "compose.yml": empty, "compose.yaml": empty },
      {},
      ["compose.yaml"],
    ],
    ["docker-compose.yml is found", { "docker-compose.yml": empty }, {}, ["docker-compose.yml"]],
    [
      "the override file is laid on top",
      { "compose.yml": empty, "compose.override.yaml": empty },
      {},
      ["compose.yml", "compose.override.yaml"],
    ],
    ["a parent directory is searched", { "compose.yaml": empty }, { cwd: "/lab/a/b" }, ["/lab/compose.yaml"]],
    [
      "COMPOSE_FILE names several",
      { "a.yaml": empty, "b/c.yaml": empty },
      { env: { COMPOSE_FILE: "a.yaml:b/c.yaml" } },
      ["a.yaml", "b/c.yaml"],
    ],
    [
      "COMPOSE_PATH_SEPARATOR parts them",
      { "a.yaml": empty, "b.yaml": empty },
      { env: { COMPOSE_FILE: "a.yaml,b.yaml", COMPOSE_PATH_SEPARATOR: "," } },
      ["a.yaml", "b.yaml"],
    ],
    [
      "COMPOSE_FILE may stand in .env",
      { ".env": "COMPOSE_FILE=a.yaml", "a.yaml": empty, "compose.yaml": empty },
      {},
      ["a.yaml"],
    ],
    [
      "files named win over COMPOSE_FILE, no override is added",
      { "a.yaml": empty, "compose.override.yaml": empty },
      { files: ["a.yaml"], env: { COMPOSE_FILE: "b.yaml" } },
      ["a.yaml"],
    ],
    ["standard input is -", { "-": empty }, { files: ["-"] }, ["-"]],
  ] as const)("%s", ([, texts, options, expected]) => {
    expect(loadTexts(texts, { projectName: "p", ...options }).files).toEqual(expected);
  });

  test("a real file system is read", () => {
    expect(problemsOf(() => loadTexts({}, { files: ["/proc/self/no-such"], readFile: undefined as never }))).toEqual([
      "open /proc/self/no-such: no such file or directory",
    ]);
    expect(problemsOf(() => loadTexts({}, { files: ["/dev/zero"], readFile: undefined as never }))).toEqual([
      "/dev/zero: the file is too large: more than 5 MiB",
    ]);
    expect(problemsOf(() => loadTexts({}, { files: ["/usr/lib"], readFile: undefined as never }))).toEqual([
      "open /usr/lib: is a directory",
    ]);
    const noUtf8 = problemsOf(() => loadTexts({}, { files: ["/bin/true"], readFile: undefined as never }));
    expect(noUtf8).toEqual(["/bin/true: yaml: invalid UTF-8"]);
  });
});

describe("the project's name", () => {
  test.for([
    ["-p is first", "name: file", { projectName: "flag", env: { COMPOSE_PROJECT_NAME: "env" } }, "flag"],
    ["then COMPOSE_PROJECT_NAME", "name: file", { env: { COMPOSE_PROJECT_NAME: "env" } }, "env"],
    ["then name: of the file", "name: file", {}, "file"],
    ["which may hold variables", "name: lab-${N:-1}", { env: { N: "7" } }, "lab-7"],
    ["then the directory", "services: {}", {}, "lab"],
  ] as const)("%s", ([, text, options, expected]) => {
    expect(loadTexts({ "compose.yaml": text }, options).name).toBe(expected);
  });

  test("the directory's name is made fit", () => {
    expect(loadTexts({ "/x/_My App.2/compose.yaml": empty }, { files: ["/x/_My App.2/compose.yaml"] }).name).toBe(
      "myapp2",
    );
  });

  test("the last file's name wins", () => {
    expect(loadTexts({ "a.yaml": "name: one", "b.yaml": "name: two" }, { files: ["a.yaml", "b.yaml"] }).name).toBe(
      "two",
    );
  });

  test.for([
    [
      "a name of the file that is no text has its place",
      { "compose.yaml": "name: 5" },
      {},
      "compose.yaml:1:1: name must be a string",
    ],
    [
      "a bad -p has none",
      { "compose.yaml": empty },
      { projectName: "A" },
      'invalid project name "A": must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number',
    ],
    [
      "a directory without a letter needs -p",
      { "/--/compose.yaml": empty },
      { files: ["/--/compose.yaml"] },
      "project name must not be empty",
    ],
  ] as const)("%s", ([, texts, options, expected]) => {
    expect(problemsOf(() => loadTexts(texts, options))).toEqual([expected]);
  });
});

test("COMPOSE_ENV_FILES replaces .env, COMPOSE_DISABLE_ENV_FILE turns it off", () => {
  const texts = { "compose.yaml": "name: n-${A:-none}", ".env": "A=dot", "x.env": "A=x" };
  const nameOf = (env: Record<string, string>) => loadTexts(texts, { env }).name;
  expect([nameOf({}), nameOf({ COMPOSE_ENV_FILES: "x.env" }), nameOf({ COMPOSE_DISABLE_ENV_FILE: "1" })]).toEqual([
    "n-dot",
    "n-x",
    "n-none",
  ]);
});
