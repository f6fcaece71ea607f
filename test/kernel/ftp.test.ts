/**
 * The FTP server and the FTP probe, each against the other and both against curl: who opens the data connection, from where to where, and
 * what it is told when that fails.
 */
import { createServer, type Server } from "node:net";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adoptConnection, openTcpConnection, openTcpListener } from "../../src/kernel/socket/socket.ts";
import { startTransfer, type TransferRequest } from "../../src/kernel/speech/ftp-client.ts";
import { startProbe } from "../../src/kernel/speech/probe.ts";
import { openResponder, type Responder } from "../../src/kernel/speech/responder.ts";
import { TRANSFERS, type Transfer } from "../../src/net/ftp.ts";
import { descriptors, ip, openedSince, port, run, TinyNet, waitFor } from "../support/tiny-net.ts";

const CLIENT = ip("10.1.0.2");
const SERVER = ip("172.17.0.2");

const serve = (net: TinyNet, onAnswer?: (line: string) => void): Responder =>
  openResponder(net.server, {
    service: "files",
    port: { port: port(21), proto: "tcp" },
    ...(onAnswer ? { onAnswer } : {}),
  });

const fetchFile = (net: TinyNet, transfer: Transfer, request: Partial<TransferRequest> = {}) =>
  startTransfer({ ns: net.client, address: SERVER, port: port(21), deadlineMs: 20_000, transfer, ...request });

const CURL_MODE: Readonly<Record<Transfer, readonly string[]>> = {
  active: ["--ftp-port", "-", "--disable-eprt"],
  passive: ["--disable-epsv"],
  "extended-passive": [],
};

async function curl(net: TinyNet, ...args: string[]): Promise<{ exitCode: number | undefined; stdout: string }> {
  const started = net.client.enter(() => ({
    run: execa("curl", ["--silent", "--max-time", "60", ...args], { reject: false, stdin: "ignore" }),
  }));
  const { exitCode, stdout } = await started.run;
  return { exitCode, stdout: stdout.trimEnd() };
}

describe("a transfer", () => {
  test.each(TRANSFERS)("%s: the probe gets the file, and so does curl", async (transfer) => {
    await using net = new TinyNet();
    const lines: string[] = [];
    const server = serve(net, (line) => lines.push(line));
    const probe = fetchFile(net, transfer);
    const reply = await probe.result;
    expect(reply).toMatchObject({
      outcome: "reach",
      answer: { service: "files", from: probe.source, to: { address: SERVER, port: 21 } },
    });
    const active = transfer === "active";
    expect(reply.data).toMatchObject({
      openedBy: active ? "server" : "client",
      from: active ? { address: SERVER, port: 20 } : { address: CLIENT },
      to: { address: active ? CLIENT : SERVER },
    });
    expect(reply.data?.seenAs).toEqual(reply.data?.from);
    expect(reply.data?.to.port).toBeGreaterThan(1023);
    const { exitCode, stdout } = await curl(net, ...CURL_MODE[transfer], `ftp://${SERVER}/whoami.txt`);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      active
        ? /^service=files data from=172\.17\.0\.2:20 to=10\.1\.0\.2:\d+$/
        : /^service=files data from=10\.1\.0\.2:\d+ to=172\.17\.0\.2:\d+$/,
    );
    expect(lines).toContain(stdout);
    await server.close();
  });

  test("by EPRT, as curl likes it best, and its listings", async () => {
    await using net = new TinyNet();
    const server = serve(net);
    const [file, list, names] = await Promise.all([
      curl(net, "--ftp-port", "-", `ftp://${SERVER}/whoami.txt`),
      curl(net, `ftp://${SERVER}/`),
      curl(net, "--list-only", `ftp://${SERVER}/`),
    ]);
    expect(file.stdout).toContain("data from=172.17.0.2:20");
    expect(list.stdout).toMatch(/^-r--r--r-- .* whoami\.txt$/);
    expect(names.stdout).toBe("whoami.txt");
    await server.close();
  });

  test("what curl must not do is refused to it", async () => {
    await using net = new TinyNet();
    const server = serve(net);
    const [absent, upload, login] = await Promise.all([
      curl(net, `ftp://${SERVER}/other.txt`),
      curl(net, "--upload-file", "/etc/hostname", `ftp://${SERVER}/x`),
      curl(net, "--user", "root:root", `ftp://${SERVER}/whoami.txt`),
    ]);
    // curl(1): no such file, upload refused, login refused
    expect([absent.exitCode, upload.exitCode, login.exitCode]).toEqual([78, 25, 67]);
    await server.close();
  });

  test("tells each side's view where NAT is between", async () => {
    await using net = new TinyNet();
    const server = serve(net);
    run(net.host, "iptables -t nat -A POSTROUTING -o veth1 -j MASQUERADE");
    const passive = await fetchFile(net, "passive").result;
    expect(passive.answer?.from.address).toBe("172.17.0.1");
    expect(passive.data).toMatchObject({ from: { address: CLIENT }, seenAs: { address: "172.17.0.1" } });
    await server.close();
  });

  test("is what a plain probe to port 21 reaches: the greeting is its answer", async () => {
    await using net = new TinyNet();
    const server = serve(net);
    const probe = startProbe({ ns: net.client, proto: "tcp", address: SERVER, port: port(21), deadlineMs: 20_000 });
    expect(await probe.result).toMatchObject({ outcome: "reach", answer: { service: "files", from: probe.source } });
    await server.close();
  });
});

