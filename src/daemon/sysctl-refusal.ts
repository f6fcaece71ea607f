/** An endpoint's sysctl that the kernel did not take, in Docker's words. Source: moby daemon/libnetwork/osl/interface_linux.go setSysctls. */
import { DocknetError } from "../errors.ts";
import { refusedSysctl } from "../kernel/sysctl.ts";
import type { State } from "../state/state.ts";

/** @param state that the kernel was to follow; @param prefix of the occasion. @returns the error itself when it is about something else */
export function endpointSysctlRefusal(error: unknown, state: State, prefix = ""): unknown {
  const refused = refusedSysctl(error);
  const container = state.containers.find((c) => c.node === refused?.node);
  const endpoint = container?.endpoints.find((e) => refused && Object.hasOwn(e.sysctls, refused.key));
  if (!refused || !endpoint) return error;
  const why =
    refused.errno === "ENOENT"
      ? `${refused.path} is not a sysctl file`
      : `unable to write to '${refused.path}': write ${refused.path}: ${refused.errno === "EINVAL" ? "invalid argument" : refused.errno}`;
  const link = endpoint.hostIfName ?? endpoint.ifName;
  return new DocknetError("KERNEL_REFUSED", `${prefix}failed to add interface ${link} to sandbox: ${why}`, {
    cause: error,
    details: { status: 500 },
    ...(endpoint.at ? { at: endpoint.at } : {}),
  });
}
