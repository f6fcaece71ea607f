// The import borders of the stages: what a folder may import is said here once, and linted.
// A folder imports itself, the files named in `free`, and the folders listed; nothing else of src, no other package.
const free = ["errors", "dispose", "deadline"];
/** Files of src itself that a stage may be allowed to import. */
const files = ["index"];
const stages = {
  net: { src: [], packages: ["ipaddr\\.js"] },
  spec: { src: ["net"], packages: ["zod", "yaml"], node: ["fs", "path"] },
  state: { src: ["net", "spec"], packages: [], node: ["crypto"] },
  plan: { src: ["net", "state"], packages: [] },
  kernel: { src: ["net", "plan"], packages: ["koffi", "execa", "cap"], node: [".*"] },
  dns: { src: ["net", "state"], packages: ["dns-packet"] },
  observe: { src: ["net", "state", "plan", "kernel"], packages: [] },
  report: { src: ["net", "plan", "observe"], packages: [] },
  // joins the stages: a lab on the kernel, and what can be asked of it
  lab: {
    src: ["net", "spec", "state", "plan", "kernel", "dns", "observe", "report"],
    packages: ["execa"],
    node: ["crypto", "events", "fs", "os", "path", "readline", "url", "util"],
  },
  // a lab that outlives a command
  daemon: {
    src: ["net", "spec", "state", "plan", "kernel", "observe", "lab"],
    packages: ["fastify"],
    node: [".*"],
  },
  cli: {
    // report, spec: what a daemon has made is shown, and which one a file names is known, without loading what makes labs
    src: ["index", "daemon", "report", "spec"],
    packages: ["commander"],
    node: ["fs", "path", "url", "child_process", "process", "os", "http", "net", "tty", "readline", "util"],
  },
};

const rules = Object.entries(stages).flatMap(([stage, allowed]) => [
  {
    name: `${stage}-imports-stages`,
    comment: `src/${stage}/ may import of src only: ${[stage, ...allowed.src, ...free].join(", ")}`,
    severity: "error",
    from: { path: `^src/${stage}/` },
    to: {
      path: "^src/",
      pathNot: `^src/(${[`${stage}/`, ...allowed.src.map((s) => (files.includes(s) ? `${s}\\.ts` : `${s}/`)), ...free.map((f) => `${f}\\.ts`)].join("|")})`,
    },
  },
  {
    name: `${stage}-imports-packages`,
    comment: `src/${stage}/ may import these packages only: ${allowed.packages.join(", ") || "none"}`,
    severity: "error",
    from: { path: `^src/${stage}/` },
    to: {
      path: "node_modules",
      pathNot: allowed.packages.length ? `node_modules/(${allowed.packages.join("|")})/` : "^$",
    },
  },
  {
    name: `${stage}-imports-node`,
    comment: `src/${stage}/ may import these of Node's own modules only: ${(allowed.node ?? []).join(", ") || "none"}`,
    severity: "error",
    from: { path: `^src/${stage}/` },
    to: {
      dependencyTypes: ["core"],
      ...(allowed.node ? { pathNot: `^(node:)?(${allowed.node.join("|")})(/promises)?$` } : {}),
    },
  },
]);

module.exports = {
  forbidden: [
    {
      name: "no-circular",
      comment: "two files that need each other are one idea: join or split them",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    { name: "no-unresolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "kernel-only-types-from-observe",
      comment: "observe sees the kernel by its interface, never by its implementation",
      severity: "error",
      from: { path: "^src/observe/" },
      to: { path: "^src/kernel/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "report-only-types",
      comment: "reports render values that others made",
      severity: "error",
      from: { path: "^src/report/" },
      to: { path: "^src/(plan|observe)/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "stays-in-src",
      comment: "what ships imports nothing of the tests and scripts",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|scripts|vagrant|dist)/" },
    },
    {
      name: "no-dev-packages",
      comment: "what ships may import `dependencies` of package.json only",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "folder-without-borders",
      comment: "a new folder of src/ needs an entry in `stages` above",
      severity: "error",
      from: { path: `^src/(?!(${Object.keys(stages).join("|")})/)[^/]+/` },
      to: {},
    },
    ...rules,
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".json"],
      conditionNames: ["import", "types", "default"],
      exportsFields: ["exports"],
    },
  },
};
