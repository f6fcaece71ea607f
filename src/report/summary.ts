/** The report in one line. */
import type { Report } from "../observe/report.ts";

/** "PASS  74 checks, 0 failed, 0 inconclusive, 31 controls; 2 networks, 11 nodes; 512 frames on 23 links, 0 lost; built in ..." */
export function summaryLine(report: Report): string {
  return `${report.verdict}  ${summaryParts(report).join("; ")}`;
}

export function summaryParts({ counts, topology, captures, durations }: Report): string[] {
  const total = counts.pass + counts.fail + counts.inconclusive;
  return [
    `${plural(total, "check")}, ${counts.fail} failed, ${counts.inconclusive} inconclusive, ${plural(counts.controls, "control")}`,
    `${plural(topology.networks.length, "network")}, ${plural(topology.nodes.length, "node")}`,
    `${plural(captures.frames, "frame")} on ${plural(captures.links, "link")}, ${captures.dropped} lost`,
    `built in ${Math.round(durations.buildMs)} ms, verified in ${Math.round(durations.verifyMs)} ms`,
  ];
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
