import type { InetAddress, RawAddress, UnixPath } from '../../contract/addresses';
import type { AncillaryData } from '../../contract/ancillary';
import { type SystemError, systemError } from '../../errors';
import type { AddressCache } from '../../socket/address-cache';
import { receiveDatagram, receiveDatagramMessage } from '../../socket/datagram-io';
import type { Descriptor } from '../../socket/descriptor';
import { WOULD_BLOCK } from '../../socket/io-operation';
import { copyPacket } from '../../socket/receive-memory';
import { spend } from '../../waiting/turn-budget';

/** A datagram and its sender. */
export interface Received {
  readonly data: Uint8Array;
  /** Only if control messages were asked for. */
  readonly ancillary?: AncillaryData;
  readonly address: InetAddress | UnixPath | RawAddress;
}

/**
 * Datagrams per step. A slot holds the longest UDP datagram, so the slots take two megabytes of
 * address space. Only the pages that datagrams fill take memory.
 */
const BATCH = 32;
const SLOT_BYTES = 65536;

interface Slab {
  readonly bytes: Uint8Array;
  readonly sizes: Int32Array;
  readonly names: Uint8Array;
  readonly nameLengths: Int32Array;
}

let slab: Slab | undefined;

/**
 * The datagrams in the socket's receive buffer, in order of arrival, at most a batch and at most
 * `most`, but at least one.
 * @throws a system error, if it came before any datagram. An error behind datagrams is kept for the
 *   next receive.
 */
export function receiveFromAny(
  descriptor: Descriptor,
  addresses: AddressCache,
  most: number,
): Received[] | typeof WOULD_BLOCK {
  const count = Math.max(Math.min(most, BATCH), 1);
  const received = descriptor.type.isInet
    ? receiveBatch(descriptor, addresses, count)
    : receiveSingles(descriptor, addresses, count);
  // Each datagram is work for a handler. A flood of them must leave other tasks their turn.
  if (received !== WOULD_BLOCK) for (let i = 1; i < received.length; i++) spend();
  return received;
}

/** The next datagram, with its control messages. @throws as `receiveDatagramMessage` */
export function receiveWithAncillary(
  descriptor: Descriptor,
  ancillaryBufsize: number,
): Received[] | typeof WOULD_BLOCK {
  const message = receiveDatagramMessage(descriptor, ancillaryBufsize);
  if (message === WOULD_BLOCK) return WOULD_BLOCK;
  const { data, ancillary, address } = message;
  return [{ data, ancillary, address: address ?? '' }];
}

function receiveBatch(
  descriptor: Descriptor,
  addresses: AddressCache,
  most: number,
): Received[] | typeof WOULD_BLOCK {
  const { native } = descriptor.reactor;
  const { sockaddrMax } = native.limits;
  slab ??= {
    bytes: new Uint8Array(BATCH * SLOT_BYTES),
    sizes: new Int32Array(BATCH),
    names: new Uint8Array(BATCH * sockaddrMax),
    nameLengths: new Int32Array(BATCH),
  };
  const { bytes, sizes, names, nameLengths } = slab;
  const count = native.recvmmsg(descriptor.fd, bytes, SLOT_BYTES, most, sizes, names, nameLengths);
  if (descriptor.wouldBlock('read', count)) return WOULD_BLOCK;
  if (count < 0) throw systemError(count, 'recvmmsg');
  descriptor.received(count, most);
  const received: Received[] = [];
  for (let i = 0; i < count; i++) {
    const start = i * SLOT_BYTES;
    const size = sizes[i] as number;
    if (size < 0) {
      // Truncated. UDP datagrams never are, but those of other protocols over IP may be.
      descriptor.readError = size;
      continue;
    }
    received.push({
      data: copyPacket(bytes, start, size),
      address: addresses.decode(names, i * sockaddrMax, nameLengths[i] as number),
    });
  }
  return received;
}

let unixName: Uint8Array | undefined;

/** Unix datagrams have no greatest length, so each is received on its own. */
function receiveSingles(
  descriptor: Descriptor,
  addresses: AddressCache,
  most: number,
): Received[] | typeof WOULD_BLOCK {
  unixName ??= new Uint8Array(descriptor.reactor.native.limits.sockaddrMax);
  const received: Received[] = [];
  while (received.length < most) {
    try {
      const datagram = receiveDatagram(descriptor, unixName);
      if (datagram === WOULD_BLOCK) break;
      received.push({
        data: datagram.data,
        address: addresses.decode(unixName, 0, datagram.nameLength),
      });
    } catch (error) {
      const { errno } = error as Partial<SystemError>;
      if (received.length === 0 || errno === undefined) throw error;
      descriptor.readError = errno;
      break;
    }
  }
  return received.length > 0 ? received : WOULD_BLOCK;
}
