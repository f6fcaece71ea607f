/** Statuses and texts as a real dockerd 28.5.2 answered them to the same requests (curl). */
import type { FastifyInstance, InjectOptions } from "fastify";
import { describe, expect, test } from "vitest";
import { createServer } from "../../../src/daemon/api/server.ts";
import { fakeEngine } from "../../support/fake-engine.ts";
import { newDaemon, withContainer, withNetwork } from "../../support/state.ts";

type Method = NonNullable<InjectOptions["method"]>;

/** None of the requests changes anything: one server takes them all. */
const app = server();

function server(): FastifyInstance {
  const state = withContainer(withNetwork(newDaemon(), "n1", { subnet: "10.213.0.0/24" }), "web", { networks: ["n1"] });
  return createServer(fakeEngine(state).engine, { version: "0.0.0" });
}

async function ask(method: Method, url: string, body?: unknown): Promise<{ status: number; message: unknown }> {
  const payload = body === undefined ? {} : { payload: typeof body === "string" ? body : JSON.stringify(body) };
  const answer = await app.inject({ method, url, headers: { "content-type": "application/json" }, ...payload });
  // Docker's client reads the message of no other type
  expect(answer.headers["content-type"]).toBe("application/json");
  return { status: answer.statusCode, message: (JSON.parse(answer.body) as { message: unknown }).message };
}

