/**
 * A probe that fetches a file by FTP: the control connection, the announcement of the data connection, and what became of that one. It
 * decides nothing, as probe.ts does not.
 *
 * | outcome     | of the data connection; of the control connection where it got no further                                    |
 * | reach       | the file's line came over it                                                                                 |
 * | refuse      | reset; or the control connection ended, or answered something else than FTP's consent                        |
 * | unreachable | EHOSTUNREACH, ENETUNREACH, from this socket, or from the server's 425 when the server opens it              |
 * | silent      | nothing until the deadline                                                                                   |
 *
 * The server is one of ours (ftp-server.ts): it tells in its 150 reply which two ends an active data connection has, in its 425 the errno.
 * Every other server's words will do as well, and only tell less.
 */
import type { Socket } from "node:net";
import { type Deadline, startDeadline } from "../../deadline.ts";
import {
  type DataEnd,
  type FtpReply,
  parseExtendedPassiveReply,
  parsePassiveReply,
  renderHostPort,
  type Transfer,
  takeReply,
} from "../../net/ftp.ts";
import type { Port } from "../../net/port.ts";
import { ERRNO } from "../libc.ts";
import { type Dial, dial, localEnd, parseDataEnds, remoteEnd, waitForOne } from "./ftp-data.ts";
import { FTP_FILE } from "./ftp-server.ts";
import type { DataReply, Probe, ProbeReply, ProbeRequest } from "./probe.ts";
import { decideErrno } from "./probe-outcome.ts";
import { parseAnswer } from "./probe-speech.ts";

export interface TransferRequest extends Omit<ProbeRequest, "proto" | "token" | "dns"> {
  readonly port: Port;
  readonly transfer: Transfer;
  /** Milliseconds for each answer: the connection, a reply, the data connection, the file. */
  readonly deadlineMs: number;
}

/** Sends the first packet before it returns. Never throws: what is wrong with the request rejects `result`. */
export function startTransfer(request: TransferRequest): Probe {
  const startedAt = performance.now();
  const timed = (decision: Decision): ProbeReply => ({ ...decision, afterMs: performance.now() - startedAt });
  try {
    const client = new Client(request);
    return {
      ...(client.source ? { source: client.source } : {}),
      result: client.result.then(timed),
      underway: client.underway,
      abort: () => client.abort(),
    };
  } catch (error) {
    return { result: Promise.reject(error), underway: Promise.resolve(), abort: () => {} };
  }
}

type Decision = Omit<ProbeReply, "afterMs">;

/** What an answer may be at most, on either connection: more is not ours. */
const ANSWER_BYTES = 4096;

/** The other side ended it or said no: the transfer is over. */
class Refused extends Error {
  readonly errno: string | undefined;

  constructor(message: string, errno?: string) {
    super(message);
    this.errno = errno;
  }
}

class Client {
  readonly source: DataEnd | undefined;
  readonly result: Promise<Decision>;
  readonly underway: Promise<void>;
  private readonly request: TransferRequest;
  private readonly control: Dial;
  private readonly closers: (() => void)[] = [];
  private decide: (decision: Decision | Promise<never>) => void = () => {};
  private setUnderway: () => void = () => {};
  private readonly deadline: Deadline;
  private done = false;
  private connected = false;
  /** What is known so far. */
  private so: Pick<ProbeReply, "answer" | "data"> = {};

  constructor(request: TransferRequest) {
    this.request = request;
    const { ns, address, port, sourceAddress, sourcePort } = request;
    this.result = new Promise((resolve) => {
      this.decide = resolve;
    });
    this.underway = new Promise((resolve) => {
      this.setUnderway = resolve;
    });
    this.control = dial(ns, { address, port }, { address: sourceAddress, port: sourcePort });
    this.source = this.control.from;
    this.closers.push(this.control.close);
    this.deadline = startDeadline(request.deadlineMs, () => this.finish(this.silence()));
    this.run().then(
      (decision) => this.finish(decision),
      (error: unknown) => this.finish(this.failed(error)),
    );
  }

  abort(): void {
    this.finish({ ...this.silence(), error: "aborted" });
  }

