/**
 * What becomes of a file that is fetched by FTP: two connections, of which the second goes to an address and a port that one side named in
 * the first. NAT translates the packets and not what they say, and nobody has published a port that was drawn at random: a conntrack
 * helper (nf_nat_ftp) would look into the control connection and do both. Docker sets none up, kernels from 4.7 on assign none by themselves.
 */
import { type Ipv4, isLoopback, LOCALHOST } from "../../net/address.ts";
import { FTP_PORT, type Transfer } from "../../net/ftp.ts";
import { HOST, type NodeName } from "../../net/name.ts";
import { type Container, isHostAddress, type State, sandboxOwner } from "../../state/state.ts";
import type { Prediction, ProbeSpec } from "./prediction.ts";

/** @param walk predicts one connection */
export function predictTransfer(
  state: State,
  { transfer, ...probe }: ProbeSpec & { readonly transfer: Transfer },
  walk: (probe: ProbeSpec) => Prediction,
): Prediction {
  const control = walk(probe);
  if (control.outcome !== "reach" || control.server === undefined) return control;
  const port = control.legs.at(-1)?.dport ?? probe.port;
  if (port !== FTP_PORT)
    return {
      ...control,
      outcome: "drop",
      stop: { node: control.server },
      because: `${control.server} speaks no FTP on ${port}/tcp: it waits for a request, and the client for a greeting`,
    };
  const client = networkOf(state, probe.from);
  const server = networkOf(state, control.server);
  const clientAddress = clientEnd(state, probe, control);
  const serverAddress = control.legs.at(-1)?.dst ?? probe.address;
  const data: ProbeSpec =
    transfer === "active"
      ? { from: control.server, source: serverAddress, address: clientAddress, proto: "tcp", listener: client }
      : {
          from: probe.from,
          address: transfer === "passive" ? serverAddress : probe.address,
          proto: "tcp",
          listener: server,
        };
  const way = walk(data);
  const { outcome, legs, translations, stop, unsure, because, seenAs } = way;
  return {
    outcome,
    ...(outcome === "reach" ? { seenAs: control.seenAs, server: control.server } : {}),
    legs,
    translations,
    ...(stop ? { stop } : {}),
    ...(unsure ? { unsure } : {}),
    because: `${openingWords(transfer, probe.from, control.server, data.address)}: ${because}`,
    transfer: { control, data, ...(outcome === "reach" && seenAs ? { dataSeenAs: seenAs } : {}) },
  };
}

function openingWords(transfer: Transfer, client: NodeName, server: NodeName, address: Ipv4): string {
  switch (transfer) {
    case "active":
      return `${server} opens the data connection to ${address}, the address that ${client} announced`;
    case "passive":
      return `${client} opens the data connection to ${address}, the address that ${server} announced`;
    case "extended-passive":
      return `${client} opens the data connection to the port that ${server} announced, of ${address} as before`;
  }
}

/** The client's own address on the control connection: what getsockname(2) tells it. */
function clientEnd(state: State, { from, address }: ProbeSpec, control: Prediction): Ipv4 {
  if (isLoopback(address)) return LOCALHOST;
  if (networkOf(state, from) === HOST && isHostAddress(state, address)) return address;
  return control.legs[0]?.src ?? control.seenAs ?? address;
}

/** The node whose network this one uses. */
function networkOf(state: State, node: NodeName): NodeName {
  const container = state.containers.find((c): c is Container => c.node === node);
  const owner = container && sandboxOwner(state, container);
  if (owner === "host") return HOST;
  return owner === undefined || owner === "gone" ? node : owner.node;
}
