/**
 * What stands in for an FTP server: one anonymous, read-only session per control connection, with one file, whose one line tells about
 * the data connection that it came over (RFC 959; 1123 4.1; 2428 for EPRT and EPSV; 3659 for SIZE).
 *
 * The greeting and the words about data connections are a contract with ftp-client.ts:
 *
 *   220 service=files port=21/tcp from=192.168.0.20:41234 to=172.18.0.2:21
 *   150 data from=172.18.0.2:20 to=192.168.0.20:43121
 *   service=files data from=172.18.0.2:20 to=192.168.0.20:43121            (the file, to its fixed length in spaces)
 *   425 Cannot open the data connection: EHOSTUNREACH
 *
 * It does what NAT and port forwarding cannot follow, as a server without any helper does: PASV announces the server's own address, the
 * control connection's local one, with a port of the kernel's choice; PORT and EPRT are obeyed, from port 20, whatever address the client
 * names. RFC 2577 3 advises against that last one (the "bounce attack"), and many servers refuse an address that is not the control
 * connection's peer. Here the attempt is the lesson: what becomes of it is seen on the wire. The traffic stays within the lab, and a port
 * below 1024 is refused as the RFC has it. One process serves a whole lab: everything a client can make it hold is bounded.
 */
import type { Socket } from "node:net";
import type { Ipv4 } from "../../net/address.ts";
import {
  type DataEnd,
  FTP_DATA_PORT,
  type FtpCommand,
  parseExtendedPort,
  parseFtpCommand,
  parseHostPort,
  renderHostPort,
} from "../../net/ftp.ts";
import type { Port } from "../../net/port.ts";
import { SystemError } from "../libc.ts";
import type { Netns } from "../netns.ts";
import {
  type DataEnds,
  deliver,
  dialFromDataPort,
  localEnd,
  NoData,
  remoteEnd,
  renderDataEnds,
  waitForOne,
} from "./ftp-data.ts";

export interface FtpService {
  readonly ns: Netns;
  /** The name in the file: no white space. */
  readonly service: string;
  /** The greeting's line for these two ends. */
  readonly greeting: (from: DataEnd, to: DataEnd) => string;
  /** Called with the file's line for each transfer that succeeded. */
  readonly onTransfer?: (line: string) => void;
}

/** Open at once, per server; one more is closed when it comes. */
export const FTP_CONNECTIONS = 256;
export const FTP_FILE = "whoami.txt";

const ONLY_EPSV = "After EPSV ALL only EPSV is taken.";

const LINE_BYTES = 512;
const COMMANDS = 200;
/** From one command to the next. */
const IDLE_MS = 30_000;
/** For a data connection to come to stand, and for its content to be taken. */
const DATA_MS = 10_000;
/** RFC 2577 3: no data connections to well-known ports. */
const FIRST_DATA_PORT = 1024;

/** Speaks first. The socket is the session's from here on, until either side ends it. */
export function serveFtp(socket: Socket, service: FtpService): void {
  new Session(socket, service).start();
}

/** How the next data connection will come to stand, as the client asked for it. */
interface DataPlan {
  open(): Promise<OpenData>;
  /** Idempotent. */
  close(): void;
}

/** With both ends as this side saw them. */
interface OpenData extends DataEnds {
  readonly socket: Socket;
}

class Session {
  private readonly socket: Socket;
  private readonly service: FtpService;
  private readonly client: DataEnd;
  private readonly local: DataEnd;
  private readonly idle: NodeJS.Timeout;
  private readonly waiting: string[] = [];
  private input = "";
  private commands = 0;
  private busy = false;
  private user: string | undefined;
  private loggedIn = false;
  /** After EPSV ALL no other way is taken (RFC 2428 4). */
  private extendedOnly = false;
  private plan: DataPlan | undefined;

  constructor(socket: Socket, service: FtpService) {
    this.socket = socket;
    this.service = service;
    this.client = remoteEnd(socket);
    this.local = localEnd(socket);
    this.idle = setTimeout(() => this.socket.destroy(), IDLE_MS);
  }