  private async run(): Promise<Decision> {
    const dialled = await this.control.result;
    if ("errno" in dialled) return decideErrno(dialled.errno);
    this.connected = true;
    const talk = new Talk(dialled.socket, () => this.deadline.refresh());
    this.closers.push(() => dialled.socket.resetAndDestroy());
    const greeting = await talk.reply();
    if (greeting.code !== 220) throw new Refused(`greeted with ${renderReply(greeting)}`);
    const answer = parseAnswer(greeting.text);
    this.so = answer ? { answer } : {};
    await logIn(talk);
    const content = this.request.transfer === "active" ? await this.fetchActive(talk) : await this.fetchPassive(talk);
    if (typeof content !== "string") return { ...this.so, ...content };
    return { outcome: "reach", ...this.withEnds(content) };
  }

  /** The server opens the data connection: the outcome comes from the server, or with the connection. */
  private async fetchActive(talk: Talk): Promise<string | ReturnType<typeof decideErrno>> {
    const waiting = waitForOne(this.request.ns, talk.local.address);
    this.closers.push(waiting.close);
    await talk.ask(`PORT ${renderHostPort(waiting.at)}`, 200);
    talk.say(`RETR ${FTP_FILE}`);
    const told = this.serverTells(talk, waiting.at);
    const socket = await Promise.race([waiting.result, told.then((errno) => ({ errno }))]);
    if ("errno" in socket) return decideErrno(socket.errno);
    this.closers.push(() => socket.resetAndDestroy());
    const seenAs = remoteEnd(socket);
    this.setData({ ...this.dataSoFar(waiting.at), seenAs });
    // told goes on: a server that gives up in the middle says so
    return Promise.race([readAll(socket), told.then((errno) => decideErrno(errno))]);
  }

  /** @returns the errno for which the server could not open the data connection; never when it could */
  private async serverTells(talk: Talk, to: DataEnd): Promise<string> {
    for (;;) {
      const reply = await talk.reply();
      if (reply.code >= 400) return errnoIn(reply) ?? "ECONNREFUSED";
      if (reply.code >= 200) return new Promise<string>(() => {});
      const from = parseDataEnds(reply.text)?.from;
      this.setData({ ...this.dataSoFar(to), ...(from ? { from } : {}) });
    }
  }

  private dataSoFar(to: DataEnd): DataReply {
    return { ...this.so.data, openedBy: "server", to };
  }

  private async fetchPassive(talk: Talk): Promise<string | ReturnType<typeof decideErrno>> {
    const to = await this.askPassive(talk);
    const data = dial(this.request.ns, to);
    this.closers.push(data.close);
    this.setData({ openedBy: "client", to, ...(data.from ? { from: data.from } : {}) });
    const dialled = await data.result;
    if ("errno" in dialled) return decideErrno(dialled.errno);
    this.closers.push(() => dialled.socket.resetAndDestroy());
    talk.say(`RETR ${FTP_FILE}`);
    const told = this.serverTellsPassive(talk);
    return Promise.race([readAll(dialled.socket), told]);
  }

  private async askPassive(talk: Talk): Promise<DataEnd> {
    if (this.request.transfer === "passive") {
      const reply = await talk.ask("PASV", 227);
      const end = parsePassiveReply(reply.text);
      if (!end) throw new Refused(`no address in ${renderReply(reply)}`);
      return end;
    }
    const reply = await talk.ask("EPSV", 229);
    const port = parseExtendedPassiveReply(reply.text);
    if (!port) throw new Refused(`no port in ${renderReply(reply)}`);
    return { address: this.request.address, port };
  }

  /** The connection stands already: a reply that says no ends the transfer, any other leaves it to the connection. */
  private async serverTellsPassive(talk: Talk): Promise<never> {
    for (;;) {
      const reply = await talk.reply();
      if (reply.code >= 400) throw new Refused(`RETR was answered ${renderReply(reply)}`, errnoIn(reply));
      if (reply.code >= 200) return new Promise<never>(() => {});
    }
  }

