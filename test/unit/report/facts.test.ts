import { describe, expect, test } from "vitest";
import type { CheckResult, DataSeen, Hop, Report } from "../../../src/observe/report.ts";
import { factsOf, gist, plainLines, relatedDrift, ruleText } from "../../../src/report/facts.ts";
import { foldStories } from "../../../src/report/fold.ts";
import { failingReport, passingReport } from "../../support/sample-report.ts";

const check = (report: Report, id: string): CheckResult => report.checks.find((c) => c.id === id)!;

describe("factsOf()", () => {
  test("NAPT: the second sender's packet shows its new source port", () => {
    const report = passingReport();
    expect(plainLines(factsOf(check(report, "napt/b/40000"), report)).slice(0, 5)).toEqual([
      "before     172.17.0.3:40000 > 203.0.113.80:80",
      "after      192.168.0.10:1024 > 203.0.113.80:80  (new source and port)",
      "by         MASQUERADE on @host: what leaves the network takes the host's address",
      "rule       -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE  (1 packet counted)",
      "wanted by  network bridge",
    ]);
  });

  test("a failure names its reasons first and the missing rule", () => {
    const report = failingReport();
    const facts = factsOf(check(report, "publish/web:80/@neighbour/192.168.0.10:8080/tcp"), report);
    expect(facts[0]).toMatchObject({
      label: "reason",
      text: "web saw the packet come from 172.17.0.1, wanted 192.168.0.20",
    });
    expect(facts.find((f) => f.label === "kernel")?.text).toMatch(/^rule missing on @host: nat DOCKER: /);
    expect(facts.at(-1)).toMatchObject({ label: "lab file", text: "labs/seed.yaml:13:13" });
  });
});

describe("a transfer's two connections", () => {
  /** As a check of the sample would be if web were an FTP server. */
  const transfer = (outcome: "reach" | "drop", data: DataSeen): [CheckResult, Report] => {
    const report = passingReport();
    const { control: _, ...published } = check(report, "publish/web:80/@neighbour/192.168.0.10:8080/tcp");
    const predicted = { outcome, because: "web opens the data connection to 192.168.0.20" };
    const observed = { ...published.observed, outcome };
    return [{ ...published, group: "transfer", transfer: "active", predicted, observed, data }, report];
  };
  const hop = (place: string, src: string): Hop => {
    const [node = "", link = ""] = place.split(" ");
    const frame = `${src}:20 > 192.168.0.20:43121 tcp SYN ttl 64`;
    return { node, link, direction: "out", frame, src, dst: "192.168.0.20", sport: 20, dport: 43121, ttl: 64 };
  };
  const data: DataSeen = {
    openedBy: "web",
    from: "172.17.0.4:20",
    to: "192.168.0.20:43121",
    evidence: { hops: [hop("web eth0", "172.17.0.4")], translations: [], conntrack: [] },
  };

  test("are told one after the other", () => {
    const seen: DataSeen = {
      ...data,
      seenAs: "192.168.0.10:20",
      evidence: {
        ...data.evidence,
        translations: [
          {
            node: "@host",
            kind: "MASQUERADE",
            before: "172.17.0.4:20 -> 192.168.0.20:43121",
            after: "192.168.0.10:20 -> 192.168.0.20:43121",
          },
        ],
      },
    };
    const [result, report] = transfer("reach", seen);
    const lines = plainLines(factsOf(result, report));
    expect(lines[0]).toBe("first      the control connection, to a port that is known: it stands");
    expect(lines.find((l) => l.startsWith("by "))).toContain("DNAT on @host");
    expect(lines.slice(lines.findIndex((l) => l.startsWith("second")))).toEqual([
      "second     172.17.0.4:20 > 192.168.0.20:43121  (the data connection, opened by web, seen as 192.168.0.10:20)",
      "before     172.17.0.4:20 > 192.168.0.20:43121",
      "after      192.168.0.10:20 > 192.168.0.20:43121  (new source)",
      "by         MASQUERADE on @host",
    ]);
    expect(gist(result)).toBe("MASQUERADE on @host");
  });

  test("where the second is lost, its end is told and why", () => {
    const lost = { reason: "it was seen last out on web/eth0" };
    const [result, report] = transfer("drop", { ...data, evidence: { ...data.evidence, lost } });
    const lines = plainLines(factsOf(result, report));
    expect(lines.slice(lines.findIndex((l) => l.startsWith("second")))).toEqual([
      "second     172.17.0.4:20 > 192.168.0.20:43121  (the data connection, tried by web)",
      "because    it was seen last out on web/eth0",
      "because    web opens the data connection to 192.168.0.20",
    ]);
    expect(gist(result)).toBe("silence");
  });

  test("are another story than the same way to a server that speaks no FTP", () => {
    const [result, report] = transfer("reach", { ...data, seenAs: "172.17.0.4:20" });
    const plain = check(report, "publish/web:80/@neighbour/192.168.0.10:8080/tcp");
    expect(foldStories([plain, result])).toHaveLength(2);
  });
});

test.for([
  ["service/a/web:80/tcp", "unchanged"],
  ["isolation/a/db:5432/tcp", "dropped by raw PREROUTING on @host"],
  ["isolation/lonely/a:80/tcp", "ENETUNREACH"],
  ["publish/web:80/@host/127.0.0.1:8080/tcp", "userland proxy on @host"],
  ["napt/b/40000", "MASQUERADE on @host with a new source port, then MASQUERADE on @router"],
] as const)("gist() of %s: %s", ([id, words]) => expect(gist(check(passingReport(), id))).toBe(words));

describe("relatedDrift()", () => {
  test("is that of the same line", () => {
    const report = failingReport();
    const failed = check(report, "publish/web:80/@neighbour/192.168.0.10:8080/tcp");
    expect(relatedDrift(failed, report)).toEqual([report.drift[0]]);
  });

  test("else that of the nodes on the way", () => {
    const report = failingReport();
    expect(relatedDrift(check(report, "outbound/a"), report)).toEqual(report.drift);
    expect(relatedDrift(check(report, "service/a/web:80/tcp"), report)).toEqual([]);
  });
});

test.for([
  ["-A DOCKER -j DROP", "-t filter -A DOCKER -j DROP"],
  ["policy DROP", "-t filter -P FORWARD DROP"],
  ["something else", "filter FORWARD: something else"],
] as const)("ruleText() of %s: %s", ([rule, text]) => {
  expect(ruleText({ node: "@host", table: "filter", chain: "FORWARD", rule })).toBe(text);
});

describe("foldStories()", () => {
  test("the same story with other addresses is told once", () => {
    const isolation = passingReport().checks.filter((c) => c.group === "isolation");
    expect(foldStories(isolation).map((f) => [f.first.id, f.others.length])).toEqual([
      ["isolation/a/db:5432/tcp", 6],
      ["isolation/lonely/a:80/tcp", 2],
    ]);
  });

  test("a rewritten source port is a story of its own", () => {
    expect(foldStories(passingReport().checks.filter((c) => c.group === "napt"))).toHaveLength(2);
  });

  test("no check is lost", () => {
    const { checks } = failingReport();
    expect(foldStories(checks).flatMap((f) => [f.first, ...f.others]).length).toBe(checks.length);
  });
});
