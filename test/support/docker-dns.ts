/**
 * Runs the DNS session (test/golden/docker/dns-session.ts): commands that shape a topology, and queries from inside its containers'
 * network namespaces, sent by our own code (dns-query.mjs). What comes back is compared as values: status, flags, records.
 */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Asked, queryOf, RD, readAnswer } from "./dns-message.ts";
import { lineDiff } from "./docker-replay.ts";
import { type Client, lineOf, MissingName, type Said, Session, type Step } from "./docker-script.ts";
import { normaliser } from "./normalise.ts";

/** IANA DNS parameters: types and classes that the session asks for. */
const TYPES = { A: 1, NS: 2, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;

export interface Question {
  readonly title: string;
  /** The container in whose network namespace it is asked. */
  readonly from: string;
  /** May hold `@NAME:12`, what an earlier step kept. */
  readonly name: string;
  /** A unless said. */
  readonly type?: keyof typeof TYPES;
  /** UDP unless said. */
  readonly transport?: "udp" | "tcp";
  /** 127.0.0.11 unless said. */
  readonly server?: string;
  /** RD unless said. */
  readonly flags?: number;
  readonly class?: number;
  /** The size that EDNS promises; no EDNS unless said. */
  readonly edns?: number;
  readonly dnssecOk?: true;
  /** The bytes after the header are these in place of a question. */
  readonly raw?: string;
  /** 12,000 unless said. */
  readonly timeoutMs?: number;
}

export type DnsStep = Step | Question;

/** Either an answer or how it failed; addresses in any order are sorted. */
export interface DnsSaid {
  /** "silence", "closed" or the socket's error; nothing else is there then. */
  readonly failed?: string;
  readonly status?: string;
  /** Of "aa tc rd ra z ad cd". */
  readonly flags?: string;
  readonly opcode?: number;
  readonly sameId?: boolean;
  /** The question came back byte for byte; "none" when there was none. */
  readonly question?: "same" | "other" | "none";
  /** "name ttl type data"; of a truncated answer only how many, since which is random. */
  readonly answers?: readonly string[] | number;
  readonly authorities?: readonly string[];
  readonly edns?: string;
}

export interface DnsRecording {
  readonly server: string;
  readonly recordedAt: string;
  readonly steps: readonly { readonly title: string; readonly line: string; readonly said: DnsSaid | Said }[];
}

const QUERY_SCRIPT = fileURLToPath(new URL("dns-query.mjs", import.meta.url));
const PATIENCE_MS = 12_000;
const ID = 0x5ca1;

export const isQuestion = (step: DnsStep): step is Question => "from" in step;

/** One line for people, as dig would have it, and to see that a recording is of this very step. */
export function dnsLineOf(step: DnsStep): string {
  if (!isQuestion(step)) return lineOf(step);
  const { title: _, from, name, type = "A", server = "127.0.0.11", ...rest } = step;
  const more = Object.entries(rest).map(([key, value]) => `+${key}=${value}`);
  return [`${from}: ${name} ${type} @${server}`, ...more].join(" ");
}

export class DnsSession {
  readonly session: Session;
  private readonly queryScript: string;
  private readonly namespaces = new Map<string, Promise<string>>();

  /** @param queryScript where dns-query.mjs is, when this file has been bundled */
  constructor(client: Client, queryScript = QUERY_SCRIPT) {
    this.queryScript = queryScript;
    this.session = new Session(client);
  }

  /** @throws MissingName, and Error when a container has no process to enter */
  async run(step: DnsStep): Promise<DnsSaid | Said> {
    if (isQuestion(step)) return this.ask(step);
    this.namespaces.clear(); // a restart gives another process
    const said = await this.session.run(step);
    return normaliseSaid(said, this.session.kept);
  }

  close(): void {
    this.session.close();
  }

  private async ask(question: Question): Promise<DnsSaid> {
    const { from, server = "127.0.0.11", transport = "udp", timeoutMs = PATIENCE_MS } = question;
    const query = this.encode(question);
    const pid = await this.pidOf(from);
    const args = ["--target", pid, "--net", process.execPath, this.queryScript];
    const child = spawn("nsenter", args, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.end(JSON.stringify([{ server, transport, hex: query.toString("hex"), timeoutMs }]));
    const [answer] = JSON.parse(await text(child.stdout)) as [{ hex?: string; failed?: string }];
    if (answer.hex === undefined) return { failed: answer.failed ?? "no answer" };
    return this.decode(query, Buffer.from(answer.hex, "hex"));
  }

  private encode({ name, type = "A", flags = RD, class: klass, edns, dnssecOk, raw }: Question): Buffer {
    const spelled = this.session.fill(name);
    const asked: Asked = {
      id: ID,
      name: spelled === "." ? "" : spelled.replace(/\.$/, ""),
      ...(spelled === "." ? { labels: [] } : {}),
      type: TYPES[type],
      flags,
      ...(klass === undefined ? {} : { class: klass }),
      ...(edns === undefined ? {} : { opt: { udpBytes: edns, ...(dnssecOk ? { dnssecOk } : {}) } }),
    };
    const query = queryOf(asked);
    return raw === undefined ? query : Buffer.concat([query.subarray(0, 12), Buffer.from(raw, "hex")]);
  }

  private decode(query: Buffer, message: Buffer): DnsSaid {
    const plain = normaliser({ ids: idsOf(this.session.kept), macs: new Set(), prefixes: new Map() });
    const { status, flags, opcode, question, answers, authorities, edns } = readAnswer(message);
    const truncated = flags.split(" ").includes("tc");
    return {
      status,
      flags,
      opcode,
      sameId: message.readUInt16BE(0) === query.readUInt16BE(0),
      question: question === "" ? "none" : query.toString("latin1", 12).startsWith(question) ? "same" : "other",
      answers: truncated ? answers.length : answers.map(plain).sort(),
      authorities: authorities.map(plain).sort(),
      ...(edns === undefined ? {} : { edns }),
    };
  }

  /** Of the container's first process, on this machine. */
  private pidOf(container: string): Promise<string> {
    const known = this.namespaces.get(container);
    if (known) return known;
    const line = ["inspect", "-f", "{{.State.Pid}}", container];
    const pid = this.session.run({ title: "", line }).then(({ stdout, stderr }) => {
      if (!/^[1-9]\d*\n$/.test(stdout)) throw new Error(`container ${container} has no process: ${stdout}${stderr}`);
      return stdout.trimEnd();
    });
    this.namespaces.set(container, pid);
    return pid;
  }
}

const idsOf = (kept: ReadonlyMap<string, string>): Map<string, string> =>
  new Map([...kept].filter(([, value]) => value.length === 64).map(([name, id]) => [id, name]));

function normaliseSaid(said: Said, kept: ReadonlyMap<string, string>): Said {
  const plain = normaliser({ ids: idsOf(kept), macs: new Set(), prefixes: new Map() });
  return { stdout: plain(said.stdout), stderr: plain(said.stderr), exitCode: said.exitCode };
}

/** Runs one step and says what differs from its recording, as text to read; undefined when nothing does. */
export async function replayDnsStep(
  session: DnsSession,
  step: DnsStep,
  golden: DnsRecording["steps"][number] | undefined,
): Promise<string | undefined> {
  if (golden?.title !== step.title || golden.line !== dnsLineOf(step)) return "recorded otherwise: run record-dns.mjs";
  try {
    const said = await session.run(step);
    const [recorded, now] = [golden.said, said].map((value) => JSON.stringify(value, undefined, 1));
    return recorded === now ? undefined : `${dnsLineOf(step)}\n${lineDiff(recorded ?? "", now ?? "")}`;
  } catch (error) {
    if (!(error instanceof MissingName)) throw error;
    return `${dnsLineOf(step)}\n${error.message}`;
  }
}