describe("a data connection that fails, beside the other way that does not", () => {
  const FROM_SERVER = "-i veth1 -p tcp --syn";
  const FROM_CLIENT = "-i eth0 -p tcp --syn --dport 1024:65535";

  test.for([
    ["DROP", { outcome: "silent" }, 1000],
    ["REJECT --reject-with tcp-reset", { outcome: "refuse", errno: "ECONNREFUSED" }, 20_000],
    ["REJECT --reject-with icmp-host-unreachable", { outcome: "unreachable", errno: "EHOSTUNREACH" }, 20_000],
  ] as const)("by %s", async ([target, want, deadlineMs]) => {
    await using net = new TinyNet();
    const server = serve(net);
    run(net.host, `iptables -A FORWARD ${FROM_SERVER} -j ${target}`);
    const active = await fetchFile(net, "active", { deadlineMs }).result;
    expect(active).toMatchObject({ ...want, data: { openedBy: "server", from: { address: SERVER, port: 20 } } });
    expect(active.data?.seenAs).toBeUndefined();
    expect((await fetchFile(net, "passive").result).outcome).toBe("reach");
    run(net.host, "iptables -F FORWARD");
    run(net.host, `iptables -A FORWARD ${FROM_CLIENT} -j ${target}`);
    const passive = await fetchFile(net, "passive", { deadlineMs }).result;
    expect(passive).toMatchObject({ ...want, data: { openedBy: "client", from: { address: CLIENT } } });
    expect((await fetchFile(net, "active").result).outcome).toBe("reach");
    await server.close();
  });

  test("fails for curl as well", async () => {
    await using net = new TinyNet();
    const server = serve(net);
    run(net.host, `iptables -A FORWARD ${FROM_SERVER} -j REJECT --reject-with tcp-reset`);
    const [active, passive] = await Promise.all(
      (["active", "passive"] as const).map((mode) => curl(net, ...CURL_MODE[mode], `ftp://${SERVER}/whoami.txt`)),
    );
    expect(active?.exitCode).not.toBe(0);
    expect(passive?.exitCode).toBe(0);
    await server.close();
  });

  test("without a route the server says so at once", async () => {
    await using net = new TinyNet();
    const server = serve(net);
    run(net.host, "iptables -t nat -A POSTROUTING -o veth1 -j MASQUERADE");
    run(net.server, "ip route del default");
    const active = await fetchFile(net, "active").result;
    expect(active).toMatchObject({ outcome: "unreachable", errno: "ENETUNREACH", data: { to: { address: CLIENT } } });
    expect((await fetchFile(net, "passive").result).outcome).toBe("reach");
    await server.close();
  });

  test("an abort ends it at once, and says that it is under way", async () => {
    await using net = new TinyNet();
    const server = serve(net);
    run(net.host, `iptables -A FORWARD ${FROM_SERVER} -j DROP`);
    const probe = fetchFile(net, "active", { deadlineMs: 60_000 });
    await probe.underway;
    probe.abort();
    expect(await probe.result).toMatchObject({ outcome: "silent", data: { openedBy: "server" } });
    await server.close();
  });
});

