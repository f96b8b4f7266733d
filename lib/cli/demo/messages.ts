/** What the kinds of echo server are called, in the order in which they are shown. */
export const KINDS = ['tcp', 'unix', 'udp', 'unixgram'] as const;
export type Kind = (typeof KINDS)[number];

export const KIND_NAMES: Readonly<Record<Kind, string>> = {
  tcp: 'TCP',
  unix: 'Unix stream',
  udp: 'UDP',
  unixgram: 'Unix datagram',
};

/** Where a server process listens: ports, and paths. A kind that it cannot serve is missing. */
export interface Addresses {
  readonly tcp?: number;
  readonly udp?: number;
  readonly unix?: string;
  readonly unixgram?: string;
  /** A Unix stream socket that takes fds of connections over. */
  readonly handOver?: string;
}

export type ToServer = { readonly type: 'usage' } | { readonly type: 'stop' };

export type FromServer =
  | { readonly type: 'ready'; readonly addresses: Addresses }
  /** CPU time of the process so far, in microseconds. */
  | { readonly type: 'usage'; readonly user: number; readonly system: number }
  | { readonly type: 'failed'; readonly message: string };

export const MESSAGE_BYTES = 1000;
