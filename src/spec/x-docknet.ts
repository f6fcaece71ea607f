/**
 * The shape of `x-docknet:`, at the top of a compose file and in a service. The zod schemas are the one source: they
 * check files, and the JSON Schema for editors is made from them (x-docknet.schema.json). What the values mean is read
 * in engine.ts, world.ts and check.ts.
 */
import { z } from "zod";
import type { Origin } from "../errors.ts";
import { TRANSFERS } from "../net/ftp.ts";
import type { ProtoPort } from "../net/port.ts";
import { readExposed } from "./port.ts";
import type { ProblemList } from "./problem-list.ts";
import { type Entry, entryOf, isNull, originAt, type Tree, toPlain } from "./tree.ts";

const flag = z.union([z.boolean(), z.enum(["true", "false"])]);
const whole = z.union([z.int(), z.string().regex(/^\d+$/, "expected a whole number")]);
const address = (what: string) => z.string().describe(`${what}: an IPv4 address`);
const subnet = (what: string) => z.string().describe(`${what}: an IPv4 subnet, address/length`);

const engineSchema = z
  .strictObject({
    profile: z
      .enum(["docker-29", "docker-28", "docker-20.10"])
      .optional()
      .describe(
        "Which line of dockerd to be: whose iptables rules to build. docker-29: one chain per concern; docker-28: 28.2 to 28.5, with " +
          "DOCKER-ISOLATION-STAGE-1 and -2; docker-20.10: the classic layout, without gateway modes, trusted interfaces and raw rules. " +
          "Default docker-29",
      ),
    "userland-proxy": flag
      .optional()
      .describe("dockerd --userland-proxy: published ports also reach through a proxy process. Default true"),
    "ip-forward": flag
      .optional()
      .describe(
        "Was net.ipv4.ip_forward 1 before dockerd started? Then it leaves the FORWARD policy alone. Default false",
      ),
    "allow-direct-routing": flag
      .optional()
      .describe("dockerd --allow-direct-routing: other machines may route to container addresses. Default false"),
    icc: flag.optional().describe("dockerd --icc: containers of docker0 may reach each other. Default true"),
    bip: z
      .string()
      .optional()
      .describe("dockerd --bip: docker0's address with its prefix length. Default 172.17.0.1/16"),
    mtu: whole.optional().describe("dockerd --mtu: MTU of docker0 in bytes. Default 1500"),
    "default-address-pools": z
      .array(
        z
          .strictObject({
            base: subnet("The range to cut subnets from"),
            size: whole.describe("Prefix length of each subnet cut from it"),
          })
          .describe("One pool"),
      )
      .optional()
      .describe(
        "dockerd --default-address-pool: where networks without a subnet get theirs. Default: Docker's own list",
      ),
  })
  .describe("The emulated Docker engine: what dockerd's own flags would say");

const forwardSchema = z.union([
  whole.describe("P: public port P to port P of the host"),
  z.string().describe("P, P:H or P:H/proto: public port P to port H of the host"),
  z
    .strictObject({
      public: whole.describe("Port of the router's public address"),
      to: z.string().describe("ADDRESS:PORT of a machine of the LAN"),
      protocol: z.enum(["tcp", "udp", "sctp"]).optional().describe("Default tcp"),
    })
    .describe("A forward to any machine of the LAN"),
]);

const staticNatSchema = z.union([
  z.string().describe("PUBLIC:ADDRESS, PUBLIC:host or PUBLIC:neighbour"),
  z
    .strictObject({
      public: address("The public address, one of the internet's subnet that nobody has"),
      to: z.string().describe("The machine of the LAN: its IPv4 address, host or neighbour"),
    })
    .describe("One public address for one machine"),
]);

const worldSchema = z
  .strictObject({
    lan: subnet("The LAN of the Docker host. Default 192.168.0.0/24").optional(),
    host: address("The Docker host on its LAN. Default 192.168.0.10").optional(),
    neighbour: address("Another machine of the LAN. Default 192.168.0.20").optional(),
    router: z
      .strictObject({
        lan: address("The router on the LAN. Default 192.168.0.1").optional(),
        public: address("The router on the internet. Default 203.0.113.91").optional(),
        forwards: z.array(forwardSchema).optional().describe("Port forwards, as a home router has them"),
        static: z
          .array(staticNatSchema)
          .optional()
          .describe(
            "1:1 NAT: a public address of its own for one machine. Every port and protocol leads in, and the machine leaves with that " +
              "address and its own source ports. All others share the router's address (N:1)",
          ),
      })
      .optional()
      .describe("The home router between LAN and internet"),
    internet: z
      .strictObject({
        subnet: subnet("The emulated internet. Default 203.0.113.0/24").optional(),
        www: address("A web server that answers with the source address it saw. Default 203.0.113.80").optional(),
        dns: address("A name server, authoritative for example.test. Default 203.0.113.53").optional(),
      })
      .optional()
      .describe("What lies beyond the router"),
  })
  .describe("The surroundings of the Docker host");

const checkSchema = z
  .strictObject({
    name: z.string().optional().describe("The claim, as the report shows it"),
    from: z.string().describe("Who tries: a service, or @host, @router, @neighbour, @internet"),
    to: z
      .string()
      .describe(
        "Whom: SERVICE:PORT, @NODE:PORT or ADDRESS:PORT, with /udp or /sctp if need be; without port for icmp. @internet is its web server, with port 53 its name server",
      ),
    proto: z.enum(["tcp", "udp", "icmp", "sctp"]).optional().describe("Default tcp"),
    expect: z
      .enum(["reach", "refuse", "drop", "unreachable"])
      .optional()
      .describe(
        "What must happen: an answer, a refusal (RST or port unreachable), silence, or an ICMP unreachable. Default reach",
      ),
    "seen-as": z
      .string()
      .optional()
      .describe("The source that the server must see: an IPv4 address, or ADDRESS:PORT where the port matters too"),
    network: z.string().optional().describe("Key of the network on which the target's address is meant"),
    "source-port": whole.optional().describe("The client's source port"),
    transfer: z
      .enum(TRANSFERS)
      .optional()
      .describe(
        "Fetch a file by FTP: expect is then about the data connection, on a random port. active: the server opens it (PORT); " +
          "passive, extended-passive: the client does (PASV, EPSV). Whoever serves 21/tcp speaks FTP",
      ),
  })
  .describe("One claim about reachability");

