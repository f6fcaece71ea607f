/**
 * Ownership: who creates something pushes what removes it. Closing pops in reverse order, goes on after errors, and
 * reports them all. Node 20 has Symbol.asyncDispose but no AsyncDisposableStack, so the stack is ours.
 */
import { DocknetError, messageOf } from "./errors.ts";

type Disposer = () => void | Promise<void>;

export class DisposerStack implements AsyncDisposable {
  private steps: { readonly what: string; readonly run: Disposer }[] = [];

  /** Remembers how to remove `what`; runs when the stack closes, last in first out. */
  defer(what: string, run: Disposer): void {
    this.steps.push({ what, run });
  }

  /** Takes ownership of a resource and gives it back. */
  use<T extends { close(): void | Promise<void> }>(what: string, resource: T): T {
    this.defer(what, () => resource.close());
    return resource;
  }

  /** Hands all steps to a new owner; this stack then closes nothing. */
  move(): DisposerStack {
    const owner = new DisposerStack();
    owner.steps = this.steps;
    this.steps = [];
    return owner;
  }

  get size(): number {
    return this.steps.length;
  }

  /** Runs every step, even after failures. Idempotent. @throws DocknetError INTERNAL naming each thing that is still there. */
  async close(): Promise<void> {
    const failures: { what: string; error: unknown }[] = [];
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      try {
        await step.run();
      } catch (error) {
        failures.push({ what: step.what, error });
      }
    }
    if (failures.length === 0) return;
    const list = failures.map((f) => `${f.what} (${messageOf(f.error)})`);
    throw new DocknetError("INTERNAL", `Cannot remove ${failures.length} of what was created: ${list.join("; ")}`, {
      cause: new AggregateError(failures.map((f) => f.error)),
      remedy: "Run `docknet clean`",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
