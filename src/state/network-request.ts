/** What `docker network create` is asked for. */

import type { Origin } from "../errors.ts";
import type { PoolRequest } from "./pool.ts";
import type { Timestamp } from "./state.ts";

export interface NetworkRequest extends PoolRequest {
  /** 64 hex digits, not in use; absent: derived from the state. */
  readonly id?: string;
  readonly now?: Timestamp;
  readonly name: string;
  readonly driver?: string;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ipamOptions?: Readonly<Record<string, string>>;
  /** Pools beside the first; no driver of a lab takes them, but a configuration network does. */
  readonly morePools?: readonly PoolRequest[];
  /** Settings for others, and no network. */
  readonly configOnly?: boolean;
  /** Name or id of the configuration network whose settings it gets. */
  readonly configFrom?: string;
  /** Taken only to be refused beside `configOnly`. */
  readonly scope?: string;
  readonly ingress?: boolean;
  readonly at?: Origin;
}
