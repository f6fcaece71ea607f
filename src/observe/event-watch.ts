/** Waiting for facts that come with events. */
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
    const end = performance.now() + limitMs;
    while (!fact()) {
      const rest = end - performance.now();
      if (rest <= 0 || this.signal?.aborted) {
        // who was too busy to look in time looks once more
        await new Promise((resolve) => setImmediate(resolve));
        return fact();
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, rest);
        this.wake = () => {
          clearTimeout(timer);
          // more may have come in the same turn
          setImmediate(resolve);
        };
      });
    }
    return true;
  }
}
