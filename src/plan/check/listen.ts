/**
 * Programs that ended because another had their port: each such port is asked for its service, which does not answer. No other check
 * would say so, for a container that has ended is asked nothing.
 */
import { type Ipv4, LOCALHOST } from "../../net/address.ts";
import { HOST, NEIGHBOUR, type NodeName } from "../../net/name.ts";
import { renderProtoPort } from "../../net/port.ts";
import { clashWords } from "../../state/clash.ts";
import { originOf } from "../../state/refusal.ts";
import { type Container, type FailedBind, type State, sandboxOwner } from "../../state/state.ts";
import { addressFrom } from "../address-book.ts";
import { predict } from "../predict/predict.ts";
import type { Check, Rules } from "./check.ts";

export function listenChecks(state: State, rules: Rules): Check[] {
  return state.containers.flatMap((container) =>
    (container.failedBinds ?? []).flatMap((failed): Check[] => {
      const asked = wayTo(state, container);
      return asked ? [listenCheck(state, rules, container, failed, asked)] : [];
    }),
  );
}

interface Way {
  readonly from: NodeName;
  readonly address: Ipv4;
  /** Whose network stack it leads to. */
  readonly stack: NodeName;
}

function listenCheck(state: State, rules: Rules, container: Container, failed: FailedBind, way: Way): Check {
  const { from, address, stack } = way;
  const probe = { from, address, port: failed.port, proto: failed.proto };
  const port = renderProtoPort(failed);
  return {
    id: `listen/${container.node}/${port}`,
    group: "listen",
    claim: `${container.node} listens on ${port} of ${stack}`,
    probe,
    to: `${address}:${port}`,
    predicted: predict(state, probe, rules),
    expected: { outcome: "reach", server: container.node },
    fault: clashWords(state, container, failed),
    ...originOf({ at: failed.at ?? container.at }),
  };
}

/** To the network stack that it was to use; undefined when that is gone: nothing of it can be asked then. */
function wayTo(state: State, { sandbox }: Container): Way | undefined {
  const { world } = state;
  if (sandbox.kind === "host") return { from: NEIGHBOUR, address: world.host, stack: HOST };
  if (sandbox.kind !== "container") return undefined;
  const joined = state.containers.find((c) => c.id === sandbox.id);
  const owner = joined && sandboxOwner(state, joined);
  if (owner === "host") return { from: NEIGHBOUR, address: world.host, stack: HOST };
  if (owner === undefined || owner === "gone") return undefined;
  const address = addressFrom(state, HOST, owner);
  if (address) return { from: HOST, address, stack: owner.node };
  return { from: owner.node, address: LOCALHOST, stack: owner.node };
}
