/** What a service of a compose file may look like. Source: compose-spec schema/compose-spec.json; compose-go override/uncity.go. */
import { anything, either, type Kind, listOf, mapOf, recordOf, type Shape, scalarOf, strictRecordOf } from "./shape.ts";
import {
  duration,
  mergedPairs,
  mergedTexts,
  notEmpty,
  number,
  numberOrText,
  numberOrWholeText,
  oneOf,
  options,
  pairs,
  size,
  text,
  textLike,
  textOrMergedTexts,
  textOrNull,
  textOrNumber,
  textOrTexts,
  texts,
  truth,
  truthOrText,
  wholeOr,
  wholeOrText,
} from "./shape-value.ts";

/** Keys of services, networks and volumes. */
export const RESOURCE_NAME = /^[a-zA-Z0-9._-]+$/;

const nothing: Shape = scalarOf(["null"]);
const orNothing = (shape: Shape): Shape => either(shape, nothing);
const TEXT_OR_WHOLE: readonly Kind[] = ["integer", "string"];

const command: Shape = either(textOrNull, listOf(text));

const extraHosts: Shape = either(mapOf(either(text, listOf(text))), texts);

const ulimit: Shape = either(wholeOrText(), recordOf({ soft: wholeOrText(), hard: wholeOrText() }, ["soft", "hard"]));
const ulimits: Shape = mapOf(ulimit, /^[a-z]+$/, true);

const fileMode: Shape = numberOrWholeText;

const fileMounts: Shape = listOf(
  either(text, recordOf({ source: text, target: text, uid: text, gid: text, mode: fileMode })),
);

const deviceCount: Shape = wholeOr("all");

const deviceRequest: Shape = recordOf(
  { capabilities: texts, count: deviceCount, device_ids: texts, driver: text, options: pairs },
  ["capabilities"],
);

const hook: Shape = recordOf({
  command,
  user: text,
  privileged: truthOrText,
  working_dir: text,
  environment: pairs,
});

const build: Shape = either(
  text,
  recordOf({
    context: text,
    dockerfile: text,
    dockerfile_inline: text,
    entitlements: mergedTexts,
    args: mergedPairs,
    ssh: pairs,
    labels: mergedPairs,
    cache_from: mergedTexts,
    cache_to: mergedTexts,
    no_cache: truthOrText,
    no_cache_filter: textOrTexts,
    additional_contexts: mergedPairs,
    network: text,
    provenance: scalarOf(["boolean", "string"]),
    sbom: scalarOf(["boolean", "string"]),
    pull: truthOrText,
    target: text,
    shm_size: size(TEXT_OR_WHOLE),
    extra_hosts: extraHosts,
    isolation: text,
    privileged: truthOrText,
    secrets: fileMounts,
    tags: mergedTexts,
    ulimits,
    platforms: mergedTexts,
  }),
);

const updateConfig: Shape = recordOf({
  parallelism: wholeOrText(),
  delay: duration,
  failure_action: text,
  monitor: duration,
  max_failure_ratio: numberOrText(),
  order: oneOf("start-first", "stop-first"),
});

const deploy: Shape = orNothing(
  recordOf({
    mode: text,
    endpoint_mode: text,
    replicas: wholeOrText(0),
    labels: mergedPairs,
    rollback_config: updateConfig,
    update_config: updateConfig,
    resources: recordOf({
      limits: recordOf({ cpus: numberOrText(), memory: size(["string"]), pids: wholeOrText() }),
      reservations: recordOf({
        cpus: numberOrText(),
        memory: size(["string"]),
        generic_resources: listOf(recordOf({ discrete_resource_spec: recordOf({ kind: text, value: textOrNumber }) })),
        devices: listOf(deviceRequest),
      }),
    }),
    restart_policy: recordOf({ condition: text, delay: duration, max_attempts: wholeOrText(), window: duration }),
    placement: recordOf({
      constraints: mergedTexts,
      preferences: listOf(recordOf({ spread: text })),
      max_replicas_per_node: wholeOrText(),
    }),
  }),
);

