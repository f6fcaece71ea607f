/** docknet doctor: can this machine do it, what does a lack mean, and how is it mended? */
import type { Finding } from "../index.ts";
import { EXIT } from "./exit.ts";
import { print, useColour } from "./terminal.ts";

export async function doctor(flags: { readonly format: "text" | "json" }): Promise<number> {
  const { canCreateNamespaces, diagnoseMachine, enterUserNamespace, prepareUserNamespace, userNamespaceRefusal } =
    await import("../index.ts");
  // unprivileged, but user namespaces are allowed: look from inside one, as verify would run
  if (!canCreateNamespaces() && process.env.DOCKNET_USER_NAMESPACE !== "1" && !userNamespaceRefusal())
    enterUserNamespace();
  prepareUserNamespace();
  const diagnosis = await diagnoseMachine();
  if (flags.format === "json") print(JSON.stringify(diagnosis, null, 2));
  else
    print(
      [
        `kernel ${diagnosis.kernel}, node ${diagnosis.node}`,
        "",
        ...diagnosis.findings.map(renderFinding),
        "",
        conclude(diagnosis.findings),
      ].join("\n"),
    );
  return diagnosis.findings.some((f) => f.status === "missing") ? EXIT.machine : EXIT.ok;
}

function renderFinding(finding: Finding): string {
  const colour = { ok: "\u001b[32m", limited: "\u001b[33m", missing: "\u001b[31m" }[finding.status];
  const status = finding.status.padEnd(8);
  const shown = useColour(process.stdout) ? `${colour}${status}\u001b[0m` : status;
  const lack = [
    ...(finding.means ? [`means: ${finding.means}`] : []),
    ...(finding.remedy ? [`remedy: ${finding.remedy}`] : []),
  ];
  return [`${shown} ${finding.name.padEnd(18)} ${finding.found}`, ...lack.map((l) => `${" ".repeat(28)}${l}`)].join(
    "\n",
  );
}

function conclude(findings: readonly Finding[]): string {
  const missing = findings.filter((f) => f.status === "missing").length;
  const limited = findings.filter((f) => f.status === "limited").length;
  if (missing > 0) return `this machine cannot build labs: ${missing} of ${findings.length} findings are missing`;
  return limited > 0
    ? `this machine can build labs, with ${limited} ${limited === 1 ? "limit" : "limits"}`
    : "this machine can build labs";
}
