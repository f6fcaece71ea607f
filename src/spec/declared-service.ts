/** A service as a file declares it, before profiles choose. */

import type { Origin } from "../errors.ts";
import type { ServiceSpec } from "./spec.ts";
import type { Mapping } from "./tree.ts";

/** A service with what only the choice of active services needs. */
export interface DeclaredService {
  readonly spec: ServiceSpec;
  readonly profiles: readonly string[];
  readonly dependencies: readonly Dependency[];
  /** The service as written, to place messages. */
  readonly body: Mapping;
}

/** What must be there before the service starts: `depends_on`, links, a shared network namespace. */
export interface Dependency {
  readonly service: string;
  readonly required: boolean;
  readonly at: Origin;
}
