#!/usr/bin/perl
# What `tcpdump -i any -nn -v ip` prints of a packet's ends, for user namespaces in which tcpdump cannot run: as root it becomes another
# user by setgroups(2), which an unprivileged user namespace forbids. Its eyes are its own: nothing of docknet is in it.
use strict;
use warnings;
use Socket;

my ($AF_PACKET, $ETH_P_ALL, $ETH_P_IP, $SIOCGIFNAME) = (17, 0x0003, 0x0800, 0x8910);
my @DIRECTION = ("In", "B", "M", "P", "Out");
$| = 1;
socket(my $eye, $AF_PACKET, SOCK_DGRAM, unpack("S", pack("n", $ETH_P_ALL))) or die "socket: $!\n";
print STDERR "listening on any\n";
while (defined(my $from = recv($eye, my $packet, 65536, 0))) {
  # struct sockaddr_ll (packet(7))
  my (undef, $protocol, $index, undef, $type) = unpack("S n i S C", $from);
  next if $protocol != $ETH_P_IP || length($packet) < 20;
  my $name = pack("x16 i x20", $index);
  ioctl($eye, $SIOCGIFNAME, $name) or next;
  my ($ttl, $proto, $src, $dst) = unpack("x8 C C x2 a4 a4", $packet);
  my $ports = substr($packet, 4 * (ord($packet) & 15), 4);
  my ($sport, $dport) = ($proto == 6 || $proto == 17) && length($ports) == 4 ? map { ".$_" } unpack("n n", $ports) : ("", "");
  printf "%s %-3s IP (ttl %d, proto %d) %s%s > %s%s:\n", unpack("Z16", $name), $DIRECTION[$type] // "?", $ttl, $proto,
    inet_ntoa($src), $sport, inet_ntoa($dst), $dport;
}
