/** `docknet conntrack` on a lab that stands: the NAT tables of its nodes, and their changes as they happen. */

import { readConntrack } from "../kernel/netlink/conntrack.ts";
import { type ConntrackWatch, watchConntrack } from "../kernel/netlink/conntrack-events.ts";
import { HOST, type NodeName, ROUTER } from "../net/name.ts";
import {
  isTranslated,
  type NatChoice,
  type NatEvent,
  type NatTable,
  natRow,
  natRows,
  natView,
} from "../observe/conntrack.ts";
import type { State } from "../state/state.ts";
import { headOf, nodeNamed } from "./rules.ts";
import type { Site } from "./site.ts";

export interface ConntrackOptions extends NatChoice {
  /** A service, a container, or a machine of the world; @host and @router unless said. */
  readonly node?: string;
}

/** The tables at this moment. @throws DocknetError NOT_FOUND, CONFLICT */
export function conntrackOfSite(site: Site, options: ConntrackOptions = {}): NatTable {
  const { state, layout } = site;
  const nodes = trackedNodes(state, options).map((node) => ({
    node,
    ...natRows(natView(state, layout, node), readConntrack(site.netns(node)), options),
  }));
  return { ...headOf(state), nodes };
}

const trackedNodes = (state: State, { node }: ConntrackOptions): NodeName[] =>
  node === undefined ? [HOST, ROUTER] : [nodeNamed(state, node, "list the connections of")];

/**
 * Reports each change from its return on. The caller closes it. @param onLost a node's kernel sent more than its buffer took
 * @throws DocknetError NOT_FOUND, CONFLICT
 */
export function watchSite(
  site: Site,
  options: ConntrackOptions,
  onEvent: (event: NatEvent) => void,
  onLost: (node: string) => void = () => {},
): ConntrackWatch {
  const watches: ConntrackWatch[] = [];
  const close = (): void => {
    for (const watch of watches.splice(0)) watch.close();
  };
  try {
    for (const node of trackedNodes(site.state, options)) watches.push(watchNode(site, node, options, onEvent, onLost));
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

function watchNode(
  site: Site,
  node: NodeName,
  { all, proto }: ConntrackOptions,
  onEvent: (event: NatEvent) => void,
  onLost: (node: string) => void,
): ConntrackWatch {
  let seenBy = site.layout;
  let view = natView(site.state, seenBy, node);
  return watchConntrack(
    site.netns(node),
    ({ change, entry }) => {
      if ((proto !== undefined && entry.proto !== proto) || (!all && !isTranslated(entry))) return;
      // a lab that lives becomes another one
      if (site.layout !== seenBy) [seenBy, view] = [site.layout, natView(site.state, site.layout, node)];
      onEvent({ time: new Date().toISOString(), change, node, row: natRow(view, entry) });
    },
    () => onLost(node),
  );
}
