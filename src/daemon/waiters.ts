/** Who waits for something that happens to a container: its end, its removal. */

interface Waiter {
  readonly resolve: (exitCode: number) => void;
  readonly reject: (error: unknown) => void;
}

export class Waiters {
  private readonly table = new Map<string, Set<Waiter>>();

  /** The exit code, when it happens the next time. Never settles once `signal` aborts. @throws what `fail` gets */
  next(id: string, signal?: AbortSignal): Promise<number> {
    const result = new Promise<number>((resolve, reject) => {
      const waiter = { resolve, reject };
      if (signal?.aborted) return;
      const waiters = this.table.get(id) ?? new Set();
      this.table.set(id, waiters.add(waiter));
      signal?.addEventListener("abort", () => this.forget(id, waiter), { once: true });
    });
    // who asked may have gone on by another way
    result.catch(() => {});
    return result;
  }

  happened(id: string, exitCode: number): void {
    for (const { resolve } of this.take(id)) resolve(exitCode);
  }

  /** It happened, but could not be written down. */
  fail(id: string, error: unknown): void {
    for (const { reject } of this.take(id)) reject(error);
  }

  private take(id: string): ReadonlySet<Waiter> {
    const waiters = this.table.get(id);
    this.table.delete(id);
    return waiters ?? new Set();
  }

  private forget(id: string, waiter: Waiter): void {
    const waiters = this.table.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.table.delete(id);
  }
}
