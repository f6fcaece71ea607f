/** Waiting for facts that come with events. */

/** Who wakes later than this was held up, and what would have made it true was perhaps, too: that time is given once more. */
const HELD_UP_MS = 20;

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
    let end = performance.now() + limitMs;
    let spareMs = limitMs;
    while (!fact()) {
      const rest = end - performance.now();
      const late = Math.min(-rest, spareMs);
      if (late > HELD_UP_MS && !this.signal?.aborted) {
        spareMs -= late;
        end = performance.now() + late;
        continue;
      }
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
