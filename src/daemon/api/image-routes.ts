/**
 * /images: an image is only a name in a lab. Those that containers have and those that were pulled are there; were every name an
 * image, `docker inspect` would take each unknown object for one. Source: moby daemon/server/router/image.
 */
import type { FastifyInstance } from "fastify";
import { exposedPorts } from "../../state/image.ts";
import { defaultCommand } from "../../state/tool-image.ts";
import type { Engine } from "../engine.ts";
import { openStream, queryOf, sendJson } from "./exchange.ts";
import { type ImageName, imageId, parseImageName } from "./image-name.ts";
import { encodeDocument, JSON_TYPE } from "./json.ts";
import { httpError, notEmulated } from "./refuse.ts";

const MAX_PULLED = 10_000;

export function imageRoutes(app: FastifyInstance, engine: Engine): void {
  const pulled = new Set<string>();
  app.get("/images/json", (_request, reply) => sendJson(reply, []));

  app.post("/images/create", (request, reply) => {
    const { fromImage = "", fromSrc, tag = "" } = queryOf(request);
    if (fromSrc !== undefined) throw notEmulated("the import of images");
    const separator = tag.includes(":") ? "@" : ":";
    const name = parseImageName(tag === "" ? fromImage : `${fromImage}${separator}${tag}`);
    if (pulled.size < MAX_PULLED) pulled.add(imageId(name));
    const sink = openStream(reply, JSON_TYPE);
    for (const document of pullProgress(name)) sink.write(`${encodeDocument(document)}\r\n`);
    sink.end();
  });

  app.post("/images/prune", (_request, reply) => sendJson(reply, { ImagesDeleted: null, SpaceReclaimed: 0 }));

  app.get("/images/search", () => {
    throw notEmulated("image search");
  });

  // names have slashes: what is asked of them is the last part
  app.get("/images/*", (request, reply) => {
    const [, name, verb] = /^(.+)\/([a-z]+)$/.exec((request.params as { readonly "*": string })["*"]) ?? [];
    if (name === undefined || verb !== "json") throw notEmulated(`image ${verb ?? "requests"}`);
    const image = parseImageName(name);
    const used = engine.state.containers.map((c) => c.image && imageId(parseImageName(c.image)));
    if (!pulled.has(imageId(image)) && !used.includes(imageId(image))) throw noImage(image);
    return sendJson(reply, imageDetails(image, engine.startedAt));
  });

  app.post("/images/*", () => {
    throw notEmulated("changes of images");
  });

  app.delete("/images/*", (request) => {
    throw noImage(parseImageName((request.params as { readonly "*": string })["*"]));
  });
}

const noImage = ({ familiar, tag }: ImageName): Error => httpError(404, `No such image: ${familiar}:${tag}`);

function pullProgress(name: ImageName): readonly object[] {
  const shown = `${name.familiar}:${name.tag}`;
  return [
    { status: `Pulling from ${name.full.replace(/^docker\.io\//, "")}`, id: name.tag },
    { status: `Digest: ${imageId(name)}` },
    { status: `Status: Image is up to date for ${shown}` },
  ];
}

/** Field order as dockerd 28.5.2. @param created when the daemon began: no image has a time of its own */
export function imageDetails(name: ImageName, created: string): object {
  const reference = `${name.familiar}:${name.tag}`;
  const ports = exposedPorts(reference).map(({ port, proto }) => [`${port}/${proto}`, {}] as const);
  return {
    Id: imageId(name),
    RepoTags: [reference],
    RepoDigests: [],
    Parent: "",
    Comment: "",
    Created: created,
    DockerVersion: "",
    Author: "",
    Architecture: process.arch === "x64" ? "amd64" : process.arch,
    Os: "linux",
    Size: 0,
    GraphDriver: { Data: null, Name: "overlay2" },
    RootFS: { Type: "layers" },
    Metadata: { LastTagTime: created },
    Config: {
      Cmd: defaultCommand(name.familiar) ?? null,
      Entrypoint: null,
      Env: null,
      ...(ports.length > 0 ? { ExposedPorts: Object.fromEntries(ports) } : {}),
      Labels: null,
      OnBuild: null,
      User: "",
      Volumes: null,
      WorkingDir: "",
    },
  };
}
