/** Whole lines of bytes that come in pieces. */
export class Lines {
  private rest = Buffer.alloc(0);

  push(bytes: Buffer): void {
    this.rest = Buffer.concat([this.rest, bytes]);
  }

  take(): string[] {
    const end = this.rest.lastIndexOf(10);
    if (end < 0) return [];
    const lines = this.rest.toString("utf8", 0, end).split("\n");
    this.rest = this.rest.subarray(end + 1);
    return lines;
  }
}
