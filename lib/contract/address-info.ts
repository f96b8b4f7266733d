import type { InetAddress } from '../socket/address';

/** What to look for: getaddrinfo(3). Numbers are those of `constants`; 0 means any. */
export interface AddrInfoHints {
  readonly family?: number;
  readonly type?: number;
  readonly proto?: number;
  /**
   * AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV, AI_ADDRCONFIG, AI_V4MAPPED, AI_ALL.
   */
  readonly flags?: number;
}

/** One answer of getaddrinfo(3). */
export interface AddrInfo {
  readonly family: number;
  readonly type: number;
  readonly proto: number;
  /** With AI_CANONNAME, in the first answer; else ''. */
  readonly canonname: string;
  readonly address: InetAddress;
}
