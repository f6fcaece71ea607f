/** The keys that a compose file may have where this tool looks. Source: compose-spec schema/compose-spec.json. */

const set = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

export const TOP_KEYS = set("version name include services models networks volumes secrets configs");

export const SERVICE_KEYS = set(`
  annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name cpu_count
  cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on deploy
  develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint env_file environment expose extends
  external_links extra_hosts gpus group_add healthcheck hostname image init ipc isolation label_file labels links logging
  mac_address mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable
  oom_score_adj pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
  pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period
  stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir`);

export const ATTACHMENT_KEYS = set(
  "aliases interface_name ipv4_address ipv6_address link_local_ips mac_address driver_opts priority gw_priority",
);

export const PORT_KEYS = set("name mode host_ip target published protocol app_protocol");

export const DEPENDENCY_KEYS = set("restart required condition");

export const NETWORK_KEYS = set(
  "name driver driver_opts ipam external internal enable_ipv4 enable_ipv6 attachable labels",
);

export const IPAM_KEYS = set("driver config options");

export const POOL_KEYS = set("subnet ip_range gateway aux_addresses");

/** Keys of services and networks (schema: patternProperties). */
export const RESOURCE_NAME = /^[a-zA-Z0-9._-]+$/;
