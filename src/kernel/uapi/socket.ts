/**
 * Numbers of socket(7), unix(7), ip(7), tcp(7), packet(7) and their headers for all 64-bit architectures (include/uapi/asm-generic/socket.h, linux/{in,in6,tcp,if_packet,netlink}.h).
 */

export const SOL_SOCKET = 1;
export const SOL_PACKET = 263;
export const SOL_NETLINK = 270;

export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_RCVBUF = 8;
export const SO_LINGER = 13;
export const SO_PEERCRED = 17;
export const SO_ATTACH_FILTER = 26;
export const SO_RCVBUFFORCE = 33;
export const SO_TIMESTAMPNS = 35;
export const SO_DOMAIN = 39;
export const SO_SELECT_ERR_QUEUE = 45;
export const SO_NETNS_COOKIE = 71;

/** Bytes of struct cmsghdr: length (8), level (4), type (4); the data is padded to 8 (cmsg(3)). */
export const CMSG_HEADER = 16;
export const SCM_RIGHTS = 1;
export const SCM_TIMESTAMPNS = 35;

export const MSG_DONTWAIT = 0x40;
/** A peer that has gone shall be EPIPE, not a signal. */
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

export const IP_PKTINFO = 8;
export const IP_RECVERR = 11;
export const IP_BIND_ADDRESS_NO_PORT = 24;

export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;

export const TCP_REPAIR_OFF_NO_WP = -1;
export const TCP_SEND_QUEUE = 2;
export const TCP_SYNCNT = 7;
export const TCP_REPAIR = 19;
export const TCP_REPAIR_QUEUE = 20;
export const TCP_QUEUE_SEQ = 21;

export const PACKET_OUTGOING = 4;
export const PACKET_STATISTICS = 6;
export const PACKET_AUXDATA = 8;

export const TP_STATUS_VLAN_VALID = 1 << 4;
export const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
