/** Every program that source, tests and scripts start is one that scripts/setup.sh looks for, or that each Debian has. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ofText, startedPrograms } from "../support/started-programs.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** In packages that debootstrap's minbase has (essential, or priority required), and Node itself. */
const BASE = words(
  "bash sh dash echo printf test true false cat cut env head tail id kill ls mkdir rm sleep stty touch tr tty uname wc chmod mv ln basename cp",
  "dd dirname [ chown nohup readlink seq nproc date tee sort uniq stat sha256sum mktemp rmdir timeout grep sed awk find xargs diff which hostname perl script tar",
  "mount umount nsenter setpriv setsid unshare flock runuser dpkg apt-get apt-config getent node npm npx",
);
/** What else is in the package of a program that setup.sh looks for. */
const TOGETHER: Readonly<Record<string, string>> = {
  ss: "ip",
  tc: "ip",
  iptables: "iptables-restore",
  "iptables-save": "iptables-restore",
  capinfos: "tshark",
  ps: "sysctl",
};
/** Peers that a developer's script runs docknet beside, and says so when they are not there; setup.sh fetches a docker client of its own. */
const PEERS = words("docker dockerd debootstrap git");
/** Words of texts that only look like a program: names of Docker's networks and nodes, image names, words of sentences, npm packages. */
const WORDS = words("as arp bridge busybox free host join link more route service time info tsc");

function words(...lines: string[]): ReadonlySet<string> {
  return new Set(lines.join(" ").split(" "));
}

/** `need PROGRAM PACKAGE`, before and inside `if $dev`. */
function lookedFor(): { readonly run: ReadonlySet<string>; readonly dev: ReadonlySet<string> } {
  const [run = "", dev = ""] = readFileSync(`${ROOT}scripts/setup.sh`, "utf8").split("if $dev; then");
  const needs = (text: string) => [...text.matchAll(/^ *need (\S+) \S+$/gm)].map((m) => m[1] as string);
  return { run: new Set(needs(run)), dev: new Set([...needs(run), ...needs(dev.split("\nfi\n")[0] ?? "")]) };
}

function startedIn(folder: string): { readonly program: string; readonly at: string }[] {
  const files = readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: "utf8" }).map((f) => `${folder}/${f}`);
  return files.flatMap((file) => {
    const text = /\.(ts|mjs|sh)$/.test(file) ? readFileSync(`${ROOT}${file}`, "utf8") : "";
    if (!file.endsWith(".sh")) return startedPrograms(file, text, { texts: folder !== "src" });
    return ofText(text.replace(/^\s*#.*$/gm, "").replace(/'[^']*'/g, "X")).map((program) => ({ program, at: file }));
  });
}

const unlisted = (found: readonly { readonly program: string; readonly at: string }[], listed: ReadonlySet<string>) =>
  found
    .filter(({ program }) => ![BASE, PEERS, WORDS, listed].some((set) => set.has(program)))
    .filter(({ program }) => !listed.has(TOGETHER[program] ?? ""))
    .map(({ program, at }) => `${program} (${at})`);

describe("setup.sh looks for", () => {
  test("what the source starts", () => {
    const found = startedIn("src");
    expect(found.map((f) => f.program)).toEqual(expect.arrayContaining(["ip", "iptables-restore", "unshare"]));
    expect(unlisted(found, lookedFor().run)).toEqual([]);
  });

  test("what tests and scripts start, with --dev", () => {
    const found = [...startedIn("test"), ...startedIn("scripts")];
    const programs = found.map((f) => f.program);
    expect(programs).toEqual(expect.arrayContaining(["nft", "ping", "tshark", "conntrack", "curl", "ss", "dig"]));
    expect(unlisted(found, lookedFor().dev)).toEqual([]);
  });
});

test.each([
  ['spawn("ebtables", ["-L"])', "ebtables"],
  ['execa("/usr/sbin/arping", args)', "arping"],
  ['run(ns, "tcpdump -i any")', "tcpdump"],
  ['run(ns, "sleep 1; LANG=C curl -s http://a | grep b")', "curl"],
  ['sh("for i in 1 2; do ping -c 1 a; done")', "ping"],
  ['docknet("exec", ...["@host", "x"], ["exec", "@host", "iptables", "-L"])', "iptables"],
  ["shell(`ip netns exec $" + "{name} nft list ruleset`)", "nft"],
  ['["ip", "netns", "exec", "x", "ping", "a"]', "ping"],
])("a program is seen in %s", (code, program) => {
  expect(startedPrograms("x.ts", code, { texts: true }).map((s) => s.program)).toContain(program);
});
