/** Flags as pflag reads them; the texts were seen with docker 28.2.2. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type CommandSpec, readCommandLine } from "../../../src/cli/docker/command.ts";
import {
  FlagError,
  type FlagSpec,
  FlagValueError,
  parseFlags,
  quoteGo,
  splitCsv,
} from "../../../src/cli/docker/flags.ts";
import { StatusError } from "../../../src/cli/docker/status.ts";

const FLAGS: readonly FlagSpec[] = [
  { name: "detach", short: "d", kind: "bool", usage: "" },
  { name: "interactive", short: "i", kind: "bool", usage: "" },
  { name: "rm", kind: "bool", usage: "", default: "true" },
  { name: "publish", short: "p", kind: "list", usage: "" },
  { name: "label", short: "l", kind: "map", usage: "" },
  { name: "alias", kind: "strings", usage: "" },
  { name: "last", short: "n", kind: "int", usage: "", default: "-1" },
  { name: "name", kind: "string", usage: "" },
  { name: "network", kind: "list", usage: "" },
  { name: "net", kind: "list", usage: "", sets: "network" },
  {
    name: "even",
    kind: "string",
    usage: "",
    check: (value) => {
      if (value.length % 2 === 1) throw new FlagValueError("odd");
      return value.toUpperCase();
    },
  },
];
const read = (...argv: string[]) => parseFlags(FLAGS, argv);

test("short flags stand together, with or without their value", () => {
  const { flags, args } = read("-dip8080:80", "-p=81:81", "-p", "82", "-n3", "x");
  expect([flags.bool("detach"), flags.bool("interactive"), flags.int("last")]).toEqual([true, true, 3]);
  expect(flags.list("publish")).toEqual(["8080:80", "81:81", "82"]);
  expect(args).toEqual(["x"]);
});

test("a flag that is not given has its default and is not changed", () => {
  const { flags } = read();
  expect([flags.bool("rm"), flags.int("last"), flags.string("name"), flags.list("publish")]).toEqual([
    true,
    -1,
    "",
    [],
  ]);
  expect(flags.changed("rm")).toBe(false);
});

test("a boolean takes a value only behind =", () => {
  expect(read("--rm=false", "-d=T").flags.bool("rm")).toBe(false);
  expect(read("-d", "false")).toMatchObject({ args: ["false"] });
});

test("-- ends the flags; without stopAtFirst they may stand anywhere", () => {
  expect(read("a", "-d", "--", "-x", "--", "b").args).toEqual(["a", "-x", "--", "b"]);
  expect(read("-", "").args).toEqual(["-", ""]);
});

test("with stopAtFirst all that follows the first argument is the command's", () => {
  const { flags, args } = parseFlags(FLAGS, ["-d", "busybox", "-i", "--name", "x"], { stopAtFirst: true });
  expect(args).toEqual(["busybox", "-i", "--name", "x"]);
  expect(flags.changed("interactive")).toBe(false);
});

test("an old name sets the new one's value and stays its own", () => {
  const { flags } = read("--net", "a", "--network", "b");
  expect(flags.list("network")).toEqual(["a", "b"]);
  expect([flags.changed("net"), flags.changed("network")]).toEqual([true, true]);
});

test("a map keeps the last value of a key, a strings flag splits at commas as CSV", () => {
  expect(read("-l", "a=1", "-la=2=3", "--label", "b").flags.map("label")).toEqual({ a: "2=3", b: "" });
  expect(read("--alias", 'x,"a,""b"', "--alias", "").flags.list("alias")).toEqual(["x", 'a,"b']);
});

test.each([
  [["--foo"], "unknown flag: --foo"],
  [["--foo=x"], "unknown flag: --foo"],
  [["-z"], "unknown shorthand flag: 'z' in -z"],
  [["-dzi"], "unknown shorthand flag: 'z' in -zi"],
  [["-d="], "unknown shorthand flag: '=' in -="],
  [["--name"], "flag needs an argument: --name"],
  [["-p"], "flag needs an argument: 'p' in -p"],
  [["-dp"], "flag needs an argument: 'p' in -p"],
  [["--=x"], "bad flag syntax: --=x"],
  [["---x"], "bad flag syntax: ---x"],
  [["--rm=abc"], 'invalid argument "abc" for "--rm" flag: strconv.ParseBool: parsing "abc": invalid syntax'],
  [["-n", "x"], 'invalid argument "x" for "-n, --last" flag: strconv.ParseInt: parsing "x": invalid syntax'],
  [
    ["-n", "99999999999999999999"],
    'invalid argument "99999999999999999999" for "-n, --last" flag: strconv.ParseInt: parsing "99999999999999999999": value out of range',
  ],
  [["-n", "1__0"], 'invalid argument "1__0" for "-n, --last" flag: strconv.ParseInt: parsing "1__0": invalid syntax'],
  [["--even", "a\tb"], 'invalid argument "a\\tb" for "--even" flag: odd'],
  [
    ["--alias", '"a"b'],
    'invalid argument "\\"a\\"b" for "--alias" flag: parse error on line 1, column 3: extraneous or missing " in quoted-field',
  ],
])("%j is refused in pflag's words", (argv, message) => {
  expect(() => read(...argv)).toThrow(new FlagError(message));
});

test.each([
  ["0x10", 16],
  ["010", 8],
  ["0o17", 15],
  ["0b11", 3],
  ["1_000", 1000],
  ["+2", 2],
  ["-3", -3],
])("the integer %s is %d, as in Go", (text, value) => {
  expect(read("-n", text).flags.int("last")).toBe(value);
});

test("no command line makes the parser fail in another way", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("-", "--", "-d", "-p", "--name", "--rm=", "-n", "x", "-dn", "--=", '"'),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (argv) => {
      try {
        const { args } = read(...argv);
        expect(args.every((a) => argv.includes(a))).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(FlagError);
      }
    }),
  );
});

test("CSV without quotes is what split gives", () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[^",\n]{1,5}$/), { minLength: 1 }), (parts) => {
      expect(splitCsv(parts.join(","))).toEqual(parts);
    }),
  );
});

test("%q escapes what does not print", () => {
  expect(quoteGo('a"b\\\n\u0001\u007fé\u00a0€😀')).toBe('"a\\"b\\\\\\n\\x01\\x7fé\\u00a0€😀"');
});

const spec = (limits: { min?: number; max?: number }): CommandSpec => ({
  usage: "[OPTIONS] NETWORK",
  flags: [],
  ...limits,
  run: async () => 0,
});

test.each([
  [{ max: 0 }, 1, "accepts no arguments", "Run"],
  [{ min: 1, max: 1 }, 0, "requires 1 argument", "Run"],
  [{ min: 2, max: 2 }, 1, "requires 2 arguments", "Run"],
  [{ min: 1 }, 0, "requires at least 1 argument", "See"],
  [{ min: 1, max: 2 }, 3, "requires at least 1 and at most 2 arguments", "Run"],
])("with %j, %d arguments are refused as docker refuses them", (limits, count, wanted, verb) => {
  const argv = Array.from({ length: count }, (_, at) => `a${at}`);
  const hint = `Usage:  docknet network x [OPTIONS] NETWORK\n\n${verb} 'docknet network x --help' for more information`;
  expect(() => readCommandLine("network x", spec(limits), argv)).toThrow(
    expect.objectContaining({ message: `docknet: 'docknet network x' ${wanted}\n\n${hint}`, code: 1 }),
  );
});

test("a flag that is wrong ends with 125 and shows the usage", () => {
  expect(() => readCommandLine("network x", spec({}), ["--foo"])).toThrow(
    new StatusError(
      "unknown flag: --foo\n\nUsage:  docknet network x [OPTIONS] NETWORK\n\nRun 'docknet network x --help' for more information",
      125,
    ),
  );
});
