/** docknet labs: what ships with docknet. */
import { EXIT } from "./exit.ts";
import { print } from "./terminal.ts";

export async function labs(flags: { readonly format: "table" | "json" }): Promise<number> {
  const { listLabs } = await import("../index.ts");
  const all = listLabs();
  if (flags.format === "json") print(JSON.stringify(all, null, 2));
  else {
    const width = Math.max(10, ...all.map((l) => l.name.length)) + 3;
    print([`${"LAB".padEnd(width)}SHOWS`, ...all.map((l) => `${l.name.padEnd(width)}${l.about}`)].join("\n"));
  }
  return EXIT.ok;
}
