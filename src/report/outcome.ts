/** The four things that can become of a packet, as reports call them. */
import type { Outcome } from "../plan/predict/prediction.ts";

export const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  reach: "reached",
  refuse: "refused",
  drop: "dropped",
  unreachable: "no way",
};