describe("a control connection that fails", () => {
  let shared: TinyNet;
  beforeAll(() => {
    shared = new TinyNet();
  });
  afterAll(() => shared.close());
  /** Says its lines to whoever connects, whatever it hears. */
  function stranger(said: string): Server {
    const server = createServer((socket) => socket.on("error", () => {}).write(said));
    server.listen({ fd: openTcpListener(shared.server, SERVER, 21), exclusive: true });
    return server;
  }

  test("a closed port refuses, a dropped one is silent", async () => {
    await using net = new TinyNet();
    expect(await fetchFile(net, "active").result).toMatchObject({ outcome: "refuse", errno: "ECONNREFUSED" });
    run(net.host, "iptables -A FORWARD -p tcp --dport 21 -j DROP");
    const silent = await fetchFile(net, "active", { deadlineMs: 200 }).result;
    expect(silent).toMatchObject({ outcome: "silent" });
    expect(silent.data).toBeUndefined();
  });

  test.for([
    ["HTTP/1.1 400 Bad Request\r\n\r\n", "refuse", "speaks no FTP"],
    ["421 too many\r\n", "refuse", 'greeted with "421 too many"'],
    ["220 hi\r\n530 no\r\n", "refuse", "USER was answered"],
    ["220 hi\r\n230 in\r\n500 Illegal PORT command.\r\n", "refuse", "PORT was answered"],
    [`220 ${"x".repeat(5000)}`, "refuse", "speaks no FTP"],
    ["220-never\r\n", "silent", "no transfer came about"],
    ["", "silent", "no transfer came about"],
    ["220 hi\r\n230 in\r\n200 ok\r\n425 Cannot open the data connection: RM_RF\r\n", "refuse", undefined],
  ] as const)("a stranger says %j", async ([said, outcome, error]) => {
    const server = stranger(said);
    const deadlineMs = outcome === "silent" ? 300 : 20_000;
    const reply = await fetchFile(shared, "active", { deadlineMs }).result;
    expect(reply.outcome).toBe(outcome);
    expect(reply.answer).toBeUndefined();
    if (error) expect(reply.error).toContain(error);
    server.close();
  });

  test.for(["227 nonsense\r\n", "227 (1,2,3,4,5)\r\n", "227 (0,0,0,0,0,0)\r\n"])(
    "a stranger's passive reply %j",
    async (said) => {
      const server = stranger(`220 hi\r\n230 in\r\n${said}`);
      const reply = await fetchFile(shared, "passive").result;
      expect(reply).toMatchObject({ outcome: "refuse", error: expect.stringContaining("no address in") });
      server.close();
    },
  );
});

