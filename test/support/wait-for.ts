/** Waiting is for a fact, with a deadline; never for time. */
export async function waitFor<T>(
  what: string,
  deadlineMs: number,
  fact: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await fact();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not true after ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10)); // poll interval inside the deadline
  }
}
