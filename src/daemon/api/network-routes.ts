/** /networks. Source: moby daemon/server/router/network. */
import type { FastifyInstance } from "fastify";
import { parseRfc3339Nano } from "../../kernel/clock.ts";
import { isConfig } from "../../state/config-network.ts";
import { allNetworks, findNetwork, isUserDefined } from "../../state/find.ts";
import { notSwarmManager } from "../../state/network.ts";
import type { NetworkRequest } from "../../state/network-request.ts";
import type { PoolRequest } from "../../state/pool.ts";
import { type AnyNetwork, hasAddresses, type Network, type State } from "../../state/state.ts";
import type { Engine } from "../engine.ts";
import { connectNetwork, createNetwork, disconnectNetwork, pruneNetworks, removeNetwork } from "../network.ts";
import type { JsonObject } from "../record.ts";
import { endpointRequest } from "./endpoint-request.ts";
import { bodyOf, nameOf, queryOf, sendJson } from "./exchange.ts";
import { Fields, isObject } from "./fields.ts";
import { type Filters, parseFilters } from "./filter.ts";
import { networkDetails, networkSummary } from "./network-json.ts";
import { httpError, notEmulated } from "./refuse.ts";
import { untilNanos } from "./until.ts";

export function networkRoutes(app: FastifyInstance, engine: Engine): void {
  app.get("/networks", (request, reply) => {
    const filters = parseFilters(queryOf(request).filters).check(LIST_FILTERS);
    return sendJson(reply, listNetworks(engine.state, filters));
  });

  app.get("/networks/:name", (request, reply) => {
    const query = queryOf(request);
    if (query.verbose !== undefined) checkGoBool("verbose", query.verbose);
    const network = findForInspect(engine.state, nameOf(request), query.scope);
    return sendJson(reply, networkDetails(engine.state, network));
  });

  app.post("/networks/create", async (request, reply) => {
    const fields = new Fields(bodyOf(request, "network.CreateRequest"), "CreateRequest");
    const network = await createNetwork(engine, networkRequest(engine.state, fields));
    return sendJson(reply, { Id: network.id, Warning: "" }, 201);
  });

  app.delete("/networks/:name", async (request, reply) => {
    await removeNetwork(engine, nameOf(request));
    return reply.code(204).send();
  });

  app.post("/networks/:name/connect", async (request, reply) => {
    const ref = nameOf(request);
    const fields = new Fields(bodyOf(request, "network.ConnectOptions"), "ConnectOptions");
    const config = fields.child("EndpointConfig");
    const container = checkGiven(fields.text("Container"));
    await connectNetwork(engine, ref, container, endpointRequest(ref, config, ""));
    return reply.code(200).send();
  });

  app.post("/networks/:name/disconnect", async (request, reply) => {
    const fields = new Fields(bodyOf(request, "network.DisconnectOptions"), "DisconnectOptions");
    await disconnectNetwork(engine, nameOf(request), checkGiven(fields.text("Container")), fields.flag("Force"));
    return reply.code(200).send();
  });

  app.post("/networks/prune", async (request, reply) => {
    const filters = parseFilters(queryOf(request).filters).check(["label", "label!", "until"]);
    const until = untilNanos(filters);
    const removed = await pruneNetworks(engine, (network) => mayGo(network, filters, until));
    return sendJson(reply, { NetworksDeleted: removed.length > 0 ? removed.map((n) => n.name) : null });
  });
}

const LIST_FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/** Source: moby daemon/network/filter.go. */
export function listNetworks(state: State, filters: Filters): object[] {
  const dangling = filters.flag("dangling");
  const type = filters.get("type").find((t) => t !== "custom" && t !== "builtin");
  if (type !== undefined) throw httpError(500, `invalid filter: 'type'='${type}'`);
  return (
    allNetworks(state)
      .filter((n) => filters.exact("driver", n.driver))
      .filter((n) => filters.match("name", n.name) && filters.match("id", n.id))
      .filter((n) => filters.exact("scope", "local") && filters.labels("label", labelsOf(n)))
      .filter((n) => filters.exact("type", isPredefined(n) ? "builtin" : "custom"))
      // 28.5.2 takes every user-defined network for one that nobody uses, and predefined ones for used
      .filter((n) => dangling === undefined || dangling !== isPredefined(n))
      .map(networkSummary)
  );
}

const isPredefined = (network: AnyNetwork): boolean => !isUserDefined(network) && !isConfig(network);
const labelsOf = (network: AnyNetwork): Readonly<Record<string, string>> =>
  hasAddresses(network) || isConfig(network) ? network.labels : {};

