/** All checks of a lab: the file's own, or those that its state gives, with the controls that make silence and refusals mean something. */
import type { CheckSpec, State } from "../../state/state.ts";
import type { Check, Rules } from "./check.ts";
import { withControls } from "./control.ts";
import { derivedChecks } from "./derive.ts";
import { explicitChecks } from "./explicit.ts";
import { listenChecks } from "./listen.ts";

/** @param explicit the file's own checks; when there are any, they are the report, but for programs that ended because they could not bind. */
export function checksOf(state: State, rules: Rules, explicit: readonly CheckSpec[]): Check[] {
  const listen = listenChecks(state, rules);
  if (explicit.length > 0)
    return withControls(state, rules, [...explicitChecks(state, rules, explicit), ...listen], new Map());
  const { checks, meant } = derivedChecks(state, rules);
  return withControls(state, rules, [...listen, ...checks], meant);
}
