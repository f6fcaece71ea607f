/** The command tree: argv to typed flags. Each command is a function that returns its exit code. */
import { Command, InvalidArgumentError, Option } from "commander";
import { capture } from "./capture.ts";
import { clean } from "./clean.ts";
import { COMPARE_HELP, compare, readProfiles } from "./compare.ts";
import { completion } from "./completion.ts";
import { CONNTRACK_HELP, conntrack } from "./conntrack.ts";
import { renderOverview } from "./docker/overview.ts";
import { doctor } from "./doctor.ts";
import { down } from "./down.ts";
import { EXIT, EXIT_HELP } from "./exit.ts";
import { GRAPH_HELP, graph } from "./graph.ts";
import { addLabOptions } from "./lab-options.ts";
import { labs } from "./labs.ts";
import { ls } from "./ls.ts";
import { MATRIX_HELP, matrix } from "./matrix.ts";
import { plan } from "./plan.ts";
import { reconcile } from "./reconcile.ts";
import { RULES_HELP, rules } from "./rules.ts";
import { print } from "./terminal.ts";
import { up } from "./up.ts";
import { validate } from "./validate.ts";
import { verify } from "./verify.ts";
import { walk } from "./walk.ts";

const EXAMPLES = `
Examples:
  docknet verify                          prove what compose.yaml here exposes, and what it does not
  docknet verify --lab seed               the first lesson: docker0, NAT, isolation, a published port
  docknet verify -f compose.yaml --junit report.xml
  docknet walk web @internet:80           one packet, hop by hop, rule by rule
  docknet matrix --format html -o m.html  who reaches what, as one page
  docknet rules --hit                     the rules that counted packets, in words
  docknet graph                           the lab as a drawing: bridges, veth pairs, addresses, ports
  docknet plan | less                     every command that builds the lab
  docknet plan > lab.sh; sudo sh lab.sh   build it by hand
  docknet doctor                          can this machine do it?
`;

const WALK_EXAMPLES = `
Examples:
  docknet walk web db:5432                            from container to container
  docknet walk @neighbour @host:8080 --reply          a published port, there and back
  docknet walk @internet @router:8080                 two NATs: the router's forward, the host's port
  docknet walk web 127.0.0.11:53/udp --brief          a DNS question, one line a hop
  docknet walk web @internet                          a ping
  docknet walk --lab seed a @internet:80              in a lab that is built for it and leaves nothing

The exit code is 0 whatever became of the packet: --format json has its verdict.
`;

const CAPTURE_EXAMPLES = `
Examples:
  docknet capture                                     of the lab that lives; Ctrl-C ends
  docknet capture --filter 'tcp port 80' web host     two nodes, one kind of packet
  docknet capture -w - | wireshark -k -i -            look on in Wireshark
  docknet capture --lab seed --while verify -w seed.pcapng
`;

