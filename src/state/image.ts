/**
 * An image is only a name here: what matters of it is which ports it exposes, so that a built-in responder can stand in.
 * The table holds official images of Docker Hub and what their Dockerfiles EXPOSE.
 */
import type { Port, Proto, ProtoPort } from "../net/port.ts";

const tcp = (...ports: number[]): ProtoPort[] => ports.map((p) => ({ port: p as Port, proto: "tcp" as Proto }));
const udp = (...ports: number[]): ProtoPort[] => ports.map((p) => ({ port: p as Port, proto: "udp" as Proto }));

const EXPOSED = new Map<string, readonly ProtoPort[]>(
  Object.entries({
    "4km3/dnsmasq": [...tcp(53), ...udp(53)],
    "adguard/adguardhome": [...tcp(53, 80, 443, 853, 3000, 5443, 6060), ...udp(53, 67, 68, 443, 853, 3000, 5443)],
    adminer: tcp(8080),
    caddy: [...tcp(80, 443, 2019), ...udp(443)],
    cassandra: tcp(7000, 7001, 7199, 9042, 9160),
    "coredns/coredns": [...tcp(53), ...udp(53)],
    elasticsearch: tcp(9200, 9300),
    ghost: tcp(2368),
    "grafana/grafana": tcp(3000),
    haproxy: [],
    httpd: tcp(80),
    influxdb: tcp(8086),
    "internetsystemsconsortium/bind9": [...tcp(53, 443, 853, 953), ...udp(53)],
    "klutchell/unbound": [...tcp(53), ...udp(53)],
    "linuxserver/wireguard": udp(51820),
    mariadb: tcp(3306),
    memcached: tcp(11211),
    mongo: tcp(27017),
    "mvance/unbound": [...tcp(53), ...udp(53)],
    mysql: tcp(3306, 33060),
    nats: tcp(4222, 6222, 8222),
    nextcloud: tcp(80),
    nginx: tcp(80),
    phpmyadmin: tcp(80),
    "pihole/pihole": [...tcp(53, 80, 443), ...udp(53, 67, 123)],
    postgres: tcp(5432),
    "prom/alertmanager": tcp(9093),
    "prom/node-exporter": tcp(9100),
    "prom/prometheus": tcp(9090),
    rabbitmq: tcp(4369, 5671, 5672, 15691, 15692, 25672),
    redis: tcp(6379),
    registry: tcp(5000),
    tomcat: tcp(8080),
    traefik: tcp(80),
    "traefik/whoami": tcp(80),
    "ubuntu/bind9": [...tcp(53), ...udp(53)],
    valkey: tcp(6379),
    varnish: tcp(80, 8443),
    vault: tcp(8200),
    wordpress: tcp(80),
  }),
);

/** @param reference "nginx", "docker.io/library/postgres:16", "grafana/grafana@sha256:..." */
export function exposedPorts(reference: string | undefined): readonly ProtoPort[] {
  if (!reference) return [];
  const bare = reference.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  const name = bare.replace(/^(docker\.io|index\.docker\.io)\//, "").replace(/^library\//, "");
  return EXPOSED.get(name) ?? [];
}
