/**
 * Where a server process listens: ports, and paths of Unix sockets. A kind that the server does not
 * have is missing. `handOver` is a Unix stream socket that receives the fds of connections.
 * @typedef {{ tcp?: number, udp?: number, unix?: string, unixgram?: string, handOver?: string }}
 *   Addresses
 */

/** @typedef {'tcp' | 'unix' | 'udp' | 'unixgram'} Kind */

/**
 * The kinds of echo server, in the order of the table, with their names.
 * @type {Readonly<Record<Kind, string>>}
 */
export const KIND_NAMES = {
  tcp: 'TCP',
  unix: 'Unix stream',
  udp: 'UDP',
  unixgram: 'Unix datagram',
};

export const KINDS = /** @type {Kind[]} */ (Object.keys(KIND_NAMES));

export const MESSAGE_BYTES = 1000;
