/** The variables of a template while it runs: a stack, of which each block takes away what it declared. */
import type { GoValue } from "./value.ts";

export class Variables {
  private stack: { readonly name: string; value: GoValue }[];

  constructor(data: GoValue) {
    this.stack = [{ name: "$", value: data }];
  }

  get(name: string): GoValue {
    return this.stack.findLast((v) => v.name === name)?.value;
  }

  declare(name: string, value: GoValue): void {
    this.stack.push({ name, value });
  }

  /** Changes the innermost variable of the name. @returns whether there is one */
  assign(name: string, value: GoValue): boolean {
    const variable = this.stack.findLast((v) => v.name === name);
    if (variable) variable.value = value;
    return variable !== undefined;
  }

  mark(): number {
    return this.stack.length;
  }

  /** Takes away what was declared since the mark. */
  reset(mark: number): void {
    this.stack.length = mark;
  }
}
