/** Where the API has a container, by the name or id that was typed, and what is read of it before its streams are opened. */
import { StatusError } from "./status.ts";

/** Throws StatusError for a name without a letter. Source: moby client/utils.go trimID. */
export function containerPath(name: string): string {
  if (name.trim() === "") throw new StatusError("invalid container name or ID: value is empty");
  return `/containers/${encodeURIComponent(name)}`;
}

/** Of GET /containers/ID/json. */
export interface ContainerInfo {
  readonly Id: string;
  readonly State: { readonly Running: boolean; readonly Paused: boolean; readonly Restarting: boolean };
  readonly Config: { readonly Tty: boolean; readonly OpenStdin: boolean };
  readonly HostConfig: { readonly AutoRemove: boolean };
}
