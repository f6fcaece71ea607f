/**
 * Names as a real engine's embedded server answers them (test/golden/docker/dns.json), asked of docknet from inside its containers'
 * namespaces: status, flags, records, TTLs, over UDP and TCP. By hand: scripts/record-dns.mjs --replay. Needs dist/bin and root.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dnsChapters } from "../golden/docker/dns-session.ts";
import { type DnsRecording, DnsSession, isQuestion, replayDnsStep } from "../support/docker-dns.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DOCKNET = [process.execPath, `${ROOT}dist/bin/docknet.js`] as const;
const CHAPTER_MS = 600_000;

const recording = JSON.parse(readFileSync(`${ROOT}test/golden/docker/dns.json`, "utf8")) as DnsRecording;

describe(`names as dockerd ${recording.server} answers them`, () => {
  const lab = `t${process.pid}dns`;
  let session: DnsSession;
  let at = 0;
  beforeAll(() => {
    session = new DnsSession({ program: "docknet", argv: [...DOCKNET, "-p", lab], env: {} });
  });
  afterAll(() => {
    session.close();
    const { status, stderr } = spawnSync(DOCKNET[0], [DOCKNET[1], "-p", lab, "down"], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
  });

  for (const [chapter, steps] of Object.entries(dnsChapters)) {
    const queries = steps.filter(isQuestion).length;
    test(
      queries > 0 ? `${chapter}: ${queries} queries` : `${chapter}: ${steps.length} command lines`,
      async () => {
        const differences: string[] = [];
        for (const step of steps) {
          const difference = await replayDnsStep(session, step, recording.steps[at++]);
          if (difference) differences.push(`--- ${step.title}\n${difference}`);
        }
        expect(differences.length, `\n${differences.join("\n\n")}`).toBe(0);
      },
      CHAPTER_MS,
    );
  }
});
