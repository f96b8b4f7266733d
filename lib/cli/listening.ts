import {
  type AsyncListener,
  type AsyncStreamTransport,
  type InetAddress,
  SocketAttribute,
} from '../index';
import { type Endpoint, formatEndpoint } from './endpoint';

/**
 * Where a listener listens, as an endpoint is typed, with the address that it has in the end: port
 * 0 becomes a number.
 */
export function describeListener(
  listener: Pick<AsyncListener<AsyncStreamTransport>, 'extra'>,
  endpoint: Endpoint,
): string {
  if (endpoint.kind !== 'tcp' && endpoint.kind !== 'udp') return formatEndpoint(endpoint);
  const { address, port } = listener.extra(SocketAttribute.localAddress) as InetAddress;
  return formatEndpoint({ kind: endpoint.kind, host: address, port });
}