const REFUSED: readonly (readonly [Method, string, unknown, number, string])[] = [
  ["GET", "/v1.51/nosuch", undefined, 404, "page not found"],
  ["PUT", "/v1.51/info", undefined, 404, "page not found"],
  ["GET", "/v1.99/info", undefined, 400, "client version 1.99 is too new. Maximum supported API version is 1.51"],
  ["GET", "/networks/nosuch", undefined, 404, "network nosuch not found"],
  ["GET", '/networks?filters={"bad":["x"]}', undefined, 400, "invalid filter 'bad'"],
  ["GET", '/networks?filters={"type":["foo"]}', undefined, 500, "invalid filter: 'type'='foo'"],
  ["GET", "/networks?filters=xx", undefined, 400, "invalid filter"],
  ["GET", "/networks?filters=[1]", undefined, 400, "invalid filter"],
  [
    "GET",
    '/networks?filters={"dangling":["foo"]}',
    undefined,
    400,
    `invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`,
  ],
  [
    "GET",
    "/networks/n1?verbose=foo",
    undefined,
    400,
    'invalid value for verbose: foo: strconv.ParseBool: parsing "foo": invalid syntax',
  ],
  ["GET", "/networks/n1?scope=global", undefined, 404, "network n1 not found"],
  ["POST", "/networks/create", {}, 400, "invalid name: name is empty"],
  ["POST", "/networks/create", "{", 400, "invalid JSON: unexpected EOF"],
  ["POST", "/networks/create", "xx", 400, "invalid JSON: invalid character 'x' looking for beginning of value"],
  ["POST", "/networks/create", '{"Name":"zz"} x', 400, "unexpected content after JSON"],
  [
    "POST",
    "/networks/create",
    [],
    400,
    "invalid JSON: json: cannot unmarshal array into Go value of type network.CreateRequest",
  ],
  [
    "POST",
    "/networks/create",
    { Name: 1 },
    400,
    "invalid JSON: json: cannot unmarshal number into Go struct field CreateRequest.Name of type string",
  ],
  [
    "POST",
    "/networks/create",
    { Name: "x", Labels: ["a"] },
    400,
    "invalid JSON: json: cannot unmarshal array into Go struct field CreateRequest.Labels of type map[string]string",
  ],
  ["POST", "/networks/create", { Name: "n1" }, 409, "network with name n1 already exists"],
  ["POST", "/networks/create", { Name: "x", EnableIPv4: false }, 400, "IPv4 or IPv6 must be enabled"],
  ["POST", "/networks/create", { Name: "x", Driver: "nosuch" }, 404, 'plugin "nosuch" not found'],
  [
    "POST",
    "/networks/create",
    { Name: "x", IPAM: { Config: [{ Gateway: "10.1.1.1" }] } },
    400,
    "invalid network config:\ninvalid subnet : invalid CIDR block notation",
  ],
  [
    "POST",
    "/networks/create",
    { Name: "n1", IPAM: { Config: [{ Subnet: "10.1.0.0/24" }, { Subnet: "10.2.0.0/24" }] } },
    409,
    "network with name n1 already exists",
  ],
  [
    "POST",
    "/networks/create",
    { Name: "x", IPAM: { Config: [{ Subnet: "10.1.0.1/24" }, { Subnet: "10.2.0.1/24" }] } },
    400,
    "invalid network config:\n* invalid subnet 10.1.0.1/24: it should be 10.1.0.0/24\n* invalid subnet 10.2.0.1/24: it should be 10.2.0.0/24",
  ],
  [
    "POST",
    "/networks/create",
    { Name: "x", IPAM: { Config: [{ Subnet: "10.1.0.0/24" }, { Subnet: "10.213.0.0/24" }] } },
    403,
    "invalid pool request: Pool overlaps with other one on this address space",
  ],
  [
    "POST",
    "/networks/create",
    { Name: "x", IPAM: { Config: [{ Subnet: "10.1.0.0/24" }, { Subnet: "10.2.0.0/24" }] } },
    403,
    "bridge driver doesn't support multiple subnets",
  ],
  ["POST", "/containers/nosuch/kill", undefined, 404, "cannot kill container: nosuch: No such container: nosuch"],
  ["POST", "/containers/web/kill?signal=FOO", undefined, 400, "cannot kill container: web: invalid signal: FOO"],
  [
    "POST",
    "/containers/web/kill?signal=99",
    undefined,
    400,
    "cannot kill container: web: the linux daemon does not support signal 99",
  ],
  [
    "DELETE",
    "/containers/web?link=1",
    undefined,
    500,
    "Conflict, cannot remove the default link name of the container",
  ],
  ["DELETE", "/containers/web/pg?link=1", undefined, 404, "No such container: web/pg"],
  ["POST", "/networks/create", { Name: "x", Ingress: true }, 403, "Ingress network can only be global scope network"],
  ["DELETE", "/networks/bridge", undefined, 403, "bridge is a pre-defined network and cannot be removed"],
  ["POST", "/networks/n1/connect", {}, 400, 'invalid name or ID supplied: ""'],
  ["POST", "/networks/n1/connect", { Container: "nosuch" }, 404, "No such container: nosuch"],
  [
    "POST",
    "/networks/n1/connect",
    { Container: "web", EndpointConfig: { MacAddress: "zz" } },
    400,
    "invalid MAC address zz",
  ],
  ["POST", '/networks/prune?filters={"until":["x"]}', undefined, 400, 'failed to parse value as time or duration: "x"'],
  ["POST", "/containers/create", undefined, 400, "invalid JSON: got EOF while reading request body"],
  ["POST", "/containers/create", {}, 400, "config cannot be empty in order to create a container"],
  [
    "POST",
    "/containers/create",
    { Image: 1 },
    400,
    "invalid JSON: json: cannot unmarshal number into Go struct field .Image of type string",
  ],
  [
    "POST",
    "/containers/create",
    { Image: "b", HostConfig: { Dns: "x" } },
    400,
    "invalid JSON: json: cannot unmarshal string into Go struct field .HostConfig.Dns of type []string",
  ],
  [
    "POST",
    "/containers/create",
    { Image: "BAD" },
    400,
    "invalid reference format: repository name (library/BAD) must be lowercase",
  ],
  [
    "POST",
    "/containers/create?name=a%20b",
    { Image: "b" },
    400,
    "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
  ],
  ["POST", "/containers/create", { Image: "b", StopSignal: "zz" }, 400, "invalid signal: zz"],
  ["POST", "/containers/create", { Image: "b", Env: ["=x"] }, 400, "invalid environment variable: =x"],
  [
    "POST",
    "/containers/create",
    { Image: "b", WorkingDir: "rel" },
    400,
    "the working directory 'rel' is invalid, it needs to be an absolute path",
  ],
  [
    "POST",
    "/containers/create",
    { Image: "b", HostConfig: { PortBindings: { "80x": [{ HostPort: "1" }] } } },
    400,
    'invalid port specification: "80x"',
  ],
  [
    "POST",
    "/containers/create",
    { Image: "b", HostConfig: { PortBindings: { "80": [{ HostPort: "99999" }] } } },
    400,
    'invalid port specification: "99999"',
  ],
  [
    "POST",
    "/containers/create",
    { Image: "b", HostConfig: { ExtraHosts: ["bad"] } },
    400,
    'bad format for add-host: "bad"',
  ],
  ["POST", "/containers/create", { Image: "b", HostConfig: { Links: ["a:b:c"] } }, 500, "bad format for links: a:b:c"],
  [
    "POST",
    "/containers/create",
    { Image: "b", HostConfig: { NetworkMode: "container:web", Dns: ["1.1.1.1"] } },
    400,
    "conflicting options: dns and the network mode",
  ],
  [
    "POST",
    "/containers/create",
    { Image: "b", NetworkingConfig: { EndpointsConfig: { n1: { IPAMConfig: { IPv4Address: "zz" } } } } },
    400,
    "invalid config for network n1: invalid endpoint settings:\n* invalid IPv4 address: zz\n* no configured subnet or ip-range contain the IP address zz",
  ],
  ["GET", '/containers/json?filters={"bad":["x"]}', undefined, 400, "invalid filter 'bad'"],
  [
    "GET",
    '/containers/json?filters={"status":["x"]}',
    undefined,
    400,
    "invalid filter 'status=x': invalid value for state (x): must be one of created, running, paused, restarting, removing, exited, dead",
  ],
  [
    "GET",
    '/containers/json?filters={"exited":["x"]}',
    undefined,
    400,
    `invalid filter 'exited=x': strconv.Atoi: parsing "x": invalid syntax`,
  ],
  [
    "GET",
    '/containers/json?filters={"publish":["x"]}',
    undefined,
    500,
    'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax',
  ],
  ["GET", "/containers/json?limit=x", undefined, 500, 'strconv.Atoi: parsing "x": invalid syntax'],
  ["GET", "/containers/nosuch/json", undefined, 404, "No such container: nosuch"],
  ["POST", "/containers/web/rename?name=", undefined, 400, "Neither old nor new names may be empty"],
  ["POST", "/containers/web/stop?t=x", undefined, 500, 'strconv.Atoi: parsing "x": invalid syntax'],
  ["POST", "/containers/web/kill?signal=zz", undefined, 400, "cannot kill container: web: invalid signal: zz"],
  ["POST", "/containers/web/resize?h=x&w=1", undefined, 400, 'invalid resize height "x": invalid syntax'],
  ["POST", "/containers/web/wait?condition=zz", undefined, 400, 'invalid condition: "zz"'],
  ["GET", "/containers/web/logs", undefined, 400, "Bad parameters: you must choose at least one stream"],
  [
    "DELETE",
    "/containers/web",
    undefined,
    409,
    'cannot remove container "web": container is running: stop the container before removing or force remove',
  ],
  ["POST", "/containers/web/exec", {}, 400, "No exec command specified"],
  ["GET", "/exec/nosuch/json", undefined, 404, "No such exec instance: nosuch"],
  ["GET", "/events?since=x", undefined, 500, 'strconv.ParseInt: parsing "x": invalid syntax'],
  ["GET", "/events?since=10&until=5", undefined, 400, "`since` time (10) cannot be after `until` time (5)"],
  [
    "GET",
    "/services",
    undefined,
    503,
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  ],
  ["GET", "/volumes/nosuch", undefined, 404, "get nosuch: no such volume"],
  ["GET", "/plugins/nosuch/json", undefined, 404, 'plugin "nosuch" not found'],
  ["POST", "/swarm/leave", undefined, 503, "This node is not part of a swarm"],
];

