/** docknet completion: a script for the shell, made from the commands themselves. */
import type { Command } from "commander";
import { EXIT } from "./exit.ts";
import { print } from "./terminal.ts";

export function completion(program: Command, shell: "bash" | "zsh" | "fish"): number {
  const commands = program.commands.map((c) => ({
    name: c.name(),
    about: c.description(),
    flags: c.options.map((o) => o.long ?? o.short ?? "").filter(Boolean),
  }));
  if (shell === "fish") {
    const lines = commands.flatMap((c) => [
      `complete -c docknet -n __fish_use_subcommand -f -a ${c.name} -d ${JSON.stringify(c.about)}`,
      ...c.flags.map(
        (f) => `complete -c docknet -n "__fish_seen_subcommand_from ${c.name}" -l ${f.replace(/^-+/, "")}`,
      ),
    ]);
    print(lines.join("\n"));
    return EXIT.ok;
  }
  const cases = commands.map((c) => `    ${c.name}) words="${c.flags.join(" ")}" ;;`).join("\n");
  const bash = `_docknet() {
  local words="${commands.map((c) => c.name).join(" ")}" current="\${COMP_WORDS[COMP_CWORD]}"
  case "\${COMP_WORDS[1]}" in
${cases}
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="${commands.map((c) => c.name).join(" ")}"
  case "\${COMP_WORDS[COMP_CWORD-1]}" in -f|--file|--junit|--env-file) COMPREPLY=($(compgen -f -- "$current")); return ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _docknet docknet`;
  print(shell === "zsh" ? `autoload -U +X bashcompinit && bashcompinit\n${bash}` : bash);
  return EXIT.ok;
}