export const topSchema = z
  .strictObject({
    engine: engineSchema.optional(),
    world: worldSchema.optional(),
    checks: z.array(checkSchema).optional().describe("Claims to prove. Default: derived from the file"),
  })
  .describe("Settings of docknet for the whole lab");

export const serviceSchema = z
  .strictObject({
    serve: z
      .array(z.union([z.string(), z.int()]).describe("PORT, PORT/proto or a range"))
      .optional()
      .describe("Ports that a built-in responder serves though neither ports nor expose names them"),
    run: z
      .boolean()
      .optional()
      .describe(
        "docknet up runs the service's command on this machine's file system, in place of responders. Default false",
      ),
  })
  .describe("Settings of docknet for one service");

const fileSchema = z.looseObject({
  "x-docknet": topSchema.optional(),
  services: z
    .record(z.string(), z.looseObject({ "x-docknet": serviceSchema.optional() }).describe("A compose service"))
    .optional()
    .describe("The services of the compose file"),
});

export type EngineInput = z.infer<typeof engineSchema>;
export type WorldInput = z.infer<typeof worldSchema>;
export type ForwardInput = z.infer<typeof forwardSchema>;
export type StaticNatInput = z.infer<typeof staticNatSchema>;
export type CheckInput = z.infer<typeof checkSchema>;
export type TopInput = z.infer<typeof topSchema>;

/** JSON Schema (draft 2020-12) of a compose file's `x-docknet` blocks; everything else of the file may be as it likes. */
export function renderJsonSchema(): unknown {
  const { $schema, ...rest } = z.toJSONSchema(fileSchema, { target: "draft-2020-12", io: "input" });
  return { $schema, title: "docknet: x-docknet in a compose file", ...rest };
}

/** The block as checked data, or undefined when absent or wrong; every fault is a problem at its place. */
export function readTopExtension(entry: Entry | undefined, problems: ProblemList): TopInput | undefined {
  if (!entry || isNull(entry.value)) return undefined;
  return checkShape(topSchema, entry, "x-docknet", problems);
}

/** A service's own block: ports to serve, and whether its command runs. */
export function readServiceExtension(
  entry: Entry | undefined,
  path: string,
  problems: ProblemList,
): { readonly serve: (ProtoPort & { at: Origin })[]; readonly run: boolean } {
  if (!entry || isNull(entry.value)) return { serve: [], run: false };
  const shape = checkShape(serviceSchema, entry, path, problems);
  if (!shape) return { serve: [], run: false };
  return { serve: readExposed(entryOf(entry.value, "serve"), `${path}.serve`, problems), run: shape.run ?? false };
}

function checkShape<T>(schema: z.ZodType<T>, entry: Entry, path: string, problems: ProblemList): T | undefined {
  const result = schema.safeParse(toPlain(entry.value));
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(issue, entry, path, problems);
  return undefined;
}

function reportIssue(issue: z.core.$ZodIssue, entry: Entry, path: string, problems: ProblemList): void {
  const meant = issue.code === "invalid_union" ? issue.errors.find(isRightKind) : undefined;
  if (meant) {
    for (const inner of meant) reportIssue({ ...inner, path: [...issue.path, ...inner.path] }, entry, path, problems);
    return;
  }
  const where = [path, ...issue.path.map(String)].join(".");
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) {
      problems.error(
        originAt(entry.value, [...issue.path, key]),
        `${where} additional properties '${key}' not allowed`,
      );
    }
    return;
  }
  const at = issue.path.length === 0 ? entry.at : originAt(entry.value, issue.path);
  const isMissing = issue.code === "invalid_type" && valueAt(entry.value, issue.path) === undefined;
  const key = String(issue.path.at(-1) ?? "");
  if (isMissing)
    problems.error(at, `${[path, ...issue.path.slice(0, -1).map(String)].join(".")} missing property '${key}'`);
  else problems.error(at, `${where}: ${describeIssue(issue)}`);
}

/** Of several forms, the one that the value has: a mapping with a wrong key gets no message about an expected text. */
const isRightKind = (issues: readonly z.core.$ZodIssue[]): boolean =>
  issues.every(({ path, code }) => path.length > 0 || code === "unrecognized_keys");

function describeIssue(issue: z.core.$ZodIssue): string {
  const text = issue.message.replace(/^Invalid (input|option): /, "");
  if (issue.code !== "invalid_union") return text;
  const branches = issue.errors.flatMap((errors) =>
    errors
      .filter(({ path }) => path.length === 0)
      .map(({ message }) => message.replace(/^Invalid (input|option): /, "")),
  );
  return branches.length > 0 ? [...new Set(branches)].join(", or ") : text;
}

function valueAt(tree: Tree, path: readonly PropertyKey[]): Tree | undefined {
  let here: Tree | undefined = tree;
  for (const step of path) {
    if (here?.kind === "mapping") here = here.entries.get(String(step))?.value;
    else if (here?.kind === "sequence") here = here.items[Number(step)];
    else return undefined;
  }
  return here;
}
