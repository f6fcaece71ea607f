/**
 * Something that this process has only so many of, shared by owners that know nothing of each other. One may have another as long as it
 * has fewer than are free (dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998): alone it gets half, of
 * n that want all they can get each has 1/(n + 1), and as much is left for who comes next.
 */
export class Pool {
  private readonly size: number;
  private readonly shares = new Set<Share>();
  private taken = 0;

  constructor(size: number) {
    this.size = size;
  }

  get free(): number {
    return this.size - this.taken;
  }

  /** The owner closes it. @param most that it may have, however many are free @param onFree called when it may take again after a refusal */
  open(most: number, onFree: () => void = () => {}): Share {
    const share = new Share(this, most, onFree);
    this.shares.add(share);
    return share;
  }

  /** Called by a share. */
  take(): void {
    this.taken += 1;
  }

  /** Called by a share. Those that were refused come first who have least. */
  giveBack(count: number): void {
    this.taken -= count;
    for (;;) {
      const [next] = [...this.shares].filter((s) => s.refused && s.mayTake).sort((a, b) => a.held - b.held);
      if (!next) return;
      next.offer(); // it takes one, or was not in want any more
    }
  }

  /** Called by a share. */
  forget(share: Share): void {
    this.shares.delete(share);
  }
}

/** What one owner has of a pool. */
export class Share {
  held = 0;
  /** The last time it asked. */
  refused = false;
  private readonly pool: Pool;
  private readonly most: number;
  private readonly onFree: () => void;

  constructor(pool: Pool, most: number, onFree: () => void) {
    this.pool = pool;
    this.most = most;
    this.onFree = onFree;
  }

  get mayTake(): boolean {
    return this.held < Math.min(this.most, this.pool.free);
  }

  tryTake(): boolean {
    this.refused = !this.mayTake;
    if (this.refused) return false;
    this.held += 1;
    this.pool.take();
    return true;
  }

  giveBack(): void {
    this.held -= 1;
    this.pool.giveBack(1);
  }

  offer(): void {
    this.refused = false;
    this.onFree();
  }

  /** Gives back all that it has; nothing may be given back after it. */
  close(): void {
    this.pool.forget(this);
    this.pool.giveBack(this.held);
    this.held = 0;
  }
}
