/** A transfer is two flows: the control connection that the check names, and the data connection that decides. */
import type { Check } from "../plan/check/check.ts";
import type { ProbeRun, ProbeSource } from "./run.ts";
import type { Flow } from "./trail.ts";

/** A flow with what was measured of it. */
export interface FlowRun {
  readonly flow: Flow;
  readonly source?: ProbeSource;
  /** The source port that the server reported: it singles out the proxy's own connection among many. */
  readonly serverSaw?: number;
}

/** The flow whose fate is the outcome: the data connection once there is one, else what the check names. */
export function decidingFlow(run: ProbeRun): FlowRun {
  const { check, reply } = run;
  const planned = check.predicted.transfer;
  if (!planned || !reply.data) return namedFlow(run);
  const { address, port } = reply.data.to;
  const { from: source } = reply.data;
  // predicted for any port: which one it was is known by now
  const legs = check.predicted.legs.map((leg) => ({ ...leg, dport: port }));
  return {
    flow: { probe: { ...planned.data, address, port }, predicted: { ...check.predicted, legs } },
    ...(source ? { source } : {}),
  };
}

/** What the check names: of a transfer the control connection. */
export function namedFlow({ check, reply, source }: ProbeRun): FlowRun {
  const serverSaw = reply.answer?.from.port;
  return {
    flow: { probe: check.probe, predicted: check.predicted.transfer?.control ?? check.predicted },
    ...(source ? { source } : {}),
    ...(serverSaw === undefined ? {} : { serverSaw }),
  };
}

/** Did it get as far as it should? One sentence each. */
export function wrongStage(check: Check, { reply, failure }: ProbeRun): string[] {
  const { transfer } = check.probe;
  if (!transfer || failure !== undefined) return [];
  const planned = check.predicted.transfer !== undefined;
  if (planned && !reply.data)
    return [`there was no data connection: ${reply.error ?? "the control connection did not stand"}`];
  if (!planned && reply.data) return ["there was a data connection, though the control connection should not stand"];
  if (reply.outcome !== "refuse" || check.expected.outcome === "refuse" || !reply.error) return [];
  return [`the transfer ended: ${reply.error}`];
}

/** The other side must see the data connection come from where the prediction says. */
export function wrongDataSource(check: Check, { reply }: ProbeRun): string[] {
  const wanted = check.predicted.transfer?.dataSeenAs;
  const { data } = reply;
  if (!wanted || !data || data.seenAs?.address === wanted) return [];
  return [`the data connection came from ${data.seenAs?.address ?? "an unreported address"}, not ${wanted}`];
}
