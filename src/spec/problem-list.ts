/** Collects what is wrong, so that one run reports everything, each with its place. */
import { DocknetError, type Origin, type Problem, ProblemsError } from "../errors.ts";

/** A lab with more published ports than this is a mistake or an attack; each range counts for its length. */
const MAX_PORTS = 200_000;
/** Nobody reads more; a hostile file could fill the terminal for minutes. */
const MAX_SHOWN = 200;

export class ProblemList {
  readonly errors: Problem[] = [];
  readonly warnings: Problem[] = [];
  private portsLeft = MAX_PORTS;
  /** Places whose value has a shape that nothing can be read from. */
  private readonly misshapen = new Set<string>();

  error(at: Origin | undefined, message: string, remedy?: string): void {
    if (!this.isMisshapen(at)) this.errors.push(toProblem(at, message, remedy));
  }

  /** The one problem of this place: what a reader says of the same value later is not added. */
  shapeError(at: Origin, message: string): void {
    const known = this.errors.some(
      (error) => error.message === message && error.at && placeOf(error.at) === placeOf(at),
    );
    if (!known) this.errors.push({ message, at });
    this.misshapen.add(placeOf(at));
  }

  private isMisshapen(at: Origin | undefined): boolean {
    return at !== undefined && this.misshapen.has(placeOf(at));
  }

  warn(at: Origin | undefined, message: string, remedy?: string): void {
    this.warnings.push(toProblem(at, message, remedy));
  }

  /** Runs a parser; its DocknetError becomes a problem at this place. Anything else is our own mistake and is thrown on. */
  attempt<T>(at: Origin | undefined, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof DocknetError)) throw error;
      if (error instanceof ProblemsError) this.errors.push(...error.problems);
      else if (!this.isMisshapen(error.at ?? at)) this.errors.push(error.toProblem(at));
      return undefined;
    }
  }

  /** False, with one problem, once the lab asks for more ports than anyone can mean. */
  takePorts(count: number, at: Origin): boolean {
    const before = this.portsLeft;
    this.portsLeft -= count;
    if (this.portsLeft >= 0) return true;
    if (before >= 0) this.error(at, `too many ports: the lab names more than ${MAX_PORTS}`, "Name fewer ports");
    return false;
  }

  /** @throws ProblemsError LAB_FILE when there is any error */
  throwIfAny(): void {
    if (this.errors.length === 0) return;
    const hidden = this.errors.length - MAX_SHOWN;
    const rest = hidden > 0 ? [{ message: `and ${hidden} more problems` }] : [];
    throw new ProblemsError("LAB_FILE", [...this.errors.slice(0, MAX_SHOWN), ...rest]);
  }
}

const placeOf = ({ file, line, column }: Origin): string => `${line}:${column}:${file}`;

function toProblem(at: Origin | undefined, message: string, remedy: string | undefined): Problem {
  return { message, ...(at ? { at } : {}), ...(remedy ? { remedy } : {}) };
}
