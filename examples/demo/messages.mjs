/** What the kinds of echo server are called, in the order in which they are shown. */
export const KINDS = ['tcp', 'unix', 'udp', 'unixgram'];

export const KIND_NAMES = {
  tcp: 'TCP',
  unix: 'Unix stream',
  udp: 'UDP',
  unixgram: 'Unix datagram',
};

export const MESSAGE_BYTES = 1000;
