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
export { type Cleaned, proveGone, removeOwned as clean } from "./kernel/clean.ts";
export { type Diagnosis, diagnoseMachine, type Finding } from "./kernel/doctor.ts";
export {
  canCreateNamespaces,
  enterUserNamespace,
  prepareUserNamespace,
  userNamespaceRefusal,
} from "./kernel/privilege.ts";
export { labsWithRemains } from "./kernel/remains.ts";
export {
  type CapturedLink,
  type CapturedPacket,
  type CaptureLimits,
  type CaptureSummary,
  LabCapture,
  toLine,
} from "./lab/capture.ts";
export { type Compared, compareLab, type MeasureOptions, measureComparison } from "./lab/compare.ts";
export type { ConntrackOptions } from "./lab/conntrack.ts";
export { type GraphOptions, graphState } from "./lab/graph.ts";
export {
  buildLab,
  type CaptureLabOptions,
  checkFits,
  createLab,
  type ExecResult,
  Lab,
  type LabOptions,
  type MatrixLabOptions,
  VERSION,
  type VerifyLabOptions,
} from "./lab/lab.ts";
export { predictLab } from "./lab/matrix.ts";
export { explainPlan, type Plan } from "./lab/plan.ts";
export type { RulesOptions } from "./lab/rules.ts";
export { rulesOfState } from "./lab/rules.ts";
export { type LabInfo, labFile, listLabs } from "./lab/shipped.ts";
export type { WalkOptions } from "./lab/walk.ts";
export { parseLabName } from "./net/name.ts";
export type { NatEnd, NatEvent, NatKind, NatRow, NatRule, NatTable, NodeNat } from "./observe/conntrack.ts";
export { renderDrift } from "./observe/drift.ts";
export type {
  Graph,
  GraphBridgePort,
  GraphEnd,
  GraphForward,
  GraphGateway,
  GraphLink,
  GraphNat,
  GraphNetwork,
  GraphNode,
  GraphPair,
  GraphPublished,
  GraphStaticNat,
} from "./observe/graph.ts";
export type {
  Matrix,
  MatrixCell,
  MatrixCounts,
  MatrixSender,
  MatrixTarget,
  MatrixWalk,
  PredictedCell,
} from "./observe/matrix.ts";
export type { CheckResult, Drift, Evidence, Hop, Report, Verdict } from "./observe/report.ts";
export type { ListedChain, ListedRule, NodeRules, RuleListing } from "./observe/rules.ts";
export type { MetRule, OnLink, Walk, WalkHop, WalkStep, WalkVerdict, Way } from "./observe/walk/walk.ts";
export type { MatrixChoice } from "./plan/check/matrix.ts";
export type { Comparison } from "./plan/compare.ts";
export type { FirewallProfile } from "./plan/firewall/profile.ts";
export type { Op } from "./plan/op.ts";
export type { Outcome, Prediction } from "./plan/predict/prediction.ts";
export { renderComparisonJson, renderComparisonMarkdown, renderComparisonText } from "./report/compare.ts";
export { renderNatEvent, renderNatTable, renderNatTableJson } from "./report/conntrack.ts";
export { renderAnnotations, renderProblemAnnotation } from "./report/github.ts";
export { renderGraphJson } from "./report/graph/json.ts";
export { renderGraphMermaid } from "./report/graph/mermaid.ts";
export { renderGraphSvg } from "./report/graph/svg.ts";
export { renderGraphText } from "./report/graph/text.ts";
export { renderJson } from "./report/json.ts";
export { renderJunit } from "./report/junit.ts";
export { renderMarkdown } from "./report/markdown.ts";
export { renderMatrixJson, renderMatrixText } from "./report/matrix.ts";
export { renderMatrixHtml } from "./report/matrix-html.ts";
export { renderMatrixMarkdown } from "./report/matrix-markdown.ts";
export { type PacketLine, renderPacketLine } from "./report/packet-line.ts";
export { renderRules, renderRulesJson } from "./report/rules.ts";
export { renderTap } from "./report/tap.ts";
export { renderText } from "./report/text.ts";
export { renderWalk, renderWalkJson } from "./report/walk.ts";
export { type LoadOptions, loadSpec } from "./spec/load.ts";
export type { Spec } from "./spec/spec.ts";
export { type Resolved, resolveState } from "./state/resolve.ts";
export type { State } from "./state/state.ts";
