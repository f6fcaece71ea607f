/**
 * Forwards of the router that no published port of a container has checked: to another machine of the LAN, to a host port that nobody
 * published, or to a service on the host's own network. Each is asked from the internet, whatever becomes of it.
 */
import { INTERNET } from "../../net/name.ts";
import type { State } from "../../state/state.ts";
import { predict } from "../predict/predict.ts";
import type { ProbeSpec } from "../predict/prediction.ts";
import type { Check, Rules } from "./check.ts";

export function forwardChecks(state: State, rules: Rules, others: readonly Check[]): Omit<Check, "expected">[] {
  const { router } = state.world;
  const isAsked = ({ address, port, proto }: ProbeSpec): boolean =>
    others.some(({ probe: o }) => o.from === INTERNET && o.address === address && o.port === port && o.proto === proto);
  return router.forwards.flatMap(({ publicPort: port, proto, to, toPort, at }) => {
    const probe: ProbeSpec = { from: INTERNET, address: router.public, port, proto };
    if (isAsked(probe)) return [];
    const predicted = predict(state, probe, rules);
    const shown = `${router.public}:${port}/${proto}`;
    const ends = `forwarded to ${to}:${toPort}`;
    return [
      {
        id: `forward/${shown}`,
        group: "publish" as const,
        claim:
          predicted.outcome === "reach"
            ? `${INTERNET} reaches ${predicted.server} through ${shown}, ${ends}`
            : `${INTERNET} reaches nobody through ${shown}, ${ends}`,
        probe,
        to: shown,
        predicted,
        ...(at ? { at } : {}),
      },
    ];
  });
}
