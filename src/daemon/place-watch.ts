/**
 * A lab lives as long as its directory does: without it no command finds the lab any more, and whoever makes the directory next would
 * be taken for it. Cleaners of /tmp remove directories, people do too; so the daemon looks when the kernel says that something changed.
 */
import { existsSync, watch } from "node:fs";
import { dirname } from "node:path";
import type { TrustedDirectory } from "../kernel/trusted-directory.ts";
import { socketIn } from "./place.ts";

/** One look for all that happens within. */
const SETTLE_MS = 200;
/** What moves a directory further up tells nobody. */
const LOOK_MS = 60_000;
/** Where the kernel gives no more watches. */
const LOOK_UNTOLD_MS = 5000;

export interface PlaceWatch {
  /** Nobody can reach the lab any more. Called once. */
  readonly onLost: () => void;
  /** Something in the directory changed, by us or by others. */
  readonly onChange: () => void;
}

/** @returns what ends it */
export function watchPlace(place: TrustedDirectory, { onLost, onChange }: PlaceWatch): () => void {
  let settling: NodeJS.Timeout | undefined;
  const watchers: { close(): void }[] = [];
  const end = (): void => {
    clearTimeout(settling);
    clearInterval(timer);
    for (const watcher of watchers.splice(0)) watcher.close();
  };
  const look = (): void => {
    settling = undefined;
    if (isReachable(place)) {
      onChange();
      return;
    }
    end();
    onLost();
  };
  const soon = (): void => {
    settling ??= setTimeout(look, SETTLE_MS).unref();
  };
  let told = true;
  for (const path of [dirname(place.path), place.base]) {
    try {
      watchers.push(watch(path, { persistent: false }, soon).on("error", soon));
    } catch {
      told = false;
    }
  }
  const timer = setInterval(look, told ? LOOK_MS : LOOK_UNTOLD_MS).unref();
  return end;
}

const isReachable = (place: TrustedDirectory): boolean =>
  place.isInPlace() && existsSync(socketIn(place)) && existsSync(place.at("lock"));
