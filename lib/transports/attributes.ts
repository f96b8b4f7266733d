import type { TypedAttribute } from '../contract/attributes';
import type { InetAddress, RawAddress, UnixPath } from '../contract/addresses';
import type { PeerCredentials } from '../contract/ancillary';
import type { Socket } from '../contract/socket';
import type { AsyncBaseTransport } from '../contract/transports';
import { AttributeLookupError } from '../errors';
import type { SocketOptions } from '../socket/options';

/**
 * A new attribute key, for custom transports. Keys are compared by identity: two keys of one name
 * are different keys. A set of keys is a frozen object of them, like `SocketAttribute`.
 *
 * @example
 * const SerialAttribute = Object.freeze({ baudRate: typedAttribute('baudRate') });
 * class SerialPort extends BaseTransport {
 *   attributes() {
 *     return new Map([[SerialAttribute.baudRate, () => 9600]]);
 *   }
 * }
 * await using port = new SerialPort(backend);
 * console.log(port.extra(SerialAttribute.baudRate)); // → 9600
 * console.log(port.extra(SocketAttribute.family, 'none')); // → none
 */
export function typedAttribute<T>(name: string): TypedAttribute<T> {
  return Object.freeze({ name });
}

/** The attributes of transports and listeners on a socket. */
export const SocketAttribute = Object.freeze({
  /**
   * The socket of the transport, with the same fd, for options and the like. Closing either closes
   * both. Receive and send through one of them only.
   */
  socket: typedAttribute<Socket>('socket'),
  /** AF_INET, AF_INET6 or AF_UNIX, as `constants` numbers them. */
  family: typedAttribute<number>('family'),
  localAddress: typedAttribute<InetAddress | UnixPath | RawAddress>('localAddress'),
  /** The peer's address. Listeners do not have this attribute. */
  remoteAddress: typedAttribute<InetAddress | UnixPath | RawAddress>('remoteAddress'),
  /** Credentials of the process at the other end. Only Unix stream sockets have this attribute. */
  peerCredentials: typedAttribute<PeerCredentials>('peerCredentials'),
  /** Typed socket options. */
  options: typedAttribute<SocketOptions>('options'),
});

/**
 * The getters of a transport's attributes, by key. A getter that throws means that the attribute is
 * not available at present.
 */
export type AttributeGetters = ReadonlyMap<TypedAttribute<unknown>, () => unknown>;

/** Compared by identity: no attribute has this value. */
const MISSING = Object.freeze({});

/**
 * The look-up of every `extra`: the value, else that of the first of `wrapped` that has one, else
 * the fallback.
 * @throws AttributeLookupError if there is neither; its cause is what the getter threw
 */
export function lookUp<T>(
  getters: AttributeGetters,
  attribute: TypedAttribute<T>,
  fallback: T | undefined,
  wrapped: readonly AsyncBaseTransport[] = [],
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
  for (const transport of wrapped) {
    const value = transport.extra<unknown>(attribute, MISSING);
    if (value !== MISSING) return value as T;
  }
  if (fallback !== undefined) return fallback;
  throw new AttributeLookupError(
    getter === undefined
      ? `Attribute "${attribute.name}": this transport does not have it`
      : `Attribute "${attribute.name}": not available at present`,
    { cause },
  );
}