/** @param run receives the chosen command's work; the caller decides about signals and exit */
export function createProgram(
  version: string,
  run: (work: (signal: AbortSignal) => Promise<number>) => Promise<void>,
): Command {
  const program = new Command("docknet")
    .description("Docker's network, rebuilt from scratch on a real Linux kernel and proven packet by packet.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .showHelpAfterError("(docknet --help shows what there is)")
    .addHelpText("after", `${renderOverview()}${EXAMPLES}${EXIT_HELP}`)
    .configureHelp({ sortSubcommands: false })
    .configureOutput({ writeOut: print })
    .exitOverride();
  const command = (name: string, about: string): Command =>
    program
      .command(name)
      .description(about)
      .helpOption("-h, --help", "show help")
      .option("--debug", "show causes and stacks of errors");

  /** Of what goes on until Ctrl-C: that it ended so is no failure. */
  const untilInterrupted = async (work: (signal: AbortSignal) => Promise<number>): Promise<void> => {
    let code: number = EXIT.ok;
    await run(async (signal) => {
      code = await work(signal);
      return code;
    });
    process.exitCode = code;
  };

  addLabOptions(
    command("verify", "build the lab of a compose file, prove it, leave nothing; without -f prove the lab that lives"),
  )
    .addOption(
      new Option("--format <format>", "report on standard output")
        .choices(["text", "json", "markdown", "tap"])
        .default("text"),
    )
    .option("--junit <file>", "also write a JUnit XML report")
    .option("--tap", "the same as --format tap")
    .option("-v, --verbose", "show every check in full")
    .option("--silence <ms>", "how long silence must last to count as dropped (250)", milliseconds)
    .option("--deadline <ms>", "how long an expected answer may take (3000)", milliseconds)
    .addHelpText(
      "after",
      `
The lab file is a compose file as it is; no image is needed: built-in responders stand in for the services.
\`x-docknet:\` in it describes the world around the host and may name checks:

  x-docknet:
    world: { router: { forwards: ["8080"] } }
    checks:
      - { from: "@internet", to: "@router:8080", expect: reach, seen-as: 203.0.113.80 }
      - { from: "@neighbour", to: "db:5432", expect: drop }
${EXIT_HELP}`,
    )
    .action((flags) => run((signal) => verify(flags, signal)));

  addLabOptions(
    command("up", "build the lab of a compose file to stay, or bring the one that lives to what the file wants"),
  )
    .option("-d, --detach", "accepted: a lab always runs in the background")
    .option("--remove-orphans", "also remove containers of the project that the file does not name")
    .option("--force-recreate", "make containers anew even when nothing changed")
    .addOption(new Option("--format <format>", "output").choices(["text", "json"]).default("text"))
    .action((flags) => run(() => up(flags)));

  addLabOptions(
    command(
      "walk",
      "send one real packet and follow it: every hop, every rule that it met, what changed or dropped it",
    ),
  )
    .argument("<src>", "a service, a container, @host, @router, @neighbour or @internet")
    .argument("<dst>", "the same, an address or a name, with :PORT[/udp]; without a port: ping")
    .option("--reply", "also the way of the answer")
    .option("--second", "also a second packet of the same flow")
    .option("--brief", "one line a hop")
    .option("--silence <ms>", "how long silence must last (250)", milliseconds)
    .option("--source-port <port>", "send from this port; of a ping: with this id (a free one)", portNumber)
    .addOption(new Option("--format <format>", "output").choices(["text", "json"]).default("text"))
    .addHelpText("after", WALK_EXAMPLES)
    .action((from, to, flags) => run((signal) => walk(from, to, flags, signal)));

  addLabOptions(
    command("matrix", "who reaches what: every sender against every served and published port, predicted and measured"),
  )
    .option("--from <name...>", "only these rows: services, containers, @host, @neighbour, @internet")
    .option("--to <name...>", "only these columns: services, containers, db:5432, @host:8080, @host")
    .option("--predicted", "send nothing, need no privilege: what the model says")
    .addOption(new Option("--format <format>", "output").choices(["text", "json", "markdown", "html"]).default("text"))
    .option("-o, --output <file>", "write it to a file instead of standard output")
    .option("--silence <ms>", "how long silence must last to count as dropped (250)", milliseconds)
    .option("--deadline <ms>", "how long an expected answer may take (3000)", milliseconds)
    .addHelpText("after", `${MATRIX_HELP}${EXIT_HELP}`)
    .action((flags) => run((signal) => matrix(flags, signal)));

  addLabOptions(command("rules", "each rule of a node: what it has counted, what it is there for, and who wants it"))
    .argument("[node]", "a service, a container, @host, @router, @neighbour or @internet (default: @host)")
    .option("--all", "every node that has rules, or should")
    .addOption(new Option("--table <table>", "only this table").choices(["raw", "mangle", "nat", "filter", "security"]))
    .option("--chain <chain>", "only this chain")
    .option("--hit", "only rules that have counted packets")
    .option("--owner <text>", "only rules that somebody wants whose name has this in it: web, 8080, backend")
    .option("--planned", "as they would be written, not read: needs no privilege, nothing is built")
    .addOption(new Option("--after <work>", "do this first, so that rules count").choices(["verify"]))
    .addOption(new Option("--format <format>", "output").choices(["text", "json"]).default("text"))
    .addHelpText("after", RULES_HELP)
    .action((node, flags) => run((signal) => rules(node, flags, signal)));

  addLabOptions(command("conntrack", "the NAT table: who is inside, as whom the outside knows it, with whom it talks"))
    .argument("[node]", "a service, a container or a machine of the world (default: @host and @router)")
    .option("--all", "also connections that nothing translates")
    .addOption(new Option("--proto <proto>", "only this protocol").choices(["tcp", "udp", "icmp", "sctp"]))
    .option("--watch", "print each change as it happens, a line each; Ctrl-C ends")
    .addOption(new Option("--after <work>", "do this first, so that there is something to see").choices(["verify"]))
    .addOption(new Option("--format <format>", "output").choices(["table", "json"]).default("table"))
    .addHelpText("after", CONNTRACK_HELP)
    .action((node, flags) => untilInterrupted((signal) => conntrack(node, flags, signal)));

  addLabOptions(
    command("graph", "draw a lab: namespaces, bridges, veth pairs with their indexes, addresses, published ports"),
  )
    .argument("[name...]", "only these nodes, services or networks, and what they hang on (default: all)")
    .addOption(
      new Option("--format <format>", "drawing for the terminal, or a text that others draw")
        .choices(["text", "mermaid", "svg", "json"])
        .default("text"),
    )
    .option("-o, --output <file>", "write it there instead of to standard output")
    .option("--planned", "as the lab is meant: asks no kernel, needs no privilege, knows no indexes")
    .option("--ascii", "draw the text without box characters")
    .addHelpText("after", GRAPH_HELP)
    .action((names, flags) => run((signal) => graph(names, flags, signal)));

  addLabOptions(command("down", "remove a lab that lives, and prove that nothing of it stayed"))
    .addOption(new Option("--format <format>", "output").choices(["text", "json"]).default("text"))
    .action((flags) => run(() => down(flags)));

  addLabOptions(command("reconcile", "put back what somebody changed by hand in a lab that lives"))
    .option("--dry-run", "only name what differs; exit code 1 when something does")
    .addOption(new Option("--format <format>", "output").choices(["text", "json"]).default("text"))
    .action((flags) => run(() => reconcile(flags)));

  addLabOptions(command("capture", "see every packet of a lab, on all its links at once: live, or as one pcapng file"))
    .argument("[place...]", "only these: web is all links of a node, web/eth0 one (default: all links)")
    .option("-w, --write <file>", "write a pcapng file; - is standard output, for a pipe into Wireshark")
    .option("--filter <bpf>", "only packets that match, in the words of tcpdump: 'tcp port 80'")
    .option("-c, --count <n>", "end after so many packets", wholeNumber)
    .option("--duration <s>", "end after so many seconds", seconds)
    .option("--snaplen <bytes>", "keep so much of each packet (all of it)", wholeNumber)
    .addOption(new Option("--while <work>", "capture as long as this takes").choices(["verify"]))
    .addOption(new Option("--format <format>", "of the live view").choices(["text", "json"]).default("text"))
    .addHelpText("after", CAPTURE_EXAMPLES)
    .action((places, flags) => untilInterrupted((signal) => capture(places, flags, signal)));

  command("ls", "list the labs that live on this machine")
    .addOption(new Option("--format <format>", "output").choices(["table", "json"]).default("table"))
    .option("-q, --quiet", "names only")
    .action((flags) => run(() => ls(flags)));

  command("clean", "remove what labs left that crashed, and only what docknet made; prints each thing")
    .argument("[lab...]", "only these, running or not")
    .option("-a, --all", "also labs that run")
    .addOption(new Option("--format <format>", "output").choices(["text", "json"]).default("text"))
    .action((labs, flags) => run(() => clean(labs, flags)));

  addLabOptions(command("validate", "check a lab file as Docker would; needs no privilege, creates nothing"))
    .addOption(new Option("--format <format>", "output").choices(["text", "json"]).default("text"))
    .option("-q, --quiet", "print nothing when it is valid")
    .action((flags) => run(() => validate(flags)));

  addLabOptions(
    command("compare", "what two lines of Docker releases make of one lab: who reaches what, and by which rules"),
  )
    .requiredOption("--profiles <a,b>", "the two profiles, old one first", readProfiles)
    .addOption(new Option("--format <format>", "output").choices(["text", "json", "markdown"]).default("text"))
    .option("--measure", "also build the lab under each profile and send a packet for every cell")
    .addHelpText("after", `${COMPARE_HELP}${EXIT_HELP}`)
    .action((flags) => run((signal) => compare(flags, signal)));

  addLabOptions(command("plan", "print the commands that build the lab: a script that does the same by hand"))
    .addOption(new Option("--format <format>", "output").choices(["sh", "json"]).default("sh"))
    .option("--down", "the way back: from the built lab to nothing")
    .action((flags) => run(() => plan(flags)));

  command("doctor", "what this machine can do: privilege, kernel features, tools, and how to mend a lack")
    .addOption(new Option("--format <format>", "output").choices(["text", "json"]).default("text"))
    .action((flags) => run(() => doctor(flags)));

  command("labs", "list the labs that ship with docknet")
    .addOption(new Option("--format <format>", "output").choices(["table", "json"]).default("table"))
    .action((flags) => run(() => labs(flags)));

  program
    .command("completion")
    .description("print a completion script: source <(docknet completion bash)")
    .addArgument(program.createArgument("<shell>", "which shell").choices(["bash", "zsh", "fish"]))
    .action((shell) => run(async () => completion(shell)));

  return program;
}

function milliseconds(text: string): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= 600_000)) throw new InvalidArgumentError("wanted milliseconds, 1 to 600000");
  return value;
}

function portNumber(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (!(value >= 1 && value <= 65_535)) throw new InvalidArgumentError("wanted a port, 1 to 65535");
  return value;
}

function wholeNumber(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new InvalidArgumentError("wanted a whole number, 1 to 999999999");
  return value;
}

function seconds(text: string): number {
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (!(value > 0 && value <= 604_800)) throw new InvalidArgumentError("wanted seconds, 0.001 to 604800");
  return value;
}