  start(): void {
    const { socket } = this;
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(this.idle);
      this.forgetPlan();
    });
    socket.on("end", () => socket.end());
    socket.on("data", (chunk) => this.read(chunk));
    this.reply(220, this.service.greeting(this.client, this.local));
  }

  private read(chunk: Buffer): void {
    this.input += chunk.toString("latin1");
    const lines = this.input.split("\n");
    this.input = lines.pop() ?? "";
    this.waiting.push(...lines.map((line) => line.replace(/\r$/, "")));
    this.commands += lines.length;
    if (this.input.length > LINE_BYTES || lines.some((line) => line.length > LINE_BYTES))
      this.bye(500, "Line too long.");
    else if (this.commands > COMMANDS) this.bye(421, "Too many commands.");
    else void this.obey();
  }

  /** One command after the other, in their order. */
  private async obey(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    for (let line = this.waiting.shift(); line !== undefined && this.isOpen(); line = this.waiting.shift()) {
      this.idle.refresh();
      await this.execute(parseFtpCommand(line));
    }
    this.busy = false;
  }

  private isOpen(): boolean {
    return !this.socket.destroyed && this.socket.writable;
  }

  private async execute(command: FtpCommand | undefined): Promise<void> {
    if (!command) return this.reply(500, "Syntax error, command unrecognized.");
    const { verb, argument } = command;
    if (Object.hasOwn(this.always, verb)) return this.always[verb]?.(argument);
    if (!Object.hasOwn(this.loggedInOnly, verb)) return this.reply(502, "Command not implemented.");
    if (!this.loggedIn) return this.reply(530, "Please login with USER and PASS.");
    return this.loggedInOnly[verb]?.(argument);
  }

  private readonly always: Readonly<Record<string, (argument: string) => void>> = {
    USER: (name) => {
      this.user = name;
      this.loggedIn = false;
      this.reply(331, "Please specify the password.");
    },
    PASS: () => {
      this.loggedIn = this.user === "anonymous" || this.user === "ftp";
      if (this.user === undefined) this.reply(503, "Login with USER first.");
      else if (this.loggedIn) this.reply(230, "Login successful.");
      else this.reply(530, "Login incorrect: only anonymous is known here.");
    },
    QUIT: () => this.bye(221, "Goodbye."),
    NOOP: () => this.reply(200, "NOOP ok."),
    SYST: () => this.reply(215, "UNIX Type: L8"),
    FEAT: () => this.say("211-Features:\r\n EPRT\r\n EPSV\r\n PASV\r\n SIZE\r\n211 End\r\n"),
  };

  private readonly loggedInOnly: Readonly<Record<string, (argument: string) => void | Promise<void>>> = {
    TYPE: (type) =>
      /^(A( N)?|I|L 8)$/i.test(type) ? this.reply(200, `Type is ${type}.`) : this.reply(504, "Types are A and I."),
    MODE: (mode) => (/^S$/i.test(mode) ? this.reply(200, "Mode is S.") : this.reply(504, "The mode is S.")),
    STRU: (structure) =>
      /^F$/i.test(structure) ? this.reply(200, "Structure is F.") : this.reply(504, "The structure is F."),
    PWD: () => this.reply(257, '"/" is the current directory'),
    CWD: (path) => (path === "/" || path === "." ? this.reply(250, "It is /.") : this.reply(550, "No such directory.")),
    SIZE: (path) => (isFile(path) ? this.reply(213, String(this.fileBytes())) : this.noFile()),
    PORT: (argument) => this.planActive(parseHostPort(argument)),
    EPRT: (argument) => {
      const end = parseExtendedPort(argument);
      if (end === "another family") this.reply(522, "Network protocol not supported, use (1)");
      else this.planActive(end);
    },
    PASV: () =>
      this.extendedOnly
        ? this.reply(501, ONLY_EPSV)
        : this.planPassive((at) => this.reply(227, `Entering Passive Mode (${renderHostPort(at)})`)),
    EPSV: (argument) => this.extendedPassive(argument),
    RETR: (path) => (isFile(path) ? this.transfer((data) => this.fileLine(data)) : this.noFile()),
    LIST: () =>
      this.transfer(() => `-r--r--r--   1 ftp      ftp      ${this.fileBytes()} Jan 01  1970 ${FTP_FILE}\r\n`),
    NLST: () => this.transfer(() => `${FTP_FILE}\r\n`),
  };

  private noFile(): void {
    this.reply(550, `No such file: the one file is ${FTP_FILE}.`);
  }

  // --- data connections --------------------------------------------------------------------------------------------------

  private planActive(to: DataEnd | undefined): void {
    if (!to) this.reply(501, "Syntax error in the address.");
    else if (this.extendedOnly) this.reply(501, ONLY_EPSV);
    else if (to.port < FIRST_DATA_PORT) this.reply(504, `No data connections to ports below ${FIRST_DATA_PORT}.`);
    else {
      this.forgetPlan();
      this.plan = this.activePlan(to);
      this.reply(200, "Command successful.");
    }
  }

  private activePlan(to: DataEnd): DataPlan {
    let abandon = (): void => {};
    return {
      open: async () => {
        const call = dialFromDataPort(this.service.ns, this.local.address, to);
        abandon = call.close;
        const from = call.from ?? { address: this.local.address, port: FTP_DATA_PORT };
        this.announce({ from, to });
        const dialled = await call.result;
        if ("errno" in dialled) throw new NoData(dialled.errno);
        return { socket: dialled.socket, from, to };
      },
      close: () => abandon(),
    };
  }

  private extendedPassive(argument: string): void {
    if (/^ALL$/i.test(argument)) {
      this.extendedOnly = true;
      this.reply(200, "EPSV ALL ok.");
    } else if (argument !== "" && argument !== "1") this.reply(522, "Network protocol not supported, use (1)");
    else this.planPassive(({ port }) => this.reply(229, `Entering Extended Passive Mode (|||${port}|)`));
  }

  private planPassive(tell: (at: DataEnd) => void): void {
    this.forgetPlan();
    try {
      const waiting = waitForOne(this.service.ns, this.local.address);
      this.plan = {
        open: async () => {
          const socket = await waiting.result;
          const ends = { from: remoteEnd(socket), to: waiting.at };
          this.announce(ends);
          return { socket, ...ends };
        },
        close: waiting.close,
      };
      tell(waiting.at);
    } catch (error) {
      this.reply(425, `Cannot listen for a data connection: ${codeOf(error)}`);
    }
  }

  private announce(ends: DataEnds): void {
    this.reply(150, renderDataEnds(ends));
  }

  private forgetPlan(): void {
    this.plan?.close();
    this.plan = undefined;
  }

  private async transfer(content: (data: OpenData) => string): Promise<void> {
    const { plan } = this;
    if (!plan) return this.reply(425, "Use PORT or PASV first.");
    try {
      const data = await this.within(plan.open());
      await this.within(deliver(data.socket, content(data), this.socket));
      this.reply(226, "Transfer complete.");
    } catch (error) {
      this.reply(425, `Cannot open the data connection: ${codeOf(error)}`);
    } finally {
      this.forgetPlan();
    }
  }

  /** Rejects when the time is up, or the session ends first. */
  private async within<T>(work: Promise<T>): Promise<T> {
    let stop = (): void => {};
    const limit = new Promise<never>((_, reject) => {
      const timer = setTimeout(() => reject(new NoData("ETIMEDOUT")), DATA_MS);
      const ended = (): void => reject(new NoData("ECONNRESET"));
      this.socket.once("close", ended);
      stop = () => {
        clearTimeout(timer);
        this.socket.off("close", ended);
      };
    });
    try {
      return await Promise.race([work, limit]);
    } finally {
      stop();
    }
  }

  private fileLine(ends: DataEnds): string {
    const line = `service=${this.service.service} ${renderDataEnds(ends)}`;
    this.service.onTransfer?.(line);
    return `${line.padEnd(this.fileBytes() - 1)}\n`;
  }

  /** The longest that its line can be: SIZE is asked before the data connection is there. */
  private fileBytes(): number {
    const longest = { address: "255.255.255.255" as Ipv4, port: 65535 as Port };
    return `service=${this.service.service} ${renderDataEnds({ from: longest, to: longest })}\n`.length;
  }

  // --- replies -----------------------------------------------------------------------------------------------------------

  private reply(code: number, text: string): void {
    this.say(`${code} ${text}\r\n`);
  }

  private say(text: string): void {
    if (this.isOpen()) this.socket.write(text, "latin1");
  }

  private bye(code: number, text: string): void {
    this.reply(code, text);
    this.waiting.length = 0;
    this.socket.end();
  }
}

const isFile = (path: string): boolean => path === FTP_FILE || path === `/${FTP_FILE}`;

/** What a client gets: an errno's name. */
function codeOf(error: unknown): string {
  if (error instanceof NoData) return error.errno;
  return error instanceof SystemError ? error.code : "ENOBUFS";
}
