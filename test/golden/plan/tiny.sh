#!/bin/sh
# docknet plan of lab lab: run as root; docknet plan --down prints the way back
set -e

# --- @lan
ip netns add lab.lan
ip -n lab.lan link set lo up
ip netns exec lab.lan sysctl -qw net.ipv4.ip_forward=0
ip netns exec lab.lan sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec lab.lan sysctl -qw net.ipv4.conf.default.rp_filter=0
ip netns exec lab.lan sysctl -qw net.ipv4.conf.all.route_localnet=0
ip netns exec lab.lan sysctl -qw net.ipv4.icmp_ratemask=0
ip netns exec lab.lan sysctl -qw net.ipv4.ip_unprivileged_port_start=0
ip netns exec lab.lan sysctl -qw 'net.ipv4.ping_group_range=0 2147483647'
ip netns exec lab.lan sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip netns exec lab.lan sysctl -qw net.bridge.bridge-nf-call-iptables=0

# --- @router
ip netns add lab.router
ip -n lab.router link set lo up
ip netns exec lab.router sysctl -qw net.ipv4.ip_forward=1
ip netns exec lab.router sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec lab.router sysctl -qw net.ipv4.conf.default.rp_filter=0
ip netns exec lab.router sysctl -qw net.ipv4.conf.all.route_localnet=0
ip netns exec lab.router sysctl -qw net.ipv4.icmp_ratemask=0
ip netns exec lab.router sysctl -qw net.ipv4.ip_unprivileged_port_start=0
ip netns exec lab.router sysctl -qw 'net.ipv4.ping_group_range=0 2147483647'
ip netns exec lab.router sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# --- @neighbour
ip netns add lab.neighbour
ip -n lab.neighbour link set lo up
ip netns exec lab.neighbour sysctl -qw net.ipv4.ip_forward=0
ip netns exec lab.neighbour sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec lab.neighbour sysctl -qw net.ipv4.conf.default.rp_filter=0
ip netns exec lab.neighbour sysctl -qw net.ipv4.conf.all.route_localnet=0
ip netns exec lab.neighbour sysctl -qw net.ipv4.icmp_ratemask=0
ip netns exec lab.neighbour sysctl -qw net.ipv4.ip_unprivileged_port_start=0
ip netns exec lab.neighbour sysctl -qw 'net.ipv4.ping_group_range=0 2147483647'
ip netns exec lab.neighbour sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# --- @internet
ip netns add lab.internet
ip -n lab.internet link set lo up
ip netns exec lab.internet sysctl -qw net.ipv4.ip_forward=0
ip netns exec lab.internet sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec lab.internet sysctl -qw net.ipv4.conf.default.rp_filter=0
ip netns exec lab.internet sysctl -qw net.ipv4.conf.all.route_localnet=0
ip netns exec lab.internet sysctl -qw net.ipv4.icmp_ratemask=0
ip netns exec lab.internet sysctl -qw net.ipv4.ip_unprivileged_port_start=0
ip netns exec lab.internet sysctl -qw 'net.ipv4.ping_group_range=0 2147483647'
ip netns exec lab.internet sysctl -qw net.ipv6.conf.default.disable_ipv6=1

# --- @host
ip netns add lab.host
ip -n lab.host link set lo up
ip netns exec lab.host sysctl -qw net.ipv4.ip_forward=1
ip netns exec lab.host sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec lab.host sysctl -qw net.ipv4.conf.default.rp_filter=0
ip netns exec lab.host sysctl -qw net.ipv4.conf.all.route_localnet=0
ip netns exec lab.host sysctl -qw net.ipv4.icmp_ratemask=0
ip netns exec lab.host sysctl -qw net.ipv4.ip_unprivileged_port_start=0
ip netns exec lab.host sysctl -qw 'net.ipv4.ping_group_range=0 2147483647'
ip netns exec lab.host sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip netns exec lab.host sysctl -qw net.bridge.bridge-nf-call-iptables=0

