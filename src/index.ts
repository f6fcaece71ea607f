/**
 * docknet as a library. Everything the command line does goes through here.
 *
 * ```ts
 * import { createLab } from "docknet";
 * await using lab = await createLab("compose.yaml");
 * const report = await lab.verify();
 * ```
 */
export {
  DocknetError,
  type ErrorCode,
  type Origin,
  type Problem,
  ProblemsError,
  renderOrigin,
  renderProblem,
} from "./errors.ts";
export { explainPlan, type Plan } from "./explain.ts";
export { type Cleaned, proveGone, removeOwned as clean } from "./kernel/clean.ts";
export { type Diagnosis, diagnoseMachine, type Finding } from "./kernel/doctor.ts";
export {
  canCreateNamespaces,
  enterUserNamespace,
  prepareUserNamespace,
  userNamespaceRefusal,
} from "./kernel/privilege.ts";
export { buildLab, createLab, type ExecResult, Lab, type LabOptions, VERSION, type VerifyLabOptions } from "./lab.ts";
export { type LabInfo, labFile, listLabs } from "./labs.ts";
export { parseLabName } from "./net/name.ts";
export { renderDrift } from "./observe/drift.ts";
export type { CheckResult, Drift, Evidence, Hop, Report, Verdict } from "./observe/report.ts";
export type { Op } from "./plan/op.ts";
export type { Outcome, Prediction } from "./plan/prediction.ts";
export { renderAnnotations, renderProblemAnnotation } from "./report/github.ts";
export { renderJson } from "./report/json.ts";
export { renderJunit } from "./report/junit.ts";
export { renderMarkdown } from "./report/markdown.ts";
export { renderTap } from "./report/tap.ts";
export { renderText } from "./report/text.ts";
export { type LoadOptions, loadSpec } from "./spec/load.ts";
export type { Spec } from "./spec/spec.ts";
export { type Resolved, resolveState } from "./state/resolve.ts";
export type { State } from "./state/state.ts";