describe("A refusal has dockerd's status and words", () => {
  for (const [method, url, body, status, message] of REFUSED)
    test(`${method} ${url} ${body === undefined ? "" : JSON.stringify(body)}`, async () => {
      expect(await ask(method, url, body)).toEqual({ status, message });
    });
});

test("an image that nobody has is not there: docker inspect would take it for every object", async () => {
  expect(await ask("GET", "/images/nosuch/json")).toEqual({ status: 404, message: "No such image: nosuch:latest" });
  await app.inject({ method: "POST", url: "/images/create?fromImage=nginx&tag=latest" });
  expect((await app.inject({ method: "GET", url: "/images/nginx/json" })).statusCode).toBe(200);
});

test("clients that are too old read errors as plain text", async () => {
  const answer = await app.inject({ method: "GET", url: "/v1.10/info" });
  expect(answer.statusCode).toBe(400);
  expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
  expect(answer.body).toBe(
    "client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n",
  );
});

test("what a lab has not is refused with 501, by name", async () => {
  expect(await ask("GET", "/containers/web/stats")).toEqual({
    status: 501,
    message: "docknet does not emulate statistics",
  });
  expect(await ask("POST", "/build", undefined)).toEqual({ status: 501, message: "docknet does not emulate builds" });
});

test("a body of another type than JSON is refused", async () => {
  const answer = await app.inject({
    method: "POST",
    url: "/networks/create",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    payload: "{}",
  });
  expect(answer.statusCode).toBe(400);
  expect(answer.body).toBe(
    `{"message":"unsupported Content-Type header (application/x-www-form-urlencoded): must be 'application/json'"}\n`,
  );
});

test("a body beyond 1 MiB is refused", async () => {
  const { status } = await ask("POST", "/networks/create", { Name: "x".repeat(1024 * 1024) });
  expect(status).toBe(413);
});
