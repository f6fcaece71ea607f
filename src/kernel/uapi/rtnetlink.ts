/**
 * Numbers of include/uapi/linux/{rtnetlink,if,if_link,if_addr,if_bridge,veth,neighbour,fib_rules,net_namespace}.h, as they are named there.
 */

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_GETNETCONF = 82;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;
export const RTM_NEWNSID = 88;
export const RTM_GETNSID = 90;

export const RTM_F_CLONED = 0x200;

export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_LINK = 5;
export const IFLA_QDISC = 6;
export const IFLA_MASTER = 10;
export const IFLA_PROTINFO = 12;
export const IFLA_LINKINFO = 18;
export const IFLA_NET_NS_FD = 28;
export const IFLA_CARRIER = 33;
export const IFLA_LINK_NETNSID = 37;

export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
export const IFLA_INFO_SLAVE_DATA = 5;

export const IFLA_MACVLAN_MODE = 1;
export const IFLA_VLAN_ID = 1;
export const IFLA_BRPORT_MODE = 4;
export const VETH_INFO_PEER = 1;

export const AF_BRIDGE = 7;
export const IFF_UP = 1;

export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;
export const IFA_BROADCAST = 4;

export const IFA_F_SECONDARY = 1;
export const IFA_F_PERMANENT = 0x80;

export const RTA_DST = 1;
export const RTA_SRC = 2;
export const RTA_IIF = 3;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PRIORITY = 6;
export const RTA_PREFSRC = 7;
export const RTA_CACHEINFO = 12;
export const RTA_TABLE = 15;
export const RTA_MARK = 16;

export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_HOST = 254;

export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;

export const RTPROT_KERNEL = 2;
export const RTPROT_BOOT = 3;

export const RTN_UNICAST = 1;
export const RTNH_F_ONLINK = 4;

export const FRA_PRIORITY = 6;
export const FRA_TABLE = 15;

export const NDA_DST = 1;
export const NUD_INCOMPLETE = 1;
export const NUD_FAILED = 0x20;
export const NUD_PERMANENT = 0x80;

export const NETNSA_NSID = 1;
export const NETNSA_FD = 3;
