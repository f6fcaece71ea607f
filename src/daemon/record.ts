/** What the Engine API keeps of a container beside its network: what it runs, and how it was asked for. */

/** JSON as it came over the API, given back by inspect. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export interface ContainerRecord {
  /** Program and arguments; empty: no process, built-in responders stand in for the image. */
  readonly argv: readonly string[];
  /** "KEY=value", as given. */
  readonly env: readonly string[];
  /** "" is "/". */
  readonly workingDir: string;
  /** All capabilities, and a writable /sys. */
  readonly privileged: boolean;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  /** Removed as soon as it has ended (--rm). */
  readonly autoRemove: boolean;
  /** "SIGTERM" unless said. */
  readonly stopSignal: string;
  /** Seconds between the stop signal and SIGKILL; 10 unless said. */
  readonly stopTimeoutS: number;
  /** The bodies of POST /containers/create, normalised as inspect shows them. */
  readonly config: JsonObject;
  readonly hostConfig: JsonObject;
}