# --- web
ip netns add lab.web
ip -n lab.web link set lo up
ip netns exec lab.web sysctl -qw net.ipv4.ip_forward=1
ip netns exec lab.web sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec lab.web sysctl -qw net.ipv4.conf.default.rp_filter=0
ip netns exec lab.web sysctl -qw net.ipv4.conf.all.route_localnet=0
ip netns exec lab.web sysctl -qw net.ipv4.icmp_ratemask=0
ip netns exec lab.web sysctl -qw net.ipv4.ip_unprivileged_port_start=0
ip netns exec lab.web sysctl -qw 'net.ipv4.ping_group_range=0 2147483647'
ip -n lab.lan link add name sw0 address 8a:8c:96:c9:96:4d type bridge
ip -n lab.lan link set sw0 up
ip -n lab.lan link add name host address 9a:48:3b:e9:5b:85 type veth peer name eth0 address 2a:da:1f:1b:02:b9 netns lab.host
ip -n lab.lan link set host master sw0
ip -n lab.lan link set host up
ip -n lab.host address add 192.168.0.10/24 broadcast + dev eth0
ip -n lab.host link set eth0 up
ip -n lab.lan link add name router address 16:9f:b8:93:fe:4e type veth peer name lan0 address b2:f6:15:d7:1e:1a netns lab.router
ip -n lab.lan link set router master sw0
ip -n lab.lan link set router up
ip -n lab.router address add 192.168.0.1/24 broadcast + dev lan0
ip -n lab.router link set lan0 up
ip -n lab.lan link add name neighbour address 9a:82:66:77:23:15 type veth peer name eth0 address a6:f5:ed:8a:c0:4f netns lab.neighbour
ip -n lab.lan link set neighbour master sw0
ip -n lab.lan link set neighbour up
ip -n lab.neighbour address add 192.168.0.20/24 broadcast + dev eth0
ip -n lab.neighbour link set eth0 up
ip -n lab.neighbour route add default via 192.168.0.1
ip -n lab.neighbour route add 172.17.0.0/16 via 192.168.0.10
ip netns exec lab.router iptables-restore --noflush <<'RULES'
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o wan0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i wan0 -m conntrack --ctstate DNAT -j ACCEPT
-A FORWARD -d 10.0.0.0/8 -o wan0 -j REJECT --reject-with icmp-net-unreachable
-A FORWARD -d 172.16.0.0/12 -o wan0 -j REJECT --reject-with icmp-net-unreachable
-A FORWARD -d 192.168.0.0/16 -o wan0 -j REJECT --reject-with icmp-net-unreachable
-A FORWARD -i lan0 -j ACCEPT
COMMIT
RULES
ip -n lab.router link add name wan0 address 42:b0:9f:f4:b2:9f type veth peer name eth0 address f2:54:13:93:05:48 netns lab.internet
ip -n lab.router address add 203.0.113.91/24 broadcast + dev wan0
ip -n lab.router link set wan0 up
ip -n lab.internet address add 203.0.113.80/24 broadcast + dev eth0
ip -n lab.internet address add 203.0.113.53/24 broadcast + dev eth0
ip -n lab.internet link set eth0 up
ip -n lab.router route add default via 203.0.113.80
ip -n lab.host link add name docker0 address 86:86:07:e9:6e:37 mtu 1500 type bridge
ip netns exec lab.host sysctl -qw net.ipv6.conf.docker0.accept_ra=0
ip -n lab.host address add 172.17.0.1/16 broadcast + dev docker0
ip -n lab.host link set docker0 up
ip netns exec lab.host iptables-restore --noflush <<'RULES'
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-INTERNAL - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-INTERNAL
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
COMMIT
RULES
ip -n lab.host link add name veth7e62500 address 0e:03:00:88:a3:17 mtu 1500 type veth peer name eth0 address 46:fd:8a:e2:70:bb mtu 1500 netns lab.web
ip -n lab.host link set veth7e62500 master docker0
ip -n lab.host link set veth7e62500 up
ip netns exec lab.web sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
ip -n lab.web address add 172.17.0.2/16 broadcast + dev eth0
ip -n lab.web link set eth0 up
ip -n lab.web route add default via 172.17.0.1 dev eth0
ip -n lab.host route add default via 192.168.0.1
# docknet listens here itself, where Docker runs: docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80
# docknet listens here itself, where Docker runs: docker-proxy -proto tcp -host-ip :: -host-port 8080 -container-ip 172.17.0.2 -container-port 80
