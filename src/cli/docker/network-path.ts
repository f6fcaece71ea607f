/** Where the API has a network, by the name or id that was typed. Source: moby client/utils.go trimID. */
import { StatusError } from "./status.ts";

/** Throws StatusError for a name without a letter. */
export function networkPath(name: string): string {
  if (name.trim() === "") throw new StatusError("invalid network name or ID: value is empty");
  return `/networks/${encodeURIComponent(name)}`;
}