/** The text for several matches is another than that of the other verbs (docker-reference 9.5). */
function findForInspect(state: State, ref: string, scope: string | undefined): AnyNetwork {
  const exact = allNetworks(state).some((n) => n.id === ref || n.name === ref);
  const byPrefix = allNetworks(state).filter((n) => ref !== "" && n.id.startsWith(ref));
  if (!exact && byPrefix.length > 1)
    throw httpError(400, `${byPrefix.length} matches found based on ID prefix: network ${ref} is ambiguous`);
  if (scope && scope !== "local") throw httpError(404, `network ${ref} not found`);
  return findNetwork(state, ref);
}

function mayGo(network: Network, filters: Filters, until: bigint | undefined): boolean {
  if (!filters.labels("label", network.labels)) return false;
  if (filters.has("label!") && filters.labels("label!", network.labels)) return false;
  return until === undefined || parseRfc3339Nano(network.created) < until;
}

/** The container of a connect or disconnect. */
function checkGiven(ref: string): string {
  if (ref === "") throw httpError(400, 'invalid name or ID supplied: ""');
  return ref;
}

function checkGoBool(name: string, text: string): void {
  if (text === "" || /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(text)) return;
  throw httpError(
    400,
    `invalid value for ${name}: ${text}: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`,
  );
}

/** @throws DocknetError for what a lab has not; the engine checks the rest */
export function networkRequest(state: State, fields: Fields): NetworkRequest {
  const [name, driver] = [fields.text("Name"), fields.text("Driver") || "bridge"];
  const [options, labels] = [fields.textMap("Options"), fields.textMap("Labels")];
  const ipam = fields.child("IPAM");
  const ipamOptions = ipam.textMap("Options");
  const configFrom = fields.child("ConfigFrom").text("Network");
  const [pool, ...morePools] = poolsOf(ipam);
  const scope = fields.text("Scope");
  const request: NetworkRequest = {
    name,
    driver,
    ...pool,
    morePools,
    internal: fields.flag("Internal"),
    attachable: fields.flag("Attachable"),
    ...(options ? { options } : {}),
    ...(labels ? { labels } : {}),
    ...(ipamOptions ? { ipamOptions } : {}),
    ...(fields.flag("ConfigOnly") ? { configOnly: true } : {}),
    ...(configFrom ? { configFrom } : {}),
    ...(scope ? { scope } : {}),
    ingress: fields.flag("Ingress"),
  };
  if (name.trim() === "") return request; // the engine says it
  checkEmulated(state, fields, request);
  return request;
}

/** What belongs to the name, to the request alone and to a configuration is said before. */
function checkEmulated(
  state: State,
  fields: Fields,
  { driver, ingress, configOnly, configFrom }: NetworkRequest,
): void {
  const hasConfig = configOnly || configFrom !== undefined;
  if (fields.value.EnableIPv4 === false) {
    if (!fields.flag("EnableIPv6")) throw httpError(400, "IPv4 or IPv6 must be enabled");
    throw notEmulated("networks without IPv4");
  }
  if (fields.flag("EnableIPv6")) throw notEmulated("IPv6 networks");
  if (hasConfig || allNetworks(state).some((n) => n.name === fields.text("Name"))) return;
  if (ingress) throw httpError(403, "Ingress network can only be global scope network");
  if (driver === "overlay") throw notSwarmManager();
  if (driver === "ipvlan") throw notEmulated("the ipvlan driver");
  const ipamDriver = fields.child("IPAM").text("Driver");
  if (!["", "default"].includes(ipamDriver)) throw httpError(404, `plugin "${ipamDriver}" not found`);
}

const MAX_POOLS = 100;

/** Texts; the engine checks them. */
function poolsOf(ipam: Fields): readonly PoolRequest[] {
  const pools = (ipam.list("Config") ?? []).filter((p): p is JsonObject => isObject(p));
  if (pools.length > MAX_POOLS) throw httpError(400, `too many pools: ${pools.length}`);
  return pools.map(poolOf);
}

function poolOf(value: JsonObject): PoolRequest {
  const pool = new Fields(value, "IPAMConfig");
  const [subnet, ipRange, gateway] = [pool.text("Subnet"), pool.text("IPRange"), pool.text("Gateway")];
  const auxAddresses = pool.textMap("AuxiliaryAddresses");
  return {
    ...(subnet ? { subnet } : {}),
    ...(ipRange ? { ipRange } : {}),
    ...(gateway ? { gateway } : {}),
    ...(auxAddresses ? { auxAddresses } : {}),
  };
}