describe("the server", () => {
  let shared: TinyNet;
  let standing: Responder;
  beforeAll(() => {
    shared = new TinyNet();
    standing = serve(shared);
  });
  afterAll(async () => {
    await standing.close();
    await shared.close();
  });

  /** Sends all of it at once, and reads until the server ends it. */
  async function talk(said: string): Promise<string[]> {
    const socket = adoptConnection(openTcpConnection(shared.client, SERVER, 21));
    socket.on("error", () => {});
    socket.write(said, "latin1");
    const heard = await socket.toArray();
    socket.destroy();
    return Buffer.concat(heard).toString("latin1").split("\r\n").slice(1, -1);
  }
  const LOGIN = "USER ftp\r\nPASS x\r\n";

  test.for([
    ["RETR whoami.txt\r\n", ["530"]],
    ["PASS x\r\n", ["503"]],
    ["USER root\r\nPASS x\r\nPWD\r\n", ["331", "530", "530"]],
    [`${LOGIN}RETR whoami.txt\r\n`, ["331", "230", "425"]],
    [`${LOGIN}PORT 10,1,0,2,0,80\r\n`, ["331", "230", "504"]],
    [`${LOGIN}PORT 10,1,0,2,0\r\nEPRT |1|10.1.0.2|x|\r\n`, ["331", "230", "501", "501"]],
    [`${LOGIN}EPRT |2|::1|5000|\r\nEPSV 2\r\n`, ["331", "230", "522", "522"]],
    [`${LOGIN}EPSV ALL\r\nPASV\r\nPORT 10,1,0,2,9,9\r\nEPSV\r\n`, ["331", "230", "200", "501", "501", "229"]],
    [`${LOGIN}TYPE I\r\ntype a\r\nTYPE E\r\nMODE B\r\nSTRU F\r\n`, ["331", "230", "200", "200", "504", "504", "200"]],
    [
      `${LOGIN}CWD ..\r\nCWD /\r\nSIZE ../etc/passwd\r\nRETR /etc/passwd\r\n`,
      ["331", "230", "550", "250", "550", "550"],
    ],
    ["STOR x\r\nGET / HTTP/1.0\r\nHost: x\r\n\0\xff\r\n", ["502", "502", "500", "500"]],
    ["constructor x\r\n__proto__\r\nTOST\r\n", ["500", "500", "502"]],
    ["\nNOOP\nNOOP\r\n", ["500", "200", "200"]],
  ] as const)("answers %j", async ([said, codes]) => {
    const heard = await talk(`${said}QUIT\r\n`);
    expect(heard.map((line) => line.slice(0, 3))).toEqual([...codes, "221"]);
  });

  test.for([
    ["a line without end", "N".repeat(2000), "500 Line too long."],
    ["a long line", `${"N".repeat(2000)}\r\n`, "500 Line too long."],
    ["a flood of commands", "NOOP\r\n".repeat(5000), "421 Too many commands."],
  ] as const)("ends %s", async ([, said, last]) => {
    expect((await talk(said)).at(-1)).toBe(last);
  });

  test("leaves no descriptor: not of transfers, not of promises that nobody kept", async () => {
    await using net = new TinyNet();
    const before = descriptors();
    const server = serve(net);
    await Promise.all(TRANSFERS.map((transfer) => fetchFile(net, transfer).result));
    const idle = adoptConnection(openTcpConnection(net.client, SERVER, 21));
    idle.on("error", () => {});
    idle.write(`${LOGIN}${"PASV\r\nEPSV\r\n".repeat(20)}PASV\r\nRETR whoami.txt\r\n`);
    let heard = "";
    idle.on("data", (chunk) => {
      heard += chunk.toString();
    });
    await waitFor("it listens for a data connection", () => heard.split("\r\n227").length === 22);
    await server.close();
    idle.destroy();
    await waitFor("descriptors as before", () => openedSince(before).length === 0);
  });

  test("has no TIME_WAIT on its port 20: the same two ends may meet again", async () => {
    await using net = new TinyNet();
    const server = serve(net);
    for (let i = 0; i < 5; i++) expect((await fetchFile(net, "active").result).data?.from?.port).toBe(20);
    expect(run(net.server, "ss -Htan state time-wait")).toBe("");
    await server.close();
  });
});
