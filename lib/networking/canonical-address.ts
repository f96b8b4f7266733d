import { isIPv6, SocketAddress } from 'node:net';

/**
 * The text that inet_ntop(3) gives for an address, in the form of RFC 5952: an address has one
 * text, by whatever text it was given. A zone behind a % stays; a text that is no IPv6 address is
 * returned as it is (IPv4 addresses have one text only).
 */
export function canonicalAddress(text: string): string {
  const [address = '', zone] = text.split('%', 2);
  if (!isIPv6(address)) return text;
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  return zone === undefined ? canonical : `${canonical}%${zone}`;
}