  /** The file is ours when its line says over which ends it came. */
  private withEnds(content: string): Pick<ProbeReply, "answer" | "data"> {
    const { data } = this.so;
    const ends = /^service=\S+ data /.test(content) ? parseDataEnds(content) : undefined;
    if (!data || !ends) return this.so;
    const seen = data.openedBy === "client" ? { seenAs: ends.from } : { from: ends.from };
    return { ...this.so, data: { ...data, ...seen } };
  }

  private setData(data: DataReply): void {
    if (!this.so.data) this.deadline.refresh();
    this.so = { ...this.so, data };
    this.setUnderway();
  }

  private silence(): Decision {
    const what = this.so.data ? "no file came over the data connection" : "connected, but no transfer came about";
    return { outcome: "silent", ...this.so, ...(this.connected ? { error: `${what} before the deadline` } : {}) };
  }

  private failed(error: unknown): Decision | Promise<never> {
    if (!(error instanceof Refused)) return Promise.reject(error);
    const { errno, message } = error;
    return { outcome: "refuse", ...this.so, ...(errno ? { errno } : {}), error: message };
  }

  private finish(decision: Decision | Promise<never>): void {
    if (this.done) return;
    this.done = true;
    this.deadline.cancel();
    // resets leave TIME_WAIT on neither side: source ports are free, the server's port 20 too
    for (const close of this.closers) close();
    this.setUnderway();
    this.decide(decision);
  }
}

async function logIn(talk: Talk): Promise<void> {
  talk.say("USER anonymous");
  const reply = await talk.reply();
  if (reply.code === 230) return;
  if (reply.code !== 331) throw new Refused(`USER was answered ${renderReply(reply)}`);
  await talk.ask("PASS docknet@example.test", 230);
}

/** The control connection: one line out, one reply in. */
class Talk {
  readonly local: DataEnd;
  private readonly socket: Socket;
  private readonly onReply: () => void;
  private said = "";
  private ended: Refused | undefined;
  private wake: () => void = () => {};

  constructor(socket: Socket, onReply: () => void) {
    this.socket = socket;
    this.onReply = onReply;
    this.local = localEnd(socket);
    const end = (error: Refused): void => {
      this.ended ??= error;
      this.wake();
    };
    socket.on("data", (chunk) => {
      this.said += chunk.toString("latin1");
      this.wake();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => end(new Refused("the control connection broke", error.code)));
    socket.on("end", () => end(new Refused("the control connection was closed")));
  }

  say(line: string): void {
    this.socket.write(`${line}\r\n`, "latin1");
  }

  /** @throws Refused when another reply comes */
  async ask(line: string, code: number): Promise<FtpReply> {
    this.say(line);
    const reply = await this.reply();
    if (reply.code !== code) throw new Refused(`${line.split(" ")[0]} was answered ${renderReply(reply)}`);
    return reply;
  }

  /** @throws Refused when the connection ended, or what came is no FTP */
  async reply(): Promise<FtpReply> {
    for (;;) {
      const taken = takeReply(this.said);
      if (taken === "not FTP" || this.said.length > ANSWER_BYTES) throw new Refused("what answers there speaks no FTP");
      if (taken) {
        this.said = taken.rest;
        this.onReply();
        return taken.reply;
      }
      if (this.ended) throw this.ended;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

/** Until the other side's end. */
function readAll(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    socket.on("data", (chunk) => {
      said += chunk.toString("latin1");
      if (said.length > ANSWER_BYTES) reject(new Refused("more came over the data connection than the file is long"));
    });
    socket.on("error", (error: NodeJS.ErrnoException) =>
      reject(new Refused("the data connection broke", error.code ?? "")),
    );
    socket.on("end", () =>
      said === "" ? reject(new Refused("the data connection was closed before the file came")) : resolve(said),
    );
    socket.resume();
  });
}

/** Our server ends its 425 with the errno's name. */
function errnoIn({ text }: FtpReply): string | undefined {
  const [name = ""] = /[A-Z]+$/.exec(text) ?? [];
  return Object.values(ERRNO).includes(name) ? name : undefined;
}

/** For an error's text: what a stranger says is cut. */
const renderReply = ({ code, text }: FtpReply): string => JSON.stringify(`${code} ${text}`.slice(0, 80));