const develop: Shape = orNothing(
  recordOf({
    watch: listOf(
      recordOf(
        {
          ignore: textOrTexts,
          include: textOrTexts,
          path: notEmpty,
          action: oneOf("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
          target: text,
          exec: hook,
          initial_sync: truth,
        },
        ["path", "action"],
      ),
    ),
  }),
);

const dependsOn: Shape = either(
  texts,
  mapOf(
    recordOf(
      {
        restart: truthOrText,
        required: truth,
        condition: oneOf("service_started", "service_healthy", "service_completed_successfully"),
      },
      ["condition"],
    ),
    RESOURCE_NAME,
  ),
);

const attachment: Shape = recordOf({
  aliases: mergedTexts,
  interface_name: text,
  ipv4_address: text,
  ipv6_address: text,
  link_local_ips: mergedTexts,
  mac_address: text,
  driver_opts: options,
  priority: number,
  gw_priority: number,
});

const port: Shape = either(
  number,
  text,
  recordOf({
    name: text,
    mode: text,
    host_ip: text,
    target: scalarOf(TEXT_OR_WHOLE),
    published: scalarOf(TEXT_OR_WHOLE),
    protocol: text,
    app_protocol: text,
  }),
);

const mount: Shape = either(
  text,
  recordOf(
    {
      type: oneOf("bind", "volume", "tmpfs", "cluster", "npipe", "image"),
      source: text,
      target: text,
      read_only: truthOrText,
      consistency: text,
      bind: recordOf({
        propagation: text,
        create_host_path: truthOrText,
        recursive: oneOf("enabled", "disabled", "writable", "readonly"),
        selinux: oneOf("z", "Z"),
      }),
      volume: recordOf({ labels: mergedPairs, nocopy: truthOrText, subpath: text }),
      tmpfs: recordOf({ size: either(wholeOrText(0), size(["string"])), mode: textOrNumber }),
      image: recordOf({ subpath: text }),
    },
    ["type"],
  ),
);

const envFile: Shape = either(
  text,
  listOf(either(text, strictRecordOf({ path: text, format: text, required: truthOrText }, ["path"]))),
);

const blockLimits: Shape = listOf(strictRecordOf({ path: text, rate: size(TEXT_OR_WHOLE) }));
const blockWeights: Shape = listOf(strictRecordOf({ path: text, weight: wholeOrText() }));

export const serviceShape: Shape = recordOf({
  annotations: mergedPairs,
  attach: truthOrText,
  blkio_config: strictRecordOf({
    device_read_bps: blockLimits,
    device_read_iops: blockLimits,
    device_write_bps: blockLimits,
    device_write_iops: blockLimits,
    weight: wholeOrText(),
    weight_device: blockWeights,
  }),
  build,
  cap_add: mergedTexts,
  cap_drop: mergedTexts,
  cgroup: oneOf("host", "private"),
  cgroup_parent: text,
  command,
  configs: fileMounts,
  container_name: text,
  cpu_count: wholeOrText(0),
  cpu_percent: numberOrText(0, 100),
  cpu_period: numberOrWholeText,
  cpu_quota: numberOrWholeText,
  cpu_rt_period: numberOrWholeText,
  cpu_rt_runtime: numberOrWholeText,
  cpu_shares: numberOrWholeText,
  cpus: numberOrText(),
  cpuset: text,
  credential_spec: recordOf({ config: text, file: text, registry: text }),
  depends_on: dependsOn,
  deploy,
  develop,
  device_cgroup_rules: texts,
  devices: listOf(either(text, recordOf({ source: text, target: text, permissions: text }, ["source"]))),
  dns: textOrMergedTexts,
  dns_opt: mergedTexts,
  dns_search: textOrMergedTexts,
  domainname: text,
  entrypoint: command,
  env_file: envFile,
  environment: mergedPairs,
  expose: listOf(textOrNumber),
  // carried out before, and away by then
  extends: either(text, strictRecordOf({ service: text, file: text }, ["service"])),
  external_links: texts,
  extra_hosts: extraHosts,
  // what else stands in a request is not looked at
  gpus: either(oneOf("all"), listOf(mapOf(anything))),
  group_add: listOf(textOrNumber, true),
  healthcheck: recordOf({
    disable: truthOrText,
    interval: duration,
    retries: numberOrText(0),
    test: either(text, listOf(text)),
    timeout: duration,
    start_period: duration,
    start_interval: duration,
  }),
  hostname: text,
  image: text,
  init: truthOrText,
  ipc: text,
  isolation: text,
  label_file: either(text, listOf(text)),
  labels: mergedPairs,
  links: mergedTexts,
  logging: recordOf({ driver: text, options: mapOf(scalarOf(["null", "number", "string"])) }),
  mac_address: text,
  mem_limit: size(),
  mem_reservation: size(TEXT_OR_WHOLE),
  mem_swappiness: scalarOf(TEXT_OR_WHOLE),
  memswap_limit: size(),
  models: either(texts, mapOf(orNothing(recordOf({ endpoint_var: text, model_var: text })), RESOURCE_NAME, true)),
  network_mode: text,
  networks: either(texts, mapOf(orNothing(attachment), RESOURCE_NAME)),
  oom_kill_disable: truthOrText,
  oom_score_adj: wholeOrText(-1000, 1000),
  pid: text,
  pids_limit: numberOrWholeText,
  platform: text,
  ports: listOf(port),
  post_start: listOf(hook),
  pre_start: listOf(
    recordOf({
      command,
      image: text,
      user: text,
      privileged: truthOrText,
      working_dir: text,
      environment: pairs,
      per_replica: truthOrText,
    }),
  ),
  pre_stop: listOf(hook),
  privileged: truthOrText,
  profiles: mergedTexts,
  provider: recordOf(
    {
      type: text,
      options: mapOf(
        either(scalarOf(["boolean", "number", "string"]), listOf(scalarOf(["boolean", "number", "string"]))),
      ),
    },
    ["type"],
  ),
  pull_policy: textLike(
    /always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+/,
    "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+",
  ),
  pull_refresh_after: text,
  read_only: truthOrText,
  restart: text,
  runtime: text,
  scale: wholeOrText(0),
  secrets: fileMounts,
  security_opt: texts,
  shm_size: size(),
  stdin_open: truthOrText,
  stop_grace_period: duration,
  stop_signal: text,
  storage_opt: mapOf(anything),
  sysctls: mergedPairs,
  tmpfs: textOrMergedTexts,
  tty: truthOrText,
  ulimits,
  use_api_socket: truth,
  user: text,
  userns_mode: text,
  uts: text,
  volumes: listOf(mount),
  volumes_from: texts,
  working_dir: text,
});
