import type { TypedAttribute } from '../contract/attributes';
import type { InetAddress, RawAddress, UnixPath } from '../contract/addresses';
import type { PeerCredentials } from '../contract/ancillary';
import type { Socket } from '../contract/socket';
import { AttributeLookupError } from '../errors';
import type { SocketOptions } from '../socket/options';

/** A key of one's own, for transports of one's own. */
export function typedAttribute<T>(name: string): TypedAttribute<T> {
  return Object.freeze({ name });
}

/** The attributes of transports and listeners that stand on a socket. */
export const SocketAttribute = Object.freeze({
  /**
   * The socket under it: the same fd, for options and the like. Closing either closes both; receive
   * and send through one of them.
   */
  socket: typedAttribute<Socket>('socket'),
  /** AF_INET, AF_INET6 or AF_UNIX, as `constants` numbers them. */
  family: typedAttribute<number>('family'),
  localAddress: typedAttribute<InetAddress | UnixPath | RawAddress>('localAddress'),
  /** Listeners have none. */
  remoteAddress: typedAttribute<InetAddress | UnixPath | RawAddress>('remoteAddress'),
  /** Of the process that connected, or listened: Unix stream sockets only. */
  peerCredentials: typedAttribute<PeerCredentials>('peerCredentials'),
  /** Typed socket options. */
  options: typedAttribute<SocketOptions>('options'),
});

/** What computes each attribute, by key. A getter that throws means: not to be had now. */
export type AttributeGetters = ReadonlyMap<TypedAttribute<unknown>, () => unknown>;

/** The lookup behind every `extra`: the value, or the fallback, or an error. */
export function lookUp<T>(
  getters: AttributeGetters,
  attribute: TypedAttribute<T>,
  fallback: T | undefined,
): T {
  const getter = getters.get(attribute);
  let cause: unknown;
  if (getter !== undefined) {
    try {
      return getter() as T;
    } catch (error) {
      cause = error;
    }
  }
  if (fallback !== undefined) return fallback;
  const why = getter === undefined ? 'there is none here' : 'it is not available';
  throw new AttributeLookupError(`Attribute "${attribute.name}": ${why}`, { cause });
}
