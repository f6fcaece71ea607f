/** The versions of the API, and the headers that every answer has. Source: moby daemon/server/middleware/version.go. */
import { httpError } from "./refuse.ts";

export const API_VERSION = "1.51";
export const MIN_API_VERSION = "1.24";

/** @param version of docknet */
export function commonHeaders(version: string): Readonly<Record<string, string>> {
  return {
    "Api-Version": API_VERSION,
    "Docker-Experimental": "false",
    Ostype: "linux",
    Server: `docknet/${version} (linux)`,
  };
}

/** "/v1.51/info" is "/info" of version 1.51. */
export function splitVersion(url: string): { readonly version?: string; readonly url: string } {
  const [, version, rest] = /^\/v([0-9.]{1,20})(\/.*)$/s.exec(url) ?? [];
  return version === undefined || rest === undefined ? { url } : { version, url: rest };
}

/** Clients that old read errors as plain text. */
export const isTooOld = (version: string): boolean => compareVersions(version, MIN_API_VERSION) < 0;

/** @throws DocknetError USAGE for a version that is not spoken */
export function checkVersion(version: string): void {
  if (compareVersions(version, API_VERSION) > 0)
    throw httpError(400, `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`);
  if (isTooOld(version)) {
    throw httpError(
      400,
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
}

/** Dotted numbers, the missing ones 0. */
function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
