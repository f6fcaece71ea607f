/** Waiting for facts that come with events. */
import { startDeadline } from "../deadline.ts";

export class EventWatch {
  private readonly signal: AbortSignal | undefined;
  private wake: () => void = () => {};

  /** @param signal ends every wait */
  constructor(signal?: AbortSignal) {
    this.signal = signal;
    signal?.addEventListener("abort", () => this.look(), { once: true });
  }

  /** Something may have become true. */
  look(): void {
    this.wake();
  }

  /** @returns false when the time was over first, or the signal came */
  async until(fact: () => boolean, limitMs: number): Promise<boolean> {
    let over = false;
    const end = (): void => {
      over = true;
      this.look();
    };
    const deadline = startDeadline(limitMs, end, 1);
    try {
      while (!fact()) {
        if (over || this.signal?.aborted) return false;
        await new Promise<void>((resolve) => {
          // more may have come in the same turn
          this.wake = () => setImmediate(resolve);
        });
      }
      return true;
    } finally {
      deadline.cancel();
    }
  }
}
