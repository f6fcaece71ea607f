/** Image names and platforms as the client checks them before it asks the daemon. Pure. Sources: distribution/reference; containerd/platforms. */

import { cut } from "./flag-value.ts";
import { quoteGo } from "./flags.ts";
import { StatusError } from "./status.ts";

const SEPARATED = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
const LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(`^(${DOMAIN}/${SEPARATED}(?:/${SEPARATED})*)(?::\\w[\\w.-]{0,127})?(?:@${DIGEST})?$`);
const MAX_NAME = 255;

/** Throws StatusError when `image` is neither an id nor a name. */
export function checkImage(image: string): void {
  if (/^(sha256:)?[0-9a-f]{64}$/.test(image)) return;
  const [domain, rest] = splitDomain(image);
  const [name] = cut(rest, ":");
  if (name.toLowerCase() !== name)
    throw new StatusError(`invalid reference format: repository name (${name}) must be lowercase`);
  const [, repository] = REFERENCE.exec(`${domain}/${rest}`) ?? [];
  if (repository === undefined) throw new StatusError("invalid reference format");
  if (repository.length - domain.length - 1 > MAX_NAME)
    throw new StatusError(`repository name must not be more than ${MAX_NAME} characters`);
}

function splitDomain(image: string): readonly [string, string] {
  const [first, rest] = cut(image, "/");
  if (rest === undefined) return ["docker.io", `library/${image}`];
  const isDomain = first === "localhost" || /[.:]/.test(first) || first.toLowerCase() !== first;
  const domain = !isDomain || first === "index.docker.io" ? "docker.io" : first;
  const path = isDomain ? rest : image;
  return [domain, domain === "docker.io" && !path.includes("/") ? `library/${path}` : path];
}

const SYSTEMS =
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  );
const ARCHITECTURES =
  "386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm".split(
    " ",
  );
const PART = /^[A-Za-z0-9_.-]+$/;
const SYSTEM_PART = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?$/;

/** "linux/amd64" of "linux", "amd64", "linux/x86_64"; "" for none. Throws StatusError. */
export function readPlatform(text: string): string {
  if (text === "") return "";
  const fail = (why: string): StatusError =>
    new StatusError(`error parsing specified platform: ${why}: invalid argument`);
  const quoted = quoteGo(text);
  if (text.includes("*")) throw fail(`${quoted}: wildcards not yet supported`);
  const [first = "", ...others] = text.split("/");
  if (!SYSTEM_PART.test(first))
    throw fail(
      `${quoteGo(first)} is an invalid OS component of ${quoted}: OSAndVersion specifier component must match ${quoteGo(SYSTEM_PART.source)}`,
    );
  const bad = others.slice(0, 3).find((part) => !PART.test(part));
  if (bad !== undefined)
    throw fail(
      `${quoteGo(bad)} is an invalid component of ${quoted}: platform specifier component must match ${quoteGo(PART.source)}`,
    );
  if (others.length > 2) throw fail(`${quoted}: cannot parse platform specifier`);
  const system = normalSystem(first);
  const [architectureText, variant] = others;
  if (architectureText !== undefined) return [system, ...normalArchitecture(architectureText, variant)].join("/");
  if (SYSTEMS.includes(system)) return [system, ...normalArchitecture(process.arch)].join("/");
  const [architecture = "", ...rest] = normalArchitecture(first);
  if (ARCHITECTURES.includes(architecture)) return ["linux", architecture, ...rest].join("/");
  throw fail(`${quoted}: unknown operating system or architecture`);
}

function normalSystem(text: string): string {
  const name = (SYSTEM_PART.exec(text)?.[1] ?? text).toLowerCase();
  return name === "macos" ? "darwin" : name;
}

/** The architecture, and its variant when there is one. Source: containerd/platforms database.go normalizeArch. */
function normalArchitecture(text: string, variantText?: string): readonly string[] {
  const name = text.toLowerCase();
  const variant = (variantText ?? "").toLowerCase();
  const some = (architecture: string, v: string) => (v === "" ? [architecture] : [architecture, v]);
  switch (name) {
    case "i386":
    case "ia32":
      return ["386"];
    case "x86_64":
    case "x86-64":
    case "amd64":
    case "x64":
      return some("amd64", variant === "v1" ? "" : variant);
    case "aarch64":
    case "arm64":
      // a variant that is asked for is kept
      return some("arm64", variantText === undefined ? "" : ["8", "v8"].includes(variant) ? "v8" : variant);
    case "armhf":
      return variantText === undefined ? ["arm"] : ["arm", "v7"];
    case "armel":
      return ["arm", "v6"];
    case "arm":
      return some(
        "arm",
        variant === "" || variant === "7" ? (variantText === undefined ? "" : "v7") : variant.replace(/^[5-8]$/, "v$&"),
      );
    default:
      return some(name, variant);
  }
}
