/** Names of images: nothing is behind them, but a malformed one is refused as Docker does. Source: distribution/reference. */
import { createHash } from "node:crypto";
import { httpError } from "./refuse.ts";

const MAX_NAME = 255;
const MAX_TEXT = 512;
const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const DOMAIN = "(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\\.[a-zA-Z0-9-]+)*(?::[0-9]+)?";
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

export interface ImageName {
  /** As people write it: "nginx", "grafana/grafana", "ghcr.io/a/b". */
  readonly familiar: string;
  /** "docker.io/library/nginx" */
  readonly full: string;
  /** "latest" unless said. */
  readonly tag: string;
  readonly digest?: string;
}

/** @throws DocknetError USAGE, in Docker's words */
export function parseImageName(text: string): ImageName {
  if (text.length > MAX_TEXT) throw httpError(400, "invalid reference format");
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const tag = hasTag ? named.slice(colon + 1) : "latest";
  const { domain, path } = splitDomain(hasTag ? named.slice(0, colon) : named);
  if (path !== path.toLowerCase() && PATH.test(path.toLowerCase()))
    throw httpError(400, `invalid reference format: repository name (${path}) must be lowercase`);
  const fits = PATH.test(path) && TAG.test(tag) && (digest === undefined || DIGEST.test(digest));
  if (!fits || path.length > MAX_NAME) throw httpError(400, "invalid reference format");
  const familiar = domain === "docker.io" ? path.replace(/^library\//, "") : `${domain}/${path}`;
  return { familiar, full: `${domain}/${path}`, tag, ...(digest ? { digest } : {}) };
}

/** The first part is a host when it looks like one; what is left is of Docker Hub. */
function splitDomain(name: string): { readonly domain: string; readonly path: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isHost = first === "localhost" || /[.:]/.test(first) || first !== first.toLowerCase();
  if (isHost && new RegExp(`^${DOMAIN}$`).test(first)) {
    const domain = first === "index.docker.io" ? "docker.io" : first;
    return { domain, path: officialPath(domain, name.slice(slash + 1)) };
  }
  return { domain: "docker.io", path: officialPath("docker.io", name) };
}

const officialPath = (domain: string, path: string): string =>
  domain === "docker.io" && !path.includes("/") ? `library/${path}` : path;

/** "sha256:..." of a name: the same for the same name. */
export function imageId(name: ImageName): string {
  return name.digest ?? `sha256:${createHash("sha256").update(`${name.full}:${name.tag}`).digest("hex")}`;
}
