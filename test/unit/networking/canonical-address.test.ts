import { describe, expect, it } from 'vitest';
import { canonicalAddress } from '#lib/networking/canonical-address';

describe('canonicalAddress', () => {
  it.each([
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    // RFC 5952: the longest run of zeroes, the first of equal ones, never a single one, lower case.
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['::ffff:0102:0304', '::ffff:1.2.3.4'],
    ['FE80:0:0:0:0:0:0:1%eth0', 'fe80::1%eth0'],
    ['127.0.0.1', '127.0.0.1'],
    ['localhost', 'localhost'],
    ['', ''],
  ])('turns %j into %j', (given, expected) => {
    expect(canonicalAddress(given)).toBe(expected);
  });
});
