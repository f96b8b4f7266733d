/** A host, by name or by address, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * An IPv4 or IPv6 address and port. `address` is numeric text without a zone suffix: the zone of a
 * link-local address is `scopeId`.
 */
export interface InetAddress {
  readonly address: string;
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6';
  readonly flowinfo?: number;
  readonly scopeId?: number;
}

/**
 * The name of a Unix socket. A string is a path in UTF-8; bytes are a path in any encoding. A
 * leading NUL makes it a name in Linux's abstract namespace (unix(7)); '' is the unnamed address. A
 * path longer than sun_path (108 bytes on Linux, 104 on macOS) is ENAMETOOLONG and never cut.
 */
export type UnixPath = string | Uint8Array;

/**
 * A `sockaddr` as the kernel reads it, for families that have no type of their own here
 * (AF_NETLINK, AF_VSOCK, AF_PACKET, …).
 */
export interface RawAddress {
  readonly sockaddr: Uint8Array;
}

/** Any address that a socket can have. */
export type SocketAddress = InetAddress | UnixPath | RawAddress;

/** Restricts a look-up: getaddrinfo(3). Numbers are those of `constants`; 0 means any. */
export interface AddrInfoHints {
  readonly family?: number;
  readonly type?: number;
  readonly proto?: number;
  /**
   * AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV, AI_ADDRCONFIG, AI_V4MAPPED, AI_ALL.
   */
  readonly flags?: number;
}

/** One result of a look-up: getaddrinfo(3). */
export interface AddrInfo {
  readonly family: number;
  readonly type: number;
  readonly proto: number;
  /** The canonical name in the first result of a look-up with AI_CANONNAME; otherwise ''. */
  readonly canonname: string;
  readonly address: InetAddress;
}
