/** docknet completion: a script for the shell that asks `docknet __complete` at each tab; and what that answers. */
import type { Command } from "commander";
import { EXIT } from "./exit.ts";
import { print, writeOut } from "./terminal.ts";

/** A flag whose value is a file: the shell completes it by itself. */
const FILE_FLAGS = "-f|--file|--junit|--env-file|--cidfile|--label-file|--write|--output";

const BASH = `_docknet() {
  local current="\${COMP_WORDS[COMP_CWORD]}" IFS=$'\\n'
  case "\${COMP_WORDS[COMP_CWORD-1]}" in ${FILE_FLAGS}) COMPREPLY=($(compgen -f -- "$current")); return ;; esac
  COMPREPLY=($(compgen -W "$(docknet __complete "\${COMP_WORDS[@]:1:COMP_CWORD-1}" "$current" 2>/dev/null)" -- "$current"))
}
# a word of docknet may begin with @
COMP_WORDBREAKS=\${COMP_WORDBREAKS//@/}
complete -F _docknet docknet`;

const FISH = `complete -c docknet -f -a '(docknet __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
complete -c docknet -n 'string match -qr -- "^(${FILE_FLAGS})\\$" (commandline -opc)[-1]' -F`;

export function completion(shell: "bash" | "zsh" | "fish"): number {
  print({ bash: BASH, zsh: `autoload -U +X bashcompinit && bashcompinit\n${BASH}`, fish: FISH }[shell]);
  return EXIT.ok;
}

/** Prints one candidate a line for the last of the words; those that cannot follow it are left out. */
export async function printCandidates(program: Command, words: readonly string[]): Promise<number> {
  const { complete } = await import("./docker/complete.ts");
  const typed = words.at(-1) ?? "";
  const names = program.commands.map((c) => c.name());
  const found = (await complete(words, names, process.env)) ?? (await ownWords(program, words));
  const lines = found.filter((word) => word.startsWith(typed)).map((word) => `${word}\n`);
  writeOut(lines.join(""));
  return EXIT.ok;
}

/** Machines of the world; names of arguments that mean a node. */
const MACHINES = ["@host", "@neighbour", "@router", "@internet"];
const NODE_ARGUMENTS = ["node", "src", "dst"];

/** The flags of a command that is not Docker's, the choices of a flag or of its argument, or the nodes of the lab that lives. */
async function ownWords(program: Command, words: readonly string[]): Promise<readonly string[]> {
  const command = program.commands.find((c) => words.includes(c.name()));
  if (!command) return [];
  const flag = command.options.find((o) => o.long !== undefined && o.long === words.at(-2));
  if (flag?.argChoices) return flag.argChoices;
  const flags = command.options.map((o) => o.long ?? o.short ?? "");
  const choices = command.registeredArguments.flatMap((a) => a.argChoices ?? []);
  const takesNode = command.registeredArguments.some((a) => NODE_ARGUMENTS.includes(a.name()));
  const isFlag = words.at(-1)?.startsWith("-") ?? false;
  const nodes = takesNode && !isFlag ? [...(await containerNames()), ...MACHINES] : [];
  return [...nodes, ...flags, ...choices].filter(Boolean);
}

async function containerNames(): Promise<readonly string[]> {
  const { namesOf } = await import("./docker/complete.ts");
  return namesOf("running", { host: process.env.DOCKNET_HOST, lab: process.env.DOCKNET_PROJECT });
}
