import {
  type AsyncListener,
  type AsyncStreamTransport,
  type InetAddress,
  SocketAttribute,
} from '../index';
import { type Endpoint, formatEndpoint } from './endpoint';

/**
 * The address of a listener, as a command-line argument. Port 0 is replaced by the port that the
 * kernel chose.
 */
export function describeListener(
  listener: Pick<AsyncListener<AsyncStreamTransport>, 'extra'>,
  endpoint: Endpoint,
): string {
  if (endpoint.kind !== 'tcp' && endpoint.kind !== 'udp') return formatEndpoint(endpoint);
  const { address, port } = listener.extra(SocketAttribute.localAddress) as InetAddress;
  return formatEndpoint({ kind: endpoint.kind, host: address, port });
}
